/** What goes wrong with sides and links, and that they come back. */

import { stepSide } from "../../src/index.ts";
import { perform } from "./acts.ts";
import { newProc, othersOf, type World } from "./world.ts";

export function pause(world: World, at: number, isPaused: boolean): void {
  world.procs[at]!.isPaused = isPaused;
}

/** What is on its way is lost, and with it the streams that carried it. */
export function cut(world: World, one: number, other: number): void {
  world.faults++;
  world.mail[one]![other] = [];
  world.mail[other]![one] = [];
  world.procs[one]!.link[other] = ++world.links;
  world.procs[other]!.link[one] = ++world.links;
  world.cuts = [...world.cuts, [one, other].join()].sort();
}

export function start(world: World, at: number): void {
  world.procs[at] = newProc(world.procs[at]!.boot + 1, world.procs.length);
  perform(world, at, stepSide(world.procs[at]!.side, { event: "start" }));
}

export function die(world: World, at: number): void {
  const { boot } = world.procs[at]!;
  world.procs[at] = { ...newProc(boot, world.procs.length), isAlive: false };
  for (const from of othersOf(world, at)) world.mail[at]![from] = [];
}
