/**
 * `npm run chaos`: a pair of speakers is killed, and nobody may notice.
 *
 *     main ---> run ---> plan       what happens in each trial, from the seed
 *                |-----> scene      pair, daemons, scripted peers, captures
 *                |         |-> feed         what is announced, and how it changes
 *                |         '-> expectation  what every peer must hold
 *                |-----> crowd      pair and many clients, in place of a scene
 *                '-----> trial      traffic, disturbance, verdict
 *                          |-> wire-watch   what the peers were sent, octet by octet
 *                          '-> silence      when
 */
import os from "node:os";
import { runInOwnSession, setAutogroupNice } from "../test/lab/autogroup.ts";
import { labAvailable } from "../test/lab/install.ts";
import { HELP, parseArguments, UsageError } from "./arguments.ts";
import { pairAvailable } from "./pair.ts";
import { reportLines, trialLine } from "./report.ts";
import { runTrials } from "./run.ts";
import type { TrialResult } from "./trial.ts";

const EXIT = { OK: 0, FAILED: 1, UNUSABLE: 2 } as const;

async function main(argv: readonly string[]): Promise<number> {
  const options = parseArguments(argv, Date.now());
  if (options === null) {
    process.stdout.write(HELP);
    return EXIT.OK;
  }
  const obstacle = labAvailable();
  if (obstacle !== null) throw new UsageError(obstacle);
  if (!options.alone) {
    const reason = pairAvailable();
    if (reason !== null) throw new UsageError(reason);
  }
  const ended = await runInOwnSession();
  if (ended !== null) return ended;
  // What else goes on here is no silence of the speaker's.
  os.setPriority(options.nice);
  setAutogroupNice("self", options.nice);
  const results: TrialResult[] = [];
  const log = (text: string) => process.stderr.write(`${text}\n`);
  log(`seed ${options.seed}`);
  const take = (result: TrialResult) => {
    results.push(result);
    if (options.json) console.log(JSON.stringify(result));
    log(trialLine(result));
  };
  try {
    await runTrials(options, take, log);
  } catch (error) {
    log(`stopped: ${error instanceof Error ? error.message : error}`);
    process.exitCode = EXIT.FAILED;
  }
  console.log(reportLines(results).join("\n"));
  const isComplete = results.length === options.trials;
  return isComplete && results.every(({ problems }) => problems.length === 0)
    ? EXIT.OK
    : EXIT.FAILED;
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  process.stderr.write(`chaos: ${error.message}\n`);
  process.exitCode = EXIT.UNUSABLE;
}
