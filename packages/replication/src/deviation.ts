/** How a standby differs that goes on with what the active puts out, and what of that is news to people. */

import type { Doomed } from "@ts-bgp/router";
import { doomedIn } from "./json-fields.ts";
import type { RecordOf } from "./records.ts";

export interface Deviation {
  /** Bracket behind which it was so. */
  readonly number: number;
  /** Names of what differs, with commas in between; empty when nothing does any more. */
  readonly what: string;
  /** Brackets with other outputs, in all. */
  readonly brackets: number;
  /** Sessions that would end with a takeover. */
  readonly doomed: readonly Doomed[];
}

/** What was said of one standby: names come and go, and are news once. */
export class DeviationNews {
  private readonly names: Set<string> = new Set();
  private doomed = "[]";

  /** @returns whether it has another name than those that were said, or other sessions than last */
  take({ what, doomed }: Deviation): boolean {
    const text = JSON.stringify(doomed);
    const names = what.split(", ").filter((name) => name !== "" && !this.names.has(name));
    const isNew = names.length > 0 || text !== this.doomed;
    for (const name of names) this.names.add(name);
    this.doomed = text;
    return isNew;
  }
}

/** @returns it for people, in a line; empty when nothing differs any more */
export function deviationText({ number, what, doomed }: Deviation): string {
  const ends = doomed.map(({ address, cause }) => `${address} would end: ${cause}`);
  return [...(what === "" ? [] : [`${what} at bracket ${number}`]), ...ends].join("; ");
}

/** @returns what a standby says of itself */
export function deviationIn({ number, what, brackets, doomed }: RecordOf<"differs">): Deviation {
  return { number, what, brackets, doomed: doomedIn(doomed) };
}
