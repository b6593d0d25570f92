/** How a change of roles went. */

import type { Machine } from "@ts-bgp/replication";
import type { ConnectionId } from "@ts-bgp/router";
import type { Frozen, Resumed } from "./resume.ts";

/** For `show nsr`. */
export interface Switchover {
  readonly cause: string;
  readonly planned: boolean;
  readonly at_ms: number;
  /**
   * By phase, in all, and `silence`: from the last word of the other side until its connections went on
   * here. What a peer sees may be longer: its own timers, what it had to send again.
   */
  readonly ms: {
    fence: number;
    replay: number;
    addresses: number;
    restore: number;
    total: number;
    silence: number;
  };
  readonly resumed: number;
  readonly lost: Resumed["lost"];
}

/** What an active left. */
export interface Left {
  readonly machine: Machine;
  /** When the machine was last known to be up to date, by the clock of this host. */
  readonly heardMs: number;
  /** After a handover. */
  readonly frozen: ReadonlyMap<ConnectionId, Frozen> | null;
}

/** @returns times in milliseconds with one decimal */
export function rounded<T extends Record<string, number>>(times: T): T {
  const entries = Object.entries(times).map(([name, ms]) => [name, Math.round(10 * ms) / 10]);
  return Object.fromEntries(entries) as T;
}
