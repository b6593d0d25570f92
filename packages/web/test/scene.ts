/** A pair of speakers with many neighbors, two of which have sessions, and a browser that looks at it. */

import { execFileSync } from "node:child_process";
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Browser, chromium, type Page } from "playwright-core";
import { parse } from "yaml";
import { CHROMIUM } from "../../../test/lab/install.ts";
import { attribute, four } from "../../../test/lab/raw-peer.ts";
import { until } from "../../../test/lab/until.ts";
import { enterOwnNetwork } from "../../../testkit/own-network.ts";
import { PEER_AS, TestPair, untilProtected } from "../../../testkit/pair.ts";
import { neighborAddress, type SpeakerProcess, WAIT_MS } from "../../../testkit/speaker.ts";
import { manyRoutes, updateMessage } from "../../../testkit/updates.ts";

const BUNDLE = fileURLToPath(new URL("../bin/bundle.mjs", import.meta.url));
export const NEIGHBORS = 700;
export const ROUTES = 3000;
export const OPERATOR = "operator-of-this-scene";
export const MEMBER = "member-of-this-scene";
export const ONE: string = neighborAddress(1);
export const TWO: string = neighborAddress(2);
/** Of a route of the second neighbor, which has a community. */
export const MARKED = "22.0.0.0/8";
export const COMMUNITY = "65002:7";
/** Of 256 routes each: not accepted, not sent on, and of another AS by a ROA. */
export const REJECTED = "16.1.0.0/16";
export const KEPT = "16.2.0.0/16";
export const INVALID = "16.3.0.0/16";

/** Why there can be no scene, or `null`. The calling thread is moved to a network of its own. */
export function sceneReason(): string | null {
  if (!existsSync(CHROMIUM)) return `no ${CHROMIUM}`;
  return enterOwnNetwork();
}

export class Scene {
  readonly a: SpeakerProcess;
  readonly b: SpeakerProcess;
  private readonly pair: TestPair;
  private readonly browser: Browser;

  private constructor(pair: TestPair, a: SpeakerProcess, b: SpeakerProcess, browser: Browser) {
    this.pair = pair;
    this.a = a;
    this.b = b;
    this.browser = browser;
  }

  static async start(): Promise<Scene> {
    // As when packages are installed: what is looked at is made of the sources as they are.
    execFileSync(process.execPath, [BUNDLE]);
    const pair = new TestPair({ config: {} });
    const [a, b] = [await pair.side("a"), await pair.side("b")];
    for (const [name, side] of [
      ["a", a],
      ["b", b],
    ] as const) {
      side.configure(pair.config(name, sectionsOf(pair, side)));
    }
    await pair.start();
    const one = await pair.peer(1);
    const two = await pair.peer(2);
    one.send(manyRoutes({ as: PEER_AS, count: ROUTES }));
    two.send(markedRoute());
    await untilProtected(a, 2);
    const all = async () => {
      const { items } = await a.ask({ command: "show-neighbor", neighbor: ONE });
      return (items[0] as { families: { received: number }[] }).families[0]?.received === ROUTES;
    };
    await until(all, WAIT_MS, "all routes are there");
    const browser = await chromium.launch({
      executablePath: CHROMIUM,
      args: ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"],
    });
    return new Scene(pair, a, b, browser);
  }

  async end(): Promise<void> {
    await this.browser.close();
    this.pair.remove();
  }

  url(side: SpeakerProcess = this.a): string {
    return `http://127.0.0.1:${side.httpPort}/`;
  }

  /**
   * Runs `body` with a page in a browser of its own; nothing may be wrong on its console, nor asked of
   * anybody else.
   */
  async look(
    place: string,
    body: (page: Page) => Promise<void>,
    options: Partial<Looks> = {},
  ): Promise<void> {
    const { theme = "light", width = 1280, height = 800, token = "" } = options;
    const context = await this.browser.newContext({
      viewport: { width, height },
      colorScheme: theme,
    });
    const wrong: string[] = [];
    try {
      const page = await context.newPage();
      page.setDefaultTimeout(8 * WAIT_MS);
      page.on("console", (line) => {
        if (line.type() === "error") wrong.push(`${line.text()} ${line.location().url}`);
      });
      page.on("pageerror", (error) => wrong.push(String(error)));
      page.on("request", (request) => {
        if (!request.url().startsWith(this.url())) wrong.push(`asks ${request.url()}`);
      });
      if (token !== "")
        await page.addInitScript(`sessionStorage.setItem("tsbgp-token", "${token}")`);
      await page.goto(this.url() + place);
      await body(page);
    } finally {
      await context.close();
    }
    if (wrong.length > 0) throw new Error(wrong.join("\n"));
  }
}

export interface Looks {
  readonly theme: "light" | "dark";
  readonly width: number;
  readonly height: number;
  readonly token: string;
}

const POLICIES = `
policies:
  from-members:
    - { name: not registered, if: { prefix: unregistered }, then: reject }
    - { name: origin is invalid, if: { rpki: invalid }, then: reject }
    - { then: accept }
  to-members:
    - { name: stays here, if: { prefix: kept }, then: reject }
    - { then: accept }
prefix-lists:
  unregistered: [ ${REJECTED} le 24 ]
  kept: [ ${KEPT} le 24 ]
`;

function sectionsOf(pair: TestPair, { httpPort }: SpeakerProcess): object {
  const roas = join(pair.directory, "roas.json");
  const roa = { asn: "AS1", prefix: INVALID, maxLength: 24, ta: "test" };
  writeFileSync(roas, JSON.stringify({ roas: [roa] }));
  const neighbor = (k: number) => ({
    address: neighborAddress(k),
    as: PEER_AS + k - 1,
    description: `Member ${k}`,
  });
  return {
    http: {
      port: httpPort,
      anonymous: "reader",
      tokens: [
        { name: "alice", role: "operator", secret: OPERATOR },
        { name: "two", role: "member", as: PEER_AS + 1, secret: MEMBER },
      ],
    },
    defaults: { passive: true, import: "from-members", export: "to-members" },
    neighbors: Array.from({ length: NEIGHBORS }, (_, k) => neighbor(k + 1)),
    ...parse(POLICIES),
    rpki: { files: [roas] },
    record: { dir: join(pair.directory, `record-${httpPort}`) },
  };
}

/** AS_PATH 65002, and a community. */
function markedRoute(): number[] {
  const attributes = [
    ...attribute(0x40, 1, [0]),
    ...attribute(0x40, 2, [2, 1, ...four(PEER_AS + 1)]),
    ...attribute(0x40, 3, [192, 0, 2, 98]),
    ...attribute(0xc0, 8, [0xfd, 0xea, 0, 7]),
  ];
  return updateMessage([], attributes, [8, 22]);
}
