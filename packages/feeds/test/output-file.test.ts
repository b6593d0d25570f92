/** What stands where a file is to be written. */

import {
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync, zstdDecompressSync } from "node:zlib";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { Compression } from "../src/compression.ts";
import { OutputFile } from "../src/output-file.ts";

const OCTETS = Buffer.from("routes");

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "tsbgp-out-"));
});
afterEach(() => rmSync(dir, { recursive: true }));

const READ = { none: (octets: Buffer) => octets, gzip: gunzipSync, zstd: zstdDecompressSync };

const at = (name: string) => join(dir, name);

function write(compress: Compression, replaces: boolean): Promise<number> {
  const file = new OutputFile(at("x"), compress, replaces);
  expect(file.write(OCTETS)).toBe(true);
  return file.close();
}

test.each([
  ["none", true],
  ["none", false],
  ["gzip", true],
  ["gzip", false],
  ["zstd", true],
  ["zstd", false],
] as const)("a file is for owner and group: %s, %s", async (compress, replaces) => {
  // What may have been made to be written through.
  writeFileSync(at("other"), "other");
  symlinkSync(at("other"), at("x.part"));
  const octets = await write(compress, replaces);
  const written = readFileSync(at("x"));
  expect(written).toHaveLength(octets);
  expect(READ[compress](written)).toEqual(OCTETS);
  const { mode } = statSync(at("x"));
  expect(mode & 0o7777 & ~0o640).toBe(0);
  expect(readFileSync(at("other"), "utf8")).toBe("other");
  expect(readdirSync(dir).sort()).toEqual(["other", "x", "x.part"]);
});

test.each([
  ["a file", () => writeFileSync(at("x"), "kept")],
  [
    "a link",
    () => {
      writeFileSync(at("other"), "kept");
      symlinkSync(at("other"), at("x"));
    },
  ],
])("%s that is there stays, and nothing else is left", async (_, prepare) => {
  prepare();
  const before = readdirSync(dir);
  await expect(write("none", false)).rejects.toThrow(`${at("x")} is there already`);
  expect(readFileSync(at("x"), "utf8")).toBe("kept");
  expect(readdirSync(dir)).toEqual(before);
});

test("a file of the configuration is written anew, and not through a link", async () => {
  writeFileSync(at("other"), "kept");
  symlinkSync(at("other"), at("x"));
  await write("none", true);
  expect(readFileSync(at("x"))).toEqual(OCTETS);
  expect(readFileSync(at("other"), "utf8")).toBe("kept");
});
