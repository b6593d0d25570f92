/** Files that are right, as YAML allows them to be written. */
import { expect, test } from "vitest";
import { loadText } from "./sources.ts";

test("a minimal file listens on all addresses", () => {
  const { config, mistakes, warnings } = loadText("");
  expect(mistakes).toEqual([]);
  expect(warnings.map(({ message }) => message)).toEqual(["no neighbors"]);
  expect(config).toMatchObject({
    listen: [
      { address: "0.0.0.0", port: 179 },
      { address: "::", port: 179 },
    ],
    http: null,
    log: { level: "info", file: null },
    nsr: null,
    mirrors: null,
    record: null,
    rpki: null,
  });
});

test("aliases and merge keys may be used", () => {
  const { config, mistakes } = loadText(
    [
      "groups:",
      "  a: &a { hold-time: 9, passive: true }",
      "  b: { <<: *a, hold-time: 12 }",
      "neighbors:",
      "  - { address: 192.0.2.11, as: 64501, group: a }",
      "  - { address: 192.0.2.12, as: 64501, group: b }",
    ].join("\n"),
  );
  expect(mistakes).toEqual([]);
  const found = config!.neighbors.map(({ holdTime, passive }) => [holdTime, passive]);
  expect(found).toEqual([
    [9, true],
    [12, true],
  ]);
});

test("names may be those that every object has", () => {
  const text = "policies: { constructor: [ { if: { prefix: toString }, then: accept } ] }";
  const unknown = loadText(`${text}\nneighbors: [ { address: 192.0.2.1, as: 1, group: valueOf } ]`);
  expect(unknown.mistakes.map(({ message }) => message)).toEqual([
    'prefix-list "toString" is not defined',
    'group "valueOf" is not defined',
  ]);
  const known = loadText(`${text}\nprefix-lists: { toString: [] }`);
  expect(known.mistakes).toEqual([]);
});
