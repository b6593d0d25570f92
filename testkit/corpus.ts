/** Reading the third-party vectors, which are not part of this repository. */

import { existsSync, readFileSync } from "node:fs";
import { zstdDecompressSync } from "node:zlib";
import { DATA_FOLDER } from "../test/data-folder.ts";

const FOLDER = `${DATA_FOLDER}vectors/`;

/** Why the corpus cannot be used, or null. */
export const CORPUS_MISSING: string | null = existsSync(`${FOLDER}vectors.jsonl.zst`)
  ? null
  : `${FOLDER} is not there`;

/** One row of the corpus; `expected` of each format is known to the reader of that format only. */
export interface Vector {
  id: string;
  source: string;
  kind: string;
  message_hex: string;
  /** null: not stated. */
  four_octet_as: boolean | null;
  add_path: boolean;
  session?: "ebgp" | "ibgp";
  expected?: Expectation;
  expected_error?: Expectation;
  oracles: { "gobgp-3.10"?: Expectation; "tshark-4.0.17"?: Expectation };
}

// biome-ignore lint/suspicious/noExplicitAny: JSON of a dozen foreign programs.
export type Json = any;
export type Expectation = Record<string, Json>;

export interface FuzzStream {
  id: string;
  stream_hex: string;
}

export const readVectors = (): Vector[] => readRows("vectors.jsonl.zst");
export const readFuzzStreams = (): FuzzStream[] => readRows("fuzz.jsonl.zst");

function readRows<T>(file: string): T[] {
  const text = zstdDecompressSync(readFileSync(FOLDER + file)).toString("utf8");
  return text
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line, exactIntegers as Parameters<typeof JSON.parse>[1]) as T);
}

/** Integers that a number cannot hold become bigints, digit for digit. */
function exactIntegers(_key: string, value: unknown, { source }: { source?: string }): unknown {
  if (typeof value !== "number" || Number.isSafeInteger(value)) return value;
  return source !== undefined && /^\d+$/.test(source) ? BigInt(source) : value;
}
