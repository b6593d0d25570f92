/** What programs ask beside operators: filtered routes, those that are not sent, and what members may know. */

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { explain } from "../../../testkit/asking.ts";
import { Lab, yamlOf } from "../../../testkit/router.ts";
import {
  explainedToMember,
  isShown,
  type RouteFilter,
  type RoutePlace,
  type RouteQuery,
  type ShownRoute,
  showRoutes,
} from "../src/index.ts";

const A = "192.0.2.1";
const B = "192.0.2.2";
const ALL: RouteQuery = {
  ...{ family: 1, prefix: null, match: "exact", neighbor: null, view: "accepted", bestOnly: false },
};

const yaml = yamlOf(`
defaults: { import: checked, export: "some", passive: true, route-server-client: true }
neighbors:
  - { address: ${A}, as: 65001 }
  - { address: ${B}, as: 65002 }
policies:
  checked: [{ name: short, if: { prefix-length: { max: 8 } }, then: reject }, { then: accept }]
  some: [{ if: { community: 65001:1 }, then: reject }, { then: accept }]
`);

function two() {
  const lab = new Lab(yaml);
  const a = lab.peer(A, { as: 65001 }).up();
  const b = lab.peer(B, { as: 65002 }).up();
  return { lab, a, b };
}

/** @returns the routes of all calls, with at most `max` prefixes in each */
function routes(lab: Lab, query: Partial<RouteQuery>, max?: number): ShownRoute[] {
  const found: ShownRoute[] = [];
  let from: RoutePlace | null = null;
  do {
    const { routes: some, next } = showRoutes(lab.router, { ...ALL, ...query }, from, max);
    if (max !== undefined) expect(some.length).toBeLessThan(max + 2);
    found.push(...some);
    from = next;
  } while (from.row !== 0);
  return found;
}

const prefixes = (found: readonly ShownRoute[]) => found.map(({ prefix }) => prefix);

test("pieces of any size have all routes, each once", () => {
  const { lab, a, b } = two();
  const all = Array.from({ length: 40 }, (_, k) => `10.${k}.0.0/16`);
  a.announce(all, { path: [65001] });
  b.announce(all.slice(20), { path: [65002] });
  lab.run();
  const whole = routes(lab, {});
  expect(whole).toHaveLength(60);
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 70 }), (max) => {
      expect(routes(lab, {}, max)).toEqual(whole);
    }),
  );
});

test("views of all neighbors", () => {
  const { lab, a, b } = two();
  a.announce(["10.0.0.0/8", "10.1.0.0/16"], { path: [65001] });
  b.announce(["10.0.0.0/8", "10.2.0.0/16"], { path: [65002] });
  lab.run();
  const rejected = routes(lab, { view: "rejected" });
  expect(rejected.map(({ prefix, neighbor }) => `${prefix} ${neighbor}`).sort()).toEqual([
    `10.0.0.0/8 ${A}`,
    `10.0.0.0/8 ${B}`,
  ]);
  expect(routes(lab, { view: "received" })).toHaveLength(4);
});

test("what is not advertised are best paths of others of whose prefixes nothing was sent", () => {
  const { lab, a, b } = two();
  a.announce(["10.1.0.0/16"], { path: [65001], communities: ["65001:1"] });
  a.announce(["10.2.0.0/16"], { path: [65001] });
  b.announce(["10.3.0.0/16"], { path: [65002] });
  lab.run();
  expect(prefixes(routes(lab, { view: "not-advertised", neighbor: B }))).toEqual(["10.1.0.0/16"]);
  expect(prefixes(routes(lab, { view: "not-advertised", neighbor: A }))).toEqual([]);
  // It has the other one's path then.
  b.announce(["10.1.0.0/16"], { path: [65002, 65100] });
  lab.run();
  expect(prefixes(routes(lab, { view: "not-advertised", neighbor: A }))).toEqual([]);
});

describe("a filter", () => {
  const NONE: RouteFilter = { as: null, community: null, reason: null, rpki: null };
  const route: ShownRoute = {
    ...{ prefix: "10.0.0.0/8", neighbor: A, neighbor_as: 65001, status: "rejected" },
    reason: { code: "policy-rule", text: "", policy: "checked", rule: "short" },
    rpki: "invalid",
    as_path: "65001 {65100,65101} 4200000000",
    communities: ["65535:65281"],
    large_communities: ["65001:1:2"],
    extended_communities: ["rt:65001:1"],
    community_names: { "65535:65281": "no-export" },
  };

  test.each<[Partial<RouteFilter>, boolean]>([
    [{}, true],
    [{ as: 65001 }, true],
    [{ as: 65101 }, true],
    [{ as: 4200000000 }, true],
    [{ as: 6500 }, false],
    [{ community: "65535:65281" }, true],
    [{ community: "no-export" }, true],
    [{ community: "65001:1:2" }, true],
    [{ community: "rt:65001:1" }, true],
    [{ community: "65001:1" }, false],
    [{ reason: "policy-rule" }, true],
    [{ reason: "checked/short" }, true],
    [{ reason: "checked/" }, false],
    [{ rpki: "invalid" }, true],
    [{ rpki: "valid" }, false],
    [{ as: 65001, rpki: "valid" }, false],
  ])("%o: %s", (filter, expected) => {
    expect(isShown(route, { ...NONE, ...filter })).toBe(expected);
  });

  test("finds nothing in a route that has nothing", () => {
    const bare: ShownRoute = { prefix: "10.0.0.0/8", neighbor: A, neighbor_as: 1, status: "best" };
    for (const filter of [{ as: 1 }, { community: "1:1" }, { reason: "/" }, { rpki: "valid" }]) {
      expect(isShown(bare, { ...NONE, ...filter })).toBe(false);
    }
  });
});

test("a member learns why its path is not preferred, and not whose is", () => {
  const { lab, a, b } = two();
  a.announce(["10.1.0.0/16"], { path: [65001, 65100, 65100], communities: ["65001:1"] });
  b.announce(["10.1.0.0/16"], { path: [65002] });
  lab.run();
  const own = explain(lab, "import", "10.1.0.0/16", A);
  expect(JSON.stringify(own)).toContain(B);
  const told = explainedToMember(own);
  expect(JSON.stringify(told)).not.toContain(B);
  expect(told.paths[0]!.steps.at(-1)!.text).toMatch(/^another path is preferred: .+/);
  // Of what is for it, the one path that it is sent.
  expect(explainedToMember(explain(lab, "export", "10.1.0.0/16", A)).paths).toHaveLength(1);
  expect(explain(lab, "export", "10.1.0.0/16", B).paths).toHaveLength(2);
  expect(explainedToMember(explain(lab, "export", "10.1.0.0/16", B)).paths).toEqual([]);
});
