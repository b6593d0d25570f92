/** The section blackhole of neighbors, groups and defaults. */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { type Config, diffConfig, formatMistakes, importChain, loadConfig } from "../src/index.ts";

const SOURCES = { readFile: () => "", env: () => undefined };

function load(neighbors: string, more = "") {
  const text = `router: { as: 64500, id: 192.0.2.1 }
neighbors:
${neighbors}
prefix-lists:
  one: [10.1.0.0/16 le 24, 10.1.0.0/16, "2001:db8:1::/48"]
  two: [10.2.0.0/16]
defaults: { import: in, export: accept-all }
policies: { in: [ { if: { prefix-length: { max: 24 } }, then: accept } ] }
${more}`;
  return loadConfig("x.yaml", text, SOURCES);
}

function loaded(neighbors: string, more = ""): Config {
  const { config, mistakes } = load(neighbors, more);
  expect(formatMistakes(mistakes)).toEqual([]);
  return config!;
}

const ONE = "  - { address: 192.0.2.11, as: 64501, blackhole: { prefixes: one } }";
const CHECKED = "policies: { checked: [ { then: accept } ] }\n";
const GROUP = "groups: { clients: { blackhole: { next-hop: 192.0.2.66 } } }";

test("the examples of the documentation are right", () => {
  const path = join(import.meta.dirname, "../../../docs/exchange-services.md");
  const examples = [...readFileSync(path, "utf8").matchAll(/```yaml\n([\s\S]*?)```/g)];
  expect(examples.length).toBeGreaterThan(1);
  for (const [, example] of examples) {
    const text = `router: { as: 64500, id: 192.0.2.1 }\n${example}`;
    const { mistakes } = loadConfig(
      "x.yaml",
      /^policies/m.test(text) ? text : `${text}${CHECKED}`,
      {
        ...SOURCES,
        readFile: (path) => (/never/.test(path) ? "64511\n" : "10.1.0.0/16\n"),
      },
    );
    expect(formatMistakes(mistakes)).toEqual([]);
  }
});

describe("a neighbor that may blackhole", () => {
  test("has a policy before its own, with all that lies within its prefixes", () => {
    const { neighbors, policies, prefixLists } = loaded(ONE);
    const chain = importChain(neighbors[0]!);
    expect(chain).toEqual(["blackhole(one;;;;)", "in"]);
    expect(neighbors[0]!.import).toEqual(["in"]);
    expect(policies[chain[0]!]!.default).toBe("next");
    const within = [0x101020, 0x0a010000, 0x1303080, 0x20010db8, 0x00010000, 0, 0];
    expect(prefixLists["within:one"]).toEqual(Uint32Array.from(within));
  });

  test("that accepts all has one that does so as well", () => {
    const open =
      "  - { address: 192.0.2.11, as: 64501, import: accept-all, blackhole: { prefixes: one } }";
    const { neighbors, policies } = loaded(open);
    const chain = importChain(neighbors[0]!);
    expect(chain).toEqual(["blackhole(one;;;;*)"]);
    expect(policies[chain[0]!]!.default).toBe("accept");
  });

  test("takes keys from its group; one without prefixes may not", () => {
    const { neighbors, policies } = loaded(
      `  - { address: 192.0.2.11, as: 64501, group: clients, blackhole: { prefixes: [one, two] } }
  - { address: 192.0.2.12, as: 64502, group: clients }
  - { address: 192.0.2.13, as: 64501, group: clients, blackhole: { prefixes: [one, two] } }`,
      GROUP,
    );
    const name = "blackhole(one,two;192.0.2.66;;;)";
    expect(neighbors.map(({ blackhole }) => blackhole)).toEqual([name, null, name]);
    expect(importChain(neighbors[1]!)).toEqual(["in"]);
    expect(Object.keys(policies)).toEqual(["in", name]);
  });

  test("is judged again when its prefixes change, and no other one is", () => {
    const both = `${ONE}\n  - { address: 192.0.2.12, as: 64502, blackhole: { prefixes: two } }`;
    const before = loaded(both);
    const { config } = load(both.replace("x", "x"), "http: { port: 1 }");
    expect(diffConfig(before, config!).changed).toEqual([]);
    const prefixLists = { ...before.prefixLists, "within:two": ["10.3.0.0/16 le 32"] };
    const { changed } = diffConfig(before, { ...before, prefixLists });
    expect(changed.map((change) => [change.address, change.import, change.reset])).toEqual([
      ["192.0.2.12", true, false],
    ]);
  });
});

test.each([
  ["prefixes: [ones]", /^x\.yaml:3:63: prefix-list "ones" is not defined.*one/],
  ["next-hop: 192.0.2", 'x.yaml:3:62: "192.0.2" is not an IP address'],
  ['next-hop: "fe80::1"', "x.yaml:3:62: fe80::1 is not the address of one host"],
  ["next-hop: [10.0.0.1, 10.0.0.2]", "x.yaml:3:73: there is another next hop for IPv4"],
  ["communities: blackholes", 'x.yaml:3:65: "blackholes" is not a community'],
  ['communities: ["70000:1"]', /^x\.yaml:3:66: .*70000/],
  ["no-export: perhaps", /^x\.yaml:3:63: .*true or false/],
  ["lists: one", /^x\.yaml:3:52: .*lists/],
])("%s is a mistake", (text, message) => {
  const neighbor = `  - { address: 192.0.2.11, as: 64501, blackhole: { ${text} } }`;
  const { mistakes } = load(`${neighbor}\n${ONE.replace(".11", ".12")}`);
  const [first, ...more] = formatMistakes(mistakes);
  expect(more).toEqual([]);
  if (typeof message === "string") expect(first).toBe(message);
  else expect(first).toMatch(message);
});
