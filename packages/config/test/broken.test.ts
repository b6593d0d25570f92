/** Files that are wrong: each mistake, with its place. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { formatMistakes, loadConfig } from "../src/index.ts";
import { loadText, SOURCES, sourcesIn } from "./sources.ts";

describe("every broken file", () => {
  const folder = join(import.meta.dirname, "../../../test/broken");
  const wanted = readFileSync(join(folder, "expected.txt"), "utf8").trimEnd().split("\n");
  const files = readdirSync(folder).filter((name) => name.endsWith(".yaml"));

  test.each(files)("%s is explained with file, line and column", (file) => {
    const text = readFileSync(join(folder, file), "utf8");
    const { config, mistakes } = loadConfig(file, text, sourcesIn(folder));
    expect(config).toBeNull();
    const start = wanted.indexOf(`# ${file}`);
    const end = wanted.findIndex((line, k) => k > start && line.startsWith("# "));
    expect(start).toBeGreaterThanOrEqual(0);
    const lines = wanted.slice(start + 1, end < 0 ? wanted.length : end);
    expect(formatMistakes(mistakes)).toEqual(lines);
  });
});

test("a thousand mistakes are all found, and the first hundred are printed", () => {
  const neighbors = Array.from(
    { length: 1000 },
    (_, k) => `  - { address: 10.0.${k >> 8}.${k & 255} }`,
  );
  const { mistakes } = loadText(`neighbors:\n${neighbors.join("\n")}`);
  expect(mistakes).toHaveLength(1000);
  const lines = formatMistakes(mistakes);
  expect(lines).toHaveLength(101);
  expect(lines[0]).toBe('test.yaml:3:5: neighbor 10.0.0.0 has no "as"');
  expect(lines[100]).toBe("and 900 more");
});

test("any text gives a configuration or mistakes with a place, never an exception", () => {
  const text = readFileSync(join(import.meta.dirname, "everything.yaml"), "utf8");
  const texts = [
    "[".repeat(50_000),
    "{a: ".repeat(5000),
    "? [a]\n: b",
    "---\n---\n",
    "\u0000",
    "!!x y",
  ];
  for (let at = 0; at < text.length; at += 17) {
    texts.push(text.slice(0, at), `${text.slice(0, at)}${text.slice(at + 3)}`);
    if (at % 51 === 0) texts.push(`${text.slice(0, at)}: [{*%${text.slice(at)}`);
  }
  for (const broken of texts) {
    const { config, mistakes } = loadConfig("x", broken, SOURCES);
    expect(config === null).toBe(mistakes.length > 0);
    for (const { line, column } of mistakes) expect(Math.min(line, column)).toBeGreaterThan(0);
  }
});
