/** What can be logged: what the router tells, and what its shell sees of TCP. */

import type { ActiveEvent } from "@ts-bgp/replication";
import type { LogEvent as RouterEvent } from "@ts-bgp/router";

/** What happens between two sides. */
export type PairEvent =
  | "nsr-active"
  | "nsr-standby"
  | "nsr-link"
  | "nsr-way"
  | "nsr-deviates"
  | "nsr-log"
  | "nsr-refused"
  | "nsr-arbiter"
  | "nsr-takeover"
  | "nsr-lost-session"
  | "nsr-handover"
  | "nsr-simplex"
  | "mirror"
  | "mirror-refused"
  | "record";

export interface LogEvent extends Omit<RouterEvent, "id"> {
  /** Never changes its meaning. */
  readonly id:
    | RouterEvent["id"]
    | ActiveEvent
    | PairEvent
    | "connect-failed"
    | "congestion-control"
    | "bfd-problem";
}
