/** The table of the scenario `takeover`. */

import { aligned, groups, median } from "./report.ts";
import type { TakeoverRow } from "./takeover.ts";

const HEADINGS = [
  ...["phase", "clients x routes", "silence ms", "max", "undisturbed ms", "max"],
  ...["lost", "FIN", "RST", "OPEN", "NOTIF", "differ", "ready s", "other cores"],
];

/**
 * @returns lines of text, columns aligned: medians of the runs, but the longest of all maxima, and counts
 *   of all runs together
 */
export function takeoverTable(rows: readonly TakeoverRow[]): string[] {
  const bySize = groups(rows, ({ clients, routes }) => `${clients} x ${routes}`);
  const lines = bySize.flatMap(({ key: size, list }) => {
    const phases = groups(list, ({ phase }) => phase);
    return [[], ...phases.map(({ key, list: own }) => lineOf(key, size, own))];
  });
  return aligned([HEADINGS, ...lines]);
}

/** One row in a line, for the time while others are measured. */
export function takeoverSummary(row: TakeoverRow): string {
  const { phase, clients, routes, silenceMedianMs, silenceMaxMs, faults, problems } = row;
  const told = row.toldShare === undefined ? "" : ` at ${Math.round(100 * row.toldShare)} %`;
  const silence = `silence ${silenceMedianMs.toFixed(0)} / ${silenceMaxMs.toFixed(0)} ms`;
  const before = `undisturbed ${row.undisturbedMedianMs.toFixed(0)} / ${row.undisturbedMaxMs.toFixed(0)}`;
  const end = `${faults.closed} sessions lost, ${row.routeDifferences} routes differ`;
  const words = problems.length === 0 ? "" : `: ${problems.join("; ")}`;
  return `takeover ${phase}${told}, ${clients} x ${routes}: ${silence} (${before}), ${end}${words}`;
}

/** @returns a line for each row with something wrong */
export function takeoverProblems(rows: readonly TakeoverRow[]): string[] {
  return rows
    .filter(({ problems }) => problems.length > 0)
    .map(({ phase, clients, problems }) => {
      return `ours+standby takeover ${phase}, ${clients} clients: ${problems.join("; ")}`;
    });
}

function lineOf(phase: string, size: string, rows: readonly TakeoverRow[]): string[] {
  const middle = (value: (one: TakeoverRow) => number, digits = 0) =>
    median(rows, value).toFixed(digits);
  const most = (value: (one: TakeoverRow) => number) => Math.max(...rows.map(value)).toFixed(0);
  const sum = (value: (one: TakeoverRow) => number) =>
    String(rows.reduce((total, one) => total + value(one), 0));
  const isReady = rows.every(({ readyAgainSeconds }) => readyAgainSeconds !== null);
  return [
    phase,
    size,
    middle((one) => one.silenceMedianMs),
    most((one) => one.silenceMaxMs),
    middle((one) => one.undisturbedMedianMs),
    most((one) => one.undisturbedMaxMs),
    sum((one) => one.faults.closed),
    sum((one) => one.faults.fins),
    sum((one) => one.faults.resets),
    sum((one) => one.faults.opens),
    sum((one) => one.faults.notifications),
    sum((one) => one.routeDifferences),
    isReady ? middle((one) => one.readyAgainSeconds ?? 0, 1) : "never",
    middle((one) => one.otherCores, 2),
  ];
}
