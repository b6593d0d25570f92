/** What can be logged: what the router tells, and what its shell sees of TCP. */

import type { ActiveEvent } from "@ts-bgp/replication";
import type { LogEvent as RouterEvent } from "@ts-bgp/router";

/** What happens between two sides. */
export type PairEvent =
  | "nsr-active"
  | "nsr-standby"
  | "nsr-link"
  | "nsr-arbiter"
  | "nsr-takeover"
  | "nsr-lost-session"
  | "nsr-handover"
  | "nsr-simplex";

export interface LogEvent extends Omit<RouterEvent, "id"> {
  /** Never changes its meaning. */
  readonly id: RouterEvent["id"] | ActiveEvent | PairEvent | "connect-failed";
}

/** What a side of a pair says of itself. */
export class PairLog {
  /** Why this side was turned away last, which is said once. */
  refusal = "";
  private readonly log: (event: LogEvent) => void;

  constructor(log: (event: LogEvent) => void) {
    this.log = log;
  }

  say(
    id: PairEvent,
    level: LogEvent["level"],
    message: string,
    fields: LogEvent["fields"] = {},
  ): void {
    this.log({ id, level, neighbor: null, message, fields });
  }

  sayOnce(id: PairEvent, level: LogEvent["level"], message: string): void {
    if (message !== this.refusal) this.say(id, level, message);
    this.refusal = message;
  }
}
