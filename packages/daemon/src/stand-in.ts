/** A standby, a mirror, or a side that has nothing yet, as commands and metrics see it. */

import type { Machine } from "@ts-bgp/replication";
import { TurnedAway } from "@ts-bgp/speaker/turned-away";
import type { Served } from "./commands.ts";
import { ControlError } from "./control.ts";

const IDLE_SLICES = { count: 0, totalMs: 0, maxMs: 0 };

/**
 * @param text - why it takes no orders
 * @returns what a standby can be asked: all that changes nothing
 */
export function standIn(
  { router }: Machine,
  text = "this side is the standby: ask the active side",
): Served {
  const refuse = (): never => {
    throw new ControlError(text, "standby");
  };
  const none = () => null;
  const turnedAway = new TurnedAway(() => {});
  const slices = { ...IDLE_SLICES };
  return {
    router,
    slices,
    latency: null,
    operate: refuse,
    shutDownGracefully: refuse,
    congestionControlOf: none,
    turnedAway,
    feeds: null,
  };
}
