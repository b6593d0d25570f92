/** Why routes of neighbors are rejected, as a metric. */

import { FAMILIES, type Router } from "@ts-bgp/router";
import { gauge, type MetricRecord, type MetricSample } from "./metric-parts.ts";

/** What one piece of a count looks at: well under a millisecond. */
const PATHS_MAX = 1 << 16;
/** Reasons are numbered below this. */
const REASONS = 1 << 16;

/**
 * Counts in pieces, between which the table may change: what changes meanwhile is counted as it was or as it is.
 *
 * @returns a series for each neighbor and reason that there is
 */
export function* rejectionMetrics(router: Router): Generator<void, MetricRecord> {
  const counts = new Map<number, number>();
  for (const family of FAMILIES) {
    const { paths } = router.tables.rib(family);
    for (let path = 1; path < paths.rows.limit; ) {
      const { attrIn, peer, reason } = paths;
      const end = Math.min(path + PATHS_MAX, paths.rows.limit);
      for (; path < end; path++) {
        if (reason[path] === 0 || attrIn[path] === 0) continue;
        const key = peer[path]! * REASONS + reason[path]!;
        counts.set(key, (counts.get(key) ?? 0) + 1);
      }
      yield;
    }
  }
  return gauge(
    "tsbgp_neighbor_rejected_routes",
    "Routes that are rejected and kept, by reason; none where keep-rejected is false",
    samplesOf(router, counts),
  );
}

function samplesOf(router: Router, counts: ReadonlyMap<number, number>): MetricSample[] {
  const byRow = new Map([...router.neighbors.values()].map(({ row, config }) => [row, config]));
  const samples: MetricSample[] = [];
  for (const [key, value] of counts) {
    const config = byRow.get(Math.floor(key / REASONS));
    // A reload may have removed it meanwhile.
    if (config === undefined) continue;
    const { code, policy, rule } = router.tables.reasons.get(key % REASONS);
    const labels = { neighbor: config.address, as: config.as, code, policy, rule };
    samples.push({ value, labels });
  }
  return samples;
}
