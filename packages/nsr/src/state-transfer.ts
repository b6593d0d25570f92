/** A state that is sent to a standby, between everything else that the active does. */

import { setImmediate as turn } from "node:timers/promises";
import { type Active, CaptureRoom, type Machine, prepareCapture } from "@ts-bgp/replication";

/** A preparation that is not ready by then is left as it is: a standby that hears nothing for 4 s goes away. */
const PREPARE_MS = 1000;
/** Others have a turn after so long. */
const TURN_MS = 2;

/** @param isWanted - asked before each turn @returns what makes a capture of the machine quick */
export async function prepared(machine: Machine, isWanted: () => boolean): Promise<CaptureRoom> {
  const room = new CaptureRoom();
  const steps = prepareCapture(machine, room);
  const endMs = performance.now() + PREPARE_MS;
  await inTurns(isWanted, () => performance.now() < endMs && steps.next().done !== true);
  return room;
}

/** Sends what a standby that joins lacks, until it has all of it or its link takes no more. */
export async function sendOn(active: Active, to: string, isWanted: () => boolean): Promise<void> {
  await inTurns(isWanted, () => active.pump(to));
}

/** Takes steps while there are any. */
export async function inTurns(isWanted: () => boolean, step: () => boolean): Promise<void> {
  while (isWanted()) {
    const endMs = performance.now() + TURN_MS;
    while (performance.now() < endMs) if (!step()) return;
    await turn();
  }
}
