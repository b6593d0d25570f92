/** The arbiter: one word, changed in one step, for sides that can reach it. */

import type { Chance } from "./chance.ts";
import { type Actor, type Clock, run } from "./clock.ts";

/** Names of the two sides. */
export const SIDES = ["a", "b"] as const;

export interface Roles {
  readonly epoch: number;
  readonly active: string;
  /** The side that may take over; null when none may. */
  readonly standby: string | null;
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

  get promise(): Promise<T> {
    return this as unknown as Promise<T>;
  }
}

export class Arbiter {
  roles: Roles = { epoch: 0, active: "", standby: null };
  /** The roles of the epoch before. */
  before: Roles = this.roles;
  readonly fence: Fence;
  /** Sides that cannot reach it. */
  readonly away: Set<string> = new Set();
  /** What makes sure that the active of a side is gone. */
  kill: (side: string) => void = () => {};
  /** The active side is about to be given a standby. */
  naming: (side: string) => void = () => {};
  private readonly clock: Clock;
  private readonly chance: Chance;
  private leaseEndMs = 0;
  private holder: Actor | null = null;
  /** The active has given its role to the standby, and writes nothing more. */
  private isHandedOver = false;
  /** Since when somebody else than the standby wants the role. */
  private wantedMs = Number.POSITIVE_INFINITY;
  private readonly queues: Map<Actor, (() => void)[]> = new Map();

  constructor(fence: Fence, clock: Clock, chance: Chance) {
    this.fence = fence;
    this.clock = clock;
    this.chance = chance;
  }

  /**
   * A new active with a new router.
   *
   * @param hasState - the side could take over as well, and is to do that when it may
   * @returns null when there is an active or somebody to take over
   */
  acquire(actor: Actor, side: string, hasState: boolean): Answer<Roles | null> {
    return this.ask(actor, side, () => {
      const { standby } = this.roles;
      if (this.isHeld || (standby === side && hasState)) return null;
      if (standby !== null && standby !== side) {
        this.wantedMs = Math.min(this.wantedMs, this.clock.nowMs);
        if (this.clock.nowMs < this.wantedMs + GRACE_MS) return null;
      }
      return this.become(actor, side);
    });
  }

  /** @returns false when the side is not active any more */
  nameStandby(actor: Actor, side: string, epoch: number, standby: string | null): Answer<boolean> {
    return this.ask(actor, side, () => {
      if (this.roles.active !== side || this.roles.epoch !== epoch) return false;
      if (standby !== null) this.naming(side);
      this.roles = { ...this.roles, standby };
      return true;
    });
  }

  takeOver(actor: Actor, side: string): Answer<Roles | null> {
    return this.ask(actor, side, () => {
      if (this.roles.standby !== side) return null;
      // One that lives and works is not killed for a link that is lost.
      if (this.isHeld && (this.fence === "lease" || this.holder?.isPaused === false)) return null;
      if (this.isHeld) this.kill(this.roles.active);
      return this.become(actor, side);
    });
  }

  /** The standby may take over without a fence. @returns whether this side is still the active one */
  handOver(actor: Actor, side: string, epoch: number): Answer<boolean> {
    return this.ask(actor, side, () => {
      if (this.roles.active !== side || this.roles.epoch !== epoch) return false;
      this.isHandedOver = true;
      return true;
    });
  }

  /** @returns the role that was handed over and that nobody took, null when it was taken */
  takeBack(actor: Actor, side: string, epoch: number): Answer<Roles | null> {
    return this.ask(actor, side, () => {
      const isOurs = this.roles.active === side && this.roles.epoch === epoch;
      return isOurs ? this.become(actor, side) : null;
    });
  }

  /** @returns until when the side may write, null when it may not any more */
  renew(actor: Actor, side: string, epoch: number): Answer<number | null> {
    const askedMs = this.clock.nowMs;
    return this.ask(actor, side, () => {
      if (this.roles.active !== side || this.roles.epoch !== epoch) return null;
      this.leaseEndMs = this.clock.nowMs + LEASE_MS;
      return askedMs + LEASE_MS;
    });
  }

  /** Whether the active can still write. */
  private get isHeld(): boolean {
    if (this.isHandedOver) return false;
    if (this.fence === "kill") return this.holder?.isDead === false;
    return this.clock.nowMs < this.leaseEndMs;
  }

  private become(actor: Actor, side: string): Roles {
    this.before = this.roles;
    this.holder = actor;
    this.isHandedOver = false;
    this.roles = { epoch: this.roles.epoch + 1, active: side, standby: null };
    this.leaseEndMs = this.clock.nowMs + LEASE_MS;
    this.wantedMs = Number.POSITIVE_INFINITY;
    return this.roles;
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
