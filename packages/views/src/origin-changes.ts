/** Whose routes origin validation finds otherwise than before, since the payloads have changed and not the routes. */

import { originOf } from "@ts-bgp/policy";
import { keyOf, mixIn, type PeerRow, type Rib } from "@ts-bgp/rib";
import { FAMILIES, type Router } from "@ts-bgp/router";
import { ORIGIN_STATE_NAMES, type OriginStateName, type VrpTable } from "@ts-bgp/rpki";
import { FAMILY } from "@ts-bgp/wire-codec";

/** Of one neighbor, all families together. */
export interface OriginChange {
  readonly peer: PeerRow;
  readonly from: OriginStateName;
  readonly to: OriginStateName;
  /** Routes as they came, rejected ones that are kept included. */
  readonly routes: number;
}

/** What one step looks at. */
const PATHS_MAX = 1 << 10;
const STATES = ORIGIN_STATE_NAMES.length;
/** Bits of a word that say the state of a route, counted from 1; the others say which route it is. */
const STATE_BITS = 3;

/**
 * Remembers the state of each route, in four octets for each path. A route that came when it was not looked is only
 * remembered, and so is one of which the path has been moved: they may be passed over in one change.
 */
export class OriginChanges {
  /** By family and path, a hash of the route with its state; 0 for none. */
  private readonly known: Map<number, Uint32Array> = new Map();
  /** By which payloads all of them were asked; null where none were, or not all by the same. */
  private payloads: string | null = null;

  /**
   * Looks at all routes, in steps between which the tables may change. Those that are the same are asked for again
   * only once other payloads count.
   *
   * @returns what has changed since; nothing of the first time, and without a section rpki
   */
  *look(router: Router): Generator<void, OriginChange[]> {
    const { config, validation } = router.tables.origins;
    if (config === null) {
      this.known.clear();
      this.payloads = null;
      return [];
    }
    const payloads = validation.mark ?? this.payloads;
    const isOther = payloads !== this.payloads;
    const counts = new Map<number, number>();
    // Some routes were asked by others then, though the first ones may count again at the end.
    let isMixed = false;
    for (const family of FAMILIES) {
      const table = family === FAMILY.IPV4_UNICAST ? validation.ipv4 : validation.ipv6;
      for (const _ of this.lookThrough(router, router.tables.rib(family), table, isOther, counts)) {
        isMixed ||= validation.mark !== payloads;
        yield;
      }
    }
    this.payloads = isMixed ? null : payloads;
    return [...counts].map(([key, routes]) => {
      const to = ORIGIN_STATE_NAMES[key % STATES]!;
      const from = ORIGIN_STATE_NAMES[Math.floor(key / STATES) % STATES]!;
      return { peer: Math.floor(key / STATES ** 2), from, to, routes };
    });
  }

  /** @param isOther - also at those that are known */
  private *lookThrough(
    router: Router,
    rib: Rib,
    table: VrpTable,
    isOther: boolean,
    counts: Map<number, number>,
  ): Generator<void> {
    const { directory } = router.tables;
    for (let path = 1; path < rib.paths.rows.limit; yield) {
      const { attrIn, peer, prefix } = rib.paths;
      const known = this.knownOf(rib);
      const end = Math.min(path + PATHS_MAX, rib.paths.rows.limit);
      for (; path < end; path++) {
        const attr = attrIn[path]!;
        const before = known[path]!;
        if (attr === 0) {
          known[path] = 0;
          continue;
        }
        const named = mixIn(mixIn(prefix[path]!, rib.attrs.hashOf(attr)), peer[path]!);
        const isSame = before !== 0 && (before ^ named) >>> STATE_BITS === 0;
        if (isSame && !isOther) continue;
        const { words, bits } = keyOf(rib.prefixes, prefix[path]!);
        const origin = originOf(rib.attrs, attr, directory.factsOf(peer[path]!).localAs);
        const state = table.stateOf(...words, bits, origin);
        known[path] = ((named >>> STATE_BITS) << STATE_BITS) | (state + 1);
        const was = (before & ((1 << STATE_BITS) - 1)) - 1;
        if (!isSame || was === state) continue;
        const key = (peer[path]! * STATES + was) * STATES + state;
        counts.set(key, (counts.get(key) ?? 0) + 1);
      }
    }
  }

  /** @returns what is known of a family, with room for all paths */
  private knownOf({ family, paths }: Rib): Uint32Array {
    const known = this.known.get(family) ?? new Uint32Array(0);
    if (known.length >= paths.rows.limit) return known;
    const wider = new Uint32Array(paths.attrIn.length);
    wider.set(known);
    this.known.set(family, wider);
    return wider;
  }
}
