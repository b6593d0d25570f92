/** Blackholing (RFC 7999) on a route server. */

import { explainRoute, showRoutes } from "@ts-bgp/views";
import { describe, expect, test } from "vitest";
import { Lab, type Peer, yamlOf } from "../../../testkit/router.ts";

const A = "192.0.2.1";
const B = "192.0.2.2";
const NO_EXPORT = "65535:65281";
const BLACKHOLE = "65535:666";
const VICTIM = "10.1.2.3/32";

function two(options: string, own = "import: in"): { lab: Lab; a: Peer; b: Peer; yaml: string } {
  const yaml = yamlOf(`
defaults: { route-server-client: true, export: accept-all }
neighbors:
  - { address: ${A}, as: 65001, ${own}, blackhole: { ${options} } }
  - { address: ${B}, as: 65002, import: in }
prefix-lists: { own: [10.1.0.0/16 le 24], other: [10.9.0.0/16] }
policies: { in: [ { if: { prefix-length: { max: 24 } }, then: accept } ] }
`);
  const lab = new Lab(yaml);
  const a = lab.peer(A, { as: 65001 }).up();
  const b = lab.peer(B, { as: 65002 }).up();
  return { lab, a, b, yaml };
}

const reasonOf = (lab: Lab, neighbor: string) =>
  showRoutes(
    lab.router,
    { family: 1, prefix: null, match: "exact", neighbor, view: "rejected", bestOnly: false },
    null,
  ).routes.map(({ prefix, reason }) => [prefix, reason!.rule]);

describe("a route with BLACKHOLE", () => {
  test("within the prefixes of its client is accepted however long it is, with NO_EXPORT", () => {
    const { lab, a, b } = two("prefixes: own");
    a.announce([VICTIM, "10.1.0.0/16"], { communities: ["65001:1", "blackhole"] });
    a.announce(["10.1.4.0/24"]);
    lab.run();
    const communities = ["65001:1", BLACKHOLE, NO_EXPORT];
    expect(b.table).toMatchObject({
      [VICTIM]: { path: "65001", nextHop: A, communities },
      "10.1.0.0/16": { nextHop: A, communities },
    });
    expect(b.table["10.1.4.0/24"]).toEqual({ path: "65001", nextHop: A });
  });

  test("has the next hop that throws traffic away", () => {
    const { lab, a, b } = two("prefixes: own, next-hop: [192.0.2.66, '2001:db8::66']");
    a.announce([VICTIM], { communities: ["blackhole"] });
    lab.run();
    expect(b.table[VICTIM]).toMatchObject({ nextHop: "192.0.2.66" });
  });

  test("may be asked for by other communities, and leave this speaker's neighbors", () => {
    const { lab, a, b } = two(
      "prefixes: own, no-export: false, communities: ['64500:666', '64500:666:0']",
    );
    a.announce([VICTIM], { communities: ["64500:666"] });
    a.announce(["10.1.2.4/32"], { large: ["64500:666:0"] });
    a.announce(["10.1.2.5/32"], { communities: ["64500:667"] });
    lab.run();
    expect(Object.keys(b.table)).toEqual([VICTIM, "10.1.2.4/32"]);
    expect(b.table[VICTIM]).toMatchObject({ communities: ["64500:666", BLACKHOLE] });
  });

  test("of prefixes of others is rejected, and it is said why", () => {
    const { lab, a, b } = two("prefixes: own");
    a.announce(["10.9.0.1/32", "10.9.0.0/16"], { communities: ["blackhole"] });
    lab.run();
    expect(b.table).toEqual({});
    expect(reasonOf(lab, A)).toEqual([
      ["10.9.0.1/32", "not within the neighbor's prefixes"],
      ["10.9.0.0/16", "not within the neighbor's prefixes"],
    ]);
    const { verdict } = explainRoute(lab.router, {
      direction: "import",
      neighbor: A,
      family: 1,
      key: { words: [0x0a090000, 0, 0, 0], bits: 16 },
      text: "10.9.0.0/16",
    });
    expect(verdict).toContain("not within the neighbor's prefixes");
  });

  test("of a client that may not ask for it is a route like others", () => {
    const { lab, a, b } = two("prefixes: own");
    b.announce(["10.2.0.1/32", "10.2.0.0/24"], { communities: ["blackhole"] });
    lab.run();
    expect(Object.keys(a.table)).toEqual(["10.2.0.0/24"]);
    expect(a.table["10.2.0.0/24"]).toMatchObject({ communities: [BLACKHOLE] });
  });

  test.each([
    ["that accepts all", "import: accept-all", [VICTIM, "10.8.0.0/25"]],
    ["without policies", "description: none", [VICTIM]],
  ])("of a client %s", (_title, own, expected) => {
    const { lab, a, b } = two("prefixes: own", own);
    a.announce([VICTIM], { communities: ["blackhole"] });
    a.announce(["10.8.0.0/25"]);
    lab.run();
    expect(Object.keys(b.table).sort()).toEqual(expected);
  });

  test("still is checked as all routes are", () => {
    const { lab, a, b } = two("prefixes: own");
    a.announce([VICTIM], { path: [65009], communities: ["blackhole"] });
    lab.run();
    expect(b.table).toEqual({});
  });
});

test("other prefixes and next hops are in force after a reload, without a new session", () => {
  const { lab, a, b, yaml } = two("prefixes: own");
  a.announce([VICTIM, "10.9.0.1/32"], { communities: ["blackhole"] });
  lab.run();
  expect(Object.keys(b.table)).toEqual([VICTIM]);
  lab.reload(yaml.replace("prefixes: own", "prefixes: other, next-hop: 192.0.2.66")).run();
  expect(Object.keys(b.table)).toEqual(["10.9.0.1/32"]);
  expect(b.table["10.9.0.1/32"]).toMatchObject({ nextHop: "192.0.2.66" });
  lab.reload(yaml.replace(", blackhole: { prefixes: own }", "")).run();
  expect(b.table).toEqual({});
  expect([A, B].map((address) => lab.neighbor(address).establishedCount)).toEqual([1, 1]);
});
