/**
 * The file of a side that has taken over. What is in force there came from the other side, and may
 * be newer than what the file says: a reload does not undo it unless somebody wants that.
 */

import { type Config, diffConfig } from "@ts-bgp/config";

/** What this side has from the other one and not from its file. */
export interface Inherited {
  /** Name of the other side. */
  readonly from: string;
  /** What the file said at the takeover. */
  readonly file: Config;
}

/** Differences that are named in a message. */
const NAMED_MAX = 10;

/**
 * @returns sections, policies, neighbors and their options in which two configurations differ, but
 *   for the sections that each side has of its own
 */
export function differences(old: Config, next: Config): string[] {
  const { control, http, log, nsr, mirrors } = old;
  const diff = diffConfig(old, { ...next, control, http, log, nsr, mirrors });
  return [
    ...diff.global.map((key) => `section ${kebab(key)}`),
    ...diff.policies.map((name) => `policy ${name}`),
    ...[...diff.added, ...diff.removed].map((address) => `neighbor ${address}`),
    ...diff.changed.flatMap(({ address, options }) =>
      options.map((option) => `${kebab(option)} of neighbor ${address}`),
    ),
  ];
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

/** @returns the first ones, and the number of others */
export function named(all: readonly string[]): string {
  const more = all.length - NAMED_MAX;
  return all.slice(0, NAMED_MAX).join(", ") + (more > 0 ? `, and ${more} more` : "");
}

function kebab(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}
