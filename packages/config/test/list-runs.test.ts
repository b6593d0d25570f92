import fc from "fast-check";
import { expect, test } from "vitest";
import { ShortText } from "../src/list-runs.ts";
import { YamlFile } from "../src/yaml-file.ts";

/** As it is without a parser of its own for long lists. */
function whole(text: string): YamlFile {
  return new YamlFile("x.yaml", `${text}\n# \uE000`);
}

/** @returns all values of a file with their places */
function placed(file: YamlFile, value: unknown = file.value, at = 0): unknown {
  const { line, column } = file.mistake(at, "");
  if (typeof value !== "object" || value === null) return [value, line, column];
  return Object.entries(value).map(([key, inner]) => [
    ...[key, line, column],
    placed(file, inner, file.valueAt(value, key)),
  ]);
}

const item = fc.constantFrom(
  ...["10.0.0.0/8", "10.0.0.0/8 le 24", "2001:db8::/32 ge 33 le 48", "::/0", "64501", "7-9"],
  ...['"10.0.0.0/8"', "'64501'", "192.0.2.0/24 # comment", "0", "[1]", "x: 1/2", "10.0.0.0/8 #"],
);
const gap = fc.constantFrom("", "", "", "\n", "  # between\n", "\r");
const list = fc
  .tuple(
    fc.nat(6),
    fc.array(fc.tuple(item, gap), { maxLength: 3 }),
    fc.array(item, { maxLength: 30 }),
  )
  .map(([spaces, few, many]) => {
    const indent = " ".repeat(spaces);
    const lines = [
      ...few,
      ...Array(18).fill(["192.0.2.0/24", ""]),
      ...many.map((one) => [one, ""]),
    ];
    return lines.map(([one, after]) => `${indent}- ${one}\n${after}`).join("");
  });

test("a list is read as YAML has it, with its places", () => {
  const file = fc.tuple(fc.array(list, { minLength: 1, maxLength: 3 }), fc.nat(2));
  fc.assert(
    fc.property(file, ([lists, kind]) => {
      const keys = ["", "&a\n", "\n  entries:\n"][kind]!;
      const text = lists.map((one, k) => `key${k}:${keys || "\n"}${one}`).join("");
      const [short, plain] = [new YamlFile("x.yaml", text), whole(text)];
      expect(short.broken).toBe(plain.broken);
      expect(short.mistakes).toEqual(plain.mistakes);
      expect(placed(short)).toEqual(placed(plain));
    }),
  );
});

const LINES = Array.from({ length: 20 }, (_, k) => `  - 10.${k}.0.0/16\n`).join("");

test.each([
  ["a text of several lines", `key: |\n${LINES}`],
  ["a folded text", `key: >\n${LINES}`],
  ["a text in quotes", `key: "\n${LINES}  "`],
  ["words that go on", `key: word\n${LINES}`],
  ["a list of lists", `key:\n  - - 1\n  ${LINES.replaceAll("\n", "\n  ")}`],
  ["an alias", `one: &a\n${LINES}two: *a\n`],
  ["what is no YAML", `key:\n${LINES}  }\n`],
  ["a list of a section", `key:\n  - a: 1\n${LINES}`],
])("lines like those of a list may be %s", (_, text) => {
  const [short, plain] = [new YamlFile("x.yaml", text), whole(text)];
  expect([short.mistakes, placed(short)]).toEqual([plain.mistakes, placed(plain)]);
});

test("a long list does without a parser of YAML", () => {
  expect(new ShortText(`key:\n${LINES}next: 1\n`).text).toMatch(/^key:\n {2}- .*\nnext: 1\n$/);
});

test("aliases of a long list are counted", () => {
  const many = Array.from({ length: 60_000 }, () => "  - 10.0.0.0/8\n").join("");
  const file = new YamlFile("x.yaml", `one: &a\n${many}two: *a\nthree: *a\n`);
  expect(file.mistakes.map(({ line, message }) => [line, message])).toEqual([
    [60_003, "aliases stand for more than 100000 values"],
  ]);
});
