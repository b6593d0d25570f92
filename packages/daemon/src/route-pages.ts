/** Answers with many items, whole or a page at a time. */

import type { Router } from "@ts-bgp/router";
import {
  attributeTest,
  isShown,
  type RouteFilter,
  type RoutePlace,
  type RouteQuery,
  type ShownRoute,
  showRoutes,
} from "@ts-bgp/views";
import { ControlError } from "./control.ts";
import { askersTurn } from "./turns.ts";

/** Prefixes that a page looks at beside its own, since they have moved. */
const MOVED_MAX = 2000;

/** What of an answer is wanted. */
export interface Page {
  /** Null for all. */
  readonly limit: number | null;
  /** What an answer before has given as `next`; null for the beginning. */
  readonly cursor: string | null;
  /** After so long a page that has a limit ends with what it has; null and absent for never. */
  readonly withinMs?: number | null;
}

/** What an answer closes with. */
export interface PageEnd {
  readonly count: number;
  /** Where the next page begins, null when there is none; absent when all was asked for. */
  readonly next?: string | null;
}

/**
 * The routes of some queries, one after the other, in pieces between which routing goes on. A page ends
 * behind the prefix with which it is full.
 */
export async function* routePage(
  router: Router,
  queries: readonly RouteQuery[],
  filter: RouteFilter,
  { limit, cursor, withinMs }: Page,
): AsyncGenerator<ShownRoute | null, Readonly<PageEnd>> {
  const isWanted = attributeTest(filter);
  const untilMs = performance.now() + (withinMs ?? Infinity);
  let count = 0;
  let { query: k, place } = placeOf(cursor, queries);
  if (place !== null && !router.tables.rib(queries[k]!.family).compaction.remembers(place.moves)) {
    throw tooOld();
  }
  if (place !== null && isFarBehind(router, queries[k]!, place)) throw tooOld();
  for (; k < queries.length; k++) {
    do {
      const room = limit === null ? undefined : limit - count;
      const { routes, next }: ReturnType<typeof showRoutes> = showRoutes(
        router,
        queries[k]!,
        place,
        room,
        isWanted,
      );
      for (const route of routes) {
        if (!isShown(route, filter)) continue;
        count++;
        yield route;
      }
      place = next.row === 0 ? null : next;
      if (limit !== null && (count >= limit || performance.now() > untilMs)) {
        const isLast = place === null && k + 1 === queries.length;
        return { count, next: isLast ? null : cursorOf(place === null ? k + 1 : k, place) };
      }
      // A large table is shown in pieces, between which routing goes on, and whoever asked may give up.
      await askersTurn();
      yield null;
    } while (place !== null);
  }
  return limit === null ? { count } : { count, next: null };
}

const tooOld = () => new ControlError("the cursor is too old: begin again", "bad");

/** Whether so much has moved to before a place that it could not be caught up with in a piece. */
function isFarBehind(router: Router, { family }: RouteQuery, { row, moves }: RoutePlace): boolean {
  return router.tables.rib(family).compaction.movedBehind(moves, row).length > MOVED_MAX;
}

/** A row that is gone meanwhile is no error: rows only say how far somebody has come. */
function cursorOf(query: number, place: RoutePlace | null): string {
  return place === null ? `${query}` : `${query}.${place.row}.${place.moves}`;
}

function placeOf(
  cursor: string | null,
  queries: readonly RouteQuery[],
): { query: number; place: RoutePlace | null } {
  if (cursor === null) return { query: 0, place: null };
  const [query = 0, row, moves = 0] = cursor.split(".").map(Number);
  if (!/^\d{1,2}(\.\d{1,10}\.\d{1,15})?$/.test(cursor) || query >= queries.length || row === 0) {
    throw badCursor(cursor);
  }
  return { query, place: row === undefined ? null : { row, moves } };
}

/**
 * @param keyOf - names an item, for the cursor
 * @returns the items of a page out of a few that are all there
 */
export function pageOf<T>(
  items: readonly T[],
  { limit, cursor }: Page,
  keyOf: (item: T) => string,
): { items: readonly T[]; end: { readonly next?: string | null } } {
  const from = cursor === null ? 0 : items.findIndex((item) => keyOf(item) === cursor);
  if (from < 0) throw badCursor(cursor!);
  if (limit === null)
    return { items: items.slice(from), end: cursor === null ? {} : { next: null } };
  const next = items[from + limit];
  return {
    items: items.slice(from, from + limit),
    end: { next: next === undefined ? null : keyOf(next) },
  };
}

function badCursor(cursor: string): ControlError {
  return new ControlError(`"${cursor}" is no cursor of this list`, "bad");
}
