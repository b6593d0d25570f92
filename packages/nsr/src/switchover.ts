/** How a change of roles went. */

import type { Machine } from "@ts-bgp/replication";
import type { LogEvent } from "@ts-bgp/speaker";
import { nowMs } from "@ts-bgp/speaker";
import type { Resumed } from "./frozen.ts";

/** For `show nsr`. */
export interface Switchover {
  readonly cause: string;
  readonly planned: boolean;
  readonly at_ms: number;
  /**
   * By phase, in all, and `silence`: from the last word of the other side until its connections went on
   * here. What a peer sees may be longer: its own timers, what it had to send again.
   */
  readonly ms: {
    fence: number;
    replay: number;
    addresses: number;
    restore: number;
    total: number;
    silence: number;
  };
  readonly resumed: number;
  readonly lost: Resumed["lost"];
}

/** What became of the sessions. */
export type Outcome = Pick<Switchover, "resumed" | "lost">;

const NO_TIME = { fence: 0, replay: 0, addresses: 0, restore: 0, total: 0, silence: 0 };

/** Logs how each change of roles went, and which sessions it did not keep; remembers the last one. */
export class Switchovers {
  last: Switchover | null = null;
  private readonly log: (event: LogEvent) => void;
  /** State of the side that this one has followed, as long as nothing was made of it here; and why not. */
  private left: { readonly machine: Machine; readonly cause: string } | null = null;

  constructor(log: (event: LogEvent) => void) {
    this.log = log;
  }

  /** Connections have gone on here. */
  done(switchover: Omit<Switchover, "at_ms">): void {
    const { cause, ms, resumed, lost } = switchover;
    this.left = null;
    this.last = { ...switchover, at_ms: Math.round(nowMs()) };
    for (const { address, cause: why } of lost) {
      const message = `a connection could not be taken over: ${why}`;
      const about = { neighbor: address, message, fields: {} };
      this.log({ id: "nsr-lost-session", level: "error", ...about });
    }
    const message = `took over ${resumed} connections: ${cause}`;
    this.log({ id: "nsr-takeover", level: "warn", neighbor: null, message, fields: ms });
  }

  /** The other side has the role, and goes on with the connections, after so many milliseconds. */
  given({ resumed, lost }: Outcome, ms: number): void {
    const message = `handed over ${resumed} connections`;
    const fields = { ms: Math.round(ms), lost: lost.length };
    this.log({ id: "nsr-handover", level: "info", neighbor: null, message, fields });
  }

  /**
   * This side follows the other one no more, and does not go on with its connections.
   *
   * @param machine - what it had of the other side's state; null when it had none
   */
  notTaken(machine: Machine | null, cause: string): void {
    if (machine !== null) this.left = { machine, cause };
  }

  /** This side is active without having taken connections over: those that it knew of are lost. */
  begunAnew(): void {
    if (this.left === null) return;
    const { machine, cause } = this.left;
    const sessions = [...machine.router.neighbors.values()].filter(({ session }) => session);
    const lost = sessions.map(({ config: { address } }) => ({ address, cause }));
    if (lost.length > 0) this.done({ cause, planned: false, ms: NO_TIME, resumed: 0, lost });
    this.left = null;
  }
}

/** Of a takeover that ends now: `beganMs` and `restoreMs` are moments by `performance.now()`. */
export interface Stages {
  readonly beganMs: number;
  /** How long it took to get the role, and to run what was stored. */
  readonly fenceMs: number;
  readonly replayMs: number;
  /** When sockets began to be built. */
  readonly restoreMs: number;
}

/** @returns how long each phase took, with one decimal */
export function phasesOf(stages: Stages, silenceMs: number): Switchover["ms"] {
  const { beganMs, fenceMs, replayMs, restoreMs } = stages;
  const endMs = performance.now();
  return {
    fence: rounded(fenceMs),
    replay: rounded(replayMs),
    addresses: rounded(restoreMs - beganMs - fenceMs - replayMs),
    restore: rounded(endMs - restoreMs),
    total: rounded(endMs - beganMs),
    silence: rounded(silenceMs),
  };
}

function rounded(ms: number): number {
  return Math.round(10 * ms) / 10;
}
