/** The validator as code of another thread finds the same wrong as the one that it is made of. */
import { beforeAll, describe, expect, test } from "vitest";
import { formatMistakes, loadConfig, useValidatorCode, validatorCode } from "../src/index.ts";

const RIGHT = `
router: { as: 64500, id: 192.0.2.1 }
neighbors: [{ address: 192.0.2.9, as: 64501, import: accept-all, export: accept-all }]
`;
const WRONG = [
  "",
  "[]",
  "router: { as: 0, id: 192.0.2.1 }",
  "router: { as: 64500, id: 192.0.2.1, is: 1 }\nneighbours: []",
  `${RIGHT}listen: [127.0.0.1, 127.0.0.1, { address: 3 }]\nlog: { level: loud }`,
  `${RIGHT}defaults: { hold-time: 2, families: [ipv4-unicast, ipv4-unicast], description: "${"ü".repeat(300)}" }`,
  `${RIGHT}policies: { "a b": [{ then: reject }], c: [{ if: { prefix: [] }, than: accept }] }`,
  `${RIGHT}prefix-lists: { a: [1, 192.0.2.0/24, {}], b: { file: [] } }\nas-lists: { a: [x] }`,
];
const SOURCES = {
  readFile: () => "",
  env: () => undefined,
};

function found(text: string) {
  const { config, mistakes, warnings } = loadConfig("test.yaml", text, SOURCES);
  return { config, mistakes: formatMistakes(mistakes), warnings: formatMistakes(warnings) };
}

describe("a validator as code", () => {
  let before: unknown[] = [];

  beforeAll(() => {
    expect(validatorCode("speaker")).toBeNull();
    before = [RIGHT, ...WRONG].map(found);
    useValidatorCode("speaker", validatorCode("speaker")!);
  });

  test("finds what is right right", () => {
    expect(found(RIGHT)).toEqual(before[0]);
    expect(found(RIGHT).config).not.toBeNull();
  });

  test.each(WRONG.map((text, k) => [k, text] as const))("tells mistakes alike, %i", (k, text) => {
    const now = found(text);
    expect(now).toEqual(before[k + 1]);
    expect(now.mistakes.length).toBeGreaterThan(0);
  });
});
