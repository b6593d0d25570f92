/** Ranges of dynamic neighbors, as JSON for `show status`. */

import type { Router } from "@ts-bgp/router";

export interface ShownRange {
  prefix: string;
  /** So many there are, with a session or not. */
  neighbors: number;
  limit: number;
}

export function showDynamic({ tables, neighbors }: Router): ShownRange[] {
  const counts = new Map<string, number>();
  for (const { config } of neighbors.values()) {
    const prefix = config.dynamic?.prefix;
    if (prefix !== undefined) counts.set(prefix, (counts.get(prefix) ?? 0) + 1);
  }
  return tables.config.dynamicNeighbors.map(({ prefix, limit }) => ({
    prefix,
    neighbors: counts.get(prefix) ?? 0,
    limit,
  }));
}
