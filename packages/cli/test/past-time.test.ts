/** Times as people write them. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
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

describe("where the clock is set back and forward", () => {
  const zone = process.env["TZ"];
  beforeAll(() => {
    process.env["TZ"] = "Europe/Berlin";
  });
  afterAll(() => {
    if (zone === undefined) delete process.env["TZ"];
    else process.env["TZ"] = zone;
  });

  test.each([
    // It was set back at 01:00Z.
    ["10:03", "2026-10-25T08:00:00Z", "2026-10-24T08:03:00Z"],
    ["02:30", "2026-10-25T08:00:00Z", "2026-10-25T01:30:00Z"],
    ["02:30", "2026-10-25T01:10:00Z", "2026-10-25T00:30:00Z"],
    ["2026-10-25 02:30", "2026-10-25T08:00:00Z", "2026-10-25T01:30:00Z"],
    ["2026-10-25 02:30+02:00", "2026-10-25T08:00:00Z", "2026-10-25T00:30:00Z"],
    // And forward at 01:00Z.
    ["10:03", "2026-03-29T07:00:00Z", "2026-03-28T09:03:00Z"],
    ["02:30", "2026-03-29T08:00:00Z", "2026-03-28T01:30:00Z"],
    ["03:00", "2026-03-29T08:00:00Z", "2026-03-29T01:00:00Z"],
    ["23:30", "2026-03-29T22:10:00Z", "2026-03-29T21:30:00Z"],
  ])("%s asked at %s is %s", (text, now, expected) => {
    expect(new Date(timeIn(text, Date.parse(now))).toISOString()).toBe(
      expected.replace("Z", ".000Z"),
    );
  });

  test("a time that there was not is none", () => {
    const nowMs = Date.parse("2026-03-29T08:00:00Z");
    expect(() => timeIn("2026-03-29 02:30", nowMs)).toThrow(/there was no .* set forward/);
  });
});
