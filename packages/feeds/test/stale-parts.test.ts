/** Which of the files go that were never completed. */

import { mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { removeStaleParts } from "../src/stale-parts.ts";

const WORD = "0123456789abcdef.part";
const NOW_S = 1_800_000_000;
const HOUR_S = 3600;

test("dumps of a time that have not grown for an hour go, and nothing else", async () => {
  const dir = mkdtempSync(join(tmpdir(), "tsbgp-parts-"));
  const make = (name: string, ageS: number) => {
    writeFileSync(join(dir, name), "");
    utimesSync(join(dir, name), NOW_S - ageS, NOW_S - ageS);
  };
  const stale = [
    "rib.20261130.1000",
    "rib.20261130.100005.gz",
    "rib-out.2001-db8--1.20261130.1000.zst",
  ];
  const kept = ["updates.20261130.1000.gz", "ribs", "my-rib.20261130.1000"];
  for (const name of [...stale, ...kept]) make(`${name}.${WORD}`, HOUR_S + 1);
  make("rib.20261130.1000", HOUR_S + 1);
  make(`rib.20261130.1100.${WORD}`, HOUR_S - 1);
  await removeStaleParts(dir, 1000 * NOW_S);
  const left = [
    ...kept.map((name) => `${name}.${WORD}`),
    "rib.20261130.1000",
    `rib.20261130.1100.${WORD}`,
  ];
  expect(readdirSync(dir).sort()).toEqual(left.sort());
  rmSync(dir, { recursive: true });
  await removeStaleParts(dir, 1000 * NOW_S);
});
