/** Two sides, an arbiter with leases, a link, and what peers have seen: everything that can happen next. */

import {
  claim,
  give,
  type Leader,
  type LeaderAction,
  NOBODY,
  name,
  newLeader,
  newSide,
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
  | { readonly kind: "hello" }
  | { readonly kind: "image"; readonly log: readonly number[] }
  | { readonly kind: "bracket"; readonly id: number }
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
  /** The link that is used. */
  link: number;
  boot: number;
  claims: number;
  side: Side;
  pending: Partial<Record<Pending, string>>;
  /** Standbys that the arbiter is to have, one question after the other, and the number of the last. */
  questions: string[][];
  asked: number;
  /** Of an active: everything that it has done, and what was there when it began. */
  log: number[];
  base: number;
  leader: Leader | null;
  /** Of a standby. */
  stored: number[] | null;
  /** It has been sent nothing wrong, and may be named. */
  isDeclared: boolean;
  /** It makes no more promises. */
  hasWithdrawn: boolean;
  /** Of an active: it may act. */
  hasLease: boolean;
  isFrozen: boolean;
}

export interface World {
  procs: [Proc, Proc];
  word: Word;
  isUp: boolean;
  /** By the one who reads them. */
  mail: [Message[], Message[]];
  /** What peers have seen. */
  seen: number[];
  ids: number;
  links: number;
  faults: number;
  /** The other side could have gone on when the role was claimed last. */
  couldGoOn: boolean;
  /** Sessions were begun anew. */
  resets: number;
}

export interface Bounds {
  readonly faults: number;
  readonly brackets: number;
}

const NAMES = ["a", "b"] as const;
const LOST_ANSWER = "has the word changed, and is not told";
const LOST_QUESTION = "asks for another word, and nobody hears it";

function newProc(boot: number): Proc {
  return {
    ...{ isAlive: true, isPaused: false, link: 0, boot, claims: 0, side: newSide(), pending: {} },
    ...{ questions: [], asked: 0 },
    ...{ log: [], base: 0, leader: null, stored: null, isDeclared: false, hasWithdrawn: false },
    ...{ hasLease: false, isFrozen: false },
  };
}

export class Violation extends Error {}

export function newWorld(): World {
  const world: World = {
    ...{ procs: [newProc(0), newProc(0)], word: NOBODY, isUp: true, mail: [[], []] },
    ...{ seen: [], ids: 0, links: 0, faults: 0, resets: 0, couldGoOn: false },
  };
  for (const at of [0, 1]) perform(world, at, step(world.procs[at]!.side, { event: "start" }));
  return world;
}

export type Move = readonly [label: string, act: (world: World) => void];

/** @returns everything that can happen next */
export function movesOf(world: World, bounds: Bounds): Move[] {
  const moves: Move[] = [];
  for (const at of [0, 1]) {
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
    if (world.mail[at]!.length > 0) {
      moves.push([label(`reads ${world.mail[at]![0]!.kind}`), (next) => read(next, at)]);
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
    const isWorking = side.state === "leading" || side.state === "settling";
    if (leader !== null && isWorking && world.ids < bounds.brackets && !leader.isFenced) {
      moves.push([label("ends a bracket"), (next) => commit(next, at)]);
    }
    if (leader !== null && canFlush(world, at)) {
      moves.push([label("writes to peers"), (next) => flush(next, at)]);
    }
    if (side.state === "leading" && isDeclared(proc)) {
      moves.push([label("is told to hand over"), (next) => order(next, at)]);
    }
    if (side.state === "following" && mayLose(world, at)) {
      moves.push([label("misses the active"), (next) => miss(next, at)]);
    }
    if (leader?.followers.some(({ phase }) => phase !== "removing") === true) {
      const { isAlive, isPaused } = world.procs[1 - at]!;
      if (!isLinked(world) || !isAlive || isPaused) {
        moves.push([label("misses the standby"), (next) => loseAll(next, at, "silent")]);
      }
    }
  }
  if (!world.isUp) moves.push(["the link is back", (next) => link(next, true)]);
  else if (world.faults < bounds.faults) moves.push(["the link is cut", (next) => cut(next)]);
  return moves;
}

function pause(world: World, at: number, isPaused: boolean): void {
  world.procs[at]!.isPaused = isPaused;
}

/** What is on its way is lost, and with it the streams that carried it. */
function cut(world: World): void {
  world.faults++;
  world.mail = [[], []];
  for (const proc of world.procs) proc.link = ++world.links;
  link(world, false);
}

/** Both sides have the same stream. */
function isLinked({ isUp, procs: [a, b] }: World): boolean {
  return isUp && a.link === b.link;
}

function link(world: World, isUp: boolean): void {
  world.isUp = isUp;
}

function isDeclared({ leader }: Proc): boolean {
  return leader!.followers.some(({ phase }) => phase === "declared");
}

function start(world: World, at: number): void {
  world.procs[at] = newProc(world.procs[at]!.boot + 1);
  perform(world, at, step(world.procs[at]!.side, { event: "start" }));
}

function die(world: World, at: number): void {
  const { boot } = world.procs[at]!;
  world.procs[at] = { ...newProc(boot), isAlive: false };
  world.mail[at] = [];
}

export function holderOf(world: World, at: number): string {
  const { boot, claims } = world.procs[at]!;
  return `${NAMES[at]}${boot} ${claims}`;
}

function send(world: World, from: number, letter: Letter): void {
  const to = 1 - from;
  const { link } = world.procs[from]!;
  if (world.isUp && world.procs[to]!.isAlive) world.mail[to]!.push({ ...letter, link });
}

/** The active's lease with a standby ends when echoes are missed; it has none of its own to lose without. */
function mayMissEchoes(world: World, at: number): boolean {
  const other = world.procs[1 - at]!;
  if (world.word.standbys.length === 0) return false;
  return !world.isUp || !other.isAlive || other.isPaused || other.hasWithdrawn;
}

function mayExtend(world: World, at: number): boolean {
  const { leader, isFrozen } = world.procs[at]!;
  if (leader === null || leader.isFenced || isFrozen) return false;
  // By lease, as far as this side knows: it is the holder, and no standby is or may be named.
  if (world.word.holder !== holderOf(world, at) || world.word.isGiven) return false;
  if (leader.named.standbys.length === 0 && leader.asked === null) return true;
  const other = world.procs[1 - at]!;
  return world.isUp && other.isAlive && !other.isPaused && !other.hasWithdrawn;
}

function endLease(world: World, at: number): void {
  const proc = world.procs[at]!;
  proc.hasLease = false;
  if (proc.isPaused) return;
  perform(
    world,
    at,
    step(proc.side, {
      event: "hold",
      hold: "unheard",
      reason: "unheard",
      standbys: [NAMES[1 - at]!],
    }),
  );
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

function canFlush(world: World, at: number): boolean {
  const proc = world.procs[at]!;
  if (!proc.hasLease || proc.isFrozen || proc.leader!.isFenced) return false;
  const out = proc.base + proc.leader!.released;
  return out > world.seen.length || !isPrefix(world.seen, proc.log);
}

function flush(world: World, at: number): void {
  const proc = world.procs[at]!;
  const out = proc.log.slice(0, proc.base + proc.leader!.released);
  if (!isPrefix(world.seen, out)) throw new Violation(`${NAMES[at]} tells peers something else`);
  world.seen = out;
}

function isPrefix(one: readonly number[], of: readonly number[]): boolean {
  return one.length <= of.length && one.every((id, index) => id === of[index]);
}

function order(world: World, at: number): void {
  const proc = world.procs[at]!;
  perform(
    world,
    at,
    step(proc.side, { event: "switchover", refusal: isDeclared(proc) ? null : "not declared" }),
  );
}

function mayLose(world: World, at: number): boolean {
  const other = world.procs[1 - at]!;
  if (!isLinked(world) || !other.isAlive || other.isPaused) return true;
  return other.leader === null || !other.hasLease;
}

function miss(world: World, at: number): void {
  const proc = world.procs[at]!;
  perform(
    world,
    at,
    step(proc.side, { event: "lost", cause: "silent", isUsable: proc.stored !== null }),
  );
}

function loseAll(world: World, at: number, reason: string): void {
  const { leader } = world.procs[at]!;
  for (const { name: follower } of [...leader!.followers]) {
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
        send(world, at, { kind: "bracket", id: proc.log[proc.base + number - 1]! });
      }
      return;
    case "image":
      send(world, at, { kind: "image", log: [...proc.log] });
      return;
    case "close-gate":
      lead(world, at, { event: "gate-closed", isOwing: false });
      return;
    case "name":
      proc.questions.push([...action.standbys]);
      proc.asked = action.question;
      proc.pending.name = "";
      return;
    case "declared":
      send(world, at, { kind: "declared" });
      return;
    case "drop":
      send(world, at, { kind: "bye" });
      return;
    case "fenced":
      perform(world, at, step(proc.side, { event: "hold", hold: "lost", reason: "fenced" }));
      return;
    default:
      return;
  }
}

function read(world: World, at: number): void {
  const proc = world.procs[at]!;
  const message = world.mail[at]!.shift()!;
  const { leader, side } = proc;
  const other = NAMES[1 - at]!;
  if (message.kind !== "hello" && message.link !== proc.link) return;
  switch (message.kind) {
    case "hello":
      if (leader === null || side.state !== "leading") turnAway(world, at, message.link);
      else if (leader.followers.some((one) => one.name === other)) {
        loseAll(world, at, "begins anew");
        turnAway(world, at, message.link);
      } else {
        proc.link = message.link;
        lead(world, at, { event: "join", follower: other, nowMs: 0 });
      }
      return;
    case "ack": {
      const follower = leader?.followers.find((one) => one.name === other);
      if (leader === null || follower === undefined) return;
      const number = message.stored - proc.base;
      lead(world, at, {
        event: "ack",
        follower: other,
        number,
        applied: number,
        windowOctets: 9,
        nowMs: 0,
      });
      return;
    }
    case "taken":
      perform(world, at, step(side, { event: "taken", isTaken: true }));
      return;
    case "image":
      if (side.state !== "following") return;
      proc.stored = [...message.log];
      send(world, at, { kind: "ack", stored: proc.stored.length });
      return;
    case "bracket":
      if (side.state !== "following" || proc.stored === null) return;
      proc.stored.push(message.id);
      send(world, at, { kind: "ack", stored: proc.stored.length });
      return;
    case "declared":
      proc.isDeclared = true;
      return;
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

function turnAway(world: World, at: number, link: number): void {
  world.mail[1 - at]!.push({ kind: "bye", link });
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
          proc.isFrozen = true;
          proc.hasLease = false;
        }
        if (action.do === "resume") takeUp(world, at);
        if (action.do === "open") beginAnew(world, at);
        if (action.do === "hand-over") send(world, at, { kind: "handover" });
        break;
      case "follow":
        proc.stored = null;
        proc.isDeclared = false;
        proc.hasWithdrawn = false;
        proc.link = ++world.links;
        send(world, at, { kind: "hello" });
        break;
      case "forget":
        proc.stored = null;
        break;
      case "settle-in":
        if (action.tellTaken) send(world, at, { kind: "taken" });
        break;
      case "lose-standbys":
        if (proc.leader !== null) loseAll(world, at, action.reason);
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
  proc.log = [...log];
  proc.base = log.length;
  proc.stored = null;
  proc.isFrozen = false;
  proc.leader = newLeader(proc.side.epoch, 300);
  proc.hasLease = true;
}

function beginAnew(world: World, at: number): void {
  const proc = world.procs[at]!;
  const other = world.procs[1 - at]!;
  const couldGoOn = other.stored !== null && isPrefix(world.seen, other.stored);
  if (world.couldGoOn && couldGoOn && world.seen.length > 0) {
    throw new Violation(`${NAMES[at]} begins anew though ${NAMES[1 - at]} could go on`);
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
      const other = world.procs[1 - at]!;
      if (world.isUp && other.isAlive && other.leader !== null && other.side.state === "leading") {
        yield ["connects", tell({ event: "connected" })];
      } else yield ["finds no way", tell({ event: "unreachable", reason: "no way" })];
      return;
    }
    case "settle": {
      const { leader } = world.procs[at]!;
      const hasAll = leader?.followers.some(
        ({ phase, acked }) => phase === "declared" && acked === leader.number,
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
    case "resume":
      yield ["runs", tell({ event: "running" })];
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
  const other = world.procs[1 - at]!;
  const claimant = {
    side: NAMES[at]!,
    process: `${NAMES[at]}${proc.boot}`,
    hasState: how === "take-over" || how === "handed",
    // The lease of an active ends before the promise does, on whose end the standby waits.
    isFenced: !other.isAlive || !other.hasLease,
    // A ttl is longer than a standby that lives needs to take over.
    isExpired: (!other.isAlive || !other.hasLease) && !isAboutTo(other),
  };
  const right = rightOf(world.word, claimant);
  if (right === null && how === "take-over" && world.word.standbys.includes(NAMES[at]!)) return;
  if (right !== null) {
    proc.claims++;
    // One that stands still for longer than its promise lasts is not waited for.
    const isGivenUp = right === "expired" && other.isPaused;
    world.couldGoOn = world.word.standbys.includes(NAMES[1 - at]!) && !isGivenUp;
    world.word = claim(world.word, NAMES[at]!, holderOf(world, at), claimant.hasState);
  }
  if (!isTold) return;
  delete proc.pending.claim;
  const epoch = right === null ? null : world.word.epoch;
  perform(world, at, step(proc.side, { event: "role", epoch, reason: null }));
}

function isAboutTo({ isAlive, isPaused, side, stored }: Proc): boolean {
  if (!isAlive || isPaused || stored === null) return false;
  return side.state === "following" || side.state === "claiming";
}

/** @param problem - what becomes of the question or its answer, if it is lost; who asked learns no more than that */
function named(
  world: World,
  at: number,
  problem: typeof LOST_ANSWER | typeof LOST_QUESTION | null,
): void {
  const proc = world.procs[at]!;
  const standbys = proc.questions.shift()!;
  const question = proc.asked - proc.questions.length;
  const holder = holderOf(world, at);
  const word = problem === LOST_QUESTION ? null : name(world.word, holder, standbys, []);
  if (word !== null) world.word = word;
  if (proc.questions.length === 0) delete proc.pending.name;
  const isDone = problem === null && word !== null;
  lead(world, at, { event: "named", question, isDone, problem });
}

function gave(world: World, at: number): void {
  const proc = world.procs[at]!;
  delete proc.pending.give;
  const word = give(world.word, holderOf(world, at), NAMES[1 - at]!);
  if (word !== null) world.word = word;
  perform(world, at, step(proc.side, { event: "gave", isOurs: word !== null, reason: null }));
}
