/** A new configuration for some neighbors alone: what they have of it, and that all others keep theirs. */
import { ACCEPT_ALL, type Policy, withConstants, withListNames } from "@ts-bgp/policy";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Config, canaryAddresses, canaryConfig, diffConfig } from "../src/index.ts";
import { loadText } from "./sources.ts";

function load(text: string): Config {
  const { config, mistakes } = loadText(text);
  expect(mistakes).toEqual([]);
  return config!;
}

const ADDRESSES = ["192.0.2.11", "192.0.2.12", "192.0.2.13", "192.0.2.14"];
const POLICIES = ["first", "second", "third"];

/** What a neighbor may have. */
const neighborOf = fc.record({
  import: fc.constantFrom(...POLICIES, ACCEPT_ALL),
  export: fc.subarray(POLICIES, { minLength: 1 }),
  vars: fc.record({
    prefixes: fc.constantFrom("some", "more"),
    pref: fc.integer({ min: 1, max: 3 }),
  }),
  "max-prefix": fc.constantFrom(100, 200),
  blackhole: fc.constantFrom({ prefixes: "some" }, { prefixes: "more" }),
});
/** Each is about other lists, of all kinds and in all places. */
const RULES = [
  "{ if: { prefix: some }, then: accept }",
  "{ if: { any: [ { prefix: $prefixes }, { not: { next-hop: more } } ] }, then: reject }",
  "{ if: { as-path: { regex: _<ases>_ } }, set: { local-pref: $pref } }",
  "{ if: { as-path: { contains: others }, all: [ { neighbor-as: ases } ] }, then: accept }",
  "{ if: { source: { vars: { prefixes: some } } }, then: accept }",
  "{ if: { source: { vars: { prefixes: $prefixes } } }, then: reject }",
  "{ if: { community: marks, route: objects }, set: { community: { remove: [ marks ] } } }",
  "{ set: { med: 5 }, then: accept }",
];
const fileOf = fc.record({
  neighbors: fc.tuple(neighborOf, neighborOf, neighborOf, neighborOf),
  policies: fc.record(
    Object.fromEntries(POLICIES.map((name) => [name, fc.subarray(RULES, { minLength: 1 })])),
  ),
  lists: fc.record({
    some: fc.constantFrom("198.51.100.0/24", "203.0.113.0/24 le 25"),
    more: fc.constantFrom("198.51.100.0/24", "203.0.113.0/24 le 25"),
    ases: fc.constantFrom("65001", "65002-65003"),
    others: fc.constantFrom("65001", "65002-65003"),
    marks: fc.constantFrom("65000:1", "65000:2"),
    objects: fc.constantFrom("198.51.100.0/24 65001", "198.51.100.0/24 65002"),
  }),
});

function configOf({ neighbors, policies, lists }: FileOf): Config {
  const { some, more, ases, others, marks, objects } = lists;
  return load(
    [
      `neighbors: ${JSON.stringify(
        neighbors.map((one, k) => ({ ...one, address: ADDRESSES[k], as: 64501 + (k >> 1) })),
      )}`,
      `policies:`,
      ...Object.entries(policies).map(([name, rules]) => `  ${name}: [ ${rules.join(", ")} ]`),
      `prefix-lists: ${JSON.stringify({ some: [some], more: [more] })}`,
      `as-lists: ${JSON.stringify({ ases: [ases], others: [others] })}`,
      `community-lists: ${JSON.stringify({ marks: [marks] })}`,
      `route-lists: ${JSON.stringify({ objects: [objects] })}`,
    ].join("\n"),
  );
}

type FileOf = typeof fileOf extends fc.Arbitrary<infer T> ? T : never;

/**
 * @returns all that decides about routes of a neighbor and to it, with no name of a policy in it, and of a list only
 *   where others may ask for it
 */
function decides(config: Config, address: string): unknown {
  const neighbor = config.neighbors.find((one) => one.address === address)!;
  const listOf = (
    kind: "prefixLists" | "asLists" | "communityLists" | "routeLists",
    name: string,
  ) => JSON.stringify(config[kind]![name]);
  const said = (name: string) => {
    if (name === ACCEPT_ALL) return name;
    const policy: Policy = withConstants(config.policies[name]!, neighbor.vars);
    const { rules, default: fallback } = withListNames(policy, listOf);
    return [rules.map(({ source: _, ...rule }) => rule), fallback];
  };
  const { source: _, ...options } = neighbor;
  return {
    ...options,
    import: neighbor.import.map(said),
    export: neighbor.export.map(said),
    blackhole: neighbor.blackhole === null ? null : said(neighbor.blackhole),
  };
}

test("neighbors that are named have all that the new one says, and all others what they had", () => {
  fc.assert(
    fc.property(fileOf, fileOf, fc.subarray(ADDRESSES), (before, after, named) => {
      const [old, next] = [configOf(before), configOf(after)];
      const mixed = canaryConfig(old, next, named);
      for (const [k, { address }] of old.neighbors.entries()) {
        const from = named.includes(address) ? next : old;
        expect(decides(mixed, address)).toEqual(decides(from, address));
        if (from === old) expect(mixed.neighbors[k]).toBe(old.neighbors[k]);
      }
      expect(mixed.policies).toMatchObject(old.policies);
      const { added, removed, changed, global } = diffConfig(old, mixed);
      expect([added, removed, global]).toEqual([[], [], []]);
      // Policies of others may ask for values that a neighbor has otherwise.
      const others = changed.filter(({ address }) => !named.includes(address));
      expect(others.flatMap(({ options }) => options)).toEqual([]);
      const varsOf = ({ neighbors }: Config) => neighbors.map(({ vars }) => vars);
      if (JSON.stringify(varsOf(mixed)) === JSON.stringify(varsOf(old))) expect(others).toEqual([]);
      // Who is told what is in force comes to the same.
      expect(canaryConfig(old, mixed, named)).toEqual(mixed);
    }),
    { numRuns: 60 },
  );
});

const BASE = `
neighbors:
  - { address: 192.0.2.11, as: 64501, import: in, description: one, vars: { list: both } }
  - { address: 192.0.2.12, as: 64501, import: in, description: two }
  - { address: 192.0.2.13, as: 64503, import: in }
dynamic-neighbors:
  - { prefix: 198.51.100.0/24, as-numbers: 64510-64519, description: guests }
prefix-lists: { both: [ 10.0.0.0/8 ], same: [ 10.0.0.0/8 ] }
as-lists: { both: [ 65001 ] }
policies:
  in: [ { if: { prefix: $list }, then: reject }, { if: { as-path: { origin: $list } }, then: reject }, { then: accept } ]
`;

test("what is the same in both keeps its name", () => {
  const old = load(BASE);
  const moved = load(`# moved\n${BASE}`.replace("65001 ]", "65002 ]"));
  const mixed = canaryConfig(old, moved, ["192.0.2.11"]);
  expect(mixed.neighbors[0]).toMatchObject({ import: ["in~new"], vars: { list: ["both"] } });
  // The value stands for a list of each kind.
  expect(mixed.policies["in~new"]!.rules.map((rule) => rule.if)).toEqual([
    { prefix: ["$list"] },
    { asPath: { origin: ["both~new"] } },
    {},
  ]);
  expect(mixed.asLists["both~new"]).toEqual(moved.asLists["both"]);
  expect(Object.keys(mixed.prefixLists)).toEqual(["both", "same"]);
  expect(Object.keys(canaryConfig(old, load(`# moved\n${BASE}`), ["192.0.2.11"]).policies)).toEqual(
    ["in"],
  );
});

test("of a policy there is one for each list that its values stand for", () => {
  const file = BASE.replace("description: two", "$&, vars: { list: same }").replace(
    "both: [ 65001 ]",
    "$&, same: [ 65001 ]",
  );
  const old = load(file);
  const moved = load(file.replaceAll("[ 10.0.0.0/8 ]", "[ 11.0.0.0/8 ]"));
  const mixed = canaryConfig(old, moved, ADDRESSES);
  expect(mixed.neighbors.map((neighbor) => neighbor.import)).toEqual([
    ["in~new"],
    ["in~new2"],
    ["in"],
  ]);
  expect(mixed.policies["in~new2"]!.rules[0]!.if).toEqual({ prefix: ["same~new"] });
});

describe("neighbors are found", () => {
  const next = BASE.replace("192.0.2.13, as: 64503", "192.0.2.14, as: 64504").replace(
    /.*192\.0\.2\.12.*\n/,
    "",
  );
  test.each([
    [["AS64501"], ["192.0.2.11"], []],
    [["64501", "192.0.2.11"], ["192.0.2.11"], []],
    [["one"], ["192.0.2.11"], []],
    [["two"], [], ["the file has no neighbor two any more"]],
    [
      ["as64504"],
      [],
      ["the neighbor as64504 is new in the file: it comes when all are to have it"],
    ],
    [
      ["AS64510", "198.51.100.7", "198.51.100.0/24", "guests"],
      [],
      ["AS64510", "198.51.100.7", "198.51.100.0/24", "guests"].map(
        (name) => `${name} is of dynamic neighbors: they get what is new when all are to have it`,
      ),
    ],
    [
      ["AS1", "x", "203.0.113.1"],
      [],
      ["AS1", "x", "203.0.113.1"].map(
        (name) => `no neighbor has the AS number, address or description ${name}`,
      ),
    ],
  ])("by %j", (names, addresses, mistakes) => {
    expect(canaryAddresses(load(BASE), load(next), names)).toEqual({ addresses, mistakes });
  });
});
