/** What is said between the speaker and the processes that look up what was. */

import type { ControlRequest, Refusal } from "../control.ts";

/** Which routes are compared. */
export interface Compared {
  /** Null for all. */
  readonly prefix: string | null;
  /** With a prefix: those inside it as well. */
  readonly isLonger: boolean;
}

/** What can be asked; times are milliseconds since 1970. */
export type PastQuestion =
  | { readonly ask: "state"; readonly atMs: number; readonly request: ControlRequest }
  | {
      readonly ask: "diff";
      readonly times: readonly [number, number];
      readonly compared: Compared;
    }
  | {
      readonly ask: "history";
      readonly prefix: string;
      /** Null for the beginning of the record, and for its end. */
      readonly times: readonly [number | null, number | null];
    };

/** A question to a process of its own. */
export interface ToPast {
  readonly directory: string;
  readonly question: PastQuestion;
  /** Of the answer; what is more is left out. */
  readonly itemsMax: number;
}

/** What comes of it: items, and at last one of the others. */
export type FromPast =
  | { readonly items: readonly unknown[]; readonly octets: number }
  | { readonly end: Readonly<Record<string, unknown>> }
  | { readonly refusal: Refusal; readonly message: string }
  /** The process has ended before: why, for the log; null where the one has that begins it, which says it itself. */
  | { readonly failed: string | null };
