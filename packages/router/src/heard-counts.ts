/** What a neighbor has said that came to nothing, as BMP counts it (RFC 7854 section 4.8). */

import { REASON } from "@ts-bgp/policy";
import { FAMILIES, type Tables } from "./tables.ts";

/** Counts since the neighbor is configured; routes each time that they come. */
export interface HeardCounts {
  /** Routes that checks or import policy have rejected, but those below. */
  rejected: number;
  /** Routes that were announced again with nothing changed. */
  duplicateRoutes: number;
  /** Routes that were withdrawn, and not there. */
  duplicateWithdrawals: number;
  /** UPDATEs whose routes have come back to this speaker. */
  clusterLoops: number;
  asPathLoops: number;
  originatorLoops: number;
  /** Routes of UPDATEs with faults (RFC 7606). */
  treatedAsWithdraw: number;
  /** UPDATEs that say of each route what was so already. */
  duplicateUpdates: number;
}

/** @returns counts to begin with */
export function nothingHeard(): HeardCounts {
  return {
    rejected: 0,
    duplicateRoutes: 0,
    duplicateWithdrawals: 0,
    clusterLoops: 0,
    asPathLoops: 0,
    originatorLoops: 0,
    treatedAsWithdraw: 0,
    duplicateUpdates: 0,
  };
}

/**
 * Counts an UPDATE, of whose routes tables have counted what became of them.
 *
 * @param reason - why all that it announces was rejected, before policy was asked; 0 for another outcome
 */
export function countHeard(heard: HeardCounts, tables: Tables, reason: number): void {
  let same = 0;
  let other = 0;
  let rejected = 0;
  for (const family of FAMILIES) {
    const { counts: count } = tables.rib(family);
    heard.duplicateRoutes += count.unchanged;
    heard.duplicateWithdrawals += count.unknown;
    same += count.unchanged + count.unknown;
    other += count.added + count.changed + count.withdrawn + count.blocked + count.dropped;
    rejected += count.rejected;
  }
  if (same > 0 && other === 0) heard.duplicateUpdates++;
  if (rejected === 0) return;
  switch (reason) {
    case REASON.malformed:
      heard.treatedAsWithdraw += rejected;
      return;
    case REASON["as-path-loop"]:
      heard.asPathLoops++;
      return;
    case REASON["originator-loop"]:
      heard.originatorLoops++;
      return;
    case REASON["cluster-loop"]:
      heard.clusterLoops++;
      return;
    default:
      heard.rejected += rejected;
  }
}
