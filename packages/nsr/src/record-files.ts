/**
 * The files of a record: one behind the other in one folder, each with the whole state at its beginning and all that
 * came behind that. Their names say their order, and when each one begins.
 *
 *     00000042-20261128T100307.123Z.tsbgp.zst
 */

import { readdirSync, statSync } from "node:fs";
import path from "node:path";

/** Only its owner reads what is recorded. */
export const FILE_MODE = 0o600;
export const FOLDER_MODE = 0o700;

const NAME = /^(\d{8,})-(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d\.\d{3})Z\.tsbgp\.zst$/;
/** Behind the name of one whose state is not complete. */
export const PARTIAL = ".partial";

/** One file of a record. */
export interface RecordFile {
  readonly file: string;
  /** Of the files of the folder. */
  readonly sequence: number;
  /** Milliseconds since 1970, by the clock of the host: the state at its beginning is of then. */
  readonly startMs: number;
}

/** @returns the name of a file without its folder */
export function recordName(sequence: number, startMs: number): string {
  const time = new Date(startMs).toISOString().replaceAll(/[-:]/g, "");
  return `${String(sequence).padStart(8, "0")}-${time}.tsbgp.zst`;
}

/** @returns what is complete in a folder, in the order in which it was written; throws when it cannot be read */
export function recordFiles(directory: string): RecordFile[] {
  const found = readdirSync(directory).flatMap((name) => recordFile(directory, name) ?? []);
  return found.sort((a, b) => a.sequence - b.sequence || a.startMs - b.startMs);
}

/** @returns the file of that name; null for a name of something else */
function recordFile(directory: string, name: string): RecordFile | null {
  const parts = NAME.exec(name);
  if (parts === null) return null;
  const [, sequence, year, month, day, hour, minute, second] = parts;
  const startMs = Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`);
  if (Number.isNaN(startMs)) return null;
  return { file: path.join(directory, name), sequence: Number(sequence), startMs };
}

/** @returns names of files whose state has not become complete, with their folder */
export function partialFiles(directory: string): string[] {
  return readdirSync(directory)
    .filter((name) => name.endsWith(PARTIAL) && NAME.test(name.slice(0, -PARTIAL.length)))
    .map((name) => path.join(directory, name));
}

/** @returns octets of a file; 0 when it is gone meanwhile */
export function octetsOf(file: string): number {
  return statSync(file, { throwIfNoEntry: false })?.size ?? 0;
}
