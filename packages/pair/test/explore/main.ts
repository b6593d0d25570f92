/** `npm run explore`: all states of a pair that can be reached within bounds, over the shipped machines. */

import { parseArgs } from "node:util";
import { explore } from "./explore.ts";

const USAGE = `Usage: npm run explore -- [--states N] [--faults N] [--brackets N]

Goes through all states that two sides, an arbiter and a link can reach, breadth first, and checks in each
that a side that takes over has all that peers have seen, and that no session is begun anew without need.

  --states N     ends after so many states (default 100000)
  --faults N     at most so many of: a process dies or is paused, the link is cut, an answer is lost,
                 a heartbeat is missed, something fails (default 1)
  --brackets N   at most so many brackets (default 2)`;

function numberOf(name: string, text: string): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && Number.isSafeInteger(value)) return value;
  console.error(`--${name} ${text}: not a number\n\n${USAGE}`);
  return process.exit(2);
}

function valuesOf(): { states: string; faults: string; brackets: string; help: boolean } {
  const number = (value: string) => ({ type: "string", default: value }) as const;
  const help = { type: "boolean", short: "h", default: false } as const;
  try {
    const options = { states: number("100000"), faults: number("1"), brackets: number("2"), help };
    return parseArgs({ options }).values;
  } catch (error) {
    console.error(`${(error as Error).message}\n\n${USAGE}`);
    return process.exit(2);
  }
}

const { help, ...values } = valuesOf();
if (help) {
  console.log(USAGE);
  process.exit(0);
}
const bounds = {
  faults: numberOf("faults", values.faults),
  brackets: numberOf("brackets", values.brackets),
};
const beganMs = performance.now();
const found = explore(bounds, numberOf("states", values.states));
const seconds = ((performance.now() - beganMs) / 1000).toFixed(1);
const all = found.isWhole ? ", which are all" : "";
console.log(`states ${found.states}${all} · depth ${found.depth} · ${seconds} s`);
if (found.trace === null) console.log("no violation");
else {
  console.log(`violation: ${found.violation}\n  ${found.trace.join("\n  ")}`);
  process.exitCode = 1;
}
