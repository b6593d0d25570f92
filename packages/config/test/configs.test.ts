/** The files of configs/ that are of a speaker. */
import { existsSync, globSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { Policies, ReasonTable } from "@ts-bgp/policy";
import { describe, expect, test } from "vitest";
import { fileKind, formatMistakes, loadConfig } from "../src/index.ts";
import { sourcesIn } from "./sources.ts";

const CONFIGS = join(import.meta.dirname, "../../../configs");

/** `tsbgp keys` makes them. */
const PEM_IN_KEYS: ReadonlyMap<string, string> = new Map(
  ["keys", "cluster-keys"].flatMap((folder) =>
    ["a.crt", "a.key", "b.crt", "b.key", "ca.crt"].map((file) => {
      const what = file.endsWith("key") ? "PRIVATE KEY" : "CERTIFICATE";
      return [`${folder}/${file}`, `-----BEGIN ${what}-----`];
    }),
  ),
);

describe("the files of configs/", () => {
  const all = existsSync(CONFIGS) ? readdirSync(CONFIGS).filter((f) => f.endsWith(".yaml")) : [];
  const textOf = (file: string) => readFileSync(join(CONFIGS, file), "utf8");
  const files = all.filter((file) => fileKind(textOf(file)) === "speaker");

  test.each(files)("%s names its schema, is accepted without a warning, and compiles", (file) => {
    const text = textOf(file);
    const schemaLine = /^# yaml-language-server: \$schema=(\S+)\n/.exec(text);
    expect(existsSync(join(CONFIGS, schemaLine?.[1] ?? "none"))).toBe(true);
    const sources = sourcesIn(CONFIGS);
    const { config, mistakes, warnings } = loadConfig(file, text, {
      ...sources,
      filesLike: (pattern) => globSync(pattern, { cwd: CONFIGS }).sort(),
      readFile: (path) => PEM_IN_KEYS.get(path) ?? sources.readFile(path),
    });
    expect(formatMistakes([...mistakes, ...warnings])).toEqual([]);
    const policies = new Policies(config!, noSets, new ReasonTable());
    for (const neighbor of config!.neighbors) {
      policies.filter(neighbor.import, neighbor.localAs);
      policies.filter(neighbor.export, neighbor.localAs);
    }
  });
});

/** Compiling stores nothing. */
const unused = () => {
  throw new Error("no set is stored here");
};
const noSets = {
  bytesOf: unused,
  offsetOf: unused,
  lengthOf: unused,
  serialOf: unused,
  intern: unused,
  hold: unused,
  release: unused,
};
