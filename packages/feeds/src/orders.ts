/** What the thread that routes and the thread of the feeds say to each other. */

import type { BmpConfig } from "@ts-bgp/config";
import type { Table } from "@ts-bgp/feeds-codec";
import type { Observed, ObservedSession } from "@ts-bgp/router";

/** Who the speaker is. */
export interface Identity {
  readonly as: number;
  readonly identifier: number;
  readonly hostname: string;
  readonly version: string;
}

/** Octets that were written to peers: parts of buffers, which many are sent the same parts of. */
export interface Writes {
  readonly buffers: readonly Uint8Array[];
  /** Four numbers for each: row of the neighbor, number of the buffer, where in it, octets. */
  readonly parts: readonly number[];
  readonly atMs: number;
}

/** Numbers of a neighbor, by family: those of routes received, used and sent. */
export interface PeerNumbers {
  readonly peer: number;
  readonly treatedAsWithdraw: number;
  readonly families: readonly {
    readonly family: 1 | 2;
    readonly received: number;
    readonly sent: number;
  }[];
}

export interface Numbers {
  readonly peers: readonly PeerNumbers[];
  /** Prefixes with a best path, by family. */
  readonly locRib: readonly { readonly family: 1 | 2; readonly routes: number }[];
}

/** To the feeds. */
export type FeedOrder =
  /** A speaker acts: these sessions are up, and what follows is what changes. */
  | {
      readonly order: "begin";
      readonly identity: Identity;
      /** What stations are told of it. */
      readonly text: string;
      readonly bmp: BmpConfig | null;
      readonly sessions: readonly ObservedSession[];
    }
  /** Who is to be told is another matter now. */
  | { readonly order: "configure"; readonly bmp: BmpConfig | null }
  /** It acts no more. */
  | { readonly order: "end" }
  /** Octets count against what may be under way. */
  | { readonly order: "events"; readonly events: readonly Observed[]; readonly octets: number }
  | { readonly order: "writes"; readonly writes: Writes; readonly octets: number }
  /** More happened than could be told; these sessions are up now. */
  | { readonly order: "missed"; readonly sessions: readonly ObservedSession[] }
  /** An answer to `walk`; null at the end. */
  | { readonly order: "walked"; readonly walk: number; readonly octets: Uint8Array | null }
  | { readonly order: "numbers"; readonly station: string; readonly numbers: Numbers }
  | { readonly order: "stop" };

/** From the feeds. */
export type FeedReport =
  /** Events were taken in. */
  | { readonly report: "taken"; readonly octets: number }
  /** The next piece of a walk is wanted; the first one begins it. */
  | {
      readonly report: "walk";
      readonly walk: number;
      readonly tables: readonly Table[];
      /** Rows of neighbors; null for all. */
      readonly peers: readonly number[] | null;
    }
  /** It is wanted no more. */
  | { readonly report: "walk-over"; readonly walk: number }
  | { readonly report: "numbers"; readonly station: string }
  | {
      readonly report: "say";
      readonly level: "info" | "warn" | "error";
      readonly message: string;
      readonly fields: Readonly<Record<string, string | number>>;
    }
  | { readonly report: "shown"; readonly stations: readonly ShownStation[] };

/** A station as it is shown. */
export interface ShownStation {
  readonly name: string;
  readonly state: "waiting" | "connecting" | "up";
  /** Milliseconds since 1970 since when it is up; null when it is not. */
  readonly sinceMs: number | null;
  /** All that there was is told. */
  readonly isComplete: boolean;
  readonly messages: number;
  readonly octets: number;
  readonly queuedOctets: number;
  /** Sessions begun, and those that were ended since the station was too slow. */
  readonly sessions: number;
  readonly missed: number;
  /** Why it is not up; null when it is, or nobody has tried. */
  readonly problem: string | null;
}
