/** The arbiter: the word of `@ts-bgp/pair`, changed in one step, for sides that can reach it. */

import {
  claim,
  give,
  isFrom,
  NOBODY,
  name,
  release,
  rightOf,
  type SideAction,
  type Word,
} from "@ts-bgp/pair";
import type { Chance } from "./chance.ts";
import { type Actor, type Clock, run } from "./clock.ts";

/** Names of the two sides. */
export const SIDES = ["a", "b"] as const;

export function otherOf(side: string): string {
  return side === "a" ? "b" : "a";
}

type How = Extract<SideAction, { do: "claim" }>["how"];

/** Who asks. */
export interface Asker extends Actor {
  readonly side: string;
  /** What all its claims begin with. */
  readonly name: string;
}

/** How the old active is kept from writing before another epoch begins. */
export type Fence =
  /** It is killed. */
  | "kill"
  /** Its lease has ended, and it looks at the time before it writes. */
  | "lease";

export const LEASE_MS = 240;
/** A standby that has the right to take over is not forestalled for so long. */
const GRACE_MS = 1500;
const RETRY_MS = 30;

/** An answer that comes in virtual time, where the cores take a promise. */
export class Answer<T> {
  private take: ((value: T) => void) | null = null;
  private given: { value: T } | null = null;

  give(value: T): void {
    if (this.take !== null) this.take(value);
    else this.given = { value };
  }

  // biome-ignore lint/suspicious/noThenProperty: it stands for a promise that keeps virtual time
  then(take: (value: T) => void): void {
    if (this.given !== null) take(this.given.value);
    else this.take = take;
  }

  map<U>(change: (value: T) => U): Answer<U> {
    const answer = new Answer<U>();
    this.then((value) => answer.give(change(value)));
    return answer;
  }

  get promise(): Promise<T> {
    return this as unknown as Promise<T>;
  }
}

export class Arbiter {
  word: Word = NOBODY;
  /** The word before the last claim. */
  before: Word = NOBODY;
  readonly fence: Fence;
  /** Sides that cannot reach it. */
  readonly away: Set<string> = new Set();
  /** The active side is about to be given a standby. */
  naming: (side: string) => void = () => {};
  /** What makes sure that a process is gone. */
  kill: (actor: Actor) => void = () => {};
  private readonly clock: Clock;
  private readonly chance: Chance;
  private leaseEndMs = 0;
  /** In which the standby that is named makes no more promises. */
  private withdrawn: Word | null = null;
  private holder: Actor | null = null;
  private claims = 0;
  /** Since when a side that could not go on has wanted the role of one that is gone. */
  private wantedMs = Number.POSITIVE_INFINITY;
  private readonly queues: Map<Actor, (() => void)[]> = new Map();

  constructor(fence: Fence, clock: Clock, chance: Chance) {
    this.fence = fence;
    this.clock = clock;
    this.chance = chance;
  }

  /** @returns the epoch and the holder of a new active; null when the side may not be it, now */
  claim(asker: Asker, how: How): Answer<Word | null> {
    return this.ask(asker, asker.side, () => {
      const hasState = how === "take-over" || how === "handed";
      const isHeld = this.isHeld;
      // Whoever takes over has found the active silent, and promises it nothing more.
      const mayKill = this.fence === "kill" && how === "take-over";
      if (how === "take-over" && this.isNamed(asker.side)) this.withdrawn = this.word;
      const isFenced = !isHeld || mayKill;
      const isExpired = !isHeld && !this.isForestalled(asker.side);
      const claimant = { side: asker.side, process: asker.name, hasState, isFenced, isExpired };
      if (rightOf(this.word, claimant) === null) return null;
      if (isHeld && !isFrom(this.word, asker.name)) this.kill(this.holder!);
      this.before = this.word;
      this.holder = asker;
      this.leaseEndMs = this.clock.nowMs + LEASE_MS;
      this.wantedMs = Number.POSITIVE_INFINITY;
      this.word = claim(this.word, asker.side, `${asker.name} ${++this.claims}`, hasState);
      return this.word;
    });
  }

  /** @returns whether the word is that of the holder still, and is so now */
  nameStandby(actor: Actor, holder: string, standby: string | null): Answer<boolean> {
    const side = holder[0]!;
    return this.ask(actor, side, () => {
      if (this.word.holder === holder && standby !== null) this.naming(side);
      return this.change(name(this.word, holder, standby === null ? [] : [standby], []));
    });
  }

  /** @returns whether this side was the active one still */
  give(actor: Actor, holder: string): Answer<boolean> {
    return this.ask(actor, holder[0]!, () =>
      this.change(give(this.word, holder, otherOf(holder[0]!))),
    );
  }

  release(actor: Actor, holder: string): Answer<boolean> {
    return this.ask(actor, holder[0]!, () => this.change(release(this.word, holder)));
  }

  /** @returns until when the side may write, null when it may not any more */
  renew(actor: Actor, holder: string): Answer<number | null> {
    const askedMs = this.clock.nowMs;
    return this.ask(actor, holder[0]!, () => {
      if (this.word.holder !== holder || this.word.active === null) return null;
      // The lease of one with a standby lasts as long as that one says so.
      if (this.word === this.withdrawn) return this.leaseEndMs - this.clock.nowMs + askedMs;
      this.leaseEndMs = this.clock.nowMs + LEASE_MS;
      return askedMs + LEASE_MS;
    });
  }

  /** Whether the active cannot say for itself that it goes on alone, or has said so. */
  isSilentOrAlone(side: string): boolean {
    const { standbys, isGiven } = this.word;
    if (!standbys.includes(side) || isGiven) return true;
    return this.fence === "lease" ? !this.isHeld : this.holder?.isPaused !== false || !this.isHeld;
  }

  isNamed(side: string): boolean {
    return this.word.standbys.includes(side);
  }

  private change(word: Word | null): boolean {
    if (word !== null) this.word = word;
    return word !== null;
  }

  /** Whether the active can still write. */
  private get isHeld(): boolean {
    const { active, isGiven } = this.word;
    if (active === null || isGiven) return false;
    if (this.fence === "kill") return this.holder?.isDead === false;
    return this.clock.nowMs < this.leaseEndMs;
  }

  /** Whether another side could be about to go on. */
  private isForestalled(side: string): boolean {
    const others = this.word.standbys.filter((standby) => standby !== side);
    if (others.length === 0) return false;
    this.wantedMs = Math.min(this.wantedMs, this.clock.nowMs);
    return this.clock.nowMs < this.wantedMs + GRACE_MS;
  }

  /** Questions of one process are put and answered one after the other. */
  private ask<T>(actor: Actor, side: string, act: () => T): Answer<T> {
    const answer = new Answer<T>();
    const queue = this.queues.get(actor) ?? [];
    this.queues.set(actor, queue);
    queue.push(() =>
      this.reached(side, () => {
        const value = act();
        this.reached(side, () => {
          queue.shift();
          queue[0]?.();
          run(actor, () => answer.give(value));
        });
      }),
    );
    if (queue.length === 1) queue[0]!();
    return answer;
  }

  /** One way between a side and the arbiter. */
  private reached(side: string, act: () => void): void {
    this.clock.after(this.chance.int(0, 4) / 2, null, () => {
      if (this.away.has(side)) this.clock.after(RETRY_MS, null, () => this.reached(side, act));
      else act();
    });
  }
}
