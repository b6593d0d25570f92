/** What a soak must show. The limits are said before it begins, and not changed by what it finds. */
import { distributionOf } from "../chaos/silence.ts";

export interface Limits {
  /** Of the silences of all sessions, at every disturbance and while a standby joined. */
  readonly silenceP99Ms: number;
  /** Growth of the memory of the process that lives from the beginning to the end. */
  readonly memoryMbPerHour: number;
}

export const LIMITS: Limits = { silenceP99Ms: 1000, memoryMbPerHour: 20 };

/**
 * Memory goes up and down by that much with garbage that is not collected yet: a slope counts only when
 * it came to more in the time that was measured.
 */
export const MEMORY_NOISE_MB = 64;

/** Caches and the heap find their size in that share of the time, which is not measured. */
const WARM_SHARE = 0.2;

export interface MemorySample {
  readonly atHours: number;
  readonly mb: number;
}

/** What a soak has found. */
export interface Findings {
  readonly hours: number;
  readonly kills: number;
  readonly switchovers: number;
  readonly sessionsLost: number;
  /** Messages that no client should be sent: malformed ones, UPDATEs without news. */
  readonly messageFaults: number;
  readonly routeDifferences: number;
  /** Between the tables of both sides, by their own digests. */
  readonly digestDifferences: number;
  /** Disturbances before which the sides had not compared their digests. */
  readonly notCompared: number;
  /** Disturbances before or after which no standby was ready. */
  readonly notReady: number;
  readonly gapsMs: readonly number[];
  readonly memory: readonly MemorySample[];
  /** The harness could not go on; null when it came to its end. */
  readonly stopped: string | null;
}

export interface Gate {
  readonly name: string;
  readonly isPassed: boolean;
  /** What was found, and what may be. */
  readonly text: string;
}

/** One sentence for each gate, for people, before the soak begins. */
export function gateLines({ silenceP99Ms, memoryMbPerHour }: Limits): string[] {
  return [
    "sessions lost, routes that differ, digests that differ or were not compared: 0",
    "messages that are malformed or say nothing new: 0",
    "disturbances without a standby that is ready before and afterwards: 0",
    `silence, p99 of all sessions and disturbances: at most ${silenceP99Ms} ms`,
    `memory: at most ${memoryMbPerHour} MB an hour more, where that makes over ${MEMORY_NOISE_MB} MB`,
  ];
}

export function judge(findings: Findings, limits: Limits): Gate[] {
  const none = (name: string, count: number): Gate => {
    return { name, isPassed: count === 0, text: `${name} ${count}` };
  };
  return [
    { name: "end", isPassed: findings.stopped === null, text: endText(findings) },
    none("sessions lost", findings.sessionsLost),
    none("routes that differ", findings.routeDifferences),
    none("digests that differ", findings.digestDifferences),
    none("digests not compared", findings.notCompared),
    none("messages that are wrong", findings.messageFaults),
    none("not ready", findings.notReady),
    silenceGate(findings, limits),
    memoryGate(findings, limits),
  ];
}

/** Everything in a line. */
export function finalLine(findings: Findings, limits: Limits): string {
  const gates = judge(findings, limits);
  const failed = gates.filter(({ isPassed }) => !isPassed).map(({ name }) => name);
  const verdict = failed.length === 0 ? "passed" : `FAILED: ${failed.join(", ")}`;
  return `${gates.map(({ text }) => text).join(" · ")} · ${verdict}`;
}

/** Least squares, in MB an hour. @param samples - two at least, not all of one time */
export function slopeOf(samples: readonly MemorySample[]): number {
  const mean = (value: (one: MemorySample) => number) =>
    samples.reduce((sum, one) => sum + value(one), 0) / samples.length;
  const hours = mean(({ atHours }) => atHours);
  const mb = mean((one) => one.mb);
  const covariance = mean((one) => (one.atHours - hours) * (one.mb - mb));
  return covariance / mean((one) => (one.atHours - hours) ** 2);
}

function endText({ hours, kills, switchovers, stopped }: Findings): string {
  const what = `${hours.toFixed(2)} h, ${kills} kills, ${switchovers} switchovers`;
  return stopped === null ? what : `${what}, stopped: ${stopped}`;
}

function silenceGate({ gapsMs }: Findings, { silenceP99Ms }: Limits): Gate {
  const name = "silence";
  if (gapsMs.length === 0) return { name, isPassed: false, text: "silence not measured" };
  const { median, p99, max } = distributionOf(gapsMs);
  const figures = `median ${median.toFixed(0)} p99 ${p99.toFixed(0)} max ${max.toFixed(0)} ms`;
  return { name, isPassed: p99 <= silenceP99Ms, text: `silence ${figures}` };
}

function memoryGate({ hours, memory }: Findings, { memoryMbPerHour }: Limits): Gate {
  const name = "memory";
  const warm = memory.filter(({ atHours }) => atHours >= WARM_SHARE * hours);
  if (warm.length < 2) return { name, isPassed: false, text: "memory not measured" };
  const slope = slopeOf(warm);
  const grownMb = slope * (warm.at(-1)!.atHours - warm[0]!.atHours);
  const isPassed = slope <= memoryMbPerHour || grownMb <= MEMORY_NOISE_MB;
  const sign = slope < 0 ? "" : "+";
  const last = warm.at(-1)!.mb.toFixed(0);
  return { name, isPassed, text: `memory ${sign}${slope.toFixed(1)} MB/h, ${last} MB at the end` };
}
