/** The table: medians of the runs, and ratios to BIRD 2, or another, in the same runs. */

import type { Failure, Measurement } from "./run.ts";

const REFERENCE = "bird2";
/** Of the comparisons without and with a standby or a station. */
export const OWN_REFERENCE = "ours";

const HEADINGS = [
  "phase",
  "daemon",
  "seconds",
  "range",
  "ratio",
  "CPU s",
  "peak MB",
  "other s",
  "p50 ms",
  "p99 ms",
  "max ms",
];
const TURN_HEADING = "turn ms";
const STANDBY_HEADINGS = ["CPU ratio", "standby CPU s", "standby MB", "join s"];

/** @returns lines of text, columns aligned; those of a standby only where there is one */
export function tableOf(
  measurements: readonly Measurement[],
  referenceName: string = REFERENCE,
): string[] {
  const hasStandby = measurements.some((one) => one.standbyCpuSeconds !== undefined);
  const hasTurns = measurements.some((one) => one.turnMs !== undefined);
  const more = [...(hasTurns ? [TURN_HEADING] : []), ...(hasStandby ? STANDBY_HEADINGS : [])];
  const rows: string[][] = [[...HEADINGS, ...more]];
  for (const phase of groups(measurements, ({ scenario, phase: name }) => `${scenario} ${name}`)) {
    const reference = phase.list.filter(({ daemon }) => daemon === referenceName);
    const base = reference.length === 0 ? null : median(reference, ({ seconds }) => seconds);
    const cpu = reference.length === 0 ? null : median(reference, (one) => one.cpuSeconds);
    rows.push([]);
    for (const { key: daemon, list } of groups(phase.list, ({ daemon: name }) => name)) {
      const row = rowOf(phase.key, daemon, list, base);
      if (hasTurns) row.push(turnCell(list));
      rows.push(hasStandby ? [...row, ...standbyCells(list, cpu)] : row);
    }
  }
  return aligned(rows);
}

/** @returns a line for each failure, equal ones together */
export function failureLines(failures: readonly Failure[]): string[] {
  const texts = failures.map(({ scenario, phase, daemon, error }) => {
    return `${daemon} ${scenario}${phase === null ? "" : ` ${phase}`}: ${error}`;
  });
  return groups(texts, (text) => text).map(({ key, list }) => {
    return list.length === 1 ? key : `${key} (${list.length} runs)`;
  });
}

function rowOf(
  phase: string,
  daemon: string,
  list: readonly Measurement[],
  base: number | null,
): string[] {
  const seconds = list.map((one) => one.seconds);
  const middle = median(list, (one) => one.seconds);
  const timed = list.filter((one) => one.p50Ms !== undefined);
  const latency = (value: (one: Measurement) => number | undefined) =>
    timed.length === 0 ? "" : median(timed, (one) => value(one) ?? 0).toFixed(2);
  return [
    phase,
    daemon,
    middle.toFixed(2),
    `${Math.min(...seconds).toFixed(2)}-${Math.max(...seconds).toFixed(2)}`,
    base === null ? "" : (middle / base).toFixed(2),
    median(list, (one) => one.cpuSeconds).toFixed(2),
    median(list, (one) => one.peakRssMb).toFixed(0),
    Math.max(
      0,
      median(list, (one) => one.foreignCpuSeconds),
    ).toFixed(2),
    latency((one) => one.p50Ms),
    latency((one) => one.p99Ms),
    latency((one) => one.maxMs),
  ];
}

function turnCell(list: readonly Measurement[]): string {
  const known = list.map(({ turnMs }) => turnMs).filter((one) => one !== undefined);
  return known.length === 0 ? "" : median(known, (one) => one).toFixed(1);
}

function standbyCells(list: readonly Measurement[], cpu: number | null): string[] {
  const cell = (value: (one: Measurement) => number | undefined, digits: number) => {
    const known = list.map(value).filter((one) => one !== undefined);
    return known.length === 0 ? "" : median(known, (one) => one).toFixed(digits);
  };
  return [
    cpu === null ? "" : (median(list, (one) => one.cpuSeconds) / cpu).toFixed(2),
    cell((one) => one.standbyCpuSeconds, 2),
    cell((one) => one.standbyPeakRssMb, 0),
    cell((one) => one.joinSeconds, 2),
  ];
}

/** @returns the groups in the order in which they came up */
export function groups<T>(
  list: readonly T[],
  keyOf: (one: T) => string,
): { readonly key: string; readonly list: readonly T[] }[] {
  return [...Map.groupBy(list, keyOf)].map(([key, members]) => ({ key, list: members }));
}

export function median<T>(list: readonly T[], value: (one: T) => number): number {
  const sorted = list.map(value).sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** The first two columns to the left, numbers to the right. */
export function aligned(rows: readonly string[][]): string[] {
  const widths = rows[0]!.map((_, column) =>
    Math.max(...rows.map((row) => (row[column] ?? "").length)),
  );
  return rows.map((row) =>
    row
      .map((cell, column) =>
        column < 2 ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!),
      )
      .join("  ")
      .trimEnd(),
  );
}
