/** Everything that can happen next. */

import { NOBODY, stepSide } from "../../src/index.ts";
import { lead, perform } from "./acts.ts";
import { answers } from "./answers.ts";
import { cut, die, pause, start } from "./faults.ts";
import { doubt, endLease, mayExtend, mayMissEchoes, renewLease } from "./lease.ts";
import { read } from "./letters.ts";
import {
  type Bounds,
  isInheriting,
  isLinked,
  isPrefix,
  isUp,
  type Move,
  NAMES,
  newProc,
  othersOf,
  type Pending,
  Violation,
  type World,
} from "./world.ts";

export function newWorld(sides: number): World {
  const all = Array.from({ length: sides }, (_, at) => at);
  const world: World = {
    ...{ procs: all.map(() => newProc(0, sides)), word: NOBODY, cuts: [] },
    ...{ mail: all.map(() => all.map(() => [])), heirs: [], couldGoOn: [] },
    ...{ seen: [], ids: 0, links: 0, faults: 0, resets: 0 },
  };
  for (const at of all) perform(world, at, stepSide(world.procs[at]!.side, { event: "start" }));
  return world;
}

/** @returns what comes of it when nothing goes wrong: the first side is active, and all others may take over */
export function readyWorld(sides: number): World {
  const world = newWorld(sides);
  const bounds = { sides, faults: 0, brackets: 0 };
  while (world.word.standbys.length < sides - 1 || world.mail.flat(2).length > 0) {
    const [, act] = movesOf(world, bounds).find(([label]) => !label.includes("hand over"))!;
    act(world);
  }
  return world;
}

/** @returns everything that can happen next */
export function movesOf(world: World, bounds: Bounds): Move[] {
  const mayFail = world.faults < bounds.faults;
  const moves: Move[] = [];
  for (const at of world.procs.keys()) {
    for (const [text, act] of movesOfSide(world, at, mayFail, bounds.brackets)) {
      moves.push([`${NAMES[at]} ${text}`, act]);
    }
  }
  moves.push(...movesOfLinks(world, mayFail));
  return moves;
}

function faulty(act: (world: World) => void): (world: World) => void {
  return (next) => {
    next.faults++;
    act(next);
  };
}

function* movesOfSide(
  world: World,
  at: number,
  mayFail: boolean,
  brackets: number,
): Generator<Move> {
  const { isAlive, isPaused, hasLease, pending } = world.procs[at]!;
  if (!isAlive) {
    yield ["starts again", (next) => start(next, at)];
    return;
  }
  if (mayFail) yield ["dies", faulty((next) => die(next, at))];
  if (isPaused) {
    yield ["goes on after a pause", (next) => pause(next, at, false)];
    if (hasLease) yield ["lease ends", (next) => endLease(next, at)];
    return;
  }
  if (mayFail) yield ["is paused", faulty((next) => pause(next, at, true))];
  for (const from of othersOf(world, at)) {
    const [first] = world.mail[at]![from]!;
    if (first === undefined) continue;
    yield [`reads ${first.kind} of ${NAMES[from]}`, (next) => read(next, at, from)];
  }
  for (const each of Object.keys(pending) as Pending[]) yield* answers(world, at, each, mayFail);
  if (hasLease && mayMissEchoes(world, at)) {
    yield ["lease ends", (next) => endLease(next, at)];
  } else if (hasLease && world.word.standbys.length > 0 && mayFail) {
    yield ["lease ends for a moment", faulty((next) => endLease(next, at))];
  }
  yield* movesOfLeader(world, at, brackets);
}

/** What an active does by itself, and a standby that has one. */
function* movesOfLeader(world: World, at: number, brackets: number): Generator<Move> {
  const { leader, side, hasLease, isFrozen } = world.procs[at]!;
  if (leader !== null && !hasLease && mayExtend(world, at)) {
    yield ["lease goes on", (next) => renewLease(next, at)];
  }
  if (leader !== null && !hasLease && !isFrozen && side.hold === "held") {
    yield ["is in doubt", (next) => doubt(next, at)];
  }
  // One whose last connections wait for their peers has begun to work.
  const isResumed = side.state === "resuming" && !isInheriting(world, at);
  const isWorking = side.state === "leading" || side.state === "settling" || isResumed;
  if (leader !== null && isWorking && world.ids < brackets && !leader.isFenced) {
    yield ["ends a bracket", (next) => commit(next, at)];
  }
  if (leader !== null && canFlush(world, at)) {
    yield ["writes to peers", (next) => flush(next, at)];
  }
  for (const { name: to, phase } of leader?.followers ?? []) {
    if (side.state !== "leading" || phase !== "declared") continue;
    yield [`is told to hand over to ${to}`, (next) => order(next, at, to)];
  }
  if (side.state === "following" && mayLose(world, at)) {
    yield ["misses the active", (next) => miss(next, at)];
  }
  for (const { name: follower, phase } of leader?.followers ?? []) {
    if (phase === "removing") continue;
    const other = NAMES.indexOf(follower);
    const { isAlive, isPaused } = world.procs[other]!;
    // An heir is not waited for long, whatever it is at.
    const isAway = phase === "heir" || !isLinked(world, at, other) || !isAlive || isPaused;
    if (!isAway) continue;
    const event = { event: "lose", follower, reason: "silent", isSlow: false } as const;
    yield [`misses standby ${follower}`, (next) => lead(next, at, event)];
  }
}

function* movesOfLinks(world: World, mayFail: boolean): Generator<Move> {
  for (const pair of pairsOf(world)) {
    const [one, other] = pair;
    const link = `the link of ${NAMES[one]} and ${NAMES[other]}`;
    if (!isUp(world, one, other)) {
      yield [
        `${link} is back`,
        (next) => {
          next.cuts = next.cuts.filter((text) => text !== pair.join());
        },
      ];
    } else if (mayFail) {
      yield [`${link} is cut`, (next) => cut(next, one, other)];
    }
  }
}

function pairsOf({ procs }: World): [number, number][] {
  return [...procs.keys()].flatMap((one) =>
    [...procs.keys()].flatMap((other) => (one < other ? [[one, other] as [number, number]] : [])),
  );
}

function commit(world: World, at: number): void {
  const proc = world.procs[at]!;
  proc.log.push(++world.ids);
  lead(world, at, { event: "commit", octets: 1, nowMs: 0 });
}

function canFlush(world: World, at: number): boolean {
  const { hasLease, isFrozen, leader, log, base } = world.procs[at]!;
  if (!hasLease || isFrozen || leader!.isFenced || leader!.released < base) return false;
  return leader!.released > world.seen.length || !isPrefix(world.seen, log);
}

function flush(world: World, at: number): void {
  const proc = world.procs[at]!;
  const out = proc.log.slice(0, proc.leader!.released);
  if (!isPrefix(world.seen, out)) throw new Violation(`${NAMES[at]} tells peers something else`);
  world.seen = out;
}

function order(world: World, at: number, to: string): void {
  const proc = world.procs[at]!;
  proc.giveTo = NAMES.indexOf(to);
  perform(world, at, stepSide(proc.side, { event: "switchover", refusal: null }));
}

function mayLose(world: World, at: number): boolean {
  const { followed, followedEpoch } = world.procs[at]!;
  const other = world.procs[followed]!;
  if (!isLinked(world, at, followed) || !other.isAlive || other.isPaused) return true;
  return other.leader === null || !other.hasLease || other.side.epoch < followedEpoch;
}

function miss(world: World, at: number): void {
  const proc = world.procs[at]!;
  perform(
    world,
    at,
    stepSide(proc.side, { event: "lost", cause: "silent", isUsable: proc.stored !== null }),
  );
}
