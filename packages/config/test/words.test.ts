/** Keys of policies that take values from neighbors, and what is built in: what is said of mistakes. */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { diffConfig, formatMistakes, loadConfig } from "../src/index.ts";

const FILE = `
router: { as: 64500, id: 192.0.2.1 }
defaults: { export: accept-all, vars: { pref: 100, site: [ fra, 7 ] } }
groups: { clients: { import: in, vars: { nets: one, pref: 120 } } }
neighbors:
  - { address: 192.0.2.11, as: 64501, group: clients }
  - { address: 192.0.2.12, as: 64502, group: clients, vars: { nets: [ one, 10.2.0.0/16 ], alias: 064777 } }
prefix-lists: { one: [ 10.1.0.0/16 ] }
policies:
  in:
    - { if: { prefix: $nets, source: { vars: { site: $site } } }, set: { local-pref: $pref }, then: accept }
`;
const SOURCES = { readFile: () => "", env: () => "" };

function load(text: string) {
  const { config, mistakes, warnings } = loadConfig("t.yaml", text, SOURCES);
  return {
    config: config!,
    mistakes: formatMistakes(mistakes),
    warnings: formatMistakes(warnings),
  };
}

test("values of neighbor, group and defaults merge name by name, in canonical text", () => {
  const { config, mistakes } = load(FILE);
  expect(mistakes).toEqual([]);
  expect(config.neighbors.map(({ vars }) => vars)).toEqual([
    { nets: ["one"], pref: ["120"], site: ["fra", "7"] },
    { alias: ["64777"], nets: ["one", "10.2.0.0/16"], pref: ["120"], site: ["fra", "7"] },
  ]);
});

const MISTAKES: [string, string, string][] = [
  ["nets: one,", "nets: two,", '4:48: prefix-list "two" is not defined'],
  ["10.2.0.0/16 ]", "10.2.0.1/16 ]", "7:76: 10.2.0.1/16 has host bits set"],
  ["pref: 120", "pref: high", '4:59: "high" is not a number from 0 to 4294967295'],
  [
    "prefix: $nets",
    "prefix: $net",
    '11:23: no neighbor has "net" among its vars, did you mean "nets"?',
  ],
  ["prefix: $nets", "community: $nets:1:2", "one: "],
  ["site: $site", "peer-as: $site", '"peer-as" is not a name of letters'],
  [
    "then: accept }",
    "then: accept, reason: bogon-prefix }",
    "only a rule that rejects has a reason",
  ],
  ["prefix: $nets", "community: $nets", 'community-list "one" is not defined'],
  [
    "prefix: $nets",
    'prefix: "@bogon"',
    'prefix-list "@bogon" is not defined, did you mean "@bogons"?',
  ],
  ["prefix: $nets", "route: nobody", 'route-list "nobody" is not defined'],
  ["prefix: $nets", "as-path: { regex: _<nobody>_ }", 'as-list "nobody" is not defined'],
  [
    "import: in",
    'import: [ "@hygeine", in ]',
    'policy "@hygeine" is not defined, did you mean "@hygiene"?',
  ],
  ["import: in", 'import: [ "@rpki", in ]', '"@rpki" needs a section "rpki" with caches or files'],
  [
    "local-pref: $pref",
    "remove-attributes: [ 40, 2 ]",
    "attribute 2 is one that no rule can take out",
  ],
  ["local-pref: $pref", "med: $a:b", '"$a:b" is not a number or a value'],
];

test.each(MISTAKES)("%s as %s: %s", (before, after, said) => {
  expect(FILE).toContain(before);
  const { mistakes } = load(FILE.replace(before, after));
  expect(mistakes.join("\n")).toContain(said === "one: " ? '"one"' : said);
});

test("what looks unintended is warned of", () => {
  const { warnings } = load(FILE.replace("prefix: $nets, ", "prefix: [ $nets, $alias ], "));
  expect(warnings).toEqual([]);
  const other = FILE.replace("alias: 064777", "alias: 10.3.0.0/16").replace(
    "prefix: $nets, ",
    "prefix: [ $nets, $alias ], ",
  );
  expect(load(other).warnings).toEqual([
    't.yaml:6:1: neighbor 192.0.2.11 has no "alias" among its vars, so $alias is nothing',
  ]);
  expect(load(FILE).warnings).toEqual(["t.yaml:7:91: no policy asks for $alias"]);
});

test("the examples of the documentation are right", () => {
  const file = join(import.meta.dirname, "../../../docs/policies.md");
  const blocks = [...readFileSync(file, "utf8").matchAll(/```yaml\n([^`]*)```/g)].map(([, text]) =>
    text!.startsWith(" ") ? `policies:\n  some:\n${text}` : text!,
  );
  expect(blocks.length).toBeGreaterThan(8);
  // What an example leaves to the rest of a file.
  const isElsewhere = (mistake: string) =>
    / is not defined|no neighbor has |has no "as"/.test(mistake);
  for (const block of blocks) {
    const { mistakes } = load(`router: { as: 64500, id: 192.0.2.1 }\n${block}`);
    expect([block, mistakes.filter((mistake) => !isElsewhere(mistake))]).toEqual([block, []]);
  }
});

test("what is built in and used becomes part of the configuration", () => {
  const text = FILE.replace("import: in", 'import: [ "@hygiene", in ]');
  const { config, mistakes } = load(text);
  expect(mistakes).toEqual([]);
  expect(Object.keys(config.policies)).toEqual(["@hygiene", "in"]);
  expect(Object.keys(config.prefixLists)).toEqual(["@bogons", "one"]);
  expect(Object.keys(config.asLists)).toEqual(["@bogon-as", "@transit-free"]);
  expect(load(FILE).config.asLists).toEqual({});
  const rpki = `${text.replace("in ]", '"@rpki", in ]')}\nrpki: { caches: [ { address: 192.0.2.53 } ] }\n`;
  expect(load(rpki).mistakes).toEqual([]);
  const exported = rpki.replace("export: accept-all", 'export: "@rpki"');
  expect(load(exported).mistakes.join()).toContain('policy "@rpki" asks for rpki');
});

test("a value, or a list that it names, changes the neighbors that have it", () => {
  const old = load(FILE).config;
  const changedBy = (before: string, after: string) => {
    const { changed, policies } = diffConfig(old, load(FILE.replace(before, after)).config);
    return { changed: changed.map((each) => [each.address, each.import, each.reset]), policies };
  };
  const second = [["192.0.2.12", true, false]];
  const both = [["192.0.2.11", true, false], ...second];
  // The policy asks for values of sources, so that another value of one is a matter of all.
  expect(changedBy("10.2.0.0/16 ]", "10.3.0.0/16 ]")).toEqual({ changed: both, policies: ["in"] });
  const plain = (text: string) =>
    load(text.replace(", source: { vars: { site: $site } }", "")).config;
  const before = plain(FILE);
  const next = plain(FILE.replace("10.2.0.0/16 ]", "10.3.0.0/16 ]"));
  expect(diffConfig(before, next).changed.map(({ address }) => address)).toEqual(["192.0.2.12"]);
  const list = plain(FILE.replace("one: [ 10.1", "one: [ 10.9"));
  expect(diffConfig(before, list).changed.map(({ address }) => address)).toEqual([
    "192.0.2.11",
    "192.0.2.12",
  ]);
  const unused = plain(FILE.replace("alias: 064777", "alias: 1"));
  expect(diffConfig(before, unused).changed).toEqual([
    { address: "192.0.2.12", options: ["vars"], reset: false, import: false, export: false },
  ]);
});
