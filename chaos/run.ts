/** Trials one after the other, in as few scenes as may be. */
import { cpSync, lstatSync, mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Prng } from "@ts-bgp/inject";
import { setCrowd } from "./crowd.ts";
import { disturb } from "./disturb.ts";
import { type Feed, makeFeeds } from "./feed.ts";
import type { PairKind, Standbys } from "./pair.ts";
import { type Mode, makePlans, type Peers, type Plan, pairOf, sceneOf } from "./plan.ts";
import { type LabTrialScene, setScene } from "./scene.ts";
import { runTrial, type TrialResult } from "./trial.ts";

/** Captures grow with every trial, and so does what is compared with them. */
const TRIALS_PER_SCENE = 25;

export interface RunOptions extends Peers {
  readonly trials: number;
  readonly seed: number;
  readonly modes: readonly Mode[];
  readonly prefixes: number;
  readonly alone: boolean;
  readonly standbys?: Standbys;
  /** Where failing trials leave captures and logs; `null` for the temporary directory. */
  readonly keep: string | null;
}

/**
 * Runs trials; the same options make the same choices.
 *
 * @param take - is given each result
 * @param log - is given sentences for people
 * @throws Error when a scene cannot be set
 */
export async function runTrials(
  options: RunOptions,
  take: (result: TrialResult) => void,
  log: (text: string) => void,
): Promise<void> {
  const { seed, prefixes, alone, standbys = 1 } = options;
  const plans = makePlans(options.trials, options.modes, new Prng(seed), options);
  let feeds: Feed[] | null = null;
  let scene: LabTrialScene | null = null;
  let setFor = "";
  let used = 0;
  try {
    for (const plan of plans) {
      const kind: PairKind = alone ? "alone" : pairOf(plan.mode);
      const needed = `${kind}, ${sceneOf(plan)}`;
      if (scene !== null && (setFor !== needed || used >= TRIALS_PER_SCENE)) {
        scene.remove();
        scene = null;
      }
      if (scene === null) {
        const set = async () => {
          if (plan.clients > 0) return setCrowd(kind, plan.clients, prefixes, seed);
          feeds ??= makeFeeds(prefixes, seed);
          return setScene(kind, feeds, standbys);
        };
        scene = await setInTwo(set, log);
        setFor = needed;
        used = 0;
        log(`${needed}: a scene with ${prefixes} prefixes is set`);
      }
      used++;
      const { pair } = scene;
      const result = await runTrial(scene, plan, (victim, problem) =>
        disturb(pair, plan, victim, problem),
      );
      take(result);
      if (result.problems.length === 0) continue;
      log(`captures and logs are in ${keepEvidence(options, scene, plan, result)}`);
      scene.remove();
      scene = null;
    }
  } finally {
    scene?.remove();
  }
}

/** Daemons that start all at once on a busy machine do not always answer in time. */
async function setInTwo(
  set: () => Promise<LabTrialScene>,
  log: (text: string) => void,
): Promise<LabTrialScene> {
  try {
    return await set();
  } catch (error) {
    log(`a second attempt: ${error instanceof Error ? error.message : error}`);
    return set();
  }
}

function keepEvidence(
  { keep, seed }: RunOptions,
  scene: LabTrialScene,
  plan: Plan,
  result: TrialResult,
): string {
  if (keep !== null) mkdirSync(keep, { recursive: true });
  const directory = mkdtempSync(
    join(keep ?? tmpdir(), `chaos-seed${seed}-trial${plan.trial}-${plan.mode}-`),
  );
  const isKept = (path: string) => {
    const stat = lstatSync(path);
    // Sockets and pipes cannot be copied.
    return stat.isFile() || stat.isDirectory();
  };
  cpSync(scene.lab.directory, directory, { recursive: true, filter: isKept });
  writeFileSync(
    join(directory, "result.json"),
    `${JSON.stringify({ runSeed: seed, ...result }, null, 2)}\n`,
  );
  writeFileSync(join(directory, "processes.txt"), scene.lab.describe());
  return directory;
}
