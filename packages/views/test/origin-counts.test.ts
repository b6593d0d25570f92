/** How many routes are valid, and how many not: as each of them says when it is shown. */
import { expect, test } from "vitest";
import { say } from "../../../testkit/payloads.ts";
import { Lab, yamlOf } from "../../../testkit/router.ts";
import { originCounts, type RoutePlace, showRoutes } from "../src/index.ts";

const A = "192.0.2.1";
const B = "192.0.2.2";
const ROUTES = 3000;
const ALL = { family: 1, prefix: null, match: "covered", bestOnly: false } as const;

const yaml = (rpki: string) =>
  yamlOf(`${rpki}
defaults: { import: origins, export: accept-all, passive: true }
neighbors: [{ address: ${A}, as: 65001 }, { address: ${B}, as: 65002 }]
policies: { origins: [ { if: { prefix: [ 10.1.0.0/16 le 24 ] }, then: reject }, { then: accept } ] }
`);

function counted(lab: Lab) {
  const steps = originCounts(lab.router);
  let pieces = 0;
  for (;;) {
    const { value, done } = steps.next();
    if (done) return { counts: value, pieces };
    pieces++;
  }
}

test("each route of each neighbor is counted, rejected ones too, in pieces", () => {
  const lab = new Lab(yaml("rpki: { caches: [ { address: 192.0.2.53 } ], start-limit: 0 }"));
  const a = lab.peer(A, { as: 65001 }).up();
  const b = lab.peer(B, { as: 65002 }).up();
  say(lab, "192.0.2.53:323", ["10.1.0.0/16-24 AS65001", "10.2.0.0/16-20 AS65001"]);
  const prefixes = Array.from({ length: ROUTES }, (_, k) => `10.${k >> 8}.${k & 255}.0/24`);
  for (let k = 0; k < ROUTES; k += 500) {
    a.announce(prefixes.slice(k, k + 500), { path: [65001] });
    lab.run();
  }
  b.announce(["10.1.1.0/24", "20.0.0.0/8"], { path: [65002] });
  lab.run();
  const { counts, pieces } = counted(lab);
  expect(pieces).toBe(3);
  const told = new Map(counts.map(({ family, state, count }) => [`${family} ${state}`, count]));
  const shown = new Map([...told.keys()].map((key) => [key, 0]));
  for (const neighbor of [A, B]) {
    const query = { ...ALL, neighbor, view: "received" } as const;
    let from: RoutePlace | null = null;
    do {
      const { routes, next }: ReturnType<typeof showRoutes> = showRoutes(lab.router, query, from);
      for (const { rpki } of routes) {
        const key = `ipv4-unicast ${rpki}`;
        shown.set(key, (shown.get(key) ?? 0) + 1);
      }
      from = next;
    } while (from.row !== 0);
  }
  expect(told).toEqual(shown);
  expect(told.get("ipv4-unicast valid")).toBe(256);
  expect(told.get("ipv4-unicast invalid")).toBe(257);
});

test("without a section rpki there is nothing to count", () => {
  expect(counted(new Lab(yaml("")))).toEqual({ counts: [], pieces: 0 });
});
