/**
 * `npm run bench`: this speaker and other daemons under the same load, in turn.
 *
 *     main ---> streams      UPDATE streams in files, made once
 *       |-----> load         compiles bgpload.c
 *       '-----> run          for each run, scenario and daemon:
 *                 |-> namespaces   two of them, joined by a virtual cable
 *                 |-> daemons      configuration and process of the daemon
 *                 |-> load         process that injects, receives and counts
 *                 |-> usage        processor time and memory from /proc
 *                 '-> takeover     a pair with many clients, in place of all that
 */

import { rmSync } from "node:fs";
import os from "node:os";
import { runInOwnSession, setAutogroupNice } from "../test/lab/autogroup.ts";
import { type BenchOptions, HELP, parseArguments, UsageError } from "./arguments.ts";
import { BMP_DAEMONS, DAEMONS, type Daemon, findProgram, NSR_DAEMONS } from "./daemons.ts";
import { makeDirectory, removeLeftovers } from "./leftovers.ts";
import { buildLoad, RunError } from "./load.ts";

import { failureLines, OWN_REFERENCE, tableOf } from "./report.ts";
import { type Failure, type Measurement, Run } from "./run.ts";
import { makeScenario, type Scenario, STREAM_SETS } from "./scenarios.ts";
import { prepareStreams } from "./streams.ts";
import { measureTakeover, type TakeoverFailure, type TakeoverRow } from "./takeover.ts";
import { takeoverProblems, takeoverSummary, takeoverTable } from "./takeover-report.ts";

const EXIT = { OK: 0, FAILED: 1, UNUSABLE: 2, INTERRUPTED: 130 } as const;

/** As test/lab/etcd.ts has it. */
const ETCD = "/usr/bin/etcd";

/** A daemon whose failure is the benchmark's. */
const isOurs = (name: string) => name.startsWith("ours");

/** What ends with the process, however it ends. */
const cleanups = new Set<() => void>();

/** A daemon that is there. */
interface Found {
  readonly daemon: Daemon;
  readonly program: string;
}

async function main(argv: readonly string[]): Promise<number> {
  const options = parseArguments(argv);
  if (options === null) {
    process.stdout.write(HELP);
    return EXIT.OK;
  }
  const obstacle = obstacleHere();
  if (obstacle !== null) throw new RunError(obstacle);
  const found = options.scenarios.length === 0 ? [] : findDaemons(options);
  if (found.length === 0 && options.takeover === null) {
    throw new RunError("there is no daemon to measure");
  }
  const ended = await runInOwnSession();
  if (ended !== null) return ended;
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.on(signal, () => process.exit(EXIT.INTERRUPTED));
  }
  removeLeftovers();
  const directory = makeDirectory();
  cleanups.add(() => rmSync(directory, { recursive: true, force: true }));
  const loadProgram = buildLoad(directory);
  const sets = options.scenarios.flatMap((name) => STREAM_SETS[name]);
  const streams = prepareStreams(sets, log);
  os.setPriority(options.nice);
  setAutogroupNice("self", options.nice);
  return measureAll(options, found, streams, loadProgram);
}

async function measureAll(
  options: BenchOptions,
  found: readonly Found[],
  streams: string,
  loadProgram: string,
): Promise<number> {
  const measurements: Measurement[] = [];
  const takeovers: TakeoverRow[] = [];
  const failures: (Failure | TakeoverFailure)[] = [];
  const { timeoutSeconds } = options;
  for (let run = 1; run <= options.runs; run++) {
    for (const scenario of scenariosOf(options, streams)) {
      for (const { daemon, program } of found) {
        // Who is too slow once is so again, and there is nothing more to learn from it.
        const failed = failures.some(
          (one) => one.daemon === daemon.name && one.scenario === scenario.name,
        );
        if (failed && !isOurs(daemon.name)) continue;
        if (scenario.policies !== undefined && daemon.name !== "ours") continue;
        const one = new Run(daemon, scenario, { loadProgram, program, timeoutSeconds });
        const close = () => one.close();
        cleanups.add(close);
        await one.run((outcome) => {
          if (options.json) process.stdout.write(`${JSON.stringify({ ...outcome, run })}\n`);
          log(`run ${run} of ${options.runs}: ${summary(outcome)}`);
          if ("error" in outcome) failures.push(outcome);
          else measurements.push(outcome);
        });
        cleanups.delete(close);
      }
    }
    for (const outcome of await measureTakeovers(options, run)) {
      if ("error" in outcome) failures.push(outcome);
      else takeovers.push(outcome);
    }
  }
  const problems = [...failureLines(failures), ...takeoverProblems(takeovers)];
  if (!options.json) {
    const lines = tableOf(measurements, options.nsr || options.bmp ? OWN_REFERENCE : undefined);
    const table = measurements.length === 0 ? [] : [...lines, ""];
    const more = takeovers.length === 0 ? [] : [...takeoverTable(takeovers), ""];
    process.stdout.write(
      `\n${[heading(options), "", ...table, ...more, ...problems].join("\n")}\n`,
    );
  }
  const isFailed = failures.some(({ daemon }) => isOurs(daemon));
  return isFailed || takeoverProblems(takeovers).length > 0 ? EXIT.FAILED : EXIT.OK;
}

function scenariosOf({ scenarios, swapClients }: BenchOptions, streams: string): Scenario[] {
  return scenarios.flatMap((name) =>
    (name === "policy-swap" ? swapClients : [undefined]).map((clients) =>
      makeScenario(name, streams, clients),
    ),
  );
}

async function measureTakeovers(
  { takeover, runs, json }: BenchOptions,
  run: number,
): Promise<(TakeoverRow | TakeoverFailure)[]> {
  const outcomes: (TakeoverRow | TakeoverFailure)[] = [];
  if (takeover === null) return outcomes;
  const acts = takeover.acts.filter((act) => act !== "host" || hasEtcd());
  for (const clients of takeover.clients) {
    await measureTakeover({ ...takeover, acts }, clients, cleanups, (outcome) => {
      outcomes.push(outcome);
      if (json) process.stdout.write(`${JSON.stringify({ ...outcome, run })}\n`);
      const text = "error" in outcome ? summary(outcome) : takeoverSummary(outcome);
      log(`run ${run} of ${runs}: ${text}`);
    });
  }
  return outcomes;
}

function hasEtcd(): boolean {
  if (findProgram(ETCD) !== null) return true;
  log(`takeover: host is left out: ${ETCD} is missing (apt install etcd-server)`);
  return false;
}

function findDaemons({ daemons, nsr, bmp }: BenchOptions): Found[] {
  const found: Found[] = [];
  for (const daemon of nsr ? NSR_DAEMONS : bmp ? BMP_DAEMONS : DAEMONS) {
    if (daemons !== null && !daemons.includes(daemon.name)) continue;
    const program = findProgram(daemon.program);
    if (program !== null) found.push({ daemon, program });
    else log(`${daemon.name} is left out: ${daemon.program} is missing (${daemon.remedy})`);
  }
  return found;
}

function obstacleHere(): string | null {
  if (os.platform() !== "linux") return "the benchmark needs Linux network namespaces";
  if (process.getuid?.() !== 0) return "the benchmark needs root for network namespaces";
  return findProgram("ip") === null ? "ip is missing (apt install iproute2)" : null;
}

function summary(outcome: Measurement | Failure | TakeoverFailure): string {
  const { daemon, scenario, phase } = outcome;
  const where = `${daemon} ${scenario}${phase === null ? "" : ` ${phase}`}`;
  if ("error" in outcome) return `${where}: ${outcome.error}`;
  const { seconds, cpuSeconds, peakRssMb, p50Ms, p99Ms } = outcome;
  const latency = p50Ms === undefined ? "" : `, p50 ${p50Ms} ms, p99 ${p99Ms} ms`;
  const cpu = `CPU ${cpuSeconds.toFixed(2)} s`;
  return `${where} ${seconds.toFixed(2)} s, ${cpu}, ${peakRssMb.toFixed(0)} MB${latency}`;
}

function heading({ runs }: BenchOptions): string {
  const [cpu] = os.cpus();
  const memory = Math.round(os.totalmem() / 2 ** 30);
  const model = cpu?.model.trim() ?? "unknown processor";
  const date = new Date().toISOString().slice(0, 10);
  const machine = `${os.cpus().length} x ${model}, ${memory} GiB, Node.js ${process.version}`;
  return `${machine}, ${date}; ${runs === 1 ? "one run" : `medians of ${runs} runs`}`;
}

function log(text: string): void {
  process.stderr.write(`${text}\n`);
}

process.on("exit", () => {
  for (const cleanup of cleanups) cleanup();
});
try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  if (!(error instanceof UsageError || error instanceof RunError)) throw error;
  process.stderr.write(`bench: ${error.message}\n`);
  process.exitCode = EXIT.UNUSABLE;
}
