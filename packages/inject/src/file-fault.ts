import type { Report } from "./events.ts";
import { InputError } from "./input-error.ts";

/** Where and why a file cannot be read on. */
export interface FileFault {
  /** Octets of the (decompressed) file before what is at fault. */
  readonly offset: number;
  readonly reason: string;
}

/** A way through a file: yields the share of it that has been read. */
export type FilePass = AsyncGenerator<number, FileFault | null>;

/**
 * Goes through a file to its end, or to its fault.
 *
 * @param partial - take what comes before a fault, with a warning
 * @throws InputError when there is a fault and it is not to be borne
 */
export async function goThrough(
  path: string,
  pass: FilePass,
  partial: boolean,
  report: Report,
): Promise<void> {
  for (let step = await pass.next(); ; step = await pass.next()) {
    if (!step.done) {
      report({ kind: "reading", file: path, done: step.value });
      continue;
    }
    if (step.value === null) return;
    const text = `${path}: octet ${step.value.offset}: ${step.value.reason}`;
    if (!partial) throw new InputError(`${text}; --partial takes what comes before that`);
    report({ kind: "warning", text: `${text}; taking what comes before that` });
    return;
  }
}
