/** How sessions and connections end, for `show`. */

import type { DownReason } from "@ts-bgp/fsm";
import { CEASE, NOTIFICATION } from "@ts-bgp/wire-codec";

/** How a session or connection ended. */
export interface LastDown {
  readonly reason: DownReason;
  readonly atMs: number;
}

/** Whether a connection came at a time when none is taken, whatever it would have said. */
export function isRefusal(reason: DownReason): boolean {
  if (reason.kind === "not-wanted") return true;
  if (reason.kind !== "notification-sent" || reason.code !== NOTIFICATION.CEASE) return false;
  const { CONNECTION_REJECTED, CONNECTION_COLLISION } = CEASE;
  return reason.subcode === CONNECTION_REJECTED || reason.subcode === CONNECTION_COLLISION;
}
