/** `npm run explore`: all states of a pair that can be reached within bounds, over the shipped machines. */

import { parseArgs } from "node:util";
import { explore } from "./explore.ts";

const USAGE = `Usage: npm run explore -- [--states N] [--faults N] [--brackets N] [--sides N]

Goes through all states that sides, an arbiter and links can reach, breadth first, and checks in each
that a side that takes over has all that peers have seen, and that no session is begun anew without need.

  --states N     ends after so many states (default 100000)
  --faults N     at most so many of: a process dies or is paused, the link is cut, an answer is lost,
                 a heartbeat is missed, something fails (default 1)
  --brackets N   at most so many brackets (default 2)
  --sides N      sides, from 2 to 4 (default 2); of more than two it begins when all standbys may take over`;

function numberOf(name: string, text: string): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && Number.isSafeInteger(value)) return value;
  console.error(`--${name} ${text}: not a number\n\n${USAGE}`);
  return process.exit(2);
}

type Values = Readonly<Record<"states" | "faults" | "brackets" | "sides", string>>;

function valuesOf(): Values & { help: boolean } {
  const number = (value: string) => ({ type: "string", default: value }) as const;
  const help = { type: "boolean", short: "h", default: false } as const;
  try {
    const amounts = { states: number("100000"), faults: number("1"), brackets: number("2") };
    const options = { ...amounts, sides: number("2"), help };
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
const sides = numberOf("sides", values.sides);
if (sides < 2 || sides > 4) {
  console.error(`--sides ${sides}: from 2 to 4\n\n${USAGE}`);
  process.exit(2);
}
const bounds = {
  sides,
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
