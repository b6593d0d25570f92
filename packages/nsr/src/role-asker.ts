/** Asks the arbiter for the role, and says when it cannot be asked. */

import { setTimeout as sleep } from "node:timers/promises";
import { type Arbiter, ArbiterAwayError, type Roles } from "./arbiter.ts";

type How = "begin" | "take-over" | "handed" | "take-back";

/** Tries, a millisecond apart, to get a role that is being handed over. */
const SOON_TRIES = 1000;

/** Longest wait for an arbiter that cannot be asked, and between two tries: sessions stand still meanwhile. */
const PATIENT_MS = 5000;
const RETRY_MS = 100;

export class RoleAsker {
  /** Why the arbiter could not be asked the last time; null when it could. */
  away: string | null = null;
  private isWithdrawn = false;
  private readonly arbiter: Arbiter;
  private readonly side: string;
  private readonly problem: (message: string) => void;

  /** @param problem - told once of each reason why the arbiter cannot be asked, and of a refusal */
  constructor(arbiter: Arbiter, side: string, problem: (message: string) => void) {
    this.arbiter = arbiter;
    this.side = side;
    this.problem = problem;
  }

  /** Whatever is waited for is not, any more; the role, if this side should get it, is to be given back. */
  withdraw(): void {
    this.isWithdrawn = true;
    void this.arbiter.release();
  }

  /**
   * @param how - see the action `claim` of the machine
   * @param epoch - of the active that this side has followed
   * @returns the role; `heir` when another standby has it, with which this side goes on; null when this side
   *   does not get it, `away` why it could not be asked
   * @throws Error when it was handed over and is not to be had
   */
  async claim(how: How, epoch: number): Promise<Roles | "heir" | null> {
    if (how === "begin") return this.ask(false);
    if (how === "handed") return this.askSoon();
    if (how === "take-back") {
      this.problem("the standby did not take what it was handed: the role is asked for again");
      return this.askPatiently();
    }
    this.away = null;
    const roles = await this.arbiter.takeOver(this.side, epoch);
    if (roles === null) this.problem("not taking over: the active side goes on alone");
    return roles;
  }

  /** @returns null when this side is not to be the active one, as far as can be told */
  private async ask(hasState: boolean): Promise<Roles | null> {
    try {
      const roles = await this.arbiter.acquire(this.side, hasState);
      this.away = null;
      return roles;
    } catch (error) {
      if (!(error instanceof ArbiterAwayError)) throw error;
      if (error.message !== this.away) this.problem(error.message);
      this.away = error.message;
      return null;
    }
  }

  /** The same, for a few seconds while the arbiter cannot be asked. */
  private async askPatiently(): Promise<Roles | null> {
    const endMs = performance.now() + PATIENT_MS;
    for (;;) {
      const roles = await this.ask(true);
      const isOver = this.isWithdrawn || performance.now() > endMs;
      if (roles !== null || this.away === null || isOver) return roles;
      await sleep(RETRY_MS);
    }
  }

  /** Asks until the role is free, which it is about to be. */
  private async askSoon(): Promise<Roles> {
    for (let tries = 0; tries < SOON_TRIES && !this.isWithdrawn; tries++) {
      const roles = await this.ask(true);
      if (roles !== null) return roles;
      await sleep(1);
    }
    throw new Error("the role was handed over and is not free");
  }
}
