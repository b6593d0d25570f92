/** What the thread that routes and the thread of the feeds say to each other. */

import type { BmpConfig, MrtConfig } from "@ts-bgp/config";
import type { MrtPeer, Table } from "@ts-bgp/feeds-codec";
import type { HeardCounts, Observed, ObservedSession } from "@ts-bgp/router";

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

/** Numbers of a neighbor, by family: of routes received, of best paths of others, and of those sent. */
export interface PeerNumbers {
  readonly peer: number;
  /** UPDATEs. */
  readonly treatedAsWithdraw: number;
  readonly heard: HeardCounts;
  readonly families: readonly {
    readonly family: 1 | 2;
    readonly received: number;
    readonly asked: number;
    readonly sent: number;
  }[];
}

export interface Numbers {
  readonly peers: readonly PeerNumbers[];
  /** Prefixes with a best path, by family. */
  readonly locRib: readonly { readonly family: 1 | 2; readonly routes: number }[];
}

/** Who may have routes in a dump. */
export interface DumpedPeer extends MrtPeer {
  /** Row of the neighbor. */
  readonly peer: number;
}

/** A dump of all routes. */
export interface DumpRequest {
  readonly file: string;
  /** Those that neighbors sent, that import policies accept, or that a neighbor with this address was sent. */
  readonly routes: MrtConfig["routes"] | { readonly advertised: string };
  readonly compress: MrtConfig["compress"];
  /** Of the configuration: a file of that name gives way. Otherwise that is an error, and that file stays. */
  readonly isTimed: boolean;
}

/** Dumps of what some neighbors were sent, a file for each that has a session. */
export interface DumpsRequest {
  /** Addresses, and names of groups. */
  readonly neighbors: readonly string[];
  /** What their names begin with, before the address, and end with. */
  readonly begin: string;
  readonly end: string;
  readonly compress: MrtConfig["compress"];
}

export interface DumpResult {
  readonly prefixes: number;
  readonly routes: number;
  /** Of the file. */
  readonly octets: number;
}

/** Who is told. */
export interface Told {
  readonly bmp: BmpConfig | null;
  readonly mrt: MrtConfig | null;
}

/** To the feeds. */
export type FeedOrder =
  /** A speaker acts: these sessions are up, and what follows is what changes. */
  | {
      readonly order: "begin";
      readonly identity: Identity;
      /** What stations are told of it. */
      readonly text: string;
      readonly told: Told;
      readonly sessions: readonly ObservedSession[];
    }
  /** Who is to be told is another matter now. */
  | { readonly order: "configure"; readonly told: Told }
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
  /** A dump begins; its pieces follow as they are asked for. */
  | {
      readonly order: "dump";
      readonly dump: number;
      readonly request: DumpRequest;
      readonly identifier: number;
      readonly peers: readonly DumpedPeer[];
    }
  /** Null at the end. */
  | { readonly order: "dump-piece"; readonly dump: number; readonly octets: Uint8Array | null }
  /** It is given up. */
  | { readonly order: "dump-off"; readonly dump: number; readonly problem: string }
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
      /** Of the piece, about. */
      readonly octetsMax: number;
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
  /** It is time for a dump. */
  | { readonly report: "dump-due"; readonly request: DumpRequest }
  | { readonly report: "dumps-due"; readonly request: DumpsRequest }
  /** The next piece of it is wanted. */
  | { readonly report: "dump-on"; readonly dump: number }
  | { readonly report: "dumped"; readonly dump: number; readonly result: DumpResult | string }
  | {
      readonly report: "shown";
      readonly stations: readonly ShownStation[];
      readonly mrt: ShownMrt | null;
    };

/** MRT files as they are shown. */
export interface ShownMrt {
  readonly dir: string;
  /** Name of the last file that was completed, of either kind; null before that. */
  readonly lastDump: string | null;
  readonly lastUpdates: string | null;
  /** Files completed, and messages written and lost. */
  readonly files: number;
  readonly messages: number;
  readonly missed: number;
  /** Why nothing is written; null when it is. */
  readonly problem: string | null;
}

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
  /** Memory that these take. */
  readonly heldOctets: number;
  /** Sessions begun, and those that were ended since the station was too slow. */
  readonly sessions: number;
  readonly missed: number;
  /** Why it is not up; null when it is, or nobody has tried. */
  readonly problem: string | null;
}
