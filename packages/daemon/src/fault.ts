/** Faults of the program in what is asked of it: they are told, and nothing else ends for them. */

/** @param what - what was being done, in words */
export type Fault = (what: string, error: unknown) => void;

/** Writes a fault to standard error. */
export function writeFault(what: string, error: unknown): void {
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
  process.stderr.write(`tsbgp: internal error in ${what}: ${text}\n`);
}
