/** What all neighbors of this speaker have together, and why routes are rejected: for those who watch. */

import type { PeerRow, Rib } from "@ts-bgp/rib";
import { FAMILIES, familyLabel, isElsewhere, type Router } from "@ts-bgp/router";
import { type ShownReason, shownReason } from "./show-routes.ts";

export interface ShownTotals {
  /** Without those that other members of the cluster have the sessions with. */
  neighbors: number;
  established: number;
  /** UPDATE messages since the start of whichever side of a pair was the first. */
  updates_received: number;
  updates_sent: number;
  /** Routes that neighbors sent, and those that were accepted. */
  received: number;
  accepted: number;
  /** Prefixes that anybody has sent, by family. */
  prefixes: Readonly<Record<string, number>>;
}

export function showTotals({ neighbors, tables }: Router): ShownTotals {
  const ribs = FAMILIES.map((family) => tables.rib(family));
  const totals = { established: 0, updates_received: 0, updates_sent: 0, received: 0, accepted: 0 };
  const own = [...neighbors.values()].filter(({ config }) => !isElsewhere(config));
  for (const { row, session, received, sent } of own) {
    if (session !== null) totals.established++;
    totals.updates_received += received.update;
    totals.updates_sent += sent.update;
    for (const { member } of session?.families ?? []) totals.updates_sent += member.messages;
    for (const { paths } of ribs) {
      totals.received += paths.received[row]!;
      totals.accepted += paths.accepted[row]!;
    }
  }
  const sizes = ribs.map(({ family, prefixes }) => [familyLabel(family), prefixes.size]);
  return { neighbors: own.length, ...totals, prefixes: Object.fromEntries(sizes) };
}

/** Routes that are rejected for the same reason. */
export type ShownRejection = ShownReason & {
  count: number;
  /** How many neighbors have sent them. */
  neighbors: number;
};

/** What one piece of a count looks at: well under a millisecond. */
const PATHS_MAX = 1 << 16;

interface Counted {
  count: number;
  readonly peers: Set<PeerRow>;
}

/**
 * Counts rejected routes by reason, in pieces between which the table may change: what changes meanwhile
 * is counted as it was or as it is.
 *
 * @param neighbor - whose; null for those of all
 * @returns the most frequent reason first
 */
export function* showRejections(
  { tables }: Router,
  neighbor: { readonly row: PeerRow } | null,
): Generator<void, ShownRejection[]> {
  const counts = new Map<number, Counted>();
  for (const family of FAMILIES) {
    const rib = tables.rib(family);
    for (let from = 1; from < rib.paths.rows.limit; from += PATHS_MAX) {
      countPiece(rib, from, neighbor?.row ?? null, counts);
      yield;
    }
  }
  const sorted = [...counts].toSorted(([, a], [, b]) => b.count - a.count);
  return sorted.map(([reason, { count, peers }]) => {
    return { ...shownReason(tables.reasons, reason), count, neighbors: peers.size };
  });
}

function countPiece(
  { paths }: Rib,
  from: number,
  wanted: PeerRow | null,
  counts: Map<number, Counted>,
): void {
  const to = Math.min(from + PATHS_MAX, paths.rows.limit);
  for (let path = from; path < to; path++) {
    const reason = paths.reason[path]!;
    const peer = paths.peer[path]!;
    if (paths.attrIn[path] === 0 || paths.attr[path] !== 0) continue;
    if (reason === 0 || (wanted !== null && peer !== wanted)) continue;
    const known = counts.get(reason) ?? { count: 0, peers: new Set() };
    counts.set(reason, known);
    known.count++;
    known.peers.add(peer);
  }
}
