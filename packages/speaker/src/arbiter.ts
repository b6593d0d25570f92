/**
 * Who may be active: one word, kept outside of both sides, that changes hands under a fence.
 *
 * The word names the epoch, the active side, and the standby that may take over. An active that goes on
 * without its standby has to have the standby's name taken out first: from then on nobody takes over the
 * connections that the standby knows no longer.
 */

/** Who has which role. */
export interface Roles {
  readonly epoch: number;
  readonly active: string;
  /** The side that may take over; null when none may. */
  readonly standby: string | null;
}

/**
 * `running`: it lives, and can say by itself that it goes on alone. `stopped`: it is dead or suspended.
 * `unknown`: nobody can tell. `alone`: this side may not take over from it any more.
 */
export type ActiveState = "running" | "stopped" | "unknown" | "alone";

export interface Arbiter {
  /** @returns the epoch of a new active, null when there is an active; rejects when nobody can tell */
  acquire(side: string): Promise<Roles | null>;
  /** Names the standby, or no one. @returns false when this side is not active any more */
  nameStandby(standby: string | null): Promise<boolean>;
  /**
   * Makes this side the active one, after the other one cannot write any more.
   *
   * @returns the new roles; null when this side may not: the state that it has is not the last one
   */
  takeOver(side: string): Promise<Roles | null>;
  /** Gives the role to the standby: it may take over without a fence. The caller writes nothing more. */
  handOver(): Promise<void>;
  /** Calls back when the active has ended, if this arbiter can tell; the process id is from its hello. */
  watch(process: number, ended: () => void): void;
  /** What is known of the active that is watched: whether it may still do something of its own accord. */
  state(side: string): Promise<ActiveState>;
  /** The role, if this side had it, is free. */
  release(): Promise<void>;
}
