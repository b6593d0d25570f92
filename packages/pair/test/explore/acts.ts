/** What a side does when its machines say so. */

import {
  type LeaderAction,
  newLeader,
  type SideAction,
  stepLeader,
  stepSide,
} from "../../src/index.ts";
import { isLinked, isPrefix, NAMES, othersOf, send, Violation, type World } from "./world.ts";

export function perform(world: World, at: number, actions: readonly SideAction[]): void {
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

export function lead(world: World, at: number, event: Parameters<typeof stepLeader>[1]): void {
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
      perform(world, at, stepSide(proc.side, { event: "hold", hold: "lost", reason: "fenced" }));
      return;
    default:
      return;
  }
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

/** One that may take over has what its active has, as far as it has stored. */
function compare(world: World, at: number, standby: number): void {
  const { log, side } = world.procs[at]!;
  const { isAlive, stored, followed, followedEpoch } = world.procs[standby]!;
  const isFollowing = isAlive && followed === at && followedEpoch === side.epoch;
  if (!isFollowing || !isLinked(world, at, standby) || stored === null) return;
  if (!isPrefix(stored, log)) throw new Violation(`${NAMES[standby]} is named with another log`);
}
