/** What became of the routes of one `announce` or `withdraw`, or of several; reset by the caller. */

export interface UpdateCounts {
  added: number;
  changed: number;
  /** Announced again with nothing changed. */
  unchanged: number;
  withdrawn: number;
  /** Not taken: the peer's limit was reached, or too many path identifiers for one prefix. */
  blocked: number;
  /** Announced, and rejected by the importer, kept or not. */
  rejected: number;
  /** Those of them that are not kept, which is no matter of `added` and what follows it. */
  dropped: number;
  /** Withdrawn, and not there. */
  unknown: number;
}

/** @returns counts to begin with */
export function noCounts(): UpdateCounts {
  return {
    added: 0,
    changed: 0,
    unchanged: 0,
    withdrawn: 0,
    blocked: 0,
    rejected: 0,
    dropped: 0,
    unknown: 0,
  };
}

/** Counts from 0 again; those of an older program get what they lack. */
export function clearCounts(counts: UpdateCounts): void {
  counts.added = 0;
  counts.changed = 0;
  counts.unchanged = 0;
  counts.withdrawn = 0;
  counts.blocked = 0;
  counts.rejected = 0;
  counts.dropped = 0;
  counts.unknown = 0;
}
