/**
 * How far the clock of a router that runs elsewhere is ahead of this host's. What it does is on its way for a moment, and
 * waits here until it is run: so each look tells too little, by up to some tenths of a second, and none tells too much.
 */

import type { Machine } from "@ts-bgp/replication";

/** In such a time the clocks of two hosts come apart by a few milliseconds at most. */
const SPAN_MS = 10_000;

export class RouterClock {
  private sinceMs = Number.NEGATIVE_INFINITY;
  /** The most that looks told since then, and in the span before. */
  private mostMs = Number.NEGATIVE_INFINITY;
  private beforeMs = Number.NEGATIVE_INFINITY;

  /**
   * @param machine - what was run of the router, null for nothing
   * @param heardMs - when something was last heard of it, by the clock of this host: that is run already, or not yet
   * @returns how far its clock is ahead, at least; negative infinity before anything was run
   */
  note(machine: Machine | null, heardMs: number): number {
    if (heardMs - this.sinceMs > SPAN_MS) {
      this.beforeMs = this.mostMs;
      this.mostMs = Number.NEGATIVE_INFINITY;
      this.sinceMs = heardMs;
    }
    if (machine !== null) {
      this.mostMs = Math.max(this.mostMs, machine.router.tables.nowMs - heardMs);
    }
    return Math.max(this.mostMs, this.beforeMs);
  }
}
