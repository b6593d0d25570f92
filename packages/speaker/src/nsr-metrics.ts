/** Nonstop routing in Prometheus text, from what `show nsr` shows. */

import type { Router } from "@ts-bgp/router";
import type { ShownNsr } from "./show-nsr.ts";
import type { Switchover } from "./switchover.ts";

type Labels = Readonly<Record<string, string>>;
type Sample = readonly [value: number, labels?: Labels];

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

/** @returns the text; empty without a section `nsr` */
export function nsrMetrics(shown: ShownNsr, totals: SwitchoverTotals, router: Router): string {
  if (shown.cluster === "") return "";
  return [...stateOf(shown), ...neighborsOf(shown, router), ...switchoversOf(shown, totals)].join(
    "",
  );
}

function stateOf(shown: ShownNsr): string[] {
  const { cluster, side, mode, role, ready, epoch, peer, behind } = shown;
  const { arbiter, digest, gate, skipped } = shown;
  const { kind, ...packets } = gate;
  return [
    gauge("info", "1, with the role of this side and the kind of its gate", [
      [1, { cluster, side, mode, role, gate: kind }],
    ]),
    gauge("ready", "1 while the standby can take over", [[Number(ready)]]),
    gauge("epoch", "Number of the active side's time in its role", [[epoch]]),
    gauge("link_up", "1 while the link to the other side is up", [
      [Number(peer.link === "up"), { peer: peer.side }],
    ]),
    gauge("ways_down", "Ways to the other side that no heartbeat comes by to this standby", [
      [peer.ways_down.length],
    ]),
    gauge("arbiter_up", "1 while the arbiter answers: without it no role can change", [
      [Number(arbiter.problem === ""), { kind: arbiter.kind }],
    ]),
    gauge("holds_back", "1 while the active side sends nothing, for it may have lost its role", [
      [Number(shown.holds_back)],
    ]),
    gauge("behind_brackets", "Brackets that the standby has not stored", [[behind.brackets]]),
    gauge("behind_octets", "Octets of those", [[behind.octets]]),
    gauge("unapplied_brackets", "Brackets that the standby has not run", [[behind.applied]]),
    gauge("digest_timestamp_seconds", "When both sides were last compared, 0 for never", [
      [digest.at_ms / 1000],
    ]),
    counter("digest_differences", "Comparisons of both sides that found a difference", [
      [digest.differences],
    ]),
    counter(
      "gate_packets",
      "Packets of protected connections; guarded: a FIN or RST that was stopped; overruns: a full queue",
      Object.entries(packets).map(([result, count]) => [count, { result }]),
    ),
    gauge("skipped_records", "Records and fields of the other side that this one does not know", [
      [skipped],
    ]),
  ];
}

function neighborsOf({ sessions, protected: safe, neighbors }: ShownNsr, router: Router): string[] {
  const as = new Map(
    [...router.neighbors.values()].map(({ config }) => [config.address, String(config.as)]),
  );
  return [
    gauge("sessions", "Established sessions", [[sessions]]),
    gauge("sessions_protected", "Sessions that go on when the active side ends", [[safe]]),
    metric(
      ["tsbgp_neighbor_nsr_protected", "gauge"],
      "1 while the session goes on when the active side ends",
      neighbors.map(({ address, protected: isSafe }) => [
        Number(isSafe),
        { neighbor: address, as: as.get(address) ?? "" },
      ]),
    ),
  ];
}

function switchoversOf({ last_switchover: last }: ShownNsr, totals: SwitchoverTotals): string[] {
  totals.note(last);
  const counters = [
    counter("switchovers", "Switchovers to this side", [
      [totals.planned, { kind: "planned" }],
      [totals.failure, { kind: "failure" }],
    ]),
    counter("sessions_lost", "Sessions that switchovers did not keep", [[totals.lostSessions]]),
  ];
  if (last === null) return counters;
  const { silence, ...phases } = last.ms;
  return [
    ...counters,
    gauge("last_switchover_timestamp_seconds", "When it was", [[last.at_ms / 1000]]),
    gauge(
      "last_switchover_seconds",
      "How long it took, by phase; total is all of them",
      Object.entries(phases).map(([phase, ms]) => [ms / 1000, { phase }]),
    ),
    gauge(
      "last_switchover_silence_seconds",
      "From the last word of the other side until its connections went on here",
      [[silence / 1000]],
    ),
    gauge("last_switchover_sessions", "What became of the sessions", [
      [last.resumed, { result: "resumed" }],
      [last.lost.length, { result: "lost" }],
    ]),
  ];
}

function gauge(name: string, help: string, samples: readonly Sample[]): string {
  return metric([`tsbgp_nsr_${name}`, "gauge"], help, samples);
}

function counter(name: string, help: string, samples: readonly Sample[]): string {
  return metric([`tsbgp_nsr_${name}_total`, "counter"], help, samples);
}

function metric(
  [name, type]: readonly [name: string, type: "gauge" | "counter"],
  help: string,
  samples: readonly Sample[],
): string {
  const lines = samples.map(([value, labels = {}]) => {
    // JSON escapes what the format wants escaped: quotes, backslashes and line ends.
    const pairs = Object.entries(labels).map(([label, text]) => `${label}=${JSON.stringify(text)}`);
    return `${name}${pairs.length === 0 ? "" : `{${pairs.join(",")}}`} ${value}\n`;
  });
  return `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${lines.join("")}`;
}
