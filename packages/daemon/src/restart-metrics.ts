/** A restart of the speaker itself as metrics: whom the deferral of RFC 4724 section 4.1 still waits for. */

import { FAMILIES, familyLabel, type Router } from "@ts-bgp/router";
import { nowMs } from "@ts-bgp/speaker";
import { type ShownRestart, showRestart } from "@ts-bgp/views";
import { gauge, type MetricRecord } from "./metric-parts.ts";

/** @returns the metrics; all are 0 once routes are sent to everybody */
export function restartMetrics(router: Router): MetricRecord[] {
  const shown = showRestart(router);
  const families = shown?.families ?? [];
  const perFamily = (read: (family: ShownRestart["families"][number]) => number) =>
    FAMILIES.map(familyLabel).map((family) => {
      const waiting = families.find((each) => each.family === family);
      return { value: waiting === undefined ? 0 : read(waiting), labels: { family } };
    });
  return [
    gauge(
      "tsbgp_restart_waiting",
      "1 while, after a start, sessions are sent no routes until others have sent theirs (RFC 4724)",
      perFamily(() => 1),
    ),
    gauge(
      "tsbgp_restart_awaited_neighbors",
      "Neighbors that have not sent all that they have, and are waited for",
      perFamily(({ waits_for }) => waits_for.length),
    ),
    gauge(
      "tsbgp_restart_held_sessions",
      "Sessions that are sent no routes before that",
      perFamily(({ held }) => held),
    ),
    gauge(
      "tsbgp_restart_limit_seconds",
      "Until nobody is waited for any longer, 0 when nobody is",
      shown === null ? 0 : Math.max(0, (shown.until_ms - nowMs()) / 1000),
    ),
  ];
}
