/** A mirror as metrics. */

import type { ShownFollowing } from "@ts-bgp/nsr";
import { counter, gauge, type MetricRecord, stateSamples } from "../metric-parts.ts";

const STATES: readonly ShownFollowing["state"][] = ["looking", "joining", "following"];

/** @returns of the one that follows; the age is absent while nothing is shown */
export function mirrorMetrics(shown: ShownFollowing): MetricRecord[] {
  const { cluster, side, state, age_ms, behind, states } = shown;
  return [
    gauge("tsbgp_mirror_info", "1, with what is mirrored, and the side of it that is followed", [
      { value: 1, labels: { cluster, side } },
    ]),
    gauge(
      "tsbgp_mirror_state",
      "1 for the state of this mirror, 0 for each other one",
      stateSamples("state", STATES, state),
    ),
    gauge(
      "tsbgp_mirror_age_seconds",
      "How old what this mirror shows is, at most",
      age_ms === null ? [] : [{ value: age_ms / 1000, labels: {} }],
    ),
    gauge("tsbgp_mirror_behind_octets", "Octets received that wait to be applied", behind.octets),
    counter("tsbgp_mirror_states", "Full copies of the state that were received", states),
  ];
}
