/** Times as people write them. */
import { expect, test } from "vitest";
import { UsageError } from "../src/command.ts";
import { timeIn } from "../src/past-time.ts";

const NOW = Date.parse("2026-11-28T10:03:07.500Z");
const OFFSET_MS = 60_000 * new Date(NOW).getTimezoneOffset();
/** By the clock of this host. */
const local = (text: string) => Date.parse(`${text}Z`) + OFFSET_MS;

test.each([
  ["2026-11-28T10:03:07Z", Date.parse("2026-11-28T10:03:07Z")],
  ["2026-11-28 10:03:07.25Z", Date.parse("2026-11-28T10:03:07.250Z")],
  ["2026-11-28 10:03+01:00", Date.parse("2026-11-28T09:03:00Z")],
  ["2026-11-28 10:03:07", local("2026-11-28T10:03:07")],
  ["2028-02-29 00:00Z", Date.parse("2028-02-29T00:00:00Z")],
  ["10:03:07Z", Date.parse("2026-11-28T10:03:07Z")],
  ["10:04Z", Date.parse("2026-11-27T10:04:00Z")],
  ["09:30-01:00", Date.parse("2026-11-27T10:30:00Z")],
])("%s is a time", (text, expected) => {
  expect(timeIn(text, NOW)).toBe(expected);
});

test.each([
  [""],
  ["now"],
  ["2026-02-30 10:00Z"],
  ["2026-13-01 10:00Z"],
  ["2026-11-28"],
  ["25:00Z"],
  ["10:60Z"],
  ["2026-11-28 10:03:07 Z"],
  ["2026-11-28 10:03:07.1234Z"],
  ["1764324187"],
])("%j is none", (text) => {
  expect(() => timeIn(text, NOW)).toThrow(UsageError);
});
