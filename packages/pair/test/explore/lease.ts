/** The lease of an active, which it has from the echoes of its standbys or from the arbiter. */

import { stepSide } from "../../src/index.ts";
import { perform } from "./acts.ts";
import { holderOf, isUp, NAMES, type World } from "./world.ts";

/** Whether a side echoes heartbeats. */
function echoes(world: World, at: number, standby: string): boolean {
  const other = NAMES.indexOf(standby);
  const { isAlive, isPaused, hasWithdrawn } = world.procs[other]!;
  return isUp(world, at, other) && isAlive && !isPaused && !hasWithdrawn;
}

/** The active's lease with standbys ends when echoes are missed; it has none of its own to lose without. */
export function mayMissEchoes(world: World, at: number): boolean {
  return world.word.standbys.some((standby) => !echoes(world, at, standby));
}

export function mayExtend(world: World, at: number): boolean {
  const { leader, isFrozen } = world.procs[at]!;
  if (leader === null || leader.isFenced || isFrozen) return false;
  // By lease, as far as this side knows: it is the holder, and no standby is or may be named.
  if (world.word.holder !== holderOf(world, at) || world.word.isGiven) return false;
  const standbys = [...leader.named.standbys, ...(leader.asked?.standbys ?? [])];
  return standbys.every((standby) => echoes(world, at, standby));
}

export function endLease(world: World, at: number): void {
  const proc = world.procs[at]!;
  proc.hasLease = false;
  if (proc.isPaused) return;
  const missing = world.word.standbys.filter((standby) => !echoes(world, at, standby));
  const standbys = missing.length === 0 ? world.word.standbys : missing;
  const event = { event: "hold", hold: "unheard", reason: "unheard", standbys } as const;
  perform(world, at, stepSide(proc.side, event));
}

/** The lease has been over for a while. */
export function doubt(world: World, at: number): void {
  const { side } = world.procs[at]!;
  perform(world, at, stepSide(side, { event: "hold", hold: "doubtful", reason: "unheard" }));
}

export function renewLease(world: World, at: number): void {
  const proc = world.procs[at]!;
  proc.hasLease = true;
  perform(world, at, stepSide(proc.side, { event: "hold", hold: "held", reason: null }));
}
