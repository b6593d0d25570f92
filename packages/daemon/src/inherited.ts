/**
 * The file of a side that has taken over. What is in force there came from the other side, and may
 * be newer than what the file says: a reload does not undo it unless somebody wants that.
 */

import { setTimeout as sleep } from "node:timers/promises";
import { type Config, diffConfig } from "@ts-bgp/config";
import { mistakesOf, readConfigFileApart } from "./config-file.ts";
import type { Log } from "./logging.ts";
import { ownSections } from "./own-sections.ts";

/** What this side has from the other one and not from its file. */
export interface Inherited {
  /** Name of the other side. */
  readonly from: string;
  /** What the file said at the takeover. */
  readonly file: Config;
}

/** After a takeover, peers and the next standby go first. */
const COMPARE_MS = 1000;
/** Differences that are named in a message. */
const NAMED_MAX = 10;

/**
 * @returns sections, policies, neighbors and their options in which two configurations differ, but
 *   for the sections that each side has of its own
 */
export function differences(old: Config, next: Config): string[] {
  const diff = diffConfig(old, { ...next, ...ownSections(old) });
  return [
    ...diff.global.map((key) => `section ${kebab(key)}`),
    ...diff.policies.map((name) => `policy ${name}`),
    ...[...diff.added, ...diff.removed].map((address) => `neighbor ${address}`),
    ...diff.changed.flatMap(({ address, options }) =>
      options.map((option) => `${kebab(option)} of neighbor ${address}`),
    ),
  ];
}

/** A file of a side that has taken over. */
interface FileThen {
  readonly file: string;
  /** What it said at the takeover; undefined for what it says now. */
  readonly text: Promise<string | undefined>;
  /** Name of the other side. */
  readonly from: string;
  /** In force; null once that is not what was taken over. */
  inForce(): Config | null;
}

/** Compares the file with what was taken over, and logs what differs. @returns null when nothing does */
export async function inheritedBy(
  { file, text, from, inForce }: FileThen,
  log: Log,
): Promise<Inherited | null> {
  const tell = (problem: string, fields = {}) =>
    log.say("warn", "config-differs", `in force is what ${from} had: ${problem}`, fields);
  await sleep(COMPARE_MS, undefined, { ref: false });
  try {
    const { config } = await readConfigFileApart(file, { text: await text, inForce: inForce() });
    const now = inForce();
    const found = now === null ? [] : differences(config, now);
    if (found.length === 0) return null;
    tell(`${file} differs in ${named(found)}; bring it up to date`);
    return { from, file: config };
  } catch (error) {
    tell((error as Error).message, { mistakes: mistakesOf(error) });
    return null;
  }
}

/**
 * @returns where a file would undo what is in force by what it said at the takeover already: not
 *   where it was brought up to date, nor where it was changed otherwise since
 */
export function undoneBy(next: Config, inForce: Config, { file }: Inherited): string[] {
  const differing = new Set(differences(next, inForce));
  const edited = new Set(differences(file, next));
  return differences(file, inForce).filter((what) => differing.has(what) && !edited.has(what));
}

/** @returns why a file is not to be applied that is older than what is in force, else null */
export function undoRefusal(
  file: string,
  next: Config,
  inForce: Config,
  inherited: Inherited,
): string | null {
  const undone = undoneBy(next, inForce, inherited);
  if (undone.length === 0) return null;
  const problem = `${file} would undo what ${inherited.from} had: ${named(undone)}`;
  return `${problem}; bring it up to date, or apply it by tsbgp reload --force`;
}

/** @returns the first ones, and the number of others */
export function named(all: readonly string[]): string {
  const more = all.length - NAMED_MAX;
  return all.slice(0, NAMED_MAX).join(", ") + (more > 0 ? `, and ${more} more` : "");
}

function kebab(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}
