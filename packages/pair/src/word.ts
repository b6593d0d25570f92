/**
 * The word of a cluster: who is active, in which epoch, and who may take over.
 *
 * An arbiter keeps it outside of all sides (a locked file, a key in etcd) and changes it in one step, by
 * compare and swap. These are the ways in which it may change:
 *
 *     claim     a side becomes active, in a new epoch and without standbys
 *     name      the active says which standbys have everything: only these may take over
 *     give      the active has stopped for the sake of a standby: no fence is needed
 *     release   the active goes, and leaves the role to whoever comes
 *
 * Who was overtaken finds another holder in the word, and does nothing more.
 *
 * The other standbys of an active that was taken over from are the *heirs* of the new one: what peers have
 * seen they have as well, and the new active lets nothing more out before they have that too, or are no
 * heirs any more. They go on with the new active, which names them. What they lack until then is a promise
 * between the two: an heir takes over from an active that is seen to be gone, and not from one that is silent.
 */

import type { Rights } from "./leader-types.ts";

export interface Word {
  /** Grows with every claim, and is never used twice. */
  readonly epoch: number;
  readonly active: string | null;
  /** Sides that have everything that a peer may have seen. */
  readonly standbys: readonly string[];
  /** Standbys of an epoch before, which the active has not named yet. */
  readonly heirs: readonly string[];
  /** The process, and its claim to the role, of the active; a side that has begun anew has another one. */
  readonly holder: string;
  /** The active does nothing more, for a standby's sake. */
  readonly isGiven: boolean;
}

export const NOBODY: Word = {
  ...{ epoch: 0, active: null, standbys: [], heirs: [], holder: "", isGiven: false },
};

/** What a side that wants the role knows beside the word. */
export interface Claimant {
  readonly side: string;
  /** What all claims of this process begin with. */
  readonly process: string;
  /** It has the state that the active had: it is a standby that wants to go on, and not one that begins. */
  readonly hasState: boolean;
  /**
   * The active cannot act any more, for certain: it was killed, or the time is over until which this side
   * has promised not to take over.
   */
  readonly isFenced: boolean;
  /** The active's lease was seen not to be renewed for a whole ttl, or its lock is free. */
  readonly isExpired: boolean;
}

/** Why a side may have the role: nobody has it, it was given, it is its own already, or after a fence. */
export type Right = "free" | "given" | "own" | "fenced" | "expired";

/**
 * @returns why a side may claim the role; null when it may not, now
 *
 * As long as a standby is named, or an heir, no side that has no state gets the role from an active that is
 * lost: that one could be about to go on with its connections. A side that was named itself, or that was the
 * active one, is no stranger: it has lost its state and knows it.
 */
export function rightOf(word: Word, claimant: Claimant): Right | null {
  const { side, hasState, isFenced, isExpired } = claimant;
  // An active that goes in peace has ended its sessions: there is nothing to go on with.
  if (word.active === null) return hasState ? null : "free";
  const isNamed = word.standbys.includes(side);
  const isHeir = word.heirs.includes(side);
  if (word.isGiven && (isNamed || isFrom(word, claimant.process))) return "given";
  if (isFrom(word, claimant.process)) return "own";
  if (hasState && isNamed && isFenced) return "fenced";
  if (hasState) return isHeir && isExpired ? "expired" : null;
  const isOwed = word.standbys.length + word.heirs.length > 0;
  const isStranger = isOwed && !isNamed && !isHeir && word.active !== side;
  return isExpired && !isStranger ? "expired" : null;
}

/**
 * @param holder - begins with what is the process' own, and is another one for each claim
 * @param hasState - the side goes on with what the active had, and so may its other standbys; not the one
 *   that the role was given to, if that one has not taken it
 */
export function claim(word: Word, side: string, holder: string, hasState: boolean): Word {
  const { epoch } = word;
  const others = othersOf(word, side).sort();
  return {
    ...{ epoch: epoch + 1, active: side, standbys: [], heirs: hasState ? others : [] },
    ...{ holder, isGiven: false },
  };
}

/** @returns who may go on with a side that claims the role and has the state */
export function othersOf(
  { standbys, heirs, isGiven }: Rights & { readonly isGiven: boolean },
  side: string,
): string[] {
  return [...(isGiven ? [] : standbys), ...heirs].filter((one) => one !== side);
}

/**
 * @param heirs - those that stay, when they are heirs
 * @returns the word of a holder that names its standbys; null when the role is not the holder's any more
 */
export function name(
  word: Word,
  holder: string,
  standbys: readonly string[],
  heirs: readonly string[],
): Word | null {
  if (word.holder !== holder || word.active === null || word.isGiven) return null;
  const left = word.heirs.filter((heir) => heirs.includes(heir) && !standbys.includes(heir));
  return { ...word, standbys: [...standbys].sort(), heirs: left };
}

/** @returns the same of one that does nothing more for the sake of a standby, whose heirs the others are */
export function give(word: Word, holder: string, to: string): Word | null {
  if (word.holder !== holder || word.active === null || !word.standbys.includes(to)) return null;
  const others = [...word.standbys, ...word.heirs].filter((one) => one !== to).sort();
  return { ...word, standbys: [to], heirs: word.isGiven ? word.heirs : others, isGiven: true };
}

/** @returns the same of one that goes, when nobody is to go on with what it had; what was given is not its own */
export function release(word: Word, holder: string): Word | null {
  if (word.holder !== holder || word.active === null || word.isGiven) return null;
  return { ...word, active: null, standbys: [], heirs: [], isGiven: false };
}

/** Whether a claim of this process made the word; it may not have been told. */
export function isFrom({ holder, active }: Word, process: string): boolean {
  return active !== null && holder.startsWith(`${process} `);
}
