/** What may befall a pair, its link, its arbiter and its peers. */

import { configOctets } from "../../src/index.ts";
import { SIDES } from "./arbiter.ts";
import { run } from "./clock.ts";
import type { LinkEnd, Mishap } from "./link.ts";
import type { Process } from "./process.ts";
import type { World } from "./world.ts";

interface Fault {
  readonly name: string;
  /** How often it is chosen, against the others. */
  readonly weight: number;
  readonly happen: (world: World) => void;
}

const MISHAPS: readonly Mishap[] = ["half", "flip", "twice", "swap"];

const FAULTS: readonly Fault[] = [
  { name: "kill-active", weight: 5, happen: (world) => kill(world, world.active) },
  { name: "burn-active", weight: 4, happen: (world) => burn(world, world.active, 60) },
  { name: "kill-standby", weight: 1, happen: killStandby },
  { name: "burn-standby", weight: 2, happen: (world) => burn(world, world.standby, 40) },
  {
    name: "kill-both",
    weight: 1,
    happen: (world) => {
      const both = [world.active, world.standby];
      for (const process of both) kill(world, process);
    },
  },
  { name: "pause-active", weight: 2, happen: (world) => pause(world, world.active) },
  { name: "pause-standby", weight: 1, happen: (world) => pause(world, world.standby) },
  { name: "switchover", weight: 4, happen: switchOver },
  { name: "cut", weight: 2, happen: (world) => linkOf(world)?.cut() },
  { name: "other-way", weight: 4, happen: otherWay },
  { name: "mishap", weight: 2, happen: mishap },
  {
    name: "slow-standby",
    weight: 1,
    happen: (world) => {
      const link = linkOf(world);
      if (link != null) link.other.slowUntilMs = world.clock.nowMs + world.chance.int(50, 700);
    },
  },
  { name: "arbiter-away", weight: 1, happen: arbiterAway },
  { name: "loss", weight: 1, happen: loss },
  { name: "stall", weight: 1, happen: (world) => peerOf(world).stall(world.chance.int(50, 800)) },
  { name: "hang-up", weight: 1, happen: (world) => peerOf(world).hangUp() },
  { name: "operate", weight: 1, happen: operate },
  { name: "configure", weight: 1, happen: configure },
];

const LOTS = FAULTS.flatMap((fault) => Array.from({ length: fault.weight }, () => fault));

/** Something goes wrong. */
export function befall(world: World): void {
  const { name, happen } = world.chance.pick(LOTS);
  world.trace(() => name);
  happen(world);
}

export function killStandby(world: World): void {
  kill(world, world.standby);
}

function linkOf({ active }: World): LinkEnd | null | undefined {
  return active?.shell?.link;
}

function peerOf({ chance, peers }: World) {
  return chance.pick(peers);
}

function kill(world: World, process: Process | null): void {
  if (process !== null) world.kill(process);
}

/** Kills at some instruction, not when nothing happens. */
function burn({ chance }: World, process: Process | null, pointsMax: number): void {
  const points = chance.int(0, pointsMax);
  if (process !== null) process.fuse = points;
}

function switchOver({ active }: World): void {
  if (active !== null) run(active, () => active.switchOver());
}

/** The standby takes a link for dead. */
function otherWay({ standby, hasWays }: World): void {
  if (standby !== null && hasWays) run(standby, () => standby.comeBack());
}

function pause(world: World, process: Process | null): void {
  const ms = world.chance.int(20, 900);
  if (process !== null) world.pause(process, ms);
}

function mishap(world: World): void {
  const { chance } = world;
  const link = linkOf(world);
  const end = chance.oneIn(3) ? link?.other : link;
  if (end == null) return;
  end.mishap = chance.pick(MISHAPS);
  world.trace(() => `${end === link ? "to" : "from"} the standby: ${end.mishap}`);
}

function arbiterAway({ chance, clock, arbiter }: World): void {
  const side = chance.pick(SIDES);
  arbiter.away.add(side);
  clock.after(chance.int(50, 700), null, () => arbiter.away.delete(side));
}

function loss(world: World): void {
  world.lossOneIn = 3;
  world.clock.after(world.chance.int(50, 400), null, () => {
    world.lossOneIn = 0;
  });
}

function configure(world: World): void {
  const { active } = world;
  const config = configOctets(world.configOf(world.chance.int(0, 1)));
  if (active === null) return;
  run(active, () =>
    active.shell!.run({ record: "configure", nowMs: active.nowMs, config, about: null }),
  );
}

function operate(world: World): void {
  const { active, chance } = world;
  const direction = chance.pick(["in", "out"] as const);
  const { address } = peerOf(world);
  const order = { do: "refresh", direction } as const;
  if (active === null) return;
  run(active, () => active.shell!.run({ record: "operate", nowMs: active.nowMs, address, order }));
}
