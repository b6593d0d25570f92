/** What origin validation says of the routes that there are, as a metric. */

import { setTimeout as sleep } from "node:timers/promises";
import type { Router } from "@ts-bgp/router";
import { type OriginCount, originCounts } from "@ts-bgp/views";
import { gauge, type MetricRecord } from "./metric-parts.ts";

/** Each route is looked up for it, so that is not done anew for whoever asks more often. */
const GOOD_FOR_MS = 60_000;
/** Whoever asks waits no longer for a count: of a large table it is told the next time. */
const PATIENCE_MS = 500;

/** Does work in pieces, between which other work is done. */
type InSteps = <T>(steps: Iterator<void, T>) => Promise<T>;

export class ValidationMetrics {
  private counts: readonly OriginCount[] = [];
  /** Whose routes were counted, and when. */
  private router: Router | null = null;
  private countedMs = 0;
  private counting: Promise<void> | null = null;

  /** @returns what was counted last; none without a section rpki */
  async of(router: Router, inSteps: InSteps): Promise<MetricRecord[]> {
    if (router.tables.origins.config === null) return [];
    if (router !== this.router || performance.now() - this.countedMs > GOOD_FOR_MS) {
      this.counting ??= this.count(router, inSteps).finally(() => {
        this.counting = null;
      });
      await Promise.race([this.counting, sleep(PATIENCE_MS, undefined, { ref: false })]);
    }
    if (router !== this.router || this.counts.length === 0) return [];
    const help =
      "Routes as they came, own ones and rejected ones that are kept included, by origin validation; counted once a minute";
    const values = this.counts.map(({ family, state, count }) => ({
      value: count,
      labels: { family, state },
    }));
    return [gauge("tsbgp_rpki_routes", help, values)];
  }

  private async count(router: Router, inSteps: InSteps): Promise<void> {
    this.counts = await inSteps(originCounts(router));
    this.router = router;
    this.countedMs = performance.now();
  }
}
