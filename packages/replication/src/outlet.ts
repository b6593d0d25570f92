/** What a standby is sent when it joins: the state, or what it lacks of it. */

import { type Joining, newOutlet, type Outlet } from "./active-types.ts";
import { frameOf } from "./frames.ts";
import { ImageQueue } from "./image-queue.ts";
import type { Journal } from "./journal.ts";
import { machineCapture } from "./machine-image.ts";
import type { RecentBrackets } from "./recent-brackets.ts";
import type { RecordOf } from "./records.ts";

/** It may take over. */
export const DECLARED: Uint8Array = frameOf("declared", { ready: 1, reason: "" });

/**
 * Between two brackets. Throws when there is no memory for it.
 *
 * @param before - number of the next bracket
 * @returns the outlet, and what it begins with, for people
 */
export function outletFor(
  { lacks = 0, room, wantsOutputs = false, needsNames = false }: Joining,
  before: number,
  journal: Journal,
  recent: RecentBrackets,
): { readonly outlet: Outlet; readonly what: string } {
  const lacked = lacks === 0 ? null : recent.from(lacks, before - 1);
  if (lacked !== null) {
    const queue = ImageQueue.goingOn(lacked, before);
    const what = `${lacked.length} brackets behind ${lacks - 1}, which it has`;
    return { outlet: newOutlet(queue, false, before - 1), what };
  }
  journal.isOn = true;
  journal.machine.isDigested = true;
  const capture = machineCapture(journal.machine, !needsNames, room);
  const queue = new ImageQueue(capture, before, wantsOutputs);
  return { outlet: { ...newOutlet(queue, wantsOutputs), needsNames }, what: "the state" };
}

/**
 * @returns octets that a standby has room for. What it has not run of what it lacked counts no more than an image
 *   that it has not read
 */
export function windowOf(
  { catchesUpTo }: Outlet,
  { applied, window }: Pick<RecordOf<"ack">, "applied" | "window">,
): number {
  return applied < catchesUpTo ? Number.POSITIVE_INFINITY : window;
}
