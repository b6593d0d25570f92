/** The section static. */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { diffConfig, formatMistakes, loadConfig } from "../src/index.ts";

const SOURCES = { readFile: () => "", env: () => undefined };
const HEAD = `router: { as: 64500, id: 192.0.2.1 }
neighbors: [ { address: 192.0.2.11, as: 64501, import: accept-all, export: accept-all } ]
`;

const load = (routes: string) => loadConfig("x.yaml", `${HEAD}static:\n${routes}`, SOURCES);

test("the examples of the documentation are right", () => {
  const path = join(import.meta.dirname, "../../../docs/static-routes.md");
  const examples = [...readFileSync(path, "utf8").matchAll(/```yaml\n([\s\S]*?)```/g)];
  expect(examples.length).toBeGreaterThan(1);
  for (const [, example] of examples) {
    const { mistakes } = loadConfig(
      "x.yaml",
      `router: { as: 64500, id: 192.0.2.1 }\n${example}`,
      SOURCES,
    );
    expect(formatMistakes(mistakes)).toEqual([]);
  }
});

test("what a route says nothing of has its default", () => {
  const { config } = load("  - { prefix: 2001:DB8:ff::/48, next-hop: 2001:db8::9 }");
  expect(config!.staticRoutes).toEqual([
    {
      prefix: "2001:db8:ff::/48",
      nextHop: "2001:db8::9",
      origin: "igp",
      asPath: [],
      med: null,
      localPref: 100,
      communities: [],
      largeCommunities: [],
      extendedCommunities: [],
    },
  ]);
});

test.each([
  [
    "prefix: 10.1.0.1/16, next-hop: 192.0.2.9",
    '10.1.0.1/16 has host bits set; meant "10.1.0.0/16"?',
  ],
  ["prefix: 10.1.0.0/16 le 24, next-hop: 192.0.2.9", '"10.1.0.0/16 le 24" is not a prefix alone'],
  ["prefix: 10.1.0.0, next-hop: 192.0.2.9", '"10.1.0.0" is not a prefix'],
  ["prefix: 224.0.0.0/4, next-hop: 192.0.2.9", "224.0.0.0/4 cannot be routed"],
  ["prefix: 10.1.0.0/16, next-hop: fe80::1", "fe80::1 is not the address of one host"],
  ["prefix: 10.1.0.0/16, next-hop: here", '"here" is not an IP address'],
  ["prefix: 10.1.0.0/16", '"next-hop" is missing'],
  [
    "prefix: '2001:db8::/32', next-hop: 192.0.2.9",
    "2001:db8::/32 cannot have the IPv4 next hop 192.0.2.9",
  ],
  [
    "prefix: 10.1.0.0/16, next-hop: 192.0.2.9, community: ['64500:*']",
    '"64500:*" is not one community such as 65000:1',
  ],
  [
    "prefix: 10.1.0.0/16, next-hop: 192.0.2.9, large-community: ['1:2:$peer-as']",
    '"1:2:$peer-as" is not one large-community such as 65000:1:2',
  ],
])("%s: %s", (route, message) => {
  const { config, mistakes } = load(`  - { ${route} }`);
  expect(config).toBeNull();
  expect(mistakes.map((each) => each.message)).toEqual([expect.stringContaining(message)]);
  expect(mistakes[0]!.line).toBe(4);
});

test("a prefix stands once, however it is written", () => {
  const { mistakes } = load(`  - { prefix: "2001:db8::/32", next-hop: "2001:db8::9" }
  - { prefix: "2001:DB8:0::/32", next-hop: "2001:db8::9" }`);
  expect(formatMistakes(mistakes)).toEqual([
    expect.stringContaining("2001:db8::/32 appears twice, first at line 4"),
  ]);
});

const numbered = (prefix: string, count: number, suffix = "") =>
  Array.from({ length: count }, (_, k) => `"${prefix}${k}${suffix}"`).join(", ");

const LONG = "10.1.0.0/16, next-hop: 192.0.2.9";

test.each([
  ["as-path", `[ ${Array(300).fill(1).join(", ")} ]`, '"as-path" has 300 entries, at most 255'],
  ["community", `[ ${numbered("1:", 20_000)} ]`, '"community" has 20000 entries, at most 875'],
  ["large-community", `[ ${numbered("1:1:", 292)} ]`, "has 292 entries, at most 291"],
  ["extended-community", `[ ${numbered("rt:1:", 438)} ]`, "has 438 entries, at most 437"],
  [
    "as-path",
    `[ 1, 2 ], community: [ ${numbered("1:", 300)} ], large-community: [ ${numbered("1:1:", 200)} ]`,
    "AS path and communities of 10.1.0.0/16 take 3608 octets, at most 3500",
  ],
])("a route with too long a list is a mistake: %s %#", (key, list, message) => {
  const { config, mistakes } = load(`  - { prefix: ${LONG}, ${key}: ${list} }`);
  expect(config).toBeNull();
  expect(mistakes.map((each) => each.message)).toEqual([expect.stringContaining(message)]);
  expect(mistakes[0]).toMatchObject({ line: 4, column: expect.any(Number) });
});

test("a list as long as it may be is right", () => {
  const lists = [`community: [ ${numbered("1:", 800)} ]`, "as-path: [ 1, 2, 3 ]"];
  const { mistakes } = load(`  - { prefix: ${LONG}, ${lists.join(", ")} }`);
  expect(formatMistakes(mistakes)).toEqual([]);
});

test("there are 10,000 routes at most", () => {
  const routes = Array.from({ length: 10_001 }, () => `  - { prefix: ${LONG} }`);
  expect(formatMistakes(load(routes.join("\n")).mistakes)).toEqual([
    'x.yaml:4:3: "static" has 10001 entries, at most 10000',
  ]);
});

test("a change of a route is a change of the section, and of no neighbor", () => {
  const [one, other] = [10, 11].map(
    (k) => load(`  - { prefix: 10.1.0.0/16, next-hop: 192.0.2.${k} }`).config!,
  );
  const diff = diffConfig(one!, other!);
  expect([diff.global, diff.changed]).toEqual([["staticRoutes"], []]);
});
