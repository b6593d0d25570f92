/** What can be logged: what the router tells, and what its shell sees of TCP. */

import type { LogEvent as RouterEvent } from "@ts-bgp/router";

export interface LogEvent extends Omit<RouterEvent, "id"> {
  /** Never changes its meaning. */
  readonly id: RouterEvent["id"] | "connect-failed";
}
