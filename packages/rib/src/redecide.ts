/** The decision process once more, for a table whose best paths were found by another program. */

import type { Rib } from "./rib.ts";

/** Has all prefixes decided again in which this program finds another best path; linear in the paths. */
export function redecide(rib: Rib): void {
  const { prefixes, decision } = rib;
  for (let row = 1; row < prefixes.limit; row++) {
    const head = prefixes.isFree(row) ? 0 : prefixes.head[row]!;
    if (head !== 0 && decision.best(head) !== prefixes.best[row]) rib.markDirty(row);
  }
}
