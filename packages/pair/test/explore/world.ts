/** Sides, an arbiter with leases, links, and what peers have seen: everything that can happen next. */

import {
  claim,
  ensure,
  give,
  type Leader,
  type LeaderAction,
  NOBODY,
  name,
  newLeader,
  newSide,
  type Rights,
  release,
  rightOf,
  type Side,
  type SideAction,
  stepSide as step,
  stepLeader,
  type Word,
} from "../../src/index.ts";

/** `link`: which of the links that were made one after the other. */
type Message = Letter & { readonly link: number };
type Letter =
  /** `stored`: what a standby has that goes on with another active; null of one that joins. */
  | { readonly kind: "hello"; readonly stored: number | null }
  | { readonly kind: "image"; readonly log: readonly number[] }
  | { readonly kind: "bracket"; readonly id: number }
  /** Of an active that has taken over: what it lacks; and of the standby that has it. */
  | { readonly kind: "fetch"; readonly from: number }
  | { readonly kind: "handed-on"; readonly number: number; readonly id: number }
  | { readonly kind: "declared" }
  | { readonly kind: "ack"; readonly stored: number }
  | { readonly kind: "handover" }
  | { readonly kind: "taken" }
  | { readonly kind: "bye" };

/** What a side waits for: each is answered at some time, in any order. */
type Pending = SideAction["do"] | "name";

interface Proc {
  isAlive: boolean;
  isPaused: boolean;
  /** The links that are used, by the other side. */
  link: number[];
  boot: number;
  claims: number;
  side: Side;
  pending: Partial<Record<Pending, string>>;
  /** Standbys that the arbiter is to have, one question after the other, and the number of the last. */
  questions: Rights[];
  asked: number;
  /** Of an active: everything that it has done, and how much of that the one before had done. */
  log: number[];
  base: number;
  leader: Leader | null;
  /** The standby that it gives its role to. */
  giveTo: number;
  /** Of a standby. */
  stored: number[] | null;
  /** It has been sent nothing wrong, and may be named. */
  isDeclared: boolean;
  /** Who is followed, or -1, and in which epoch. */
  followed: number;
  followedEpoch: number;
  /** It goes on with another active than it was sent its state by. */
  isReturning: boolean;
  /** It makes no more promises. */
  hasWithdrawn: boolean;
  /** Of an active: it may act. */
  hasLease: boolean;
  isFrozen: boolean;
}

export interface World {
  procs: Proc[];
  word: Word;
  /** Links that are cut, by their lower and higher side. */
  cuts: string[];
  /** By the one who reads them, and the one who has sent them. */
  mail: Message[][][];
  /** What peers have seen. */
  seen: number[];
  ids: number;
  links: number;
  faults: number;
  /** The other sides that could have gone on when the role was claimed last. */
  couldGoOn: number[];
  /** Heirs of the role that was claimed last. */
  heirs: string[];
  /** Sessions were begun anew. */
  resets: number;
}

export interface Bounds {
  readonly sides: number;
  readonly faults: number;
  readonly brackets: number;
}

export const NAMES: readonly string[] = ["a", "b", "c", "d"];
const LOST_ANSWER = "has the word changed, and is not told";
const LOST_QUESTION = "asks for another word, and nobody hears it";

function newProc(boot: number, sides: number): Proc {
  return {
    ...{ isAlive: true, isPaused: false, boot, claims: 0, side: newSide(), pending: {} },
    ...{ link: Array.from({ length: sides }, () => 0) },
    ...{ questions: [], asked: 0, giveTo: -1, followed: -1, followedEpoch: 0, isReturning: false },
    ...{ log: [], base: 0, leader: null, stored: null, isDeclared: false, hasWithdrawn: false },
    ...{ hasLease: false, isFrozen: false },
  };
}

export class Violation extends Error {}

export function newWorld(sides: number): World {
  const all = Array.from({ length: sides }, (_, at) => at);
  const world: World = {
    ...{ procs: all.map(() => newProc(0, sides)), word: NOBODY, cuts: [] },
    ...{ mail: all.map(() => all.map(() => [])), heirs: [], couldGoOn: [] },
    ...{ seen: [], ids: 0, links: 0, faults: 0, resets: 0 },
  };
  for (const at of all) perform(world, at, step(world.procs[at]!.side, { event: "start" }));
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

/** @returns the numbers of all sides but one */
function othersOf({ procs }: World, at: number): number[] {
  return procs.flatMap((_, other) => (other === at ? [] : [other]));
}

export type Move = readonly [label: string, act: (world: World) => void];

/** @returns everything that can happen next */
export function movesOf(world: World, bounds: Bounds): Move[] {
  const moves: Move[] = [];
  for (const at of world.procs.keys()) {
    const proc = world.procs[at]!;
    const label = (text: string) => `${NAMES[at]} ${text}`;
    const mayFail = world.faults < bounds.faults;
    const fault = (text: string, act: (world: World) => void) => {
      if (!mayFail) return;
      moves.push([
        label(text),
        (next) => {
          next.faults++;
          act(next);
        },
      ]);
    };
    if (!proc.isAlive) {
      moves.push([label("starts again"), (next) => start(next, at)]);
      continue;
    }
    fault("dies", (next) => die(next, at));
    if (proc.isPaused) {
      moves.push([label("goes on after a pause"), (next) => pause(next, at, false)]);
      if (proc.hasLease) moves.push([label("lease ends"), (next) => endLease(next, at)]);
      continue;
    }
    fault("is paused", (next) => pause(next, at, true));
    for (const from of othersOf(world, at)) {
      const [first] = world.mail[at]![from]!;
      if (first === undefined) continue;
      moves.push([label(`reads ${first.kind} of ${NAMES[from]}`), (next) => read(next, at, from)]);
    }
    for (const pending of Object.keys(proc.pending) as Pending[]) {
      for (const [text, act] of answers(world, at, pending, mayFail))
        moves.push([label(text), act]);
    }
    if (proc.hasLease && mayMissEchoes(world, at)) {
      moves.push([label("lease ends"), (next) => endLease(next, at)]);
    } else if (proc.hasLease && world.word.standbys.length > 0) {
      fault("lease ends for a moment", (next) => endLease(next, at));
    }
    if (proc.leader !== null && !proc.hasLease && mayExtend(world, at)) {
      moves.push([label("lease goes on"), (next) => renewLease(next, at)]);
    }
    const { leader, side } = proc;
    if (leader !== null && !proc.hasLease && !proc.isFrozen && side.hold === "held") {
      moves.push([label("is in doubt"), (next) => doubt(next, at)]);
    }
    // One whose last connections wait for their peers has begun to work.
    const isResumed = side.state === "resuming" && !isInheriting(world, at);
    const isWorking = side.state === "leading" || side.state === "settling" || isResumed;
    if (leader !== null && isWorking && world.ids < bounds.brackets && !leader.isFenced) {
      moves.push([label("ends a bracket"), (next) => commit(next, at)]);
    }
    if (leader !== null && canFlush(world, at)) {
      moves.push([label("writes to peers"), (next) => flush(next, at)]);
    }
    for (const { name: to, phase } of leader?.followers ?? []) {
      if (side.state !== "leading" || phase !== "declared") continue;
      moves.push([label(`is told to hand over to ${to}`), (next) => order(next, at, to)]);
    }
    if (side.state === "following" && mayLose(world, at)) {
      moves.push([label("misses the active"), (next) => miss(next, at)]);
    }
    for (const { name: follower, phase } of leader?.followers ?? []) {
      if (phase === "removing") continue;
      const other = NAMES.indexOf(follower);
      const { isAlive, isPaused } = world.procs[other]!;
      // An heir is not waited for long, whatever it is at.
      const isAway = phase === "heir" || !isLinked(world, at, other) || !isAlive || isPaused;
      if (!isAway) continue;
      moves.push([
        label(`misses standby ${follower}`),
        (next) => lead(next, at, { event: "lose", follower, reason: "silent", isSlow: false }),
      ]);
    }
  }
  for (const pair of pairsOf(world)) {
    const [one, other] = pair;
    const name = `the link of ${NAMES[one]} and ${NAMES[other]}`;
    if (!isUp(world, one, other)) {
      moves.push([
        `${name} is back`,
        (next) => {
          next.cuts = next.cuts.filter((text) => text !== pair.join());
        },
      ]);
    } else if (world.faults < bounds.faults) {
      moves.push([`${name} is cut`, (next) => cut(next, one, other)]);
    }
  }
  return moves;
}

function pairsOf({ procs }: World): [number, number][] {
  return [...procs.keys()].flatMap((one) =>
    [...procs.keys()].flatMap((other) => (one < other ? [[one, other] as [number, number]] : [])),
  );
}

function isUp({ cuts }: World, one: number, other: number): boolean {
  return !cuts.includes([Math.min(one, other), Math.max(one, other)].join());
}

function pause(world: World, at: number, isPaused: boolean): void {
  world.procs[at]!.isPaused = isPaused;
}

/** What is on its way is lost, and with it the streams that carried it. */
function cut(world: World, one: number, other: number): void {
  world.faults++;
  world.mail[one]![other] = [];
  world.mail[other]![one] = [];
  world.procs[one]!.link[other] = ++world.links;
  world.procs[other]!.link[one] = ++world.links;
  world.cuts = [...world.cuts, [one, other].join()].sort();
}

/** Both sides have the same stream. */
function isLinked(world: World, one: number, other: number): boolean {
  const { procs } = world;
  return isUp(world, one, other) && procs[one]!.link[other] === procs[other]!.link[one];
}

function start(world: World, at: number): void {
  world.procs[at] = newProc(world.procs[at]!.boot + 1, world.procs.length);
  perform(world, at, step(world.procs[at]!.side, { event: "start" }));
}

function die(world: World, at: number): void {
  const { boot } = world.procs[at]!;
  world.procs[at] = { ...newProc(boot, world.procs.length), isAlive: false };
  for (const from of othersOf(world, at)) world.mail[at]![from] = [];
}

export function holderOf(world: World, at: number): string {
  const { boot, claims } = world.procs[at]!;
  return `${NAMES[at]}${boot} ${claims}`;
}

function send(world: World, from: number, to: number, letter: Letter): void {
  const link = world.procs[from]!.link[to]!;
  if (isUp(world, from, to) && world.procs[to]!.isAlive) {
    world.mail[to]![from]!.push({ ...letter, link });
  }
}

/** Whether a side echoes heartbeats. */
function echoes(world: World, at: number, standby: string): boolean {
  const other = NAMES.indexOf(standby);
  const { isAlive, isPaused, hasWithdrawn } = world.procs[other]!;
  return isUp(world, at, other) && isAlive && !isPaused && !hasWithdrawn;
}

/** The active's lease with standbys ends when echoes are missed; it has none of its own to lose without. */
function mayMissEchoes(world: World, at: number): boolean {
  return world.word.standbys.some((standby) => !echoes(world, at, standby));
}

function mayExtend(world: World, at: number): boolean {
  const { leader, isFrozen } = world.procs[at]!;
  if (leader === null || leader.isFenced || isFrozen) return false;
  // By lease, as far as this side knows: it is the holder, and no standby is or may be named.
  if (world.word.holder !== holderOf(world, at) || world.word.isGiven) return false;
  const standbys = [...leader.named.standbys, ...(leader.asked?.standbys ?? [])];
  return standbys.every((standby) => echoes(world, at, standby));
}

function endLease(world: World, at: number): void {
  const proc = world.procs[at]!;
  proc.hasLease = false;
  if (proc.isPaused) return;
  const missing = world.word.standbys.filter((standby) => !echoes(world, at, standby));
  const standbys = missing.length === 0 ? world.word.standbys : missing;
  const event = { event: "hold", hold: "unheard", reason: "unheard", standbys } as const;
  perform(world, at, step(proc.side, event));
}

/** The lease has been over for a while. */
function doubt(world: World, at: number): void {
  const { side } = world.procs[at]!;
  perform(world, at, step(side, { event: "hold", hold: "doubtful", reason: "unheard" }));
}

function renewLease(world: World, at: number): void {
  const proc = world.procs[at]!;
  proc.hasLease = true;
  perform(world, at, step(proc.side, { event: "hold", hold: "held", reason: null }));
}

function commit(world: World, at: number): void {
  const proc = world.procs[at]!;
  proc.log.push(++world.ids);
  lead(world, at, { event: "commit", octets: 1, nowMs: 0 });
}

/** It is to be seen what heirs have. */
function isInheriting(world: World, at: number): boolean {
  const { leader, base } = world.procs[at]!;
  return leader === null || leader.released < base;
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

function isPrefix(one: readonly number[], of: readonly number[]): boolean {
  return one.length <= of.length && one.every((id, index) => id === of[index]);
}

function order(world: World, at: number, to: string): void {
  const proc = world.procs[at]!;
  proc.giveTo = NAMES.indexOf(to);
  perform(world, at, step(proc.side, { event: "switchover", refusal: null }));
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
    step(proc.side, { event: "lost", cause: "silent", isUsable: proc.stored !== null }),
  );
}

function loseAll(
  world: World,
  at: number,
  reason: string,
  standbys: readonly string[] | null,
): void {
  const { leader } = world.procs[at]!;
  for (const { name: follower } of [...leader!.followers]) {
    if (standbys !== null && !standbys.includes(follower)) continue;
    lead(world, at, { event: "lose", follower, reason, isSlow: false });
  }
}

function lead(world: World, at: number, event: Parameters<typeof stepLeader>[1]): void {
  const proc = world.procs[at]!;
  if (proc.leader === null) return;
  for (const action of stepLeader(proc.leader, event)) performLeader(world, at, action);
}

function performLeader(world: World, at: number, action: LeaderAction): void {
  const proc = world.procs[at]!;
  switch (action.do) {
    case "send":
      for (let number = action.from; number <= action.number; number++) {
        send(world, at, NAMES.indexOf(action.to), { kind: "bracket", id: proc.log[number - 1]! });
      }
      return;
    case "image":
      send(world, at, NAMES.indexOf(action.to), { kind: "image", log: [...proc.log] });
      return;
    case "fetch":
      send(world, at, NAMES.indexOf(action.of), { kind: "fetch", from: action.from });
      return;
    case "close-gate":
      lead(world, at, { event: "gate-closed", isOwing: false });
      return;
    case "name":
      proc.questions.push({ standbys: [...action.standbys], heirs: [...action.heirs] });
      proc.asked = action.question;
      proc.pending.name = "";
      return;
    case "declared":
      compare(world, at, NAMES.indexOf(action.to));
      send(world, at, NAMES.indexOf(action.to), { kind: "declared" });
      return;
    case "drop":
      send(world, at, NAMES.indexOf(action.follower), { kind: "bye" });
      return;
    case "fenced":
      perform(world, at, step(proc.side, { event: "hold", hold: "lost", reason: "fenced" }));
      return;
    default:
      return;
  }
}

/** One that may take over has what its active has, as far as it has stored. */
function compare(world: World, at: number, standby: number): void {
  const { log, side } = world.procs[at]!;
  const { isAlive, stored, followed, followedEpoch } = world.procs[standby]!;
  const isFollowing = isAlive && followed === at && followedEpoch === side.epoch;
  if (!isFollowing || !isLinked(world, at, standby) || stored === null) return;
  if (!isPrefix(stored, log)) throw new Violation(`${NAMES[standby]} is named with another log`);
}

function read(world: World, at: number, from: number): void {
  const proc = world.procs[at]!;
  const message = world.mail[at]![from]!.shift()!;
  const { leader, side } = proc;
  const other = NAMES[from]!;
  if (message.kind !== "hello" && message.link !== proc.link[from]) return;
  switch (message.kind) {
    case "hello":
      greet(world, at, from, message);
      return;
    case "ack":
      if (leader === null || !leader.followers.some((one) => one.name === other)) return;
      lead(world, at, {
        ...({ event: "ack", follower: other, windowOctets: 9, nowMs: 0 } as const),
        ...{ number: message.stored, applied: message.stored },
      });
      return;
    case "taken":
      perform(world, at, step(side, { event: "taken", isTaken: true }));
      return;
    case "image":
      if (side.state !== "following") return;
      proc.stored = [...message.log];
      send(world, at, from, { kind: "ack", stored: proc.stored.length });
      return;
    case "bracket":
      if (side.state !== "following" || proc.stored === null) return;
      proc.stored.push(message.id);
      send(world, at, from, { kind: "ack", stored: proc.stored.length });
      return;
    case "declared":
      proc.isDeclared = true;
      return;
    case "fetch":
      // A thread of its own says what is stored, and need not wait for what hands it on.
      send(world, at, from, { kind: "ack", stored: proc.stored?.length ?? 0 });
      for (let number = message.from; number <= (proc.stored?.length ?? 0); number++) {
        send(world, at, from, { kind: "handed-on", number, id: proc.stored![number - 1]! });
      }
      return;
    case "handed-on": {
      const known = leader?.followers.find((one) => one.name === other);
      if (leader === null || known === undefined || known.phase === "removing") return;
      if (message.number !== leader.number + 1) return;
      ensure(known.phase === "heir", "an heir hands on before it is one of the standbys", other);
      proc.log.push(message.id);
      proc.base = proc.log.length;
      lead(world, at, { event: "gain", number: message.number, octets: 1, nowMs: 0 });
      return;
    }
    case "handover":
      perform(world, at, step(side, { event: "handover", cause: "switchover" }));
      return;
    case "bye":
      // One that was sent away may have been named; the arbiter tells.
      perform(
        world,
        at,
        step(side, { event: "lost", cause: "bye", isUsable: proc.stored !== null }),
      );
      return;
  }
}

/** Somebody wants to follow. */
function greet(
  world: World,
  at: number,
  from: number,
  { link, stored }: Extract<Message, { kind: "hello" }>,
): void {
  const proc = world.procs[at]!;
  const { leader, side } = proc;
  const follower = NAMES[from]!;
  const known = leader?.followers.find((one) => one.name === follower);
  const turnAway = () => void world.mail[from]![at]!.push({ kind: "bye", link });
  if (leader === null || (side.state !== "leading" && side.state !== "resuming")) turnAway();
  else if (known?.phase === "heir" && stored !== null) {
    proc.link[from] = link;
    lead(world, at, { event: "resume", follower, next: stored + 1, nowMs: 0 });
  } else if (known !== undefined) {
    lead(world, at, { event: "lose", follower, reason: "begins anew", isSlow: false });
    turnAway();
  } else if (stored !== null || side.state !== "leading") turnAway();
  else {
    proc.link[from] = link;
    lead(world, at, { event: "join", follower, nowMs: 0 });
  }
}

function perform(world: World, at: number, actions: readonly SideAction[]): void {
  const proc = world.procs[at]!;
  for (const action of actions) {
    switch (action.do) {
      case "claim":
        proc.pending.claim = action.how;
        if (action.how === "take-over") proc.hasWithdrawn = true;
        break;
      case "wait":
      case "connect":
      case "settle":
      case "give":
      case "hand-over":
      case "open":
      case "resume":
      case "put-down":
        proc.pending[action.do] = action.do === "put-down" && action.isFree ? "free" : "";
        if (action.do === "give") {
          proc.followed = -1;
          proc.isFrozen = true;
          proc.hasLease = false;
        }
        if (action.do === "resume") takeUp(world, at);
        if (action.do === "open") beginAnew(world, at);
        if (action.do === "hand-over") {
          send(world, at, proc.giveTo, { kind: "handover" });
          for (const other of othersOf(world, at)) {
            if (other !== proc.giveTo) send(world, at, other, { kind: "bye" });
          }
        }
        break;
      case "follow":
        if (!proc.isReturning) proc.stored = null;
        proc.isReturning = false;
        proc.isDeclared = false;
        proc.hasWithdrawn = false;
        // Of whoever was followed before nothing more is taken.
        for (const other of othersOf(world, at)) proc.link[other] = ++world.links;
        send(world, at, proc.followed, { kind: "hello", stored: proc.stored?.length ?? null });
        break;
      case "forget":
        proc.stored = null;
        proc.isReturning = false;
        break;
      case "settle-in":
        if (action.tellTaken && proc.followed >= 0) {
          send(world, at, proc.followed, { kind: "taken" });
        }
        break;
      case "lose-standbys":
        if (proc.leader !== null) loseAll(world, at, action.reason, action.standbys);
        break;
      case "fence":
        proc.hasLease = false;
        proc.isFrozen = true;
        if (proc.leader !== null) proc.leader.isFenced = true;
        break;
      default:
        break;
    }
  }
}

/** The state of another one goes on here: it must have all that peers have seen. */
function takeUp(world: World, at: number): void {
  const proc = world.procs[at]!;
  const log = proc.stored ?? proc.log;
  if (!isPrefix(world.seen, log)) throw new Violation(`${NAMES[at]} takes over without all`);
  // One that takes back what it gave has nothing to hand on.
  const octets = proc.stored === null ? [] : log.map(() => 1);
  proc.log = [...log];
  proc.base = log.length;
  proc.stored = null;
  proc.isFrozen = false;
  const inherited = { number: log.length, octets, heirs: world.heirs, nowMs: 0 };
  proc.leader = newLeader(proc.side.epoch, 300, inherited);
  proc.hasLease = true;
}

function beginAnew(world: World, at: number): void {
  const proc = world.procs[at]!;
  for (const other of world.couldGoOn) {
    const { stored } = world.procs[other]!;
    if (stored === null || !isPrefix(world.seen, stored) || world.seen.length === 0) continue;
    throw new Violation(`${NAMES[at]} begins anew though ${NAMES[other]} could go on`);
  }
  proc.log = [];
  proc.base = 0;
  proc.stored = null;
  proc.isFrozen = false;
  proc.leader = newLeader(proc.side.epoch, 300);
  proc.hasLease = true;
  world.seen = [];
  world.resets++;
}

function* answers(world: World, at: number, pending: Pending, mayFail: boolean): Generator<Move> {
  const tell = (event: Parameters<typeof step>[1]) => (next: World) => {
    delete next.procs[at]!.pending[pending];
    perform(next, at, step(next.procs[at]!.side, event));
  };
  switch (pending) {
    case "claim":
      yield ["asks for the role", (next) => claimed(next, at, true)];
      if (mayFail) {
        yield [
          "asks for the role, and is not told",
          (next) => {
            next.faults++;
            claimed(next, at, false);
          },
        ];
      }
      return;
    case "name":
      yield ["has the word changed", (next) => named(next, at, null)];
      if (!mayFail) return;
      for (const text of [LOST_ANSWER, LOST_QUESTION] as const) {
        yield [
          text,
          (next) => {
            next.faults++;
            named(next, at, text);
          },
        ];
      }
      return;
    case "wait":
      yield ["has waited", tell({ event: "waited" })];
      return;
    case "connect": {
      const { isReturning } = world.procs[at]!;
      const found = othersOf(world, at).filter((other) => {
        const { isAlive, leader, side } = world.procs[other]!;
        const isListening = side.state === "leading" || (isReturning && side.state === "resuming");
        return isUp(world, at, other) && isAlive && leader !== null && isListening;
      });
      for (const other of found) {
        yield [
          `connects to ${NAMES[other]}`,
          (next) => {
            next.procs[at]!.followed = other;
            next.procs[at]!.followedEpoch = next.procs[other]!.side.epoch;
            tell({ event: "connected" })(next);
          },
        ];
      }
      if (found.length === 0) {
        yield ["finds no way", tell({ event: "unreachable", reason: "no way" })];
      }
      return;
    }
    case "settle": {
      const { leader, giveTo } = world.procs[at]!;
      const hasAll = leader?.followers.some(
        ({ name: to, phase, acked }) =>
          to === NAMES[giveTo] && phase === "declared" && acked === leader.number,
      );
      if (hasAll === true) yield ["is settled", tell({ event: "settled", isSettled: true })];
      else yield ["is not settled", tell({ event: "settled", isSettled: false })];
      return;
    }
    case "give":
      yield ["gives the role", (next) => gave(next, at)];
      return;
    case "hand-over":
      yield ["hears nothing of the hand-over", tell({ event: "taken", isTaken: false })];
      return;
    case "open":
    case "resume": {
      // Connections go on once all heirs have what is here.
      if (!isInheriting(world, at)) yield ["runs", tell({ event: "running" })];
      if (mayFail) {
        yield [
          `cannot ${pending}`,
          (next) => {
            next.faults++;
            tell({ event: "failed", reason: "it failed" })(next);
          },
        ];
      }
      return;
    }
    case "put-down":
      yield [
        "has put everything down",
        (next) => {
          const proc = next.procs[at]!;
          const isFree = proc.pending["put-down"] === "free";
          const word = isFree ? release(next.word, holderOf(next, at)) : null;
          if (word !== null) next.word = word;
          proc.leader = null;
          proc.hasLease = false;
          proc.log = [];
          proc.stored = null;
          proc.questions = [];
          delete proc.pending.name;
          tell({ event: "down" })(next);
        },
      ];
      return;
    default:
      return;
  }
}

function claimed(world: World, at: number, isTold: boolean): void {
  const proc = world.procs[at]!;
  const how = proc.pending.claim!;
  const { word } = world;
  const holder = world.procs[NAMES.indexOf(word.active ?? "")];
  const isGone = holder === undefined || holder === proc || !holder.isAlive || !holder.hasLease;
  const members = [...word.standbys, ...word.heirs].map((one) => NAMES.indexOf(one));
  const others = members.filter((other) => other !== at);
  const isHandedOn = how === "handed" || how === "take-back";
  const hasState = how === "take-over" || how === "handed";
  const claimant = {
    side: NAMES[at]!,
    process: `${NAMES[at]}${proc.boot}`,
    hasState,
    // The lease of an active ends before the promise does, on whose end the standby waits.
    isFenced: isGone && word.epoch === proc.followedEpoch,
    // What a side with nothing waits for is longer than one that lives needs to take over.
    isExpired: isGone && (hasState || !others.some((other) => isAboutTo(world.procs[other]!))),
  };
  const right = rightOf(word, claimant);
  const isMember = members.includes(at);
  const isPassedOver = word.epoch !== proc.followedEpoch || !word.standbys.includes(NAMES[at]!);
  if (right === null && how === "take-over" && isMember && !isPassedOver) return;
  if (right !== null) {
    proc.claims++;
    // One that stands still for longer than its promise lasts is not waited for.
    world.couldGoOn = others.filter((one) => !(right === "expired" && world.procs[one]!.isPaused));
    const isHeirless = !hasState && !isHandedOn;
    world.word = claim(word, NAMES[at]!, holderOf(world, at), !isHeirless);
    world.heirs = [...world.word.heirs];
  }
  if (!isTold) return;
  delete proc.pending.claim;
  if (right === null && how === "take-over" && isMember) {
    proc.isReturning = true;
    perform(world, at, step(proc.side, { event: "passed-over" }));
    return;
  }
  const epoch = right === null ? null : world.word.epoch;
  perform(world, at, step(proc.side, { event: "role", epoch, reason: null }));
}

function isAboutTo({ isAlive, isPaused, side, stored }: Proc): boolean {
  if (!isAlive || isPaused || stored === null) return false;
  return ["following", "claiming", "returning"].includes(side.state);
}

/** @param problem - what becomes of the question or its answer, if it is lost; who asked learns no more than that */
function named(
  world: World,
  at: number,
  problem: typeof LOST_ANSWER | typeof LOST_QUESTION | null,
): void {
  const proc = world.procs[at]!;
  const { standbys, heirs } = proc.questions.shift()!;
  const question = proc.asked - proc.questions.length;
  const holder = holderOf(world, at);
  const word = problem === LOST_QUESTION ? null : name(world.word, holder, standbys, heirs);
  if (word !== null) world.word = word;
  if (proc.questions.length === 0) delete proc.pending.name;
  const isDone = problem === null && word !== null;
  lead(world, at, { event: "named", question, isDone, problem });
}

function gave(world: World, at: number): void {
  const proc = world.procs[at]!;
  delete proc.pending.give;
  const word = give(world.word, holderOf(world, at), NAMES[proc.giveTo]!);
  if (word !== null) world.word = word;
  perform(world, at, step(proc.side, { event: "gave", isOurs: word !== null, reason: null }));
}
