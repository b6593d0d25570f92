/** What origin validation says of the routes that neighbors have sent, as a metric. */

import type { Router } from "@ts-bgp/router";
import { type OriginCount, originCounts } from "@ts-bgp/views";
import { gauge, type MetricRecord } from "./metric-parts.ts";

/** Each route is looked up for it, so that is not done anew for whoever asks more often. */
const GOOD_FOR_MS = 60_000;

export class ValidationMetrics {
  private counts: readonly OriginCount[] = [];
  private router: Router | null = null;
  private countedMs = 0;

  /**
   * @returns in pieces; none without a section rpki
   */
  *of(router: Router): Generator<void, MetricRecord[]> {
    const isOld = performance.now() - this.countedMs > GOOD_FOR_MS;
    if (router !== this.router || isOld) {
      this.counts = yield* originCounts(router);
      this.router = router;
      this.countedMs = performance.now();
    }
    if (this.counts.length === 0) return [];
    const help =
      "Routes that neighbors have sent, kept rejected ones included, by origin validation, of the last minute";
    const values = this.counts.map(({ family, state, count }) => ({
      value: count,
      labels: { family, state },
    }));
    return [gauge("tsbgp_rpki_routes", help, values)];
  }
}
