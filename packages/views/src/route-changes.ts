/** What has become of routes between two states of a router, and whether anything has of those of one prefix. */

import { exactMatch, mixIn, type PrefixKey, type Rib } from "@ts-bgp/rib";
import type { Router } from "@ts-bgp/router";
import { type RouteQuery, type ShownRoute, showRoutes, stalenessOf } from "./show-routes.ts";

/** One path that is otherwise in the later state. */
export interface RouteChange {
  what: "added" | "removed" | "changed";
  /** Null where it was not there, and where it is not there any more. */
  before: ShownRoute | null;
  after: ShownRoute | null;
}

/** What `routesIn` gives, in pieces between which others may have a turn. */
export function* routesIn(
  router: Router,
  query: Pick<RouteQuery, "family" | "prefix" | "match">,
): Generator<ShownRoute[], void> {
  for (const view of ["accepted", "rejected"] as const) {
    const whole = { ...query, view, neighbor: null, bestOnly: false };
    let place: ReturnType<typeof showRoutes>["next"] | null = null;
    do {
      const { routes, next }: ReturnType<typeof showRoutes> = showRoutes(router, whole, place);
      yield routes;
      place = next.row === 0 ? null : next;
    } while (place !== null);
  }
}

/** Paths by what names them, to be compared with those of a later state. */
export class RoutesBefore {
  private readonly texts: Map<string, string> = new Map();

  add(route: ShownRoute): void {
    this.texts.set(nameOf(route), JSON.stringify(route));
  }

  /** @returns how a path of the later state is otherwise, null when it is the same; to be asked once of each */
  changeTo(after: ShownRoute): RouteChange | null {
    const name = nameOf(after);
    const text = this.texts.get(name);
    if (text === undefined) return { what: "added", before: null, after };
    this.texts.delete(name);
    const before: ShownRoute = JSON.parse(text);
    return lasting(before) === lasting(after) ? null : { what: "changed", before, after };
  }

  /** Once all of the later state were asked for: those that are not there any more. */
  *gone(): Generator<RouteChange> {
    for (const text of this.texts.values()) {
      yield { what: "removed", before: JSON.parse(text), after: null };
    }
  }
}

function nameOf({ prefix, neighbor, path_id = 0 }: ShownRoute): string {
  return `${prefix} ${path_id} ${neighbor}`;
}

/** @returns all of a route but its times */
function lasting({ since_ms, stale_until_ms, ...rest }: ShownRoute): string {
  return JSON.stringify(rest);
}

/** Watches the paths of one prefix while a router goes on. */
export class PrefixWatch {
  private readonly query: Pick<RouteQuery, "family" | "prefix" | "match">;
  private readonly key: PrefixKey;
  private mark: number | null = null;
  /** Payloads that counted when it was looked last. */
  private payloads = "";
  private before: ShownRoute[] = [];

  constructor(family: 1 | 2, key: PrefixKey) {
    this.query = { family, prefix: key, match: "exact" };
    this.key = key;
  }

  /** @returns what has changed since it was asked last; of the first time, all that there is */
  look(router: Router): RouteChange[] {
    const { config, validation } = router.tables.origins;
    // What they say of a route is asked for only when it may be otherwise.
    const payloads = config === null ? "" : (validation.mark ?? this.payloads);
    const mark = this.markOf(router, router.tables.rib(this.query.family));
    if (mark === this.mark && payloads === this.payloads) return [];
    this.mark = mark;
    this.payloads = payloads;
    const known = new RoutesBefore();
    for (const route of this.before) known.add(route);
    this.before = [...routesIn(router, this.query)].flat();
    const changes = this.before.flatMap((route) => known.changeTo(route) ?? []);
    return [...known.gone(), ...changes];
  }

  /** @returns a number that is another one when anything has changed of the paths; once in 2^32 times it is the same */
  private markOf(router: Router, rib: Rib): number {
    const { prefixes, paths, attrs } = rib;
    const row = exactMatch(prefixes, this.key);
    if (row === 0) return 0;
    const { peer, pathId, reason, attrIn, attr } = paths;
    const { directory } = router.tables;
    let mark = mixIn(1, prefixes.best[row]!);
    for (let path = prefixes.head[row]!; path !== 0; path = paths.next[path]!) {
      const facts = directory.factsOf(peer[path]!);
      const kept = stalenessOf(router, rib, path, facts.address)?.isLongLived;
      mark = mixIn(mixIn(mixIn(mark, path), facts.number), pathId[path]!);
      mark = mixIn(mixIn(mark, reason[path]!), kept === undefined ? 0 : 1 + Number(kept));
      // A number may be that of another set by now.
      mark = mixIn(mixIn(mark, attrs.hashOf(attrIn[path]!)), attrs.hashOf(attr[path]!));
    }
    return mark;
  }
}
