/** Who listens to events is told when a neighbor's routes are rejected for a reason for which none were. */

import { nameInFile } from "@ts-bgp/config";
import { FAMILIES, type Router } from "@ts-bgp/router";
import { lookAgain } from "./looks.ts";

/** A first one, for people and for programs. */
export interface FirstRejection {
  readonly neighbor: string;
  readonly message: string;
  readonly fields: {
    readonly code: string;
    readonly policy: string | null;
    readonly rule: string | null;
  };
}

/** In one step: a tenth of a millisecond. */
const PATHS_MAX = 50_000;
/** Reasons are numbered below this. */
const REASONS = 1 << 16;

/**
 * What is rejected already at the first look is not told. Nothing is looked at before, or once this was ended.
 *
 * @param router - the one to look at now
 * @param everyMs - between two looks at all paths, and before the first
 * @returns what ends it
 */
export function watchRejections(
  router: () => Router,
  heard: (first: FirstRejection) => void,
  everyMs?: number,
): () => void {
  let of: Router | null = null;
  // Of the two looks before: a path whose row is moved meanwhile may be passed over in one.
  let last: ReadonlyMap<string, unknown> = new Map();
  let beforeLast = last;
  function* look(): Generator<void, void> {
    const now = router();
    const found = yield* rejectionsOf(now);
    for (const [key, first] of found) {
      if (of === now && !last.has(key) && !beforeLast.has(key)) heard(first());
    }
    beforeLast = of === now ? last : new Map();
    last = found;
    of = now;
  }
  return lookAgain(look, everyMs);
}

/** @returns neighbors and reasons, as keys */
function* rejectionsOf(router: Router): Generator<void, Map<string, () => FirstRejection>> {
  const pairs = new Set<number>();
  for (const family of FAMILIES) {
    const { paths } = router.tables.rib(family);
    for (let path = 1; path < paths.rows.limit; yield) {
      const { attrIn, peer, reason } = paths;
      const end = Math.min(path + PATHS_MAX, paths.rows.limit);
      for (; path < end; path++) {
        if (reason[path] !== 0 && attrIn[path] !== 0) {
          pairs.add(peer[path]! * REASONS + reason[path]!);
        }
      }
    }
  }
  const addresses = new Map([...router.neighbors].map(([address, { row }]) => [row, address]));
  const found = new Map<string, () => FirstRejection>();
  for (const pair of pairs) {
    const number = pair % REASONS;
    const neighbor = addresses.get(Math.floor(pair / REASONS));
    if (neighbor === undefined) continue;
    const { reasons } = router.tables;
    const { code, policy, rule } = reasons.get(number);
    // A configuration that is tried, or confirmed, brings no other reason where the rule is the same.
    found.set(JSON.stringify([neighbor, code, nameInFile(policy), rule]), () => {
      const message = `a route is rejected for the first time: ${reasons.text(number)}`;
      return { neighbor, message, fields: { code, policy: policy || null, rule: rule || null } };
    });
  }
  return found;
}
