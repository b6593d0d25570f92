/** What the thread of BFD is told, and what it tells; see `bfd.ts`. */

import type { BfdAuth, BfdChange, BfdConfig, BfdRecord } from "@ts-bgp/bfd";

/**
 * `lead`: sessions are begun, heard and ended. `shadow`: another process does that, and what it would send is
 * sent here while it is silent; `alone`: it is gone, and this one is about to lead. `rest`: nothing is done.
 */
export type BfdRole = "lead" | "shadow" | "alone" | "rest";

/** A session that is to be there. */
export interface BfdWanted {
  readonly address: string;
  /** To be sent from; null for the one that the system chooses. */
  readonly localAddress: string | null;
  readonly isMultihop: boolean;
  readonly config: BfdConfig;
  readonly auth: BfdAuth | null;
  /** What it was last, where that is known; times by the router's clock. */
  readonly record: BfdRecord | null;
}

export type BfdOrder =
  | {
      readonly role: "lead" | "shadow" | "alone";
      /** Goes with all that is told of it. */
      readonly number: number;
      /** All that are to be there, or null: as before. */
      readonly wanted: readonly BfdWanted[] | null;
      /** What the router's clock is ahead of this host's. */
      readonly clockOffsetMs: number;
      /** Of a shadow. */
      readonly watched: BfdWatched | null;
    }
  | { readonly role: "rest" }
  /** Sessions are down because an operator wants it so; then as `rest`. */
  | { readonly role: "rest"; readonly isFarewell: true }
  | "exit";

/** Whose silence a shadow fills. */
export interface BfdWatched {
  /** A word of this says when a heartbeat came last: by `bootMs`, whole milliseconds, the lower 32 bits. */
  readonly memory: SharedArrayBuffer;
  readonly word: number;
  /** Silence for so long is one. */
  readonly silentMs: number;
}

export interface BfdReport {
  readonly address: string;
  /** Null: there is no session any more. */
  readonly record: BfdRecord | null;
  readonly change: BfdChange | null;
}

export type BfdReply =
  | { readonly number: number; readonly reports: readonly BfdReport[] }
  /** Packets cannot be sent or heard, for now: of which neighbor, or of all, and why. */
  | { readonly number: number; readonly problem: string; readonly address: string | null };
