/** The last lines of a run. */
import { distributionOf } from "./silence.ts";
import type { TrialResult } from "./trial.ts";

/** One trial in a line. */
export function trialLine(result: TrialResult): string {
  const { trial, mode, moment, detail, problems } = result;
  const { silenceMs, silentPeer, silentAtMs, retransmissionMs } = result;
  const apart = retransmissionMs > 0 ? `, behind a retransmission ${ms(retransmissionMs)}` : "";
  const verdict = problems.length === 0 ? "passed" : `FAILED: ${problems.join("\n  ")}`;
  const silence = `silence ${ms(silenceMs)} at ${silentPeer} after ${ms(silentAtMs)}${apart}`;
  return `trial ${trial} ${mode} ${moment}: ${detail}${silence}: ${verdict}`;
}

/** @returns the lines of the verdict, and of silence by mode */
export function reportLines(results: readonly TrialResult[]): string[] {
  const failed = results.filter(({ problems }) => problems.length > 0).length;
  return [...figureLines(results), `${results.length - failed} passed, ${failed} failed`];
}

/** The same without the count of trials that passed. */
export function figureLines(results: readonly TrialResult[]): string[] {
  const sum = (value: (one: TrialResult) => number) =>
    results.reduce((total, one) => total + value(one), 0);
  return [
    [
      `trials ${results.length}`,
      `sessions reset ${sum((one) => one.sessionsReset)}`,
      `FIN/RST/OPEN/NOTIFICATION seen ${sum((one) => one.sessionFaults)}`,
      `route differences ${sum((one) => one.routeDifferences)}`,
      `malformed or duplicated messages ${sum((one) => one.messageFaults)}`,
      `not ready ${sum((one) => one.notReady)}`,
    ].join(" · "),
    ...silenceLines(results),
  ];
}

function silenceLines(results: readonly TrialResult[]): string[] {
  const groupOf = ({ mode, clients }: TrialResult) =>
    clients > 0 ? `${mode}, ${clients} clients` : mode;
  return [...Map.groupBy(results, groupOf)].flatMap(([mode, own]) => {
    const line = (what: string, values: readonly number[]) => {
      if (values.length === 0) return [];
      const { count, median, p99, max } = distributionOf(values);
      if (count === 1) return [`${mode}: ${what} ${ms(max)}`];
      const times = `median ${ms(median)} · p99 ${ms(p99)} · max ${ms(max)}`;
      return [`${mode}: ${what} ${times} (${count} trials)`];
    };
    const cuts = own.map((one) => one.cutSilenceMs).filter((value) => value > 0);
    const joins = own.map((one) => one.joinSilenceMs).filter((value) => value > 0);
    const repeats = own.map((one) => one.retransmissionMs).filter((value) => value > 0);
    return [
      ...line(
        "silence",
        own.map((one) => one.silenceMs),
      ),
      ...line("  apart, behind a peer's retransmission timer", repeats),
      ...line("  while the link was cut", cuts),
      ...line("  until a standby was ready again", joins),
      ...line(
        "  without disturbance",
        own.map((one) => one.undisturbedMs),
      ),
    ];
  });
}

function ms(value: number): string {
  return `${value.toFixed(1)} ms`;
}
