/** Traffic between the sample clients, to find out for how long it stood still. */

import { setTimeout as delay } from "node:timers/promises";
import type { SampleClient } from "./sample-clients.ts";

const INTERVAL_MS = 5;
const PREFIX = "11.9.0.0/16";
/** What has to come through before anything is measured. */
const WARM_COUNT = 20;
const WAIT_MS = 5000;
const POLL_MS = 5;

/** One client announces a route again and again, each time with the next MED; the other one listens. */
export class TrafficProbe {
  static readonly intervalMs = INTERVAL_MS;
  private readonly from: SampleClient;
  private readonly to: SampleClient;
  private readonly arrivalsMs: number[] = [];
  private readonly timer: NodeJS.Timeout;
  private sent = 0;
  private got = 0;
  /** A MED that is not higher than the one before is a message that came twice or too late. */
  private isInOrder = true;

  constructor(from: SampleClient, to: SampleClient) {
    this.from = from;
    this.to = to;
    to.heard = (prefix, med) => {
      if (prefix !== PREFIX || med === null) return;
      if (med <= this.got) this.isInOrder = false;
      this.got = med;
      this.arrivalsMs.push(performance.now());
    };
    this.timer = setInterval(() => this.send(), INTERVAL_MS);
  }

  /** @returns when the traffic flows, or whether it does not */
  flows(): Promise<boolean> {
    return this.reached(() => this.arrivalsMs.length >= WARM_COUNT);
  }

  /**
   * Ends the traffic, and has both clients as they were.
   *
   * @param sinceMs - of `performance.now()`, when something was done to the speaker
   * @returns the longest time without an arrival, null when it has not ended, and whether all arrived, once and in order, but for
   *   what a newer one took the place of on the way
   */
  async end(sinceMs: number): Promise<{ silenceMs: number | null; isWhole: boolean }> {
    clearInterval(this.timer);
    const isComplete = await this.reached(() => this.got === this.sent);
    let silenceMs = 0;
    let last = sinceMs;
    for (const ms of this.arrivalsMs) {
      if (ms > sinceMs) silenceMs = Math.max(silenceMs, ms - last);
      last = ms;
    }
    this.from.withdraw(PREFIX);
    const isGone = await this.reached(() => !this.to.has(PREFIX));
    this.to.heard = () => {};
    return {
      silenceMs: isComplete ? silenceMs : null,
      isWhole: isComplete && isGone && this.isInOrder,
    };
  }

  private send(): void {
    this.sent++;
    this.from.announce({ prefix: PREFIX, path: [], med: this.sent });
  }

  private async reached(check: () => boolean): Promise<boolean> {
    const endMs = performance.now() + WAIT_MS;
    while (!check() && performance.now() < endMs) await delay(POLL_MS);
    return check();
  }
}
