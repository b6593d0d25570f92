/** How long routes take through the speaker, as a metric. */

import { LATENCY_SECONDS, type Latency } from "@ts-bgp/speaker/latency";
import type { MetricRecord, MetricSample } from "./metric-parts.ts";

const NAME = "tsbgp_update_latency_seconds";
const HELP =
  "From UPDATEs that were read until what came of them was handed to the kernel, by samples";

/** @param latency - null where nothing is routed: the metric has no series */
export function latencyMetric(latency: Latency | null): MetricRecord {
  return { name: NAME, help: HELP, type: "histogram", values: latency ? samplesOf(latency) : [] };
}

function samplesOf({ counts, totalSeconds }: Latency): MetricSample[] {
  let count = 0;
  const buckets = [...LATENCY_SECONDS, "+Inf"].map((le, i): MetricSample => {
    count += counts[i]!;
    return { value: count, labels: { le }, metricName: `${NAME}_bucket` };
  });
  return [
    ...buckets,
    { value: totalSeconds, metricName: `${NAME}_sum` },
    { value: count, metricName: `${NAME}_count` },
  ];
}
