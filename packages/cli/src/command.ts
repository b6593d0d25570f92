/** What a command of `tsbgp` is made of. */

import { isIP } from "node:net";
import type { ParseArgsConfig } from "node:util";

/** Exit codes of all commands. */
export const EXIT = {
  OK: 0,
  /** The answer is no: mistakes in a file, a faulty message, the speaker refuses. */
  NO: 1,
  /** It could not be asked: wrong arguments, an unreadable file, no speaker. */
  UNUSABLE: 2,
} as const;

/** Names of clusters and their sides, as the configuration has them. */
export const NSR_NAME = /^[A-Za-z][A-Za-z0-9_-]{0,62}$/;
export const NSR_NAME_IS = "no name: up to 63 letters, digits, - and _, a letter first";

/** Wrong arguments; the message is for people. */
export class UsageError extends Error {}

/** Options of a command, as `parseArgs` of node:util takes them. */
export type Options = NonNullable<ParseArgsConfig["options"]>;

/** A list for an option that may be given several times. */
export type OptionValue = string | boolean | readonly string[] | undefined;

/** Values that were given. */
export interface Arguments {
  readonly options: Readonly<Record<string, OptionValue>>;
  readonly words: readonly string[];
}

export interface Command {
  /** "show routes" */
  readonly name: string;
  /** What follows the name: "[PREFIX] [--neighbor X]". */
  readonly usage: string;
  /** One line. */
  readonly summary: string;
  /** Further lines of the help text. */
  readonly help?: readonly string[];
  readonly options: Options;
  /** Takes the words behind the name as they are, and parses them itself. */
  readonly ownArguments?: boolean;
  /** @returns the exit code */
  run(args: Arguments, raw: readonly string[]): Promise<number>;
}

/** @returns the word, which has the form of a prefix or an address */
export function prefixWord(word: string): string {
  const [address = "", ...rest] = word.split("/");
  if (isIP(address) !== 0 && rest.length <= 1) return word;
  throw new UsageError(`"${word}" is not a prefix or an address`);
}

/** @returns the one word of a command that takes exactly one */
export function oneWord({ words }: Arguments, what: string): string {
  if (words.length === 0) throw new UsageError(`${what} is missing`);
  if (words.length > 1) throw new UsageError(`there is no place for "${words[1]}"`);
  return words[0]!;
}

export function noWords({ words }: Arguments): void {
  if (words.length > 0) throw new UsageError(`there is no place for "${words[0]}"`);
}

export function stringOption(args: Arguments, name: string): string | undefined {
  const value = args.options[name];
  return typeof value === "string" ? value : undefined;
}

/** Writes a line to standard output. */
export function print(line: string): void {
  process.stdout.write(`${line}\n`);
}
