/** What the router knows of BFD sessions, see `bfd.ts`. */

import type { BfdChange, BfdRecord } from "@ts-bgp/bfd";

/** What a BFD session says of itself. */
export interface BfdNews {
  /** What it is now; null: there is none any more. */
  readonly record: BfdRecord | null;
  /** The state that it has left for another one; null for none. */
  readonly change: BfdChange | null;
}

/** Of a neighbor. Times by the clock of the router. */
export interface BfdState {
  readonly record: BfdRecord | null;
  /** Why it was down last, and when; null: it never was, after it had been up. */
  readonly lastDown: { readonly reason: string; readonly atMs: number } | null;
  /** How often it went down after it had been up. */
  readonly downs: number;
}
