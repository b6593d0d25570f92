/**
 * Conditions under which a configuration that is on trial goes back at once, and what they are held against:
 * counts of neighbors as they were before it came into force.
 */

import { advertisedCount } from "@ts-bgp/rib";
import type { Neighbor, Router } from "@ts-bgp/router";
import { FAMILIES } from "@ts-bgp/router";
import { isObject } from "./json-fields.ts";

export const ABORT_COUNTS = ["routes-lost", "rejected", "sessions-lost"] as const;

export interface AbortCondition {
  /**
   * `routes-lost`: routes that a neighbor is sent no more; `rejected`: routes of a neighbor that are rejected
   * more than before; `sessions-lost`: neighbors whose session is gone.
   */
  readonly count: (typeof ABORT_COUNTS)[number];
  /** It holds when there are more. */
  readonly above: number;
  /** That is in percent: of the routes that the neighbor was sent, of those that it has sent, of the sessions. */
  readonly isShare: boolean;
}

/** Of a neighbor that had a session, of all families together. */
interface CountsBefore {
  readonly advertised: number;
  readonly rejected: number;
  /** The configuration itself has ended the session: it comes back. */
  readonly isReset: boolean;
}

/** Plain, as a part of the state. */
export interface TrialWatch {
  readonly conditions: readonly AbortCondition[];
  readonly sinceMs: number;
  /** By address. */
  readonly before: Readonly<Record<string, CountsBefore>>;
}

/** A session that was reset has so long to come back, and to bring routes back that others had. */
const RESET_MS = 60_000;
/** For so long routes do not count while something waits to be decided anew. */
const SETTLE_MS = 30_000;

/** @param column - from 1 */
export type AbortMistake = { readonly column: number; readonly message: string };

/**
 * Reads conditions such as `routes-lost > 1%, sessions-lost > 0`.
 *
 * @returns at least one, or what is wrong, and where
 */
export function parseAbortIf(text: string): readonly AbortCondition[] | AbortMistake {
  const conditions: AbortCondition[] = [];
  const reader = new Reader(text);
  for (;;) {
    const word = reader.take(/[^\s>,]*/y);
    const count = ABORT_COUNTS.find((known) => known === word.text);
    if (count === undefined) {
      return reader.mistake(word.at, ABORT_COUNTS.join(" or "), word.text);
    }
    const sign = reader.take(/>?/y);
    if (sign.text === "") return reader.mistake(sign.at, `">" behind ${count}`);
    const number = reader.take(/[^\s,%]*/y);
    if (!/^\d{1,10}(\.\d{1,3})?$/.test(number.text)) {
      return reader.mistake(number.at, "a number such as 10 or 0.5%", number.text);
    }
    const above = Number(number.text);
    const isShare = reader.take(/%?/y).text !== "";
    if (isShare && above >= 100) {
      return { column: number.at + 1, message: `more than ${above}% there never is` };
    }
    if (!isShare && !Number.isInteger(above)) {
      return { column: number.at + 1, message: `${number.text} is no whole number` };
    }
    conditions.push({ count, above, isShare });
    const comma = reader.take(/,?/y);
    if (comma.text !== "") continue;
    return reader.isAtEnd ? conditions : reader.mistake(comma.at, "a comma or the end");
  }
}

/** Words of a text one after the other, with spaces between. */
class Reader {
  private readonly text: string;
  private at = 0;

  constructor(text: string) {
    this.text = text;
  }

  /** @param pattern - sticky; may take nothing */
  take(pattern: RegExp): { readonly text: string; readonly at: number } {
    this.skip(/\s*/y);
    const { at } = this;
    return { text: this.skip(pattern), at };
  }

  get isAtEnd(): boolean {
    return this.at === this.text.length;
  }

  mistake(at: number, wanted: string, found = this.text.slice(at)): AbortMistake {
    return { column: at + 1, message: `${wanted} is to be there, not ${quoted(found)}` };
  }

  private skip(pattern: RegExp): string {
    pattern.lastIndex = this.at;
    const [found = ""] = pattern.exec(this.text) ?? [];
    this.at += found.length;
    return found;
  }
}

function quoted(text: string): string {
  return text === "" ? "the end" : `"${text.slice(0, 40)}"`;
}

/** @returns conditions as `parseAbortIf` reads them */
export function abortIfText(conditions: readonly AbortCondition[]): string {
  return conditions.map(conditionText).join(", ");
}

function conditionText({ count, above, isShare }: AbortCondition): string {
  return `${count} > ${above}${isShare ? "%" : ""}`;
}

/** @returns whether that is one, from another side */
export function isAbortCondition(json: unknown): json is AbortCondition {
  if (!isObject(json)) return false;
  const { count, above, isShare } = json;
  const isKnown = ABORT_COUNTS.some((known) => known === count);
  return isKnown && Number.isFinite(above) && typeof isShare === "boolean";
}

/**
 * Counts what conditions are held against; to be called before the configuration comes into force.
 *
 * @param addresses - of the neighbors that count; null for all
 */
export function countsBefore(
  router: Router,
  addresses: readonly string[] | null,
): ReadonlyMap<string, Omit<CountsBefore, "isReset">> {
  const wanted = addresses ?? [...router.neighbors.keys()];
  const found = new Map<string, Omit<CountsBefore, "isReset">>();
  for (const address of wanted) {
    const neighbor = router.neighbors.get(address);
    if (neighbor === undefined || neighbor.session === null) continue;
    found.set(address, { advertised: advertisedBy(neighbor), rejected: rejectedOf(neighbor) });
  }
  return found;
}

/**
 * @param before - of `countsBefore`
 * @param reset - addresses of neighbors whose sessions the configuration has ended
 */
export function newWatch(
  conditions: readonly AbortCondition[],
  before: ReturnType<typeof countsBefore>,
  reset: readonly string[],
  sinceMs: number,
): TrialWatch {
  const ended = new Set(reset);
  const counts = [...before].map(
    ([address, one]) => [address, { ...one, isReset: ended.has(address) }] as const,
  );
  return { conditions, sinceMs, before: Object.fromEntries(counts) };
}

/** @returns which condition holds, and by what, for people; null while none does */
export function abortReason(watch: TrialWatch, router: Router, nowMs: number): string | null {
  for (const condition of watch.conditions) {
    const found =
      condition.count === "sessions-lost"
        ? lostSessions(watch, condition, router, nowMs)
        : worseRoutes(watch, condition, router, nowMs);
    if (found !== null) return `${conditionText(condition)}: ${found}`;
  }
  return null;
}

function isMore(found: number, whole: number, { above, isShare }: AbortCondition): boolean {
  return isShare ? 100 * found > above * whole : found > above;
}

function lostSessions(
  { before, sinceMs }: TrialWatch,
  condition: AbortCondition,
  router: Router,
  nowMs: number,
): string | null {
  const all = Object.entries(before);
  const lost = all.filter(([address, { isReset }]) => {
    const neighbor = router.neighbors.get(address);
    // One that is not wanted any more is not lost.
    if (neighbor === undefined || !neighbor.config.enabled) return false;
    return neighbor.session === null && !(isReset && nowMs < sinceMs + RESET_MS);
  });
  if (!isMore(lost.length, all.length, condition)) return null;
  return `${lost.length} of ${all.length}, ${lost[0]![0]} among them`;
}

function worseRoutes(
  { before, sinceMs }: TrialWatch,
  condition: AbortCondition,
  router: Router,
  nowMs: number,
): string | null {
  const isReset = Object.values(before).some((one) => one.isReset);
  if (isReset && nowMs < sinceMs + RESET_MS) return null;
  if (router.tables.jobs.size > 0 && nowMs < sinceMs + SETTLE_MS) return null;
  for (const [address, counts] of Object.entries(before)) {
    const neighbor = router.neighbors.get(address);
    if (neighbor === undefined || neighbor.session === null || !isSettled(neighbor)) continue;
    if (condition.count === "routes-lost") {
      const lost = counts.advertised - advertisedBy(neighbor);
      if (!isMore(lost, counts.advertised, condition)) continue;
      return `${address} is sent ${lost} fewer of ${counts.advertised} routes`;
    }
    const more = rejectedOf(neighbor) - counts.rejected;
    const received = sumOf(neighbor, ({ received: rows }) => rows);
    if (!isMore(more, received, condition)) continue;
    return `${more} more of ${received} routes of ${address} are rejected`;
  }
  return null;
}

/** Whether it has been sent what it is to be sent: while it moves to another group, say, that is not known. */
function isSettled({ session, tables }: Neighbor): boolean {
  return session!.families.every(
    ({ member, next, endOfRibSent, resending }) =>
      endOfRibSent &&
      !resending &&
      next === null &&
      member.entry.group.isComplete &&
      !tables.groups.held.includes(member),
  );
}

function advertisedBy({ session }: Neighbor): number {
  const counts = session!.families.map(({ member }) => advertisedCount(member.group, member));
  return counts.reduce((sum, count) => sum + count, 0);
}

function rejectedOf(neighbor: Neighbor): number {
  const received = sumOf(neighbor, ({ received: rows }) => rows);
  return received - sumOf(neighbor, ({ accepted }) => accepted);
}

type Paths = ReturnType<Neighbor["tables"]["rib"]>["paths"];

function sumOf({ tables, row }: Neighbor, countsOf: (paths: Paths) => Uint32Array): number {
  return FAMILIES.reduce((sum, family) => sum + countsOf(tables.rib(family).paths)[row]!, 0);
}
