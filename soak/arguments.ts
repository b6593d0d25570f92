/** The command line of the soak. */
import { parseArgs } from "node:util";
import { CLIENTS_MAX } from "../exchange/exchange.ts";
import { gateLines, LIMITS, type Limits } from "./gates.ts";

const DEFAULTS = { hours: 1, clients: 50, routes: 200, churn: 200, nice: -10 } as const;
const EVERY_SECONDS = 180;
/** A short soak has some disturbances as well. */
const DISTURBANCES_MIN = 6;

export const HELP = `Usage: npm run soak -- [OPTION]...

A pair as route server with scripted clients, for hours: routes change all the time, every few
minutes the active is killed or gives its role away, and after each of these the tables of all
clients are compared. The side that takes over from a killed one is never killed itself: its process
lives from the beginning to the end, and its memory is what must not grow. Needs Linux, root,
iproute2 and gcc.

Gates; when one fails, the exit code is 1:
${gateLines(LIMITS)
  .map((line) => `  - ${line}`)
  .join("\n")}

  --hours H          how long, 0.01 to 1000. Default ${DEFAULTS.hours}
  --every S          seconds between disturbances. Default ${EVERY_SECONDS}, less in a short soak
  --clients N        default ${DEFAULTS.clients}
  --routes R         prefixes that each client announces. Default ${DEFAULTS.routes}
  --churn N          routes that change in a second, of all clients together. Default ${DEFAULTS.churn}
  --silence-p99 MS   another limit of silence
  --memory-slope N   another limit of memory, MB an hour
  --seed S           of the choice of routes that change. Default: the time
  --nice=N           priority of everything, -20 to 19. Default ${DEFAULTS.nice}
  --json             one JSON object a line for each disturbance, and one for the end
  --help             this text
`;

export interface SoakOptions {
  readonly hours: number;
  readonly everySeconds: number;
  readonly clients: number;
  readonly routes: number;
  readonly churn: number;
  readonly limits: Limits;
  readonly seed: number;
  readonly nice: number;
  readonly json: boolean;
}

/** The command line is not as it should be; the message is for people. */
export class UsageError extends Error {}

/** @returns null when help is asked for */
export function parseArguments(argv: readonly string[], nowMs: number): SoakOptions | null {
  const { values } = parse(argv);
  if (values.help === true) return null;
  const whole = (name: Numeric, min: number, max: number) => {
    const value = numberOf(name, values[name], min, max);
    if (value === null || Number.isInteger(value)) return value;
    throw new UsageError(`--${name} ${values[name]}: say a whole number`);
  };
  const hours = numberOf("hours", values.hours, 0.01, 1000) ?? DEFAULTS.hours;
  const often = Math.min(EVERY_SECONDS, Math.floor((3600 * hours) / DISTURBANCES_MIN));
  return {
    hours,
    everySeconds: whole("every", 1, 86_400) ?? often,
    clients: whole("clients", 2, CLIENTS_MAX) ?? DEFAULTS.clients,
    routes: whole("routes", 1, 5000) ?? DEFAULTS.routes,
    churn: whole("churn", 1, 100_000) ?? DEFAULTS.churn,
    limits: {
      silenceP99Ms: whole("silence-p99", 1, 1_000_000) ?? LIMITS.silenceP99Ms,
      memoryMbPerHour:
        numberOf("memory-slope", values["memory-slope"], 0, 100_000) ?? LIMITS.memoryMbPerHour,
    },
    seed: whole("seed", 0, 0xffff_ffff) ?? nowMs % 0x1_0000_0000,
    nice: whole("nice", -20, 19) ?? DEFAULTS.nice,
    json: values.json === true,
  };
}

type Values = ReturnType<typeof parse>["values"];
type Numeric = Exclude<keyof Values, "json" | "help">;

function parse(argv: readonly string[]) {
  try {
    return parseArgs({
      args: [...argv],
      options: {
        hours: { type: "string" },
        every: { type: "string" },
        clients: { type: "string" },
        routes: { type: "string" },
        churn: { type: "string" },
        "silence-p99": { type: "string" },
        "memory-slope": { type: "string" },
        seed: { type: "string" },
        nice: { type: "string" },
        json: { type: "boolean" },
        help: { type: "boolean", short: "h" },
      },
    });
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

function numberOf(
  name: Numeric,
  text: string | undefined,
  min: number,
  max: number,
): number | null {
  if (text === undefined) return null;
  const value = /^-?\d+(\.\d+)?$/.test(text) ? Number(text) : Number.NaN;
  if (value >= min && value <= max) return value;
  throw new UsageError(`--${name} ${text}: say a number from ${min} to ${max}`);
}
