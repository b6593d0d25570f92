/** What a side of a pair says of itself. */

import type { LogEvent, PairEvent } from "./log-event.ts";
import { Refusals } from "./refusals.ts";

export class PairLog {
  /** Why this side was turned away last, which is said once. */
  refusal = "";
  /** Whom it has not let in. */
  readonly refusals: Refusals = new Refusals((message) => this.say("nsr-refused", "warn", message));
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
