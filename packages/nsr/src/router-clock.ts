/**
 * How far the clock of a router that runs elsewhere is ahead of this host's. What it does is on its way for a moment, and
 * waits here until it is run: so each look tells too little, by up to some tenths of a second, and none tells too much. (Only
 * where a host's clock stood still, as that of a machine that was paused, what is known is too much for two spans.)
 */

import type { Machine } from "@ts-bgp/replication";
import { nowMs } from "@ts-bgp/speaker";
import { threadsUs } from "./link-thread.ts";

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

/** @returns a time of `threadsUs` by `nowMs`; where this thread is held up meanwhile, a later one and no earlier one */
export function msOf(us: number): number {
  const sinceMs = (threadsUs() - us) / 1000;
  return nowMs() - sinceMs;
}
