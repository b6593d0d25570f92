/** Times as people write them. */

import { UsageError } from "./command.ts";

const DATE = /^(\d{4})-(\d\d)-(\d\d)$/;
const TIME = /^(\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,3}))?)?(Z|[+-]\d\d:\d\d)?$/;
const DAY_MS = 86_400_000;

const FORMS =
  '"2026-11-28 10:03:07", in the time of this host, with Z or +01:00 behind it for another one, or 10:03:07 for the last one of these';

/**
 * @param text - a date and a time, or a time alone for the last one of these
 * @returns milliseconds since 1970; throws a UsageError
 */
export function timeIn(text: string, nowMs: number): number {
  const words = text.trim().split(/[ T]/);
  const [first = "", second = ""] = words;
  const isWhole = words.length === 2;
  const atMs = isWhole ? whenIs(first, second) : whenIs(dateText(nowMs, first), first);
  if (atMs === null || words.length > 2) {
    throw new UsageError(`"${text}" is no time: write ${FORMS}`);
  }
  return isWhole || atMs <= nowMs ? atMs : atMs - DAY_MS;
}

/** Whether a word is a date, and the time stands in the next one. */
export function isDate(word: string): boolean {
  return DATE.test(word);
}

/** @returns the date of today, in the zone that a time says */
function dateText(nowMs: number, time: string): string {
  const zone = TIME.exec(time)?.[5];
  const offsetMs =
    zone === undefined ? -60_000 * new Date(nowMs).getTimezoneOffset() : offsetOf(zone);
  return new Date(nowMs + offsetMs).toISOString().slice(0, 10);
}

function offsetOf(zone: string): number {
  if (zone === "Z") return 0;
  const [hours = 0, minutes = 0] = zone.slice(1).split(":").map(Number);
  return (zone.startsWith("-") ? -1 : 1) * (60 * hours + minutes) * 60_000;
}

function whenIs(date: string, time: string): number | null {
  const [, year, month, day] = DATE.exec(date) ?? [];
  if (year === undefined || !TIME.test(time)) return null;
  // The 30th of February would be a day in March.
  const days = new Date(Date.UTC(Number(year), Number(month) - 1, Number(day)));
  if (days.toISOString().slice(0, 10) !== date) return null;
  const atMs = Date.parse(`${date}T${time}`);
  return Number.isNaN(atMs) ? null : atMs;
}
