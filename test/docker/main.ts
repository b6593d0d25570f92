/**
 * `npm run interop:docker`: the compose files of `docker/`, seen from their clients.
 *
 *     main ---> deployment      a copy of docker/, up and down, under a project name of its own
 *       |-----> stage           clients, captures, scripted peers
 *       |         '-> chaos/scene
 *       |-----> checks          image, privileges, sessions, routes, reload, spare, logs
 *       |-----> observers       the profiles mirror and forward
 *       |-----> cluster         the profile cluster
 *       |-----> upgrade         the steps of docs/upgrade.md
 *       '-----> disturbances    kill, pause, disconnect, stop, switchover
 *                 '-> chaos/trial     traffic, disturbance, verdict of every peer
 */
import os from "node:os";
import { parseArgs } from "node:util";
import { figureLines } from "../../chaos/report.ts";
import type { TrialResult } from "../../chaos/trial.ts";
import {
  CHANGES,
  type Check,
  IMAGE_CHECKS,
  LOGS,
  PRIVILEGES,
  PROTECTION,
  RELOADS,
  ROUTES,
  SESSIONS,
  SPARE,
  START,
} from "./checks.ts";
import { CLUSTER } from "./cluster.ts";
import { Deployment, removeProject, SOURCE } from "./deployment.ts";
import { disturbanceChecks } from "./disturbances.ts";
import { engineMissing } from "./engine.ts";
import { OBSERVERS } from "./observers.ts";
import { Stage } from "./stage.ts";
import { makeNextImage, UPGRADE } from "./upgrade.ts";

const HELP = `Usage: npm run interop:docker -- [OPTION]...

Builds the image, starts the compose files of docker/ one after the other, and checks from the side
of BIRD and FRR what the labs check; then kills, pauses, disconnects, stops and upgrades the active
side while routes change. Needs root and a Docker engine on this machine; skips without.

  --only PATTERN   those checks whose names match, a regular expression: 'shared.*pause'
  --keep           leave what was started last as it is
  --help           this text

Exit: 0 all passed or skipped, 1 something failed, 2 it could not be tried.
`;
const EXIT = { OK: 0, FAILED: 1, UNUSABLE: 2 } as const;
/** Of everything: what else goes on here is no silence of the speaker's. */
const NICE = -10;
const FILES = ["compose.yml", "compose.shared-netns.yml"] as const;

interface Options {
  readonly only: RegExp;
  readonly keep: boolean;
}

/** The command line is not as it should be. */
class UsageError extends Error {}

class Run {
  readonly options: Options;
  passed = 0;
  failed = 0;
  readonly trials: TrialResult[] = [];

  constructor(options: Options) {
    this.options = options;
  }

  checksOf(file: string): Check[] {
    const disturbances = disturbanceChecks(file, (result) => this.trials.push(result));
    const isFirst = file === FILES[0];
    return [
      START,
      ...(isFirst ? IMAGE_CHECKS : []),
      PRIVILEGES,
      SESSIONS,
      ROUTES,
      ...(isFirst ? [CHANGES, ...RELOADS, ...OBSERVERS, CLUSTER, SPARE, UPGRADE] : []),
      ...disturbances,
      PROTECTION,
      LOGS,
    ].filter(({ name }) => this.options.only.test(`${file}: ${name}`));
  }

  async file(file: string): Promise<void> {
    const checks = this.checksOf(file);
    if (checks.length === 0) return;
    const failedBefore = this.failed;
    const deployment = new Deployment(file);
    let stage: Stage | null = null;
    try {
      await this.step(`${file}: build`, () => deployment.build());
      await makeNextImage();
      stage = await Stage.set(deployment);
      await stage.ready();
      for (const check of checks) await this.check(`${file}: ${check.name}`, check, stage);
    } catch (error) {
      this.fail(`${file}: what is left of it was not tried`, error);
    }
    const isFaultless = this.failed === failedBefore;
    if (!isFaultless) await deployment.keepLogs();
    stage?.close();
    if (this.options.keep) deployment.leave();
    else deployment.remove();
    if (isFaultless && !this.options.keep) deployment.removeFiles();
    else console.log(`${file}: files, captures and logs are in ${deployment.directory}`);
  }

  private async check(name: string, { run }: Check, stage: Stage): Promise<void> {
    try {
      const words = await run(stage);
      this.passed++;
      console.log(`passed: ${name}${words === undefined ? "" : `: ${words}`}`);
    } catch (error) {
      this.fail(name, error);
    }
  }

  private async step(name: string, body: () => Promise<unknown>): Promise<void> {
    const startMs = performance.now();
    await body();
    console.log(`${name}: ${((performance.now() - startMs) / 1000).toFixed(1)} s`);
  }

  private fail(name: string, error: unknown): void {
    this.failed++;
    console.log(`FAILED: ${name}: ${error instanceof Error ? error.message : error}`);
  }
}

async function main(argv: readonly string[]): Promise<number> {
  const options = parseOptions(argv);
  if (options === null) {
    process.stdout.write(HELP);
    return EXIT.OK;
  }
  const reason = engineMissing();
  if (reason !== null) {
    console.log(`skipped: ${reason}\n0 passed, 0 failed`);
    return EXIT.OK;
  }
  removeProject(`${SOURCE}/${FILES[0]}`);
  os.setPriority(NICE);
  const run = new Run(options);
  for (const file of FILES) {
    if (options.keep && run.passed + run.failed > 0) break;
    await run.file(file);
  }
  if (run.passed + run.failed === 0) throw new UsageError("no check has such a name");
  if (run.trials.length > 0) console.log(figureLines(run.trials).join("\n"));
  console.log(`${run.passed} passed, ${run.failed} failed`);
  return run.failed === 0 ? EXIT.OK : EXIT.FAILED;
}

/** @returns null when help is asked for */
function parseOptions(argv: readonly string[]): Options | null {
  try {
    const { values } = parseArgs({
      args: [...argv],
      options: {
        only: { type: "string", default: "" },
        keep: { type: "boolean", default: false },
        help: { type: "boolean", short: "h", default: false },
      },
    });
    return values.help ? null : { only: new RegExp(values.only, "i"), keep: values.keep };
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  process.stderr.write(`interop:docker: ${error.message}\n`);
  process.exitCode = EXIT.UNUSABLE;
}
