/** `npm run sim -- --seeds N [--from S]`, or `--seed S --trace` to see what happened in one run; with
 * `--other-version` one side runs another program, with `--logs` standbys keep on disk what they store. */

import { parseArgs } from "node:util";
import { simulate } from "./world.ts";

const { values } = parseArgs({
  options: {
    seeds: { type: "string", default: "1000" },
    from: { type: "string", default: "1" },
    seed: { type: "string" },
    trace: { type: "boolean", default: false },
    "other-version": { type: "boolean", default: false },
    logs: { type: "boolean", default: false },
  },
});

const kind = values["other-version"] ? "other version" : values.logs ? "logs" : "same program";

/** Failures that are printed. */
const SHOWN_MAX = 20;
let shown = 0;

function show(line: string): void {
  if (shown++ < SHOWN_MAX) console.log(line);
}

function one(seed: number, isTraced: boolean): boolean {
  try {
    const trace = isTraced ? (line: string) => console.log(line) : null;
    const outcome = simulate(seed, null, trace, kind);
    if (isTraced) console.log(JSON.stringify(outcome, null, 2));
    else if (outcome.violations.length > 0) show(`seed ${seed}: ${outcome.violations[0]}`);
    add(outcome);
    return outcome.violations.length === 0;
  } catch (error) {
    const { stack = "", message } = error as Error;
    show(`seed ${seed}: ${isTraced ? stack : message}`);
    return false;
  }
}

const sums = {
  declared: 0,
  takeovers: 0,
  begins: 0,
  resumes: 0,
  resets: 0,
  deviations: 0,
  goneOn: 0,
  events: 0,
};

function add(outcome: typeof sums): void {
  for (const name of Object.keys(sums) as (keyof typeof sums)[]) sums[name] += outcome[name];
}

if (values.seed !== undefined) {
  process.exitCode = one(Number(values.seed), values.trace) ? 0 : 1;
} else {
  const from = Number(values.from);
  const count = Number(values.seeds);
  const began = performance.now();
  const failed: number[] = [];
  for (let seed = from; seed < from + count; seed++) if (!one(seed, false)) failed.push(seed);
  const perSecond = (1000 * count) / (performance.now() - began);
  console.log(
    `seeds ${count} · takeovers ${sums.takeovers} · standby declared ${sums.declared} · begun anew ${sums.begins} · ` +
      `links replaced ${sums.resumes} · sessions ended with a reason ${sums.resets} · other outputs told ${sums.deviations} · gone on from a log ${sums.goneOn} · steps ${sums.events} · ${perSecond.toFixed(0)} seeds a second`,
  );
  for (const seed of failed.slice(0, SHOWN_MAX)) console.log(`see it with: --seed ${seed} --trace`);
  console.log(`${count - failed.length} passed, ${failed.length} failed`);
  process.exitCode = failed.length === 0 ? 0 : 1;
}
