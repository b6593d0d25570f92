/** How many of the routes that there are origin validation finds valid, and how many not. */

import { originOf } from "@ts-bgp/policy";
import { keyOf, type Rib } from "@ts-bgp/rib";
import { FAMILIES, familyLabel, type Router } from "@ts-bgp/router";
import { ORIGIN_STATE_NAMES, type OriginStateName, type VrpTable } from "@ts-bgp/rpki";
import { FAMILY } from "@ts-bgp/wire-codec";

export interface OriginCount {
  readonly family: string;
  readonly state: OriginStateName;
  /** Routes as they came, own ones and rejected ones that are kept included. */
  readonly count: number;
}

/** What one piece of a count looks at: a millisecond or two. */
const PATHS_MAX = 1 << 10;

/**
 * Counts in pieces, between which the tables may change: what changes meanwhile is counted as it was or as it is.
 *
 * @returns a count for each family and state; none without a section rpki
 */
export function* originCounts(router: Router): Generator<void, OriginCount[]> {
  const { config, validation } = router.tables.origins;
  if (config === null) return [];
  const found: OriginCount[] = [];
  for (const family of FAMILIES) {
    const table = family === FAMILY.IPV4_UNICAST ? validation.ipv4 : validation.ipv6;
    const counts = yield* countsOf(router, router.tables.rib(family), table);
    for (const [k, state] of ORIGIN_STATE_NAMES.entries()) {
      found.push({ family: familyLabel(family), state, count: counts[k]! });
    }
  }
  return found;
}

/** @returns how many paths there are, by state */
function* countsOf(router: Router, rib: Rib, table: VrpTable): Generator<void, Uint32Array> {
  const { directory } = router.tables;
  const counts = new Uint32Array(ORIGIN_STATE_NAMES.length);
  for (let path = 1; path < rib.paths.rows.limit; yield) {
    const { attrIn, peer, prefix } = rib.paths;
    const end = Math.min(path + PATHS_MAX, rib.paths.rows.limit);
    for (; path < end; path++) {
      if (attrIn[path] === 0) continue;
      const { localAs } = directory.factsOf(peer[path]!);
      const { words, bits } = keyOf(rib.prefixes, prefix[path]!);
      counts[table.stateOf(...words, bits, originOf(rib.attrs, attrIn[path]!, localAs))]!++;
    }
  }
  return counts;
}
