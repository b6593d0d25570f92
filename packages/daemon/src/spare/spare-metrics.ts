/** The pairs of a spare as metrics; each has its name as label. */

import type { ShownNsr } from "@ts-bgp/nsr";
import { counter, gauge, type MetricRecord, stateSamples } from "../metric-parts.ts";
import type { ShownSpared } from "./spared-side.ts";

const ROLES: readonly ShownSpared["role"][] = [
  ...(["active", "standby", "starting", "simplex"] satisfies ShownNsr["role"][]),
  "unknown",
];

export function spareMetrics(pairs: readonly ShownSpared[]): MetricRecord[] {
  const each = (value: (shown: ShownSpared) => number) =>
    pairs.map((shown) => ({ value: value(shown), labels: { cluster: shown.cluster } }));
  const roles = pairs.flatMap(({ cluster, role }) =>
    stateSamples("role", ROLES, role).map(({ value, labels }) => ({
      value,
      labels: { cluster, ...labels },
    })),
  );
  return [
    gauge(
      "tsbgp_spare_up",
      "1 while the process of this side runs and answers",
      each(({ answers }) => Number(answers)),
    ),
    gauge("tsbgp_spare_role", "1 for the role of this side, 0 for each other one", roles),
    gauge(
      "tsbgp_spare_ready",
      "1 while the standby of the pair can take over",
      each(({ ready }) => Number(ready)),
    ),
    gauge(
      "tsbgp_spare_sessions",
      "Sessions of the pair, as this side knows them",
      each(({ sessions }) => sessions),
    ),
    gauge(
      "tsbgp_spare_protected_sessions",
      "Sessions of the pair that the loss of its active side would not end",
      each((shown) => shown.protected),
    ),
    gauge(
      "tsbgp_spare_resident_memory_bytes",
      "Resident memory of the process of this side",
      each(({ memory_octets: octets }) => octets),
    ),
    counter(
      "tsbgp_spare_cpu_seconds",
      "Processor time of the process of this side",
      each(({ cpu_ms: ms }) => ms / 1000),
    ),
    counter(
      "tsbgp_spare_starts",
      "How often the process of this side was started, or found running",
      each(({ starts }) => starts),
    ),
  ];
}
