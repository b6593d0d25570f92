/** How a change of roles went. */

import type { Machine, Standby } from "@ts-bgp/replication";
import type { ConnectionId } from "@ts-bgp/router";
import type { LogEvent } from "@ts-bgp/speaker";
import { nowMs } from "@ts-bgp/speaker";
import type { Frozen, Resumed } from "./resume.ts";

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

/** The changes of roles to this side, told to the operator with every session that they did not keep. */
export class Switchovers {
  last: Switchover | null = null;
  private readonly log: (event: LogEvent) => void;
  /** Of the side that was followed last, if nobody has gone on with it here, and why not. */
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

  /** The side that was followed is followed no more. @param machine - null when nothing came of it */
  notTaken(machine: Machine | null, cause: string): void {
    if (machine !== null) this.left = { machine, cause };
  }

  /** This side begins without connections: those that it knew of are lost. */
  begunAnew(): void {
    if (this.left === null) return;
    const { machine, cause } = this.left;
    const sessions = [...machine.router.neighbors.values()].filter(({ session }) => session);
    const lost = sessions.map(({ config: { address } }) => ({ address, cause }));
    if (lost.length > 0) this.done({ cause, planned: false, ms: NO_TIME, resumed: 0, lost });
    this.left = null;
  }
}

/** What an active left. */
export interface Left {
  readonly machine: Machine;
  /** When the machine was last known to be up to date, by the clock of this host. */
  readonly heardMs: number;
  /** After a handover. */
  readonly frozen: ReadonlyMap<ConnectionId, Frozen> | null;
  /** Has the rest of it, which was stored and not run; null when it was this side's own. */
  readonly standby: Standby | null;
}

/** @returns times in milliseconds with one decimal */
export function rounded<T extends Record<string, number>>(times: T): T {
  const entries = Object.entries(times).map(([name, ms]) => [name, Math.round(10 * ms) / 10]);
  return Object.fromEntries(entries) as T;
}
