/** The section dynamic-neighbors. */

import { describe, expect, test } from "vitest";
import {
  type Config,
  diffConfig,
  dynamicNeighbor,
  dynamicRangeOf,
  formatMistakes,
  loadConfig,
} from "../src/index.ts";

const SOURCES = { readFile: () => "", env: () => "secret" };

function load(ranges: string, more = "") {
  const text = `router: { as: 64500, id: 192.0.2.1 }
dynamic-neighbors:
${ranges}
groups:
  clients: { route-server-client: true, import: accept-all, export: accept-all }
  one: { as: 64510 }
as-lists: { members: [64601, 64700-64799] }
defaults: { import: accept-all, export: accept-all }
${more}`;
  return loadConfig("x.yaml", text, SOURCES);
}

function loaded(ranges: string, more = ""): Config {
  const { config, mistakes, warnings } = load(ranges, more);
  expect(formatMistakes(mistakes)).toEqual([]);
  expect(formatMistakes(warnings).filter((text) => text.includes("no neighbors"))).toEqual([]);
  return config!;
}

describe("a range", () => {
  test("has the options of its group, and waits for the other side", () => {
    const { dynamicNeighbors } = loaded(
      "  - { prefix: 192.0.2.0/24, group: clients, as-numbers: [65001, members] }",
    );
    const { options, ...range } = dynamicNeighbors[0]!;
    expect(range).toEqual({ prefix: "192.0.2.0/24", limit: 100, forgetAfterSeconds: 300 });
    const asRanges = [65001, 64601].map((as) => [as, as]).concat([[64700, 64799]]);
    expect(options).toMatchObject({
      address: "192.0.2.0/24",
      as: 0,
      group: "clients",
      routeServerClient: true,
      passive: true,
      families: ["ipv4-unicast"],
      dynamic: { prefix: "192.0.2.0/24", asRanges },
    });
  });

  test.each([
    ["as-numbers: 64500", 64500, "unchanged"],
    ["as-numbers: [65001]", 65001, "self"],
    ["group: one", 64510, "self"],
  ])("of one AS (%s) knows it", (keys, as, nextHop) => {
    const { options } = loaded(`  - { prefix: "2001:DB8::/32", ${keys} }`).dynamicNeighbors[0]!;
    expect(options).toMatchObject({
      as,
      nextHop,
      families: ["ipv6-unicast"],
      address: "2001:db8::/32",
    });
  });

  test("takes addresses of its prefix and AS numbers of its ranges; the longest prefix counts", () => {
    const { dynamicNeighbors } = loaded(`  - { prefix: 10.0.0.0/8, as-numbers: 1-9 }
  - { prefix: 10.1.128.0/17, as-numbers: 5-6 }
  - { prefix: "::/0", as-numbers: 7 }
  - { prefix: "2001:db8::/33", as-numbers: 8 }
  - { prefix: "fe80::/64", as-numbers: 9 }`);
    const at = (address: string) => dynamicRangeOf(dynamicNeighbors, address)?.prefix;
    expect(at("10.1.128.1")).toBe("10.1.128.0/17");
    expect(at("10.1.127.255")).toBe("10.0.0.0/8");
    expect(at("11.0.0.1")).toBeUndefined();
    expect(at("2001:db8:8000::1")).toBe("::/0");
    expect(at("fe80::1%eth0")).toBe("fe80::/64");
    expect(at("fe80:0:0:1::1")).toBe("::/0");
    const range = dynamicRangeOf(dynamicNeighbors, "10.1.128.1")!;
    expect(dynamicNeighbor(range, "10.1.128.1", 0)).toMatchObject({ address: "10.1.128.1", as: 0 });
    expect(dynamicNeighbor(range, "10.1.128.1", 6)).toMatchObject({ as: 6 });
    expect(dynamicNeighbor(range, "10.1.128.1", 7)).toBeNull();
  });

  test("that comes, goes or changes is told of as a whole", () => {
    const range = "  - { prefix: 192.0.2.0/24, as-numbers: 1-9 }";
    const [before, after] = [range, range.replace("9", "8")].map((text) => loaded(text));
    expect(diffConfig(before!, after!)).toMatchObject({
      global: ["dynamicNeighbors"],
      added: [],
      removed: [],
      changed: [],
    });
  });
});

const RANGE = "prefix: 192.0.2.0/24, as-numbers: 65001";

test.each([
  ["prefix: 192.0.2.1/24, as-numbers: 1", /^x\.yaml:3:15: .*host bits/],
  ["prefix: 192.0.2.0/24 le 32, as-numbers: 1", /^x\.yaml:3:15: .* is not a prefix alone/],
  ["prefix: 192.0.2.0, as-numbers: 1", /^x\.yaml:3:15: .*length is missing/],
  ["prefix: 192.0.2.0/24", /^x\.yaml:3:5: neighbors of 192\.0\.2\.0\/24 have no "as-numbers"/],
  ["prefix: 192.0.2.0/24, as-numbers: 64000-65000", /^x\.yaml:3:41: AS 64500, the own one/],
  ["prefix: 192.0.2.0/24, as-numbers: [64500, 1]", /^x\.yaml:3:41: AS 64500, the own one/],
  ["prefix: 192.0.2.0/24, as-numbers: [1, 9-3]", /^x\.yaml:3:45: range 9-3 ends before it begins/],
  ["prefix: 192.0.2.0/24, as-numbers: member", /^x\.yaml:3:41: as-list "member" is not defined/],
  [`${RANGE}, group: client`, /^x\.yaml:3:\d+: group "client" is not defined/],
  [`${RANGE}, address: 192.0.2.1`, /unknown key "address"/],
  [`${RANGE}, limit: 0`, /"limit" must be a number from 1 to 10000/],
  [`${RANGE} }\n  - { ${RANGE}`, /^x\.yaml:4:15: 192\.0\.2\.0\/24 appears twice, first at line 3/],
])("%s is a mistake", (text, message) => {
  const found = formatMistakes(load(`  - { ${text} }`).mistakes);
  expect(found).toHaveLength(1);
  expect(found[0]).toMatch(message);
});

test("a neighbor within a prefix with a password needs one as well", () => {
  const ranges = `  - { ${RANGE}, password: { env: X } }`;
  const neighbors =
    "neighbors:\n  - { address: 192.0.2.9, as: 1 }\n  - { address: 192.0.2.8, as: 1, password: { env: X } }";
  expect(formatMistakes(load(ranges, neighbors).mistakes)).toEqual([
    "x.yaml:10:5: neighbor 192.0.2.9 needs a password: 192.0.2.0/24, where it is, has one",
  ]);
  expect(load(`  - { ${RANGE} }`, neighbors).mistakes).toEqual([]);
});
