/** Sides, an arbiter with leases, links, and what peers have seen: all that there is, as plain data. */

import {
  type Leader,
  newSide,
  type Rights,
  type Side,
  type SideAction,
  type Word,
} from "../../src/index.ts";

/** `link`: which of the links that were made one after the other. */
export type Message = Letter & { readonly link: number };

type Letter =
  /** `stored`: what a standby has that goes on with another active; null of one that joins. */
  | { readonly kind: "hello"; readonly stored: number | null }
  | { readonly kind: "image"; readonly log: readonly number[] }
  | { readonly kind: "bracket"; readonly id: number }
  /** Of an active that has taken over: what it lacks; and of the standby that has it. */
  | { readonly kind: "fetch"; readonly from: number }
  | { readonly kind: "handed-on"; readonly number: number; readonly id: number }
  | { readonly kind: "declared" }
  | { readonly kind: "ack"; readonly stored: number }
  | { readonly kind: "handover" }
  | { readonly kind: "taken" }
  | { readonly kind: "bye" };

/** What a side waits for: each is answered at some time, in any order. */
export type Pending = SideAction["do"] | "name";

export interface Proc {
  isAlive: boolean;
  isPaused: boolean;
  /** The links that are used, by the other side. */
  link: number[];
  boot: number;
  claims: number;
  side: Side;
  pending: Partial<Record<Pending, string>>;
  /** Standbys that the arbiter is to have, one question after the other, and the number of the last. */
  questions: Rights[];
  asked: number;
  /** Of an active: everything that it has done, and how much of that the one before had done. */
  log: number[];
  base: number;
  leader: Leader | null;
  /** The standby that it gives its role to. */
  giveTo: number;
  /** Of a standby. */
  stored: number[] | null;
  /** It has been sent nothing wrong, and may be named. */
  isDeclared: boolean;
  /** Who is followed, or -1, and in which epoch. */
  followed: number;
  followedEpoch: number;
  /** It goes on with another active than it was sent its state by. */
  isReturning: boolean;
  /** It makes no more promises. */
  hasWithdrawn: boolean;
  /** Of an active: it may act. */
  hasLease: boolean;
  isFrozen: boolean;
}

export interface World {
  procs: Proc[];
  word: Word;
  /** Links that are cut, by their lower and higher side. */
  cuts: string[];
  /** By the one who reads them, and the one who has sent them. */
  mail: Message[][][];
  /** What peers have seen. */
  seen: number[];
  ids: number;
  links: number;
  faults: number;
  /** The other sides that could have gone on when the role was claimed last. */
  couldGoOn: number[];
  /** Heirs of the role that was claimed last. */
  heirs: string[];
  /** Sessions were begun anew. */
  resets: number;
}

export interface Bounds {
  readonly sides: number;
  readonly faults: number;
  readonly brackets: number;
}

export type Move = readonly [label: string, act: (world: World) => void];

export const NAMES: readonly string[] = ["a", "b", "c", "d"];

export class Violation extends Error {}

export function newProc(boot: number, sides: number): Proc {
  return {
    ...{ isAlive: true, isPaused: false, boot, claims: 0, side: newSide(), pending: {} },
    ...{ link: Array.from({ length: sides }, () => 0) },
    ...{ questions: [], asked: 0, giveTo: -1, followed: -1, followedEpoch: 0, isReturning: false },
    ...{ log: [], base: 0, leader: null, stored: null, isDeclared: false, hasWithdrawn: false },
    ...{ hasLease: false, isFrozen: false },
  };
}

/** @returns the numbers of all sides but one */
export function othersOf({ procs }: World, at: number): number[] {
  return procs.flatMap((_, other) => (other === at ? [] : [other]));
}

export function isUp({ cuts }: World, one: number, other: number): boolean {
  return !cuts.includes([Math.min(one, other), Math.max(one, other)].join());
}

/** Both sides have the same stream. */
export function isLinked(world: World, one: number, other: number): boolean {
  const { procs } = world;
  return isUp(world, one, other) && procs[one]!.link[other] === procs[other]!.link[one];
}

export function holderOf(world: World, at: number): string {
  const { boot, claims } = world.procs[at]!;
  return `${NAMES[at]}${boot} ${claims}`;
}

export function send(world: World, from: number, to: number, letter: Letter): void {
  const link = world.procs[from]!.link[to]!;
  if (isUp(world, from, to) && world.procs[to]!.isAlive) {
    world.mail[to]![from]!.push({ ...letter, link });
  }
}

export function isPrefix(one: readonly number[], of: readonly number[]): boolean {
  return one.length <= of.length && one.every((id, index) => id === of[index]);
}

/** It is to be seen what heirs have. */
export function isInheriting(world: World, at: number): boolean {
  const { leader, base } = world.procs[at]!;
  return leader === null || leader.released < base;
}
