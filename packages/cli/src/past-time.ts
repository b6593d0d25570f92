/** Times as people write them. */

import { UsageError } from "./command.ts";

const DATE = /^(\d{4})-(\d\d)-(\d\d)$/;
const TIME = /^(\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,3}))?)?(Z|[+-]\d\d:\d\d)?$/;
const DAY_MS = 86_400_000;

const FORMS =
  '"2026-11-28 10:03:07", in the time of this host, with Z or +01:00 behind it for another one, or 10:03:07 for the last one of these';

/** Where the clock is set forward there is no such time on one day. */
const DAYS_BACK = [0, 1, 2];

/**
 * @param text - a date and a time, or a time alone for the last one of these; of two, as the clock of this host was set
 *   back in between, the later one that is not to come
 * @returns milliseconds since 1970; throws a UsageError
 */
export function timeIn(text: string, nowMs: number): number {
  const words = text.trim().split(/[ T]/);
  const [first = "", second] = words;
  const atMs = second === undefined ? lastTime(first, nowMs) : whenIs(first, second, nowMs);
  if (atMs === "skipped") {
    throw new UsageError(`there was no "${text}": the clock of this host was set forward over it`);
  }
  if (atMs === null || words.length > 2) {
    throw new UsageError(`"${text}" is no time: write ${FORMS}`);
  }
  return atMs;
}

/** Whether a word is a date, and the time stands in the next one. */
export function isDate(word: string): boolean {
  return DATE.test(word);
}

function lastTime(time: string, nowMs: number): number | null {
  const found = DAYS_BACK.map((days) => whenIs(dateText(nowMs, time, days), time, nowMs));
  return (
    (found.find((atMs) => typeof atMs === "number" && atMs <= nowMs) as number | undefined) ?? null
  );
}

/** @returns the date so many days ago, in the zone that a time says */
function dateText(nowMs: number, time: string, days: number): string {
  const zone = TIME.exec(time)?.[5];
  const offsetMs = zone === undefined ? localOffsetMs(nowMs) : offsetOf(zone);
  return new Date(nowMs + offsetMs - days * DAY_MS).toISOString().slice(0, 10);
}

function localOffsetMs(atMs: number): number {
  return -60_000 * new Date(atMs).getTimezoneOffset();
}

function offsetOf(zone: string): number {
  if (zone === "Z") return 0;
  const [hours = 0, minutes = 0] = zone.slice(1).split(":").map(Number);
  return (zone.startsWith("-") ? -1 : 1) * (60 * hours + minutes) * 60_000;
}

/** @returns null for what is no time, "skipped" where the clock of this host did not show it */
function whenIs(date: string, time: string, nowMs: number): number | "skipped" | null {
  const [, year, month, day] = DATE.exec(date) ?? [];
  const parts = TIME.exec(time);
  if (year === undefined || parts === null) return null;
  // The 30th of February would be a day in March.
  const days = new Date(Date.UTC(Number(year), Number(month) - 1, Number(day)));
  if (days.toISOString().slice(0, 10) !== date) return null;
  const isLocal = parts[5] === undefined;
  const shownMs = Date.parse(`${date}T${time}${isLocal ? "Z" : ""}`);
  if (Number.isNaN(shownMs)) return null;
  if (!isLocal) return shownMs;
  const times = [shownMs - DAY_MS, shownMs + DAY_MS]
    .map((nearMs) => shownMs - localOffsetMs(nearMs))
    .filter((atMs) => atMs + localOffsetMs(atMs) === shownMs)
    .sort((a, b) => b - a);
  return times.find((atMs) => atMs <= nowMs) ?? times.at(-1) ?? "skipped";
}
