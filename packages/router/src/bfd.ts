/**
 * BFD as far as the router is concerned (RFC 5882): what the sessions are, so that another process can go on
 * with them, and the end of BGP sessions whose path is lost. Who sends and hears their packets tells it.
 */

import { CEASE } from "@ts-bgp/wire-codec";
import type { BfdNews, BfdState } from "./bfd-state.ts";
import type { Ordered } from "./order.ts";

const NONE: BfdState = { record: null, lastDown: null, downs: 0 };

/** Notes the news, and ends the neighbor's session when its path was there and is lost. */
export function heardOfBfd(neighbor: Ordered, { record, change }: BfdNews): void {
  const { tables, config } = neighbor;
  const { outputs, nowMs } = tables;
  const before = tables.bfd.get(config.address) ?? NONE;
  const isLost = change !== null && change.from === "up";
  tables.bfd.set(config.address, {
    record,
    lastDown: isLost ? { reason: change.reason, atMs: nowMs } : before.lastDown,
    downs: before.downs + (isLost ? 1 : 0),
  });
  if (change?.to === "up")
    outputs.log("bfd-up", "info", config.address, `BFD is up: ${change.reason}`);
  if (!isLost) return;
  // What the operator over there wants of BFD says nothing of the path (RFC 5882 section 3.2).
  const ends = !change.isAdmin && neighbor.session !== null;
  const level = change.isAdmin ? "info" : "warn";
  const effect = ends ? ", which ends the session" : "";
  outputs.log("bfd-down", level, config.address, `BFD is down: ${change.reason}${effect}`);
  if (ends) neighbor.stop(CEASE.BFD_DOWN, null, 0);
}
