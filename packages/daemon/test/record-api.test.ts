/** What was, over the API: it is looked up in what the speaker records. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Ajv2020 } from "ajv/dist/2020.js";
import { afterAll, beforeAll, expect, test } from "vitest";
import { until } from "../../../test/lab/until.ts";
import { WAIT_MS } from "../../../testkit/speaker.ts";
import { manyWithdrawals, updateMessage } from "../../../testkit/updates.ts";
import openapi from "../src/api/openapi.json" with { type: "json" };
import { RecordDesk } from "../src/past/ask-record.ts";
import { PastHelper } from "../src/past/past-helper.ts";
import type { FromPast, ToPast } from "../src/past/past-messages.ts";
import { A, attributesWith, B, ROUTES_OF_B, SmallExchange } from "./support/small-exchange.ts";

let exchange: SmallExchange;
let directory: string;
/** Before B withdraws its routes, and behind that. */
let first: string;
let second: string;

interface Answer {
  readonly items: Record<string, unknown>[];
  readonly next: string | null;
  readonly left_out?: boolean;
}

async function asked(path: string, query: Record<string, string>, as?: "reader" | "member") {
  const text = `/api/v1/record${path}?${new URLSearchParams(query)}`;
  const response = await exchange.ask(text, as === undefined ? {} : { as });
  const body = (await response.json()) as Answer & { detail?: string; error?: string };
  // On a slow host the answer may have begun before it was known that there is none.
  if (body.error !== undefined) return { status: 404, body: { ...body, detail: body.error } };
  return { status: response.status, body };
}

async function found(path: string, query: Record<string, string>): Promise<Answer> {
  const { status, body } = await asked(path, query, "reader");
  expect([status, body.detail]).toEqual([200, undefined]);
  return body;
}

/** @returns the time of now, once the record is behind it */
async function moment(): Promise<string> {
  const time = new Date().toISOString();
  const has = async () => (await asked("/neighbors", { time })).status === 200;
  await until(has, WAIT_MS, "the record has it");
  return time;
}

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), "record-api-"));
  exchange = await SmallExchange.create({}, { record: { dir: join(directory, "record") } });
  first = await moment();
  await exchange.peers[1]!.sendAll(manyWithdrawals(ROUTES_OF_B));
  const isGone = async () => (await exchange.speaker.neighbor(B)).families[0]?.received === 0;
  await until(isGone, WAIT_MS, "all is withdrawn");
  exchange.peers[0]!.send(updateMessage([], attributesWith([65001, 65200]), [16, 10, 1]));
  const isOther = async () =>
    (await (await exchange.ask("/api/v1/routes?prefix=10.1.0.0/16")).text()).includes("65200");
  await until(isOther, WAIT_MS, "A says something else");
  second = await moment();
});

afterAll(() => {
  exchange?.remove();
  rmSync(directory, { recursive: true, force: true });
});

test("says what is kept, and metrics have it", async () => {
  const shown = await (await exchange.ask("/api/v1/record")).json();
  expect(shown).toMatchObject({ state: "going", problem: "", files: 1, missed: 0 });
  const text = await (await exchange.ask("/metrics")).text();
  const numberOf = (series: string) =>
    Number(
      text
        .split("\n")
        .find((line) => line.startsWith(`${series} `))
        ?.split(" ")[1],
    );
  expect(numberOf('tsbgp_record_state{state="going"}')).toBe(1);
  expect(numberOf("tsbgp_record_failed")).toBe(0);
  expect(numberOf("tsbgp_record_files")).toBe(1);
  expect(numberOf("tsbgp_record_missed_total")).toBe(0);
  expect(numberOf("tsbgp_record_taken_octets_total")).toBeGreaterThan(ROUTES_OF_B);
  expect(numberOf("tsbgp_record_octets")).toBeGreaterThan(0);
  expect(numberOf("tsbgp_record_from_timestamp_seconds")).toBeGreaterThan(1e9);
});

test("has the routes of then, page by page", async () => {
  const query = { time: first, neighbor: B, view: "received" };
  const page = await found("/routes", query);
  expect(page.items).toHaveLength(1000);
  const next = await found("/routes", { ...query, limit: "10", cursor: page.next! });
  expect(next.items[0]).not.toEqual(page.items.at(-1));
  expect((await found("/routes", { ...query, time: second })).items).toEqual([]);
});

test("has the neighbors and reasons of then", async () => {
  const { items } = await found("/neighbors", { time: first });
  expect(items.map(({ address, state }) => [address, state]).slice(0, 2)).toEqual([
    [A, "Established"],
    [B, "Established"],
  ]);
  const why = await asked("/explain", { time: first, neighbor: A, prefix: "10.1.2.128/25" });
  expect(JSON.stringify(why.body)).toContain("too long");
});

test("tells what is otherwise, and what became of a prefix", async () => {
  const changes = await found("/diff", { from: first, to: second, prefix: "10.1.0.0/16" });
  expect(changes.items).toMatchObject([
    { what: "changed", before: { as_path: "65001 65100" }, after: { as_path: "65001 65200" } },
  ]);
  const most = await found("/diff", { from: first, to: second, limit: "7" });
  expect([most.items.length, most.left_out]).toEqual([7, true]);
  const { items } = await found("/history", { prefix: "10.1.0.0/16", from: first });
  expect(items).toMatchObject([
    { seen: "there", what: "added" },
    { seen: null, what: "changed" },
  ]);
  expect(items[1]!["at_ms"]).toBeGreaterThan(Date.parse(first));
  expect(items[1]!["at_ms"]).toBeLessThanOrEqual(Date.parse(second));
});

test("answers as the document says", async () => {
  const ajv = new Ajv2020({ strict: false });
  ajv.addSchema({ $id: "api", ...openapi });
  const time = first;
  for (const [path, query] of [
    ["", {}],
    ["/routes", { time, limit: "5" }],
    ["/neighbors", { time }],
    ["/explain", { time, neighbor: A, prefix: "10.1.0.0/16" }],
    ["/diff", { from: first, to: second, limit: "5" }],
    ["/history", { prefix: "10.1.0.0/16" }],
  ] as const) {
    const pointer = `~1record${path.replace("/", "~1")}/get/responses/200/content`;
    const schema = `api#/paths/${pointer}/application~1json/schema`;
    const validate = ajv.compile({ $ref: schema });
    const { status, body } = await asked(path, query);
    validate(body);
    expect([path, status, validate.errors]).toEqual([path, 200, null]);
  }
});

test.each([
  ["/routes", {}, 400, /"time" is missing/],
  ["/routes", { time: "yesterday" }, 400, /"time" is no time: "yesterday" is not like 2026-/],
  ["/routes", { time: "2026-02-30T10:03:07Z" }, 400, /"time" is no time/],
  ["/routes", { time: "2026-02-03T10:03:07" }, 400, /"time" is no time/],
  ["/routes", { time: "2026-13-01T10:03:07Z" }, 400, /"time" is no time/],
  ["/routes", { time: "2026-00-10T10:03:07Z" }, 400, /"time" is no time/],
  ["/routes", { time: "2026-02-32T10:03:07Z" }, 400, /"time" is no time/],
  ["/routes", { time: "2020-02-03T10:03:07Z" }, 404, /is before what is kept/],
  ["/routes", { time: "2320-02-03T10:03:07%2B01:00" }, 400, /"time" is no time/],
  ["/routes", { time: "2320-02-03T10:03:07+01:00" }, 404, /is behind what is recorded/],
  ["/explain", { time: "2020-02-03T10:03:07Z", direction: "up" }, 400, /"direction" must be/],
  ["/diff", { from: "2020-02-03T10:03:07Z" }, 400, /"to" is missing/],
  ["/history", { prefix: "10.0.0.1/8" }, 400, /has bits behind its length/],
])("%s with %j is %d", async (path, query, status, detail) => {
  expect(await asked(path, query)).toMatchObject({
    status,
    body: { detail: expect.stringMatching(detail) },
  });
});

test("members may not ask it: it has what others had", async () => {
  for (const path of ["", "/routes", "/neighbors", "/explain", "/diff", "/history"]) {
    const { status, body } = await asked(path, { time: first, neighbor: A }, "member");
    expect([path, status, body.detail]).toEqual([path, 403, "this is not for the role member"]);
  }
});

test("one thing is looked up at a time, a few wait for it, and whoever gives up leaves room", async () => {
  const old = () => asked("/neighbors", { time: "2020-02-03T10:03:07Z" });
  const answers = await Promise.all(Array.from({ length: 8 }, old));
  const statuses = answers.map(({ status }) => status);
  expect(statuses.filter((status) => status === 404).length).toBeGreaterThanOrEqual(5);
  expect([404, 503]).toEqual(expect.arrayContaining(statuses));
  const stop = new AbortController();
  const query = new URLSearchParams({ prefix: "16.0.1.0/24" });
  const path = `/api/v1/record/history?${query}`;
  const given = exchange.ask(path, { signal: stop.signal }).catch(() => null);
  stop.abort();
  expect(await given).toBe(null);
  expect((await asked("/neighbors", { time: first })).status).toBe(200);
});

/** All that B had. */
function manyRoutes(): ToPast {
  const request = { command: "show-routes", neighbor: B, view: "received", limit: ROUTES_OF_B };
  const question = { ask: "state", atMs: Date.parse(first), request } as const;
  return { directory: join(directory, "record"), question, itemsMax: 2 * ROUTES_OF_B };
}

test("an answer comes in pieces that do not take long to read", async () => {
  const helper = new PastHelper(() => {});
  const heard: FromPast[] = [];
  helper.ask(manyRoutes(), (said) => heard.push(said));
  await until(() => heard.some((said) => !("items" in said)), WAIT_MS, "it is answered");
  helper.end();
  const pieces = heard.flatMap((said) => ("items" in said ? [said] : []));
  expect(pieces.flatMap(({ items }) => items)).toHaveLength(ROUTES_OF_B);
  for (const { items, octets } of pieces) {
    const texts = items.map((item) => JSON.stringify(item));
    expect(octets).toBe(texts.join("").length);
    expect(octets - texts.at(-1)!.length).toBeLessThan(1 << 16);
  }
});

test("whoever does not take an answer is in nobody's way", async () => {
  const desk = new RecordDesk(() => {});
  const slow = desk.ask(manyRoutes());
  let taken = 0;
  const takes = async () => {
    if ((await slow.next()).value !== null) taken++;
    return taken === 10;
  };
  await until(takes, WAIT_MS, "some of it is taken");
  const other = desk.ask(manyRoutes());
  const isThere = async () => (await other.next()).value !== null;
  await until(isThere, WAIT_MS, "another one is answered");
  await other.return({});
  for await (const item of slow) if (item !== null) taken++;
  expect(taken).toBe(ROUTES_OF_B);
  desk.close();
});
