/** What peers would not wait for after a start is warned of, at the key that makes it long. */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { formatMistakes, loadConfig } from "../src/index.ts";

const OPTIONS = { readFile: () => "", env: () => undefined };

function warningsOf(defaults: string, more = "", neighbor = ""): string[] {
  const text = [
    "router: { as: 64500, id: 192.0.2.1 }",
    `defaults: { import: accept-all, export: accept-all, graceful-restart: ${defaults} }`,
    more,
    `neighbors: [{ address: 192.0.2.11, as: 64501 ${neighbor} }]`,
  ];
  const { warnings, mistakes } = loadConfig("x.yaml", text.join("\n"), OPTIONS);
  expect(formatMistakes(mistakes)).toEqual([]);
  return formatMistakes(warnings);
}

const CACHE = "caches: [{ address: 192.0.2.53 }]";
const END = ", and many drop those that they kept after 300 s";
const told = (place: string, sum: string) => [
  `x.yaml:${place}: after a start, peers are sent no routes for up to ${sum}${END}`,
];

test.each<[string, string[], string[]]>([
  ["defaults", ["full"], []],
  ["as long as peers wait", ["{ mode: full, defer-limit: 300 }"], []],
  ["longer", ["{ mode: full, defer-limit: 301 }"], told("2:98", "301 s")],
  ["longer, where nobody keeps routes", ["{ mode: helper, defer-limit: 900 }"], []],
  [
    "of a neighbor alone",
    ["full", "", ", graceful-restart: { defer-limit: 400 }"],
    told("4:81", "400 s"),
  ],
  [
    "of one that is not waited for",
    ["full", "", ", graceful-restart: { mode: off, defer-limit: 400 }"],
    [],
  ],
  ["with the start gate, as both are unless given", ["full", `rpki: { ${CACHE} }`], []],
  [
    "with a long start gate",
    ["full", `rpki: { ${CACHE}, start-limit: 181 }`],
    told("3:57", '301 s ("start-limit" of 181 s, then "defer-limit" of 120 s)'),
  ],
  [
    "with both",
    ["{ mode: full, defer-limit: 250 }", `rpki: { ${CACHE} }`],
    told("2:98", '310 s ("start-limit" of 60 s, then "defer-limit" of 250 s)'),
  ],
  ["with a start gate of no sources", ["full", "rpki: { start-limit: 300 }"], []],
])("the wait after a start: %s", (_title, [defaults, more, neighbor], expected) => {
  expect(warningsOf(defaults!, more, neighbor)).toEqual(expected);
});

test("an own limit stands for all that share it, and each place is told once", () => {
  const text = `
router: { as: 64500, id: 192.0.2.1 }
defaults: { import: accept-all, export: accept-all, graceful-restart: full }
groups:
  slow:
    graceful-restart: { defer-limit: 3600 }
neighbors:
  - { address: 192.0.2.11, as: 64501, group: slow }
  - { address: 192.0.2.12, as: 64502, group: slow }
`;
  expect(formatMistakes(loadConfig("x.yaml", text, OPTIONS).warnings)).toEqual(
    told("6:38", "3600 s"),
  );
});

test("the examples of the documentation are right, and not warned of", () => {
  const docs = new URL("../../../docs/graceful-restart.md", import.meta.url);
  const examples = [...readFileSync(docs, "utf8").matchAll(/```yaml\n([\s\S]*?)```/g)];
  expect(examples).toHaveLength(2);
  const text = `
router: { as: 64500, id: 192.0.2.1 }
neighbors: [{ address: 192.0.2.11, as: 64500, export: last-resort }]
${examples.map(([, example]) => example).join("\n")}`;
  const { mistakes, warnings } = loadConfig("x.yaml", text, OPTIONS);
  expect(formatMistakes([...mistakes, ...warnings])).toEqual([]);
});
