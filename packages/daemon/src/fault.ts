/** Faults of the program: what was asked for is told of them, and nothing else ends, or the process ends. */

import type { Log } from "./logging.ts";

/** @param what - what was being done, in words */
export type Fault = (what: string, error: unknown) => void;

/** See sysexits(3). */
const EXIT_INTERNAL_ERROR = 70;

/** Writes a fault to standard error. */
export function writeFault(what: string, error: unknown): void {
  process.stderr.write(`tsbgp: internal error in ${what}: ${textOf(error)}\n`);
}

/** @returns what writes faults to a log */
export function faultsTo(log: Pick<Log, "say">): Fault {
  return (what, error) => {
    log.say("error", "internal-error", `internal error in ${what}: ${textOf(error)}`);
  };
}

/**
 * Nobody knows what state an exception has left: the process ends at once, with the cause in its log.
 *
 * @param where - follows "the process ends", for people
 */
export function endProcess(log: Log, error: unknown, where = ""): never {
  const message = `internal error, the process ends${where}: ${textOf(error)}`;
  log.sayLast("error", "internal-error", message);
  process.stderr.write(`tsbgp: ${message}\n`);
  process.exit(EXIT_INTERNAL_ERROR);
}

function textOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
