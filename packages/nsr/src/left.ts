/** What an active side has left, for the side that goes on. */

import type { Machine, Standby } from "@ts-bgp/replication";
import type { ConnectionId, Router } from "@ts-bgp/router";
import { nowMs, type Speaker } from "@ts-bgp/speaker";
import type { Had } from "./following.ts";
import type { Frozen } from "./frozen.ts";
import type { Side } from "./hello.ts";
import { handsOn } from "./log-of-stream.ts";
import type { StandbySide } from "./standby-side.ts";

/** What an active left. */
export interface Left {
  readonly machine: Machine;
  /** When the machine was last known to be up to date, by the clock of this host. */
  readonly heardMs: number;
  /** What its router's clock is ahead of this host's at least. */
  readonly clockOffsetMs: number;
  /** After a handover. */
  readonly frozen: ReadonlyMap<ConnectionId, Frozen> | null;
  /** Has the rest of it, which was stored and not run; null when it was this side's own. */
  readonly standby: Standby | null;
  /** Of the last bracket. */
  readonly number: number;
  /** As in the record `hello`, of the active; 0 where mirrors of it cannot go on with this side. */
  readonly stream: number;
}

/**
 * Runs what a standby has stored: sessions may have come up in it. What a machine throws there is no failure
 * of the pair: the process ends of it, as it does while a side follows, and its notes say whose message it was.
 *
 * @param isolate - as for `Standby.finish`
 * @returns as `Standby.finish`; it does not resolve when the process ends
 */
export async function finished(
  standby: Standby,
  isolate: (router: Router) => void = () => {},
): Promise<Machine | null> {
  try {
    return standby.finish(isolate);
  } catch (error) {
    setImmediate(() => {
      throw error;
    });
    return await new Promise<never>(() => {});
  }
}

/** @returns what a side has left that was the active one @param frozen - see `Left` */
export function leftHere(speaker: Speaker, frozen: Left["frozen"]): Left {
  const { journal, active } = speaker;
  const { machine } = journal;
  const { number, mirrors } = active;
  const { stream } = mirrors;
  const { clockOffsetMs } = speaker;
  return { machine, heardMs: nowMs(), clockOffsetMs, frozen, standby: null, number, stream };
}

/** @returns what the active has left that was followed; null when nothing had come of it yet */
export function leftBy(
  { build, differed, hasMirrors }: Pick<Side, "build" | "differed" | "hasMirrors">,
  followed: StandbySide,
  frozen: Left["frozen"],
): Left | null {
  const { machine, heardMs, clock, standby, peer } = followed;
  if (machine === null) return null;
  // A mirror would have what that one came to.
  const isSame = peer?.build === build && !differed.once && !standby.needsOutputs;
  const stream = isSame && hasMirrors ? (peer?.stream ?? 0) : 0;
  const clockOffsetMs = clock.note(machine, heardMs);
  return { machine, heardMs, clockOffsetMs, frozen, standby, number: standby.number, stream };
}

/**
 * @param epoch - of the active that has left it
 * @returns what a side can go on with that is about to follow; without anything else, what its log has
 */
export async function hadOf(side: Side, left: Left | null, epoch: number): Promise<Had> {
  const { standby = null, heardMs = 0 } = left ?? {};
  if (standby !== null) return { before: { standby, epoch, heardMs }, read: null };
  const { build, config, diskLog, name } = side;
  if (diskLog === null) return { before: null, read: null };
  const owner = { cluster: config.cluster, side: name, build };
  const read = await diskLog.load(owner, handsOn(side), side.ended().ended);
  return { before: null, read };
}
