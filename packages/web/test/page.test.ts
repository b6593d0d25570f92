/** The page in Debian's Chromium, before a pair of speakers with 700 neighbors. */

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import type { Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { until } from "../../../test/lab/until.ts";
import { untilNsr } from "../../../testkit/pair.ts";
import { WAIT_MS } from "../../../testkit/speaker.ts";
import {
  COMMUNITY,
  MARKED,
  MEMBER,
  NEIGHBORS,
  ONE,
  OPERATOR,
  ROUTES,
  Scene,
  sceneReason,
  TWO,
} from "./scene.ts";

const REASON = sceneReason();
const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const PHONE = { width: 390, height: 844 } as const;
const SPACE = "\u202f";

const explain = (prefix: string, neighbor: string, direction: string) =>
  `#/explain?${new URLSearchParams({ prefix, neighbor, direction })}`;

/** Every page, and a text that stands there once it has its answers. */
const PAGES: readonly (readonly [name: string, place: string, text: string])[] = [
  ["overview", "", "not registered"],
  ["neighbors", "#/neighbors", "Member 5"],
  ["received", `#/neighbors/${ONE}?view=received`, "16.0.0.0/24"],
  ["accepted", `#/neighbors/${ONE}?view=accepted`, "16.0.0.0/24"],
  ["rejected", `#/neighbors/${ONE}?view=rejected`, "not registered"],
  ["exported", `#/neighbors/${TWO}?view=advertised`, "16.0.0.0/24"],
  ["not exported", `#/neighbors/${TWO}?view=not-advertised`, "stays here"],
  ["session", `#/neighbors/${ONE}`, "4-octet AS"],
  ["routes", "#/routes", "16.0.0.0/24"],
  ["explain import", explain("16.1.0.0/24", ONE, "import"), "prefix: unregistered"],
  ["explain export", explain("16.2.0.0/24", TWO, "export"), "prefix: kept"],
  ["nonstop routing", "#/nsr", "can take over"],
  ["validation", "#/rpki", "counts"],
];

let scene: Scene;

/** Of the rows that a table has as elements. */
const rows = (page: Page) => page.locator(".tablebox tbody tr:not(.gap)");
const shown = (page: Page, text: string) => page.getByText(text).first().waitFor();

describe.skipIf(REASON !== null)(
  `the page${REASON === null ? "" : ` (skipped: ${REASON})`}`,
  () => {
    beforeAll(async () => {
      scene = await Scene.start();
    });

    afterAll(async () => {
      await scene?.end();
    });

    describe.each(PAGES)("%s", (_name, place, text) => {
      test.each([
        ["light", {}],
        ["dark, on a phone", { theme: "dark", ...PHONE }],
      ] as const)("%s: is there, and axe has nothing against it", (_look, looks) =>
        scene.look(
          place,
          async (page) => {
            await shown(page, text);
            expect(await complaints(page)).toEqual([]);
            expect(await page.evaluate("document.body.scrollWidth <= innerWidth")).toBe(true);
          },
          looks,
        ),
      );
    });

    test("the overview counts sessions, routes, and those rejected by reason", () =>
      scene.look("", async (page) => {
        const figure = (name: string) => page.locator(".figure", { hasText: name });
        await until(
          async () => (await figure("Routes accepted").innerText()).includes(`2${SPACE}489`),
          WAIT_MS,
          "2,489 of 3,001 routes are accepted",
        );
        expect(await figure("Sessions").innerText()).toContain(`2 of ${NEIGHBORS}`);
        const reasons = page.locator(".reasons li");
        await until(async () => (await reasons.count()) === 2, WAIT_MS, "two reasons are counted");
        expect(await reasons.first().innerText()).toMatch(/256[\s\S]*1 neighbor/);
        const plots = page.locator(".uplot canvas");
        await until(async () => (await plots.count()) === 2, WAIT_MS, "both plots are drawn");
      }));

    test("of 700 neighbors only those that are seen are elements, and the last one is a key away", () =>
      scene.look("#/neighbors", async (page) => {
        await shown(page, "Member 5");
        expect(await rows(page).count()).toBeLessThan(80);
        const heights =
          "[...document.querySelectorAll('tbody tr:not(.gap)')].map((row) => row.offsetHeight)";
        expect(new Set((await page.evaluate(heights)) as number[])).toEqual(new Set([30]));
        await rows(page).first().focus();
        await page.keyboard.press("End");
        await shown(page, `Member ${NEIGHBORS}`);
        await page.keyboard.press("Enter");
        await page.getByRole("heading", { name: `Member ${NEIGHBORS}` }).waitFor();
      }));

    test("neighbors are found by a word, and sorted by a column", () =>
      scene.look("#/neighbors", async (page) => {
        await page.getByPlaceholder("address, AS, description").fill("member 70");
        await until(async () => (await rows(page).count()) === 2, WAIT_MS, "members 70 and 700");
        await page.getByPlaceholder("address, AS, description").fill("");
        await page.getByRole("button", { name: "Received" }).click();
        await until(
          async () => (await rows(page).first().innerText()).includes(ONE),
          WAIT_MS,
          "the most",
        );
        await page.getByRole("button", { name: /^up/ }).click();
        await until(async () => (await rows(page).count()) === 2, WAIT_MS, "two are up");
      }));

    test("a list goes on where its end comes into sight", () =>
      scene.look("#/routes", async (page) => {
        await shown(page, "200 routes");
        await rows(page).first().focus();
        for (let k = 0; k < 3; k++) {
          const before = await page.locator(".foot").innerText();
          await page.keyboard.press("End");
          await until(
            async () => (await page.locator(".foot").innerText()) !== before,
            WAIT_MS,
            "more",
          );
        }
        expect(await rows(page).count()).toBeLessThan(80);
      }));

    test("a rejected route has the rule and its line, of which one can be chosen", () =>
      scene.look(`#/neighbors/${ONE}?view=rejected`, async (page) => {
        await page.getByRole("link", { name: "not registered 256" }).click();
        await shown(page, "200 routes");
        expect(await rows(page).first().innerText()).toMatch(
          /^16\.1\.[\s\S]*not registered tsbgp\.yaml:\d+/,
        );
        await page.getByRole("link", { name: "origin is invalid 256" }).click();
        await until(
          async () => /^16\.3\./.test(await rows(page).first().innerText()),
          WAIT_MS,
          "16.3",
        );
      }));

    test.each([
      ["a prefix", "16.0.0.0/16", /^16\.0\.\d+\.0\/24$/],
      ["an address", "22.1.2.3", new RegExp(`^${MARKED}$`)],
      ["an AS", "AS65002", new RegExp(`^${MARKED}$`)],
      ["a community", COMMUNITY, new RegExp(`^${MARKED}$`)],
    ])("the search finds %s", (_what, word, expected) =>
      scene.look("", async (page) => {
        await page.keyboard.press("/");
        await page.keyboard.type(word);
        await page.keyboard.press("Enter");
        await page.getByRole("heading", { name: "Routes" }).waitFor();
        const first = page.locator("tbody tr[data-row] a").first();
        await until(
          async () => expected.test(await first.innerText()),
          WAIT_MS,
          `${word} is found`,
        );
      }),
    );

    test("the picture of an explanation ends where the route does", () =>
      scene.look(explain("16.2.0.0/24", TWO, "export"), async (page) => {
        await shown(page, "prefix: kept");
        const nodes = await page.locator(".picture li").allInnerTexts();
        const last = nodes.slice(-2).map((text) => text.replaceAll("\n", " "));
        expect(last).toEqual(["Policy stopped", `to ${TWO} not reached`]);
        expect(await page.locator(".verdict").innerText()).toContain("not advertised");
      }));

    test("routes can be looked at as they were, and what became of a prefix", async () => {
      const time = new Date(1000 * Math.floor(Date.now() / 1000)).toISOString();
      const query = new URLSearchParams({ time });
      const url = `${scene.url()}api/v1/record/neighbors?${query}`;
      // What takes long has begun, as one that is well, before it is known that there is none.
      const isThere = async () => !/"(detail|error)":/.test(await (await fetch(url)).text());
      await until(isThere, WAIT_MS, "the record has it");
      await scene.look("#/routes", async (page) => {
        await page.getByLabel("As of").waitFor();
        await page.keyboard.press("/");
        await page.keyboard.type(MARKED);
        await page.keyboard.press("Enter");
        await page.getByLabel("As of").fill(localTime(time));
        await page.getByRole("button", { name: "As of then" }).click();
        await page.getByRole("button", { name: "Now" }).waitFor();
        await shown(page, "1 routes");
        expect(await rows(page).first().innerText()).toContain(MARKED);
        expect(await complaints(page)).toEqual([]);
        await rows(page).first().getByRole("link", { name: MARKED }).click();
        await shown(page, "as of");
        await page.locator(".verdict").waitFor();
        await page.goBack();
        await page.getByRole("button", { name: "history" }).click();
        await shown(page, "changes since");
        expect(await rows(page).first().innerText()).toContain("was there");
        expect(await complaints(page)).toEqual([]);
      });
    });

    test("a time that cannot be read is none", () =>
      scene.look("#/routes?time=2026-11-2x", async (page) => {
        await shown(page, "As of then");
        expect(await page.getByRole("button", { name: "Now" }).count()).toBe(0);
        expect(await complaints(page)).toEqual([]);
      }));

    test("keys go to pages, and change dark and light", () =>
      scene.look("", async (page) => {
        await shown(page, "Overview");
        await page.keyboard.press("g");
        await page.keyboard.press("v");
        await page.getByRole("heading", { name: "Validation" }).waitFor();
        await page.keyboard.press("t");
        expect(await page.evaluate("document.documentElement.dataset.theme")).toBe("dark");
        await page.keyboard.press("?");
        await page.getByRole("dialog").waitFor();
        await page.keyboard.press("Escape");
        await page.getByRole("dialog").waitFor({ state: "detached" });
      }));

    test("a member sees its own neighbor, and nothing of others", () =>
      scene.look(
        "",
        async (page) => {
          await shown(page, "Member 2");
          expect(await rows(page).count()).toBe(1);
        },
        { token: MEMBER },
      ));

    test("only an operator is offered to do something, and asked before it is done", () =>
      scene.look(`#/neighbors/${TWO}`, async (page) => {
        await shown(page, "4-octet AS");
        expect(await page.locator(".actions").count()).toBe(0);
        await page.getByRole("button", { name: "reader" }).click();
        await page.getByLabel("Token").fill(OPERATOR);
        await page.getByRole("button", { name: "Use it" }).click();
        await page.locator(".actions").getByRole("button", { name: "disable" }).click();
        await page.getByRole("dialog").getByRole("button", { name: "Do it" }).click();
        await shown(page, "disabled");
        await page.locator(".actions").getByRole("button", { name: "enable" }).click();
        await page.getByRole("dialog").getByRole("button", { name: "Do it" }).click();
        await page.locator(".actions").getByRole("button", { name: "disable" }).waitFor();
      }));

    test("files are those of this speaker alone, packed where that is understood, and asked for once", async () => {
      const url = scene.url();
      const page = await fetch(url);
      expect(page.headers.get("content-security-policy")).toContain("default-src 'none'");
      expect(page.headers.get("content-type")).toBe("text/html; charset=utf-8");
      const script = await fetch(`${url}page.js`);
      expect(script.headers.get("content-encoding")).toBe("gzip");
      const plain = await fetch(`${url}page.js`, { headers: { "accept-encoding": "identity" } });
      expect(plain.headers.get("content-encoding")).toBeNull();
      expect(await plain.text()).toBe(await script.text());
      const etag = script.headers.get("etag")!;
      const again = await fetch(`${url}page.js`, { headers: { "if-none-match": etag } });
      expect([again.status, await again.text()]).toEqual([304, ""]);
      expect((await fetch(`${url}nothing.js`)).status).toBe(404);
    });

    test("an operator switches over, and the page says so; the new active side has the hour before it", async () => {
      await scene.look(
        "#/nsr",
        async (page) => {
          await page.getByRole("button", { name: "Switch over" }).click();
          await page.getByRole("dialog").getByRole("button", { name: "Do it" }).click();
          await page.getByRole("dialog").waitFor({ state: "detached" });
          await untilNsr(scene.b, "b is active", ({ role }) => role === "active");
        },
        { token: OPERATOR },
      );
      const answer = await fetch(`${scene.url(scene.b)}api/v1/history`);
      const { points } = (await answer.json()) as { points: { received: number }[] };
      expect(points.some(({ received }) => received === ROUTES + 1)).toBe(true);
    });
  },
);

/** @returns a time as a field for it is filled, in the zone of this host, which is the browser's */
function localTime(time: string): string {
  const at = new Date(time);
  return new Date(at.getTime() - 60_000 * at.getTimezoneOffset()).toISOString().slice(0, 19);
}

/** What axe finds wrong. */
async function complaints(page: Page): Promise<string[]> {
  await page.evaluate(AXE);
  const found = await page.evaluate(`axe.run().then(({ violations }) => violations.map(
    ({ id, nodes }) => id + ": " + nodes.map(({ html }) => html.slice(0, 120)).join(" | ")))`);
  return found as string[];
}
