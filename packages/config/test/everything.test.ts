/** Each key of the schema, and what it becomes. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import schema from "../schema/ts-bgp.schema.json" with { type: "json" };
import { CHANGE_EFFECTS, formatMistakes, loadConfig } from "../src/index.ts";
import { YamlFile } from "../src/yaml-file.ts";
import { EVERYTHING, FULL } from "./everything.ts";
import { SOURCES } from "./sources.ts";

describe("a file with every key of the schema", () => {
  const text = readFileSync(join(import.meta.dirname, "everything.yaml"), "utf8");
  const { config, mistakes, warnings } = loadConfig("everything.yaml", text, SOURCES);

  test("becomes exactly this value", () => {
    expect(formatMistakes(mistakes)).toEqual([]);
    const { neighbors, dynamicNeighbors, ...rest } = config!;
    expect(rest).toEqual(EVERYTHING);
    const { options: _, ...range } = dynamicNeighbors[0]!;
    expect(range).toEqual({ prefix: "2001:db8:7::/64", limit: 7, forgetAfterSeconds: 60 });
    expect(neighbors[0]).toEqual(FULL);
    expect(neighbors.map(({ address, password }) => [address, password])).toEqual([
      ["192.0.2.11", "from the environment"],
      ["192.0.2.12", null],
      ["fe80::2%eth0", "from a file"],
      ["2001:db8::3", null],
      ["2001:db8::4", "in clear"],
    ]);
  });

  test("has BFD where it is written", () => {
    const auth = { type: "keyed-sha1", keyId: 7, secret: "from the environment" };
    const times = { intervalMs: 50, multiplier: 5 };
    const bfd = { ...times, passive: true, multihop: true, auth };
    expect(config!.neighbors.map((one) => one.bfd)).toEqual([null, bfd, null, null, null]);
  });

  test("warns of what looks unintended", () => {
    expect(formatMistakes(warnings)).toEqual([
      "everything.yaml:69:5: neighbor 2001:db8::4 has no import and no export policy: " +
        "every route is rejected (RFC 8212)",
      "everything.yaml:69:50: the secret stands in clear; " +
        "{ file: PATH } or { env: NAME } keep it out",
    ]);
  });

  test("survives the way to another process", () => {
    expect(structuredClone(config)).toEqual(config);
  });

  test("leaves no key of the schema out", () => {
    const written = new Set<string>();
    collectKeys(new YamlFile("everything.yaml", text).value, written);
    const known = new Set<string>();
    collectSchemaKeys(schema, known);
    // It goes in place of another one.
    written.add("peers");
    // It excludes dynamic neighbors.
    for (const key of [
      "cluster",
      "members",
      "hold-seconds",
      "ttl-seconds",
      "share-address",
      "speaker",
    ])
      written.add(key);
    expect([...known].filter((key) => !written.has(key))).toEqual([]);
  });
});

function collectKeys(value: unknown, keys: Set<string>): void {
  if (typeof value !== "object" || value === null) return;
  for (const [key, inner] of Object.entries(value)) {
    if (!Array.isArray(value)) keys.add(key);
    collectKeys(inner, keys);
  }
}

function collectSchemaKeys(part: unknown, keys: Set<string>): void {
  if (typeof part !== "object" || part === null) return;
  for (const [keyword, inner] of Object.entries(part)) {
    if (keyword === "properties") for (const key of Object.keys(inner)) keys.add(key);
    collectSchemaKeys(inner, keys);
  }
}

test("the schema has the options that the types have, and each has a description", () => {
  const { properties } = schema.definitions["neighbor-options"];
  const kebab = (name: string) => name.replaceAll(/[A-Z]/g, (c) => `-${c.toLowerCase()}`);
  // What a neighbor is told of own restarts stands in the section of its restarts.
  const { ownRestart: _, ...effects } = CHANGE_EFFECTS;
  const options = [...Object.keys(effects), "address"].map(kebab);
  expect(Object.keys(properties).sort()).toEqual(options.sort());
  for (const [name, option] of Object.entries(properties)) {
    expect(option.description, name).toMatch(/\.$/);
  }
});
