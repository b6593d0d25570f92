/** Streams that earlier versions have written are read, and lead to the state that they had. */

import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { STREAM_VERSION } from "../src/index.ts";
import { type Summary, summaryOf } from "./streams/summary.ts";

const FOLDER = new URL("streams/", import.meta.url);
const versions = readdirSync(FOLDER).filter((name) => /^v\d+(-\w+)?$/.test(name));

test("there is a recorded stream of this version", () => {
  const own = `v${STREAM_VERSION}`;
  // One has names in its image, the other one numbers.
  expect(versions).toEqual(expect.arrayContaining([own, `${own}-numbers`]));
});

describe.each(versions)("a stream of %s", (version) => {
  const octets = readFileSync(new URL(`${version}/session.bin`, FOLDER));
  const text = readFileSync(new URL(`${version}/session.json`, FOLDER), "utf8");

  test("is followed to the state that the active had", () => {
    const expected = JSON.parse(text) as Summary;
    expect(expected.differs).toEqual([]);
    expect(expected.records["bracket"]).toBeGreaterThan(50);
    // Octets of a Buffer would be read as such.
    expect(JSON.parse(JSON.stringify(summaryOf(new Uint8Array(octets))))).toEqual(expected);
  });
});
