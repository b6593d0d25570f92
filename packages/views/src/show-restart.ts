/** A restart of the speaker itself, as JSON for `show status` and for metrics. */

import { FAMILIES, familyLabel, type Router } from "@ts-bgp/router";

export interface ShownRestart {
  /** Milliseconds since 1970: nobody is waited for any longer. */
  until_ms: number;
  families: {
    family: string;
    /** Addresses of neighbors that have not sent all that they have. */
    waits_for: string[];
    /** Sessions that are sent nothing before. */
    held: number;
  }[];
}

/** @returns what is waited for before neighbors that may have kept our routes are sent any; null when nothing is */
export function showRestart({ tables, neighbors }: Router): ShownRestart | null {
  const { restart, nowMs, groups } = tables;
  if (restart.waiting === 0) return null;
  return {
    until_ms: Math.round(restart.limitMs(neighbors)),
    families: FAMILIES.filter((family) => (restart.waiting & family) !== 0).map((family) => ({
      family: familyLabel(family),
      waits_for: restart.awaitedIn(family, nowMs, neighbors),
      held: groups.held.filter(({ group }) => group.rib.family === family).length,
    })),
  };
}
