/** What a side of a pair says of itself. */

import { failureIn, type Role, type Side } from "@ts-bgp/pair";
import type { LogEvent, PairEvent } from "@ts-bgp/speaker";
import { Refusals } from "./refusals.ts";

export class PairLog {
  /** Why this side was turned away last, which is said once; null once it was not. */
  private refusal: string | null = null;
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

  /** This side was let in: what turns it away the next time is news. */
  letIn(): void {
    this.refusal = null;
  }

  /** @param name - of this side */
  role(role: Role, name: string, epoch: number): void {
    const isNews = role === "standby" && this.refusal === null;
    if (isNews) this.say("nsr-standby", "info", `${name} follows the active side`);
    if (role === "active") this.say("nsr-active", "info", `${name} is active, epoch ${epoch}`);
  }

  /** @returns what failed, and why, for people */
  failed(side: Side, error: Error): string {
    const { what, isRare } = failureIn(side);
    const reason = `${what}: ${error.message}`;
    if (isRare) this.say("nsr-simplex", "error", reason);
    else this.sayOnce("nsr-simplex", "error", reason);
    return reason;
  }
}
