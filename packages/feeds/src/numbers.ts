/** Numbers of a router for reports to stations. */

import { advertisedCount, type PeerRow, type Rib } from "@ts-bgp/rib";
import { FAMILIES, type Router } from "@ts-bgp/router";
import type { Numbers } from "./orders.ts";

/** How many prefixes have a best path. */
class BestCounts {
  all = 0;
  private readonly byPeer: Map<PeerRow, number> = new Map();

  constructor({ prefixes: { best, limit }, paths: { peer } }: Rib) {
    for (let row = 1; row < limit; row++) {
      if (best[row] === 0) continue;
      const from = peer[best[row]!]!;
      this.all++;
      this.byPeer.set(from, (this.byPeer.get(from) ?? 0) + 1);
    }
  }

  /** Those of others than a peer, as `adj-out-pre` tells them; with ADD-PATH or a second-best path it may be sent more. */
  for(peer: PeerRow): number {
    return this.all - (this.byPeer.get(peer) ?? 0);
  }
}

/** @returns them as they are now; linear in the neighbors and prefixes */
export function numbersOf({ neighbors, tables }: Router): Numbers {
  const best = { 1: new BestCounts(tables.rib(1)), 2: new BestCounts(tables.rib(2)) };
  const peers = [...neighbors.values()].flatMap(({ session, row, faults }) => {
    if (session === null) return [];
    const families = session.families.map(({ family, member }) => ({
      family,
      received: tables.rib(family).paths.prefixesOf(row),
      asked: best[family].for(row),
      sent: advertisedCount(member.group, member),
    }));
    return [{ peer: row, treatedAsWithdraw: faults["treat-as-withdraw"], families }];
  });
  const locRib = FAMILIES.map((family) => ({ family, routes: best[family].all }));
  return { peers, locRib };
}
