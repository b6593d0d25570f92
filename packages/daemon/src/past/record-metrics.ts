/** The record as metrics; none where nothing is recorded. */

import type { ShownRecord } from "@ts-bgp/nsr";
import { counter, gauge, type MetricRecord, stateSamples } from "../metric-parts.ts";

const STATES: readonly ShownRecord["state"][] = ["waiting", "beginning", "going"];

export function recordMetrics(shown: ShownRecord | null): MetricRecord[] {
  if (shown === null) return [];
  const { state, problem, from_ms, files, octets, taken_octets, behind_octets } = shown;
  return [
    gauge(
      "tsbgp_record_state",
      "1 for the state of the record, 0 for each other one",
      stateSamples("state", STATES, state),
    ),
    gauge(
      "tsbgp_record_failed",
      "1 while nothing is recorded, since the disk or the thread has failed",
      Number(problem !== ""),
    ),
    gauge(
      "tsbgp_record_from_timestamp_seconds",
      "When the oldest begins that is kept",
      from_ms === null ? [] : [{ value: from_ms / 1000 }],
    ),
    gauge("tsbgp_record_files", "Files that are kept", files),
    gauge("tsbgp_record_octets", "Octets on disk of all that is kept", octets),
    gauge("tsbgp_record_behind_octets", "Octets that wait to be compressed", behind_octets),
    counter("tsbgp_record_taken_octets", "Octets that were compressed and written", taken_octets),
    counter("tsbgp_record_begun", "Files that were begun", shown.begun),
    counter("tsbgp_record_missed", "Times that something was missed: a gap", shown.missed),
  ];
}
