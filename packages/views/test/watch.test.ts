/** What those see who watch: totals, rejections by reason, and what a neighbor is not sent. */

import fc from "fast-check";
import { expect, test } from "vitest";
import { explain } from "../../../testkit/asking.ts";
import { Lab, yamlOf } from "../../../testkit/router.ts";
import {
  type ShownRejection,
  type ShownRoute,
  showNeighbors,
  showRejections,
  showRoutes,
  showTotals,
} from "../src/index.ts";

const A = "192.0.2.1";
const B = "192.0.2.2";
const YAML = yamlOf(`
neighbors:
  - { address: ${A}, as: 65001, passive: true, import: in, export: out, route-server-client: true }
  - { address: ${B}, as: 65002, passive: true, import: in, export: out, route-server-client: true }
policies:
  in:
    - { name: too long, if: { prefix-length: { min: 25 } }, then: reject }
    - { name: marked, if: { community: "1:1" }, then: reject }
    - { then: accept }
  out:
    - { name: kept, if: { community: "2:2" }, then: reject }
    - { then: accept }
`);

function lab() {
  const all = new Lab(YAML);
  const [a, b] = [all.peer(A, { as: 65001 }).up(), all.peer(B, { as: 65002 }).up()];
  return { all, a, b };
}

function rejections({ router }: Lab, address?: string): ShownRejection[] {
  const neighbor = address === undefined ? null : router.neighbors.get(address)!;
  const counting = showRejections(router, neighbor);
  for (;;) {
    const { value, done } = counting.next();
    if (done === true) return value;
  }
}

function withheld({ router }: Lab, neighbor: string): ShownRoute[] {
  const rest = { prefix: null, match: "exact", view: "not-advertised", bestOnly: false } as const;
  return showRoutes(router, { family: 1, neighbor, ...rest }, null).routes;
}

test("rejections are counted by rule, the most frequent first, of all neighbors or of one", () => {
  const { all, a, b } = lab();
  a.announce(["10.1.0.0/25", "10.2.0.0/25", "10.3.0.0/16"]);
  a.announce(["10.4.0.0/16"], { communities: ["1:1"] });
  b.announce(["10.1.0.0/25"]);
  all.run();
  expect(rejections(all)).toMatchObject([
    { code: "policy-rule", policy: "in", rule: "too long", count: 3, neighbors: 2 },
    { code: "policy-rule", policy: "in", rule: "marked", count: 1, neighbors: 1 },
  ]);
  expect(rejections(all, B)).toMatchObject([{ rule: "too long", count: 1, neighbors: 1 }]);
  a.withdraw(["10.1.0.0/25", "10.2.0.0/25", "10.4.0.0/16"]);
  b.withdraw(["10.1.0.0/25"]);
  all.run();
  expect(rejections(all)).toEqual([]);
});

test("a neighbor is not sent what policy keeps from it, and its own is nothing that it lacks", () => {
  const { all, a, b } = lab();
  a.announce(["10.1.0.0/16"], { communities: ["2:2"] });
  a.announce(["10.2.0.0/16"]);
  b.announce(["10.3.0.0/16"]);
  all.run();
  expect(withheld(all, B)).toMatchObject([{ prefix: "10.1.0.0/16", neighbor: A, status: "best" }]);
  expect(withheld(all, A)).toEqual([]);
});

test("routes are sent, or not sent with a reason, or their neighbor's own", () => {
  const kind = fc.record({
    prefix: fc.integer({ min: 0, max: 7 }).map((n) => `10.${n}.0.0/16`),
    isOfA: fc.boolean(),
    communities: fc.subarray(["1:1", "2:2"]),
  });
  fc.assert(
    fc.property(fc.array(kind, { maxLength: 16 }), (routes) => {
      const { all, a, b } = lab();
      for (const { prefix, isOfA, communities } of routes) {
        (isOfA ? a : b).announce([prefix], { communities });
      }
      all.run();
      for (const neighbor of [A, B]) {
        const rest = { prefix: null, match: "exact", bestOnly: false } as const;
        const asked = { family: 1, neighbor, view: "advertised", ...rest } as const;
        const sent = showRoutes(all.router, asked, null).routes.map(({ prefix }) => prefix);
        const kept = withheld(all, neighbor).map(({ prefix }) => prefix);
        const every = { ...asked, neighbor: null, view: "accepted" } as const;
        const others = showRoutes(all.router, every, null).routes.filter(
          (route) => route.neighbor !== neighbor,
        );
        const expected = new Set(others.map(({ prefix }) => prefix));
        expect([...sent, ...kept].sort()).toEqual([...expected].sort());
        for (const prefix of kept) {
          expect(explain(all, "export", prefix, neighbor).verdict).toBe("not advertised");
        }
      }
    }),
  );
});

test("totals are the sums of what neighbors have", () => {
  const { all, a, b } = lab();
  a.announce(["10.1.0.0/16", "10.2.0.0/16", "10.1.0.0/25"]);
  b.announce(["10.1.0.0/16"]);
  all.run();
  const neighbors = showNeighbors(all.router);
  const sum = (read: (neighbor: (typeof neighbors)[number]) => number) =>
    neighbors.reduce((total, neighbor) => total + read(neighbor), 0);
  expect(showTotals(all.router)).toEqual({
    neighbors: 2,
    established: 2,
    updates_received: sum(({ messages }) => messages.received.update),
    updates_sent: sum(({ messages }) => messages.sent.update),
    received: 4,
    accepted: 3,
    prefixes: { "ipv4-unicast": 3, "ipv6-unicast": 0 },
  });
});
