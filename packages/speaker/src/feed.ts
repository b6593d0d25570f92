/** What a source of validated ROA payloads is told, and what is shown of it. */

import type { SourceEnd } from "@ts-bgp/rpki";
import type { LogEvent } from "./log-event.ts";

/** State of a source, beside what the router has of it. */
export interface ShownFeed {
  readonly source: string;
  readonly state: string;
  /** Of the protocol; null of a file. */
  readonly version: number | null;
  /** Why there is nothing new; null when nothing is wrong. */
  readonly problem: string | null;
}

/** What a source does with what it is told. */
export interface FeedHooks {
  /** The clock of the router. */
  now(): number;
  /** Whether there is room for more. */
  mayWork(): boolean;
  /** @returns what a source said last, null when it has to say everything */
  lastEnd(source: string): SourceEnd | null;
  /** @returns what of a source does not fit to what it said before; null for nothing */
  misfit(source: string): Uint8Array | null;
  /** See Router. */
  payloads(source: string, isBegin: boolean, octets: Uint8Array): void;
  payloadsEnd(source: string, end: SourceEnd): void;
  say(level: LogEvent["level"], source: string, message: string): void;
}
