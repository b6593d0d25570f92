/** Nonstop routing as metrics, from what `show nsr` shows. */

import type { ShownNsr, Switchover } from "@ts-bgp/nsr";
import type { Router } from "@ts-bgp/router";
import {
  counter,
  gauge,
  type MetricRecord,
  type MetricSample,
  stateSamples,
} from "./metric-parts.ts";

const ROLES: readonly ShownNsr["role"][] = ["active", "standby", "starting", "simplex"];
const GATES = ["none", "nft", "iptables"];

/** Switchovers to this side since it was started. */
export class SwitchoverTotals {
  planned = 0;
  failure = 0;
  lostSessions = 0;
  private counted: Switchover | null = null;

  /** Counts a switchover, however often it is told of it. */
  note(last: Switchover | null): void {
    if (last === null || last === this.counted) return;
    this.counted = last;
    if (last.planned) this.planned++;
    else this.failure++;
    this.lostSessions += last.lost.length;
  }
}

/** @returns the metrics; none without a section `nsr` */
export function nsrMetrics(
  shown: ShownNsr,
  totals: SwitchoverTotals,
  router: Router,
): MetricRecord[] {
  if (shown.cluster === "") return [];
  return [...stateOf(shown), ...neighborsOf(shown, router), ...switchoversOf(shown, totals)];
}

function stateOf(shown: ShownNsr): MetricRecord[] {
  const { cluster, side, mode, role, ready, epoch, peer, behind } = shown;
  const { arbiter, gate, skipped } = shown;
  const { kind, ...packets } = gate;
  return [
    gauge("tsbgp_nsr_info", "1, with the names of the pair and of this side", [
      { value: 1, labels: { cluster, side, mode } },
    ]),
    gauge(
      "tsbgp_nsr_role",
      "1 for the role of this side, 0 for each other one",
      stateSamples("role", ROLES, role),
    ),
    gauge(
      "tsbgp_nsr_gate",
      "1 for the kind of rules of this side's gate, 0 for each other one",
      stateSamples("kind", GATES, kind),
    ),
    gauge("tsbgp_nsr_ready", "1 while the standby can take over", Number(ready)),
    gauge("tsbgp_nsr_epoch", "Number of the active side's time in its role", epoch),
    gauge(
      "tsbgp_nsr_link_up",
      "1 while the link to the other side is up",
      Number(peer.link === "up"),
    ),
    gauge(
      "tsbgp_nsr_ways_down",
      "Ways to the other side that no heartbeat comes by to this standby",
      peer.ways_down.length,
    ),
    gauge("tsbgp_nsr_arbiter_up", "1 while the arbiter answers: without it no role can change", [
      { value: Number(arbiter.problem === ""), labels: { kind: arbiter.kind } },
    ]),
    gauge(
      "tsbgp_nsr_holds_back",
      "1 while the active side sends nothing, for it may have lost its role",
      Number(shown.holds_back),
    ),
    ...standbysOf(shown),
    gauge("tsbgp_nsr_behind_brackets", "Brackets that the standby has not stored", behind.brackets),
    gauge("tsbgp_nsr_behind_octets", "Octets of those", behind.octets),
    gauge("tsbgp_nsr_unapplied_brackets", "Brackets that the standby has not run", behind.applied),
    ...comparedOf(shown),
    counter(
      "tsbgp_nsr_gate_packets",
      "Packets of protected connections; guarded: a FIN or RST that was stopped; overruns: a full queue",
      Object.entries(packets).map(([result, value]) => ({ value, labels: { result } })),
    ),
    counter(
      "tsbgp_nsr_link_refused",
      "Connections to the link or the heartbeats of whoever is not known to be the other side",
      Object.entries(shown.refused).map(([reason, value]) => ({ value, labels: { reason } })),
    ),
    gauge(
      "tsbgp_nsr_skipped_records",
      "Records and fields of the other side that this one does not know",
      skipped,
    ),
    ...logOf(shown),
  ];
}

/** What is on disk, where that is configured. */
function logOf({ log }: ShownNsr): MetricRecord[] {
  if (log.file === "") return [];
  return [
    gauge("tsbgp_nsr_log_octets", "Octets on disk of what this standby has stored", log.octets),
    gauge(
      "tsbgp_nsr_log_failed",
      "1 while the disk takes nothing, so that the next start of this side joins with all state",
      Number(log.problem !== ""),
    ),
  ];
}

/** Whether both sides do the same. */
function comparedOf({ deviation, digest }: ShownNsr): MetricRecord[] {
  return [
    gauge(
      "tsbgp_nsr_digest_timestamp_seconds",
      "When both sides were last compared, 0 for never",
      digest.at_ms / 1000,
    ),
    counter(
      "tsbgp_nsr_digest_differences",
      "Comparisons of both sides that found a difference",
      digest.differences,
    ),
    counter(
      "tsbgp_nsr_deviating_brackets",
      "Brackets in which the standby came to other outputs, and went on with those of the active",
      deviation.brackets,
    ),
    gauge(
      "tsbgp_nsr_sessions_doomed",
      "Sessions that the standby would not go on with",
      deviation.doomed.length,
    ),
  ];
}

function standbysOf({ standbys }: ShownNsr): MetricRecord[] {
  return [
    gauge(
      "tsbgp_nsr_standby_ready",
      "Of the active side: 1 while this standby can take over",
      standbys.map(({ side: standby, ready: isReady }) => {
        return { value: Number(isReady), labels: { standby } };
      }),
    ),
    gauge(
      "tsbgp_nsr_standby_behind_octets",
      "Octets of brackets that this standby has not stored",
      standbys.map(({ side: standby, behind: { octets } }) => {
        return { value: octets, labels: { standby } };
      }),
    ),
    gauge(
      "tsbgp_nsr_standby_ends",
      "How often in a row this standby has ended of its own doing, until it has followed for long",
      standbys.map(({ side: standby, ends }) => ({ value: ends, labels: { standby } })),
    ),
  ];
}

function neighborsOf(
  { sessions, protected: safe, neighbors }: ShownNsr,
  router: Router,
): MetricRecord[] {
  const sample = (address: string, isSafe: boolean): MetricSample => ({
    value: Number(isSafe),
    labels: { neighbor: address, as: router.neighbors.get(address)?.config.as ?? "" },
  });
  return [
    gauge("tsbgp_nsr_sessions", "Established sessions", sessions),
    gauge("tsbgp_nsr_sessions_protected", "Sessions that go on when the active side ends", safe),
    gauge(
      "tsbgp_neighbor_nsr_protected",
      "1 while the session goes on when the active side ends",
      neighbors.map(({ address, protected: isSafe }) => sample(address, isSafe)),
    ),
  ];
}

function switchoversOf(
  { last_switchover: last }: ShownNsr,
  totals: SwitchoverTotals,
): MetricRecord[] {
  totals.note(last);
  const counters = [
    counter("tsbgp_nsr_switchovers", "Switchovers to this side", [
      { value: totals.planned, labels: { kind: "planned" } },
      { value: totals.failure, labels: { kind: "failure" } },
    ]),
    counter(
      "tsbgp_nsr_sessions_lost",
      "Sessions that switchovers did not keep",
      totals.lostSessions,
    ),
  ];
  if (last === null) return counters;
  const { silence, ...phases } = last.ms;
  return [
    ...counters,
    gauge("tsbgp_nsr_last_switchover_timestamp_seconds", "When it was", last.at_ms / 1000),
    gauge(
      "tsbgp_nsr_last_switchover_seconds",
      "How long it took, by phase; total is all of them",
      Object.entries(phases).map(([phase, ms]) => ({ value: ms / 1000, labels: { phase } })),
    ),
    gauge(
      "tsbgp_nsr_last_switchover_silence_seconds",
      "From the last word of the other side until its connections went on here",
      silence / 1000,
    ),
    gauge("tsbgp_nsr_last_switchover_sessions", "What became of the sessions", [
      { value: last.resumed, labels: { result: "resumed" } },
      { value: last.lost.length, labels: { result: "lost" } },
    ]),
  ];
}
