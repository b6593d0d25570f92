/**
 * Who may be active: one word, kept outside of all sides, that changes hands under a fence.
 *
 * The word names the epoch, the active side, and the standbys that may take over. An active that goes on
 * without one of them has to have its name taken out first: from then on that one does not take over the
 * connections that it knows no longer.
 */

import type { Hold, HoldChange, Rights } from "@ts-bgp/pair";
import type { Lease } from "@ts-bgp/takeover";

export type { Hold, HoldChange };

/** Who has which role. */
export interface Roles {
  readonly epoch: number;
  readonly active: string | null;
  /** The other standbys of an active that was taken over from, see `Word`. */
  readonly heirs: readonly string[];
}

/**
 * `running`: it lives, and can say by itself that it goes on alone. `stopped`: it is dead or suspended.
 * `unknown`: nobody can tell. `alone`: this side may not take over from it any more.
 */
export type ActiveState = "running" | "stopped" | "unknown" | "alone";

/** Nobody can tell who has the role, for the time being. */
export class ArbiterAwayError extends Error {}

export interface Arbiter {
  readonly kind: "local" | "etcd";
  /** Why it cannot be asked, as of the last time; null when it could. */
  readonly problem: string | null;
  /** When this side has to stop by itself; null where the standby sees to that. */
  readonly lease: Lease | null;
  /** Whether this side may let something out at this instant: no more than a look at a clock. */
  isHeld(): boolean;
  /**
   * Calls back with each change while this side is active, also when nothing has changed but the reason.
   * On a standby it tells of reasons only: `doubtful` while it could not take over.
   */
  onHold(changed: (change: HoldChange) => void): void;
  /**
   * @param hasState - this side goes on with what an active has given away, and so may its other standbys
   * @returns the epoch of a new active, null when there is an active; rejects with `ArbiterAwayError`
   */
  acquire(side: string, hasState?: boolean): Promise<Roles | null>;
  /**
   * Names the standbys, and the heirs that stay; takes as long as nobody can tell.
   *
   * @returns false when this side is not active any more, or when one cannot be a standby; rejects
   *   when there is something to say of why not
   */
  nameStandbys(rights: Rights): Promise<boolean>;
  /**
   * Makes this side the active one, after the other one cannot write any more.
   *
   * @param epoch - of the active that this side has followed
   * @returns the new roles; `heir` when another standby has the role, or had it, and this side may go on with
   *   that one; null when it may not: the state that it has is not the last one
   */
  takeOver(side: string, epoch: number): Promise<Roles | "heir" | null>;
  /** Rejects with `ArbiterAwayError` when it cannot be told of anything just now. */
  expectAnswer(): Promise<void>;
  /**
   * Gives the role to a standby: it may take over without a fence. The caller writes nothing more.
   *
   * @returns false when this side did not have it any more
   */
  handOver(to: string): Promise<boolean>;
  /** Calls back when the active has ended, if this arbiter can tell; the process id is from its hello. */
  watch(process: number, ended: () => void): void;
  /**
   * What is known of the active that is watched: whether it may still do something of its own accord.
   *
   * @param epoch - of that active
   */
  state(side: string, epoch: number): Promise<ActiveState>;
  /** The role, if this side had it, is free. */
  release(): Promise<void>;
}
