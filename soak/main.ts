/**
 * `npm run soak`: a pair under churn for hours, a side of it gone every few minutes, and the gates that
 * it has to pass.
 *
 *     main ---> run ---> exchange    pair and clients, one disturbance after the other
 *       '-----> gates                what is found, held against what was said beforehand
 */
import os from "node:os";
import { runInOwnSession, setAutogroupNice } from "../test/lab/autogroup.ts";
import { HELP, parseArguments, UsageError } from "./arguments.ts";
import { finalLine, gateLines, judge } from "./gates.ts";
import { type Disturbed, soak } from "./run.ts";

const EXIT = { OK: 0, FAILED: 1, UNUSABLE: 2 } as const;

async function main(argv: readonly string[]): Promise<number> {
  const options = parseArguments(argv, Date.now());
  if (options === null) {
    process.stdout.write(HELP);
    return EXIT.OK;
  }
  if (os.platform() !== "linux" || process.getuid?.() !== 0) {
    throw new UsageError("network namespaces need Linux and root");
  }
  const ended = await runInOwnSession();
  if (ended !== null) return ended;
  os.setPriority(options.nice);
  setAutogroupNice("self", options.nice);
  const { hours, clients, routes, churn, everySeconds, limits, seed } = options;
  log(
    `seed ${seed}: ${clients} clients x ${routes} routes, ${churn} changes a second, ${hours} h,`,
  );
  log(`a disturbance every ${everySeconds} s. Gates:`);
  for (const line of gateLines(limits)) log(`  - ${line}`);
  const findings = await soak(options, (disturbed) => {
    if (options.json) console.log(JSON.stringify(withoutGaps(disturbed)));
    log(lineOf(disturbed));
  });
  const isPassed = judge(findings, limits).every((gate) => gate.isPassed);
  const { gapsMs: _, memory: __, ...figures } = findings;
  if (options.json) console.log(JSON.stringify({ ...figures, gates: judge(findings, limits) }));
  else console.log(finalLine(findings, limits));
  return isPassed ? EXIT.OK : EXIT.FAILED;
}

function lineOf({ atHours, act, silence, join, faults, differences, problems }: Disturbed): string {
  const silences = [silence, ...(join === null ? [] : [join])]
    .map(({ medianMs, maxMs }) => `${medianMs.toFixed(0)} / ${maxMs.toFixed(0)} ms`)
    .join(", join ");
  const verdict = problems.length === 0 ? "" : `: ${problems.join("; ")}`;
  const end = `${faults.closed} sessions lost, ${differences} routes differ${verdict}`;
  return `${(60 * atHours).toFixed(1)} min ${act}: silence ${silences}, ${end}`;
}

/** Thousands of sessions' silences are of no use in a line. */
function withoutGaps(disturbed: Disturbed) {
  const figures = ({ gapsMs: _, ...rest }: Disturbed["silence"]) => rest;
  const { silence, undisturbed, join } = disturbed;
  return {
    ...disturbed,
    ...{ silence: figures(silence), undisturbed: figures(undisturbed) },
    join: join === null ? null : figures(join),
  };
}

function log(text: string): void {
  process.stderr.write(`${text}\n`);
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  process.stderr.write(`soak: ${error.message}\n`);
  process.exitCode = EXIT.UNUSABLE;
}
