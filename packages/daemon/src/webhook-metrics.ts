/** The webhook as metrics; none without one. */

import { counter, gauge, type MetricRecord } from "./metric-parts.ts";
import type { ShownWebhook } from "./webhook.ts";

export function webhookMetrics(shown: ShownWebhook | null): MetricRecord[] {
  if (shown === null) return [];
  const { isTaken, waiting, taken, dropped, refused } = shown;
  return [
    gauge("tsbgp_webhook_up", "1 unless the last message was not taken", Number(isTaken)),
    gauge("tsbgp_webhook_waiting", "Events that wait to be taken", waiting),
    counter("tsbgp_webhook_events", "Events that were taken", taken),
    counter("tsbgp_webhook_missed", "Events that the receiver was not told of", [
      { value: dropped, labels: { reason: "dropped" } },
      { value: refused, labels: { reason: "refused" } },
    ]),
  ];
}
