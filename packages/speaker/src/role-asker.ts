/** Asks the arbiter for the role, and says when it cannot be asked. */

import { setTimeout as sleep } from "node:timers/promises";
import { type Arbiter, ArbiterAwayError, type Roles } from "./arbiter.ts";

/** Tries, a millisecond apart, to get a role that is being handed over. */
const SOON_TRIES = 1000;

/** Longest wait for an arbiter that cannot be asked, and between two tries: sessions stand still meanwhile. */
const PATIENT_MS = 5000;
const RETRY_MS = 100;

export class RoleAsker {
  /** Why the arbiter could not be asked the last time; empty when it could. */
  away = "";
  private readonly arbiter: Arbiter;
  private readonly side: string;
  private readonly problem: (message: string) => void;

  /** @param problem - told once of each reason why the arbiter cannot be asked */
  constructor(arbiter: Arbiter, side: string, problem: (message: string) => void) {
    this.arbiter = arbiter;
    this.side = side;
    this.problem = problem;
  }

  /** @returns null when this side is not to be the active one, as far as can be told */
  async ask(): Promise<Roles | null> {
    try {
      const roles = await this.arbiter.acquire(this.side);
      this.away = "";
      return roles;
    } catch (error) {
      if (!(error instanceof ArbiterAwayError)) throw error;
      if (error.message !== this.away) this.problem(error.message);
      this.away = error.message;
      return null;
    }
  }

  /** The same, for a few seconds while the arbiter cannot be asked. */
  async askPatiently(): Promise<Roles | null> {
    const endMs = performance.now() + PATIENT_MS;
    for (;;) {
      const roles = await this.ask();
      if (roles !== null || this.away === "" || performance.now() > endMs) return roles;
      await sleep(RETRY_MS);
    }
  }

  /** Asks until the role is free, which it is about to be. */
  async askSoon(): Promise<Roles> {
    for (let tries = 0; tries < SOON_TRIES; tries++) {
      const roles = await this.ask();
      if (roles !== null) return roles;
      await sleep(1);
    }
    throw new Error("the role was handed over and is not free");
  }
}
