/** A few trials of `npm run chaos`, and what it says where there is no standby. */
import { describe, expect, test } from "vitest";
import { pairAvailable } from "../../chaos/pair.ts";
import type { Mode, SceneKind } from "../../chaos/plan.ts";
import { reportLines, trialLine } from "../../chaos/report.ts";
import { runTrials } from "../../chaos/run.ts";
import { NO_TRAFFIC, type TrialResult } from "../../chaos/trial.ts";
import { labAvailable } from "../lab/install.ts";
import { speakerAvailable } from "../lab/speaker.ts";

const PREFIXES = 1000;
const CLIENTS = 100;
const SEED = 20_261_121;

interface Setting {
  readonly alone?: boolean;
  readonly scene?: SceneKind;
}

async function trials(count: number, modes: readonly Mode[], setting: Setting = {}) {
  const { alone = false, scene = "daemons" } = setting;
  const results: TrialResult[] = [];
  const common = { trials: count, seed: SEED, modes, prefixes: PREFIXES, keep: null };
  const options = { ...common, alone, scenes: [scene], clients: CLIENTS };
  const log = alone ? () => {} : (text: string) => console.log(text);
  await runTrials(options, (result) => results.push(result), log);
  return results;
}

/** What a busy machine did not let be measured was done all the same. */
const isFault = (problem: string) => problem !== NO_TRAFFIC;

async function expectAllPassed(
  count: number,
  modes: readonly Mode[],
  scene: SceneKind = "daemons",
): Promise<void> {
  const results = await trials(count, modes, { scene });
  console.log(reportLines(results).join("\n"));
  const failed = results.filter(({ problems }) => problems.some(isFault));
  expect(failed.map(trialLine)).toEqual([]);
  expect(results).toHaveLength(count);
}

const LAB_REASON = speakerAvailable() ?? labAvailable();
const PAIR_REASON = LAB_REASON ?? pairAvailable();
const withReason = (title: string, reason: string | null) =>
  reason === null ? title : `${title} (${reason})`;

describe.skipIf(LAB_REASON !== null)(withReason("a speaker alone", LAB_REASON), () => {
  test("is found faultless while nothing happens to it", async () => {
    const [result] = await trials(1, ["none"], { alone: true });
    expect(result?.problems.filter(isFault)).toEqual([]);
  });

  test("is found out when it is killed", async () => {
    const [result] = await trials(1, ["process"], { alone: true });
    expect(result?.sessionsReset).toBeGreaterThan(0);
    expect(result?.sessionFaults).toBeGreaterThan(0);
    expect(result?.routeDifferences).toBeGreaterThan(0);
    expect(result?.problems.join()).toMatch(/FIN|RST/);
  });
});

describe.skipIf(PAIR_REASON !== null)(withReason("no peer notices", PAIR_REASON), () => {
  test("a killed, stopped or relieved process of a host, or one killed while it is relieved", () =>
    expectAllPassed(8, ["process", "planned", "interrupted", "pause"]));

  test("nor do a hundred clients, until a standby is ready again", () =>
    expectAllPassed(3, ["process", "planned", "interrupted"], "clients"));

  test("a lost host, a cut link, a partition", () =>
    expectAllPassed(6, ["namespace", "link", "split"]));
});
