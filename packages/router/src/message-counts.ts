/** What neighbors count. */

import type { FaultAction } from "@ts-bgp/wire-codec";

/** Messages counted by type. */
export interface MessageCounts {
  open: number;
  update: number;
  notification: number;
  keepalive: number;
  routeRefresh: number;
}

/** @returns counts to begin with */
export function noMessages(): MessageCounts {
  return { open: 0, update: 0, notification: 0, keepalive: 0, routeRefresh: 0 };
}

/** @returns counts of faults by what they ask for, to begin with */
export function noFaults(): Record<FaultAction, number> {
  return { "attribute-discard": 0, "treat-as-withdraw": 0, "session-reset": 0 };
}
