/**
 * The active side towards its followers: when what a bracket did may be seen by peers.
 *
 *     step(state, event) -> actions        the state is plain data, and changed in place
 *
 * A follower goes through these phases:
 *
 *     joining    it is sent the image; peers notice nothing of it yet
 *     heir       it was a standby of the active that was taken over from, and may lack what this side has
 *     holding    the gate is closed, and brackets wait for it as well; it has not got all that peers have
 *     naming     it has, and the arbiter is being told
 *     declared   it may take over
 *     removing   it is of no use any more, and the arbiter is being told: it may have taken over already
 *
 * There is one rule by which brackets are let out: each follower that may have the right to take over, now
 * or in a moment, has stored them. Those are all but the joining ones. One that is being removed stores
 * nothing more, so what it has not got waits for the arbiter's answer; without followers nothing waits.
 * A side that has taken over goes on with connections once the last bracket that it has stored is let out.
 *
 * What a bracket holds is not known in here: brackets are numbers, octets and times. No clock, no link, no
 * arbiter either: they are actions to be done in their order, and come back as events.
 */

import { ensure } from "./invariant.ts";
import { checkLeader } from "./leader-checks.ts";

import {
  type Bracket,
  type Follower,
  type Inherited,
  isBinding,
  type Leader,
  type LeaderAction,
  type LeaderEvent,
  type Rights,
} from "./leader-types.ts";

/** A follower that has not even the state after so long is given up. */
export const JOIN_MS = 60_000;
/** So many times the patience a bracket may wait for a follower that gets further. */
export const BEHIND_PATIENCE = 10;

/** So many times the patience an heir is waited for that has to find out first who is active. */
const HEIR_PATIENCE = 2;

const DIFFERENT_LOG = "what it has stored is not the same";
const NOTHING: Inherited = { number: 0, octets: [], heirs: [], nowMs: 0 };
const NOBODY: Rights = { standbys: [], heirs: [] };

/** @param inherited - of a side that has taken over */
export function newLeader(
  epoch: number,
  patienceMs: number,
  inherited: Inherited = NOTHING,
): Leader {
  const { number, octets, heirs, nowMs } = inherited;
  const inheritedFrom = number - octets.length + 1;
  const leader: Leader = {
    ...{ epoch, patienceMs, number, octets: 0, released: number, brackets: [], followers: [] },
    ...{ isOwing: false, named: NOBODY, answered: NOBODY, asked: null, question: 0 },
    ...{ inheritedFrom, inheritedTo: 0, isClosed: false, isFenced: false },
  };
  if (heirs.length === 0) return leader;
  // Of each heir it is to be seen whether it has the last one, also where none can be handed on.
  for (const more of octets.length === 0 ? [0] : octets) {
    leader.octets += more;
    leader.brackets.push({ number: 0, endOctets: leader.octets, sentMs: nowMs });
  }
  const { brackets } = leader;
  leader.released = number - brackets.length;
  leader.brackets = brackets.map((bracket, at): Bracket => {
    return { ...bracket, number: leader.released + at + 1 };
  });
  leader.inheritedTo = number;
  leader.named = { standbys: [], heirs: [...heirs].sort() };
  leader.answered = leader.named;
  leader.isClosed = true;
  const acked = leader.released;
  leader.followers = heirs.map((name): Follower => {
    return {
      ...{ name, phase: "heir", acked, applied: acked, ackedOctets: 0, joinedAt: acked + 1 },
      ...{ had: 0, windowOctets: Number.POSITIVE_INFINITY, heldFrom: number },
      ...{ heldMs: nowMs, ackedMs: nowMs, appliedMs: nowMs },
    };
  });
  return leader;
}

/** Whether there is room for what another slice may do. */
export function mayWork({ followers, octets, isFenced }: Leader): boolean {
  return (
    !isFenced &&
    followers.every(({ ackedOctets, windowOctets }) => octets - ackedOctets < windowOctets)
  );
}

/** @returns what is to be done, in that order */
export function step(leader: Leader, event: LeaderEvent): LeaderAction[] {
  if (leader.isFenced) return [];
  const { released } = leader;
  const actions = handle(leader, event);
  if (!leader.isFenced) checkLeader(leader, released);
  return actions;
}

function handle(leader: Leader, event: LeaderEvent): LeaderAction[] {
  const actions: LeaderAction[] = [];
  switch (event.event) {
    case "commit":
      commit(leader, event, actions);
      break;
    case "join":
      join(leader, event, actions);
      break;
    case "ack":
      acknowledge(leader, event, actions);
      break;
    case "gate-closed":
      leader.isOwing = event.isOwing;
      for (const follower of leader.followers) {
        if (follower.phase === "holding") follower.heldFrom = leader.number;
      }
      nameThose(leader, actions);
      break;
    case "paid":
      leader.isOwing = false;
      nameThose(leader, actions);
      break;
    case "resume":
      resume(leader, event, actions);
      break;
    case "gain":
      gain(leader, event, actions);
      break;
    case "lose":
      lose(leader, find(leader, event.follower), event.reason, event.isSlow, actions);
      break;
    case "named":
      answered(leader, event, actions);
      break;
    case "fence":
      fence(leader, actions);
      break;
    case "tick":
      tick(leader, event.nowMs, actions);
      break;
  }
  return actions;
}

type EventOf<N extends LeaderEvent["event"]> = Extract<LeaderEvent, { event: N }>;

function commit(
  leader: Leader,
  { octets, nowMs }: EventOf<"commit">,
  actions: LeaderAction[],
): void {
  // Else two brackets would have one number: of this epoch, and of what an heir has of the one before.
  const { released, inheritedTo } = leader;
  ensure(released >= inheritedTo, "what was inherited comes first", released, inheritedTo);
  const number = ++leader.number;
  leader.octets += octets;
  leader.brackets.push({ number, endOctets: leader.octets, sentMs: nowMs });
  for (const { name: to, phase } of leader.followers) {
    if (phase !== "removing") actions.push({ do: "send", to, from: number, number });
  }
  release(leader, actions);
}

function join(leader: Leader, { follower, nowMs }: EventOf<"join">, actions: LeaderAction[]): void {
  const from = leader.number + 1;
  ensure(find(leader, follower) === null, "a follower joins once", follower);
  leader.followers.push({
    ...{ name: follower, phase: "joining", acked: leader.number, applied: 0 },
    ackedOctets: leader.octets,
    ...{ had: 0, windowOctets: Number.POSITIVE_INFINITY, joinedAt: from, heldFrom: 0 },
    ...{ heldMs: nowMs, ackedMs: nowMs, appliedMs: nowMs },
  });
  actions.push({ do: "image", to: follower, from });
}

function acknowledge(leader: Leader, event: EventOf<"ack">, actions: LeaderAction[]): void {
  const { follower: name, number, applied, windowOctets, nowMs } = event;
  const follower = find(leader, name);
  if (follower === null || follower.phase === "removing") return;
  // There is more room only where something was run, which one that judges all anew does not count as applied.
  if (applied > follower.applied || windowOctets > follower.windowOctets) {
    follower.applied = Math.max(applied, follower.applied);
    follower.appliedMs = nowMs;
  }
  follower.windowOctets = windowOctets;
  // One that says more than there is has stored what there is.
  const acked = Math.min(number, leader.number);
  // An heir that has more says so before it has handed that on, and has all only then.
  if (follower.had <= leader.number) stored(leader, follower, acked, nowMs);
  hold(leader, follower, nowMs, actions);
  release(leader, actions);
  nameThose(leader, actions);
}

/** A follower that has run its image is waited for from now on. */
function hold(leader: Leader, follower: Follower, nowMs: number, actions: LeaderAction[]): void {
  if (follower.phase !== "joining" || follower.applied + 1 < follower.joinedAt) return;
  follower.phase = "holding";
  follower.heldMs = nowMs;
  // What is under way to peers without it is in this bracket or one before.
  follower.heldFrom = leader.number;
  if (leader.isClosed) return;
  leader.isClosed = true;
  // Until the shell says otherwise.
  leader.isOwing = true;
  actions.push({ do: "close-gate" });
}

function stored(leader: Leader, follower: Follower, acked: number, nowMs: number): void {
  if (acked <= follower.acked) return;
  const { brackets } = leader;
  const last = brackets[acked - (brackets[0]?.number ?? 0)];
  follower.acked = acked;
  follower.ackedOctets = last?.endOctets ?? leader.octets;
  follower.ackedMs = nowMs;
}

function resume(leader: Leader, event: EventOf<"resume">, actions: LeaderAction[]): void {
  const { follower: name, next, nowMs } = event;
  const follower = find(leader, name);
  if (follower === null || follower.phase === "removing") return;
  const isHeir = follower.phase === "heir";
  const from = isHeir ? Math.max(follower.acked, leader.inheritedFrom - 1) : follower.acked;
  if (isHeir) follower.had = next - 1;
  if (isHeir && next > leader.number + 1 && leader.number === leader.inheritedTo) {
    // What peers have not seen of it does no harm, and so both have the same.
    actions.push({ do: "fetch", of: name, from: leader.number + 1 });
    return;
  }
  // Anything else is no state that this side knows of.
  if (next <= from || next > leader.number + 1) {
    // One that is not waited for may join.
    if (isHeir) lose(leader, follower, DIFFERENT_LOG, false, actions);
    return;
  }
  stored(leader, follower, next - 1, nowMs);
  actions.push({ do: "send", to: name, from: next, number: leader.number });
  if (follower.phase === "declared") actions.push({ do: "declared", to: name });
  release(leader, actions);
  nameThose(leader, actions);
}

/** A side that has taken over goes on behind what one of the heirs has. */
function gain(leader: Leader, event: EventOf<"gain">, actions: LeaderAction[]): void {
  const { number, octets, nowMs } = event;
  const heirs = leader.followers.filter(({ phase }) => phase === "heir");
  ensure(number === leader.number + 1, "brackets come in order", number, leader.number);
  ensure(
    heirs.some(({ had }) => had >= number),
    "it is an heir's",
    number,
  );
  leader.number = number;
  leader.inheritedTo = number;
  leader.octets += octets;
  leader.brackets.push({ number, endOctets: leader.octets, sentMs: nowMs });
  for (const follower of leader.followers) {
    const { name: to, phase, had } = follower;
    follower.heldFrom = number;
    // One that has more still is not done.
    if (phase === "heir" && had === number) stored(leader, follower, number, nowMs);
    else if (phase !== "removing" && had > 0 && had < number) {
      actions.push({ do: "send", to, from: number, number });
    }
  }
  release(leader, actions);
  nameThose(leader, actions);
}

function lose(
  leader: Leader,
  follower: Follower | null,
  reason: string,
  isSlow: boolean,
  actions: LeaderAction[],
): void {
  if (follower === null || follower.phase === "removing") return;
  actions.push({ do: "drop", follower: follower.name, reason, isSlow });
  follower.phase = "removing";
  forget(leader, actions);
  nameThose(leader, actions);
}

/** Drops those that have no right any more; what waited for them goes out. */
function forget(leader: Leader, actions: LeaderAction[]): void {
  const { named, asked } = leader;
  const mayHaveRight = ({ name }: Follower) =>
    hasRight(named, name) || (asked !== null && hasRight(asked, name));
  leader.followers = leader.followers.filter(
    (follower) => follower.phase !== "removing" || mayHaveRight(follower),
  );
  if (leader.isClosed && !leader.followers.some(isBinding)) {
    leader.isClosed = false;
    leader.isOwing = false;
    actions.push({ do: "open-gate" });
  }
  release(leader, actions);
}

function hasRight({ standbys, heirs }: Rights, name: string): boolean {
  return standbys.includes(name) || heirs.includes(name);
}

/**
 * Has the arbiter name those that have everything. Whoever is to have no right any more is taken out first:
 * that can be done at once, and to add a name may take as long as that one needs to be heard.
 */
function nameThose(leader: Leader, actions: LeaderAction[]): void {
  const { asked, named } = leader;
  if (leader.isFenced) return;
  for (const follower of leader.followers) {
    const isWaiting = follower.phase === "holding" || follower.phase === "heir";
    const isReady = !leader.isOwing && follower.acked >= follower.heldFrom;
    if (asked === null && isWaiting && isReady) follower.phase = "naming";
  }
  const standbys = namesOf(leader, ({ phase }) => phase === "naming" || phase === "declared");
  const heirs = namesOf(leader, ({ phase }) => phase === "heir");
  const rights: Rights = { standbys, heirs };
  const known = asked === null ? named : unionOf(named, asked);
  const isOneOut = !hasAll(rights, known);
  if (asked !== null) {
    // Who is to have the right waits for an answer; one that is of no use is not waited for.
    if (hasAll(rights, asked)) return;
    leader.named = known;
  } else if (isSame(standbys, named.standbys) && isSame(heirs, named.heirs)) return;
  const next = isOneOut ? leftOf(leader.answered, rights) : rights;
  leader.asked = next;
  actions.push({ do: "name", ...next, question: ++leader.question });
}

function hasAll(rights: Rights, { standbys, heirs }: Rights): boolean {
  return [...standbys, ...heirs].every((name) => hasRight(rights, name));
}

/** @returns what is left of rights when all others are taken out, and nobody is added */
function leftOf({ standbys, heirs }: Rights, rights: Rights): Rights {
  return {
    standbys: standbys.filter((name) => rights.standbys.includes(name)),
    heirs: heirs.filter((name) => hasRight(rights, name)),
  };
}

function namesOf({ followers }: Leader, isOne: (follower: Follower) => boolean): string[] {
  return followers
    .filter(isOne)
    .map(({ name }) => name)
    .sort();
}

function isSame(one: readonly string[], other: readonly string[]): boolean {
  return one.length === other.length && one.every((name, at) => name === other[at]);
}

function unionOf(one: Rights, other: Rights): Rights {
  return {
    standbys: union(one.standbys, other.standbys),
    heirs: union(one.heirs, other.heirs),
  };
}

function union(one: readonly string[], other: readonly string[]): string[] {
  return [...new Set([...one, ...other])].sort();
}

function answered(leader: Leader, event: EventOf<"named">, actions: LeaderAction[]): void {
  const { asked, named } = leader;
  if (asked === null || event.question !== leader.question) return;
  leader.asked = null;
  if (!event.isDone) {
    if (event.problem === null) {
      fence(leader, actions);
      return;
    }
    // Whether the new ones have the right is not known: it is taken back.
    leader.named = unionOf(named, asked);
    for (const name of asked.standbys) {
      if (named.standbys.includes(name)) continue;
      lose(leader, find(leader, name), event.problem, false, actions);
    }
    nameThose(leader, actions);
    return;
  }
  leader.named = asked;
  leader.answered = asked;
  for (const follower of leader.followers) {
    if (follower.phase !== "naming" || !asked.standbys.includes(follower.name)) continue;
    follower.phase = "declared";
    actions.push({ do: "declared", to: follower.name });
  }
  forget(leader, actions);
  nameThose(leader, actions);
}

function fence(leader: Leader, actions: LeaderAction[]): void {
  leader.isFenced = true;
  leader.brackets = [];
  actions.push({ do: "fenced" });
}

function tick(leader: Leader, nowMs: number, actions: LeaderAction[]): void {
  const { patienceMs } = leader;
  for (const follower of [...leader.followers]) {
    if (follower.phase === "removing") continue;
    const isJoining = follower.phase === "joining";
    const isHeir = follower.phase === "heir";
    const mostMs = isJoining ? JOIN_MS : isHeir ? HEIR_PATIENCE * patienceMs : patienceMs;
    const behindMs = BEHIND_PATIENCE * patienceMs;
    const hasNoRoom = octetsBehind(leader, follower) >= follower.windowOctets;
    let reason: string | null = null;
    if (waitedMs(leader, follower, nowMs) > mostMs) {
      reason = `the standby did not acknowledge for ${mostMs} ms`;
    } else if (!isJoining && oldestMs(leader, follower, nowMs) > behindMs) {
      reason = `the standby was ${behindMs} ms behind with its acknowledgements`;
    } else if (hasNoRoom && nowMs - follower.appliedMs > patienceMs) {
      // It has stored what it was sent, and says that there is no room for more.
      reason = `the standby has had no room for ${patienceMs} ms`;
    }
    if (reason !== null) lose(leader, follower, reason, true, actions);
  }
}

/** @returns for how long an acknowledgement has been owed, and none that was new has come */
export function waitedMs(leader: Leader, follower: Follower, nowMs: number): number {
  return Math.min(oldestMs(leader, follower, nowMs), nowMs - follower.ackedMs);
}

/** @returns how long the oldest bracket that it owes has waited for it, 0 when it owes none */
function oldestMs({ brackets }: Leader, { acked, heldMs }: Follower, nowMs: number): number {
  const first = brackets.find(({ number }) => number > acked);
  return first === undefined ? 0 : nowMs - Math.max(first.sentMs, heldMs);
}

/** @returns octets of brackets that a follower has not acknowledged */
export function octetsBehind({ octets }: Leader, { ackedOctets }: Follower): number {
  return octets - ackedOctets;
}

/** Lets out what may be, and forgets brackets that nobody needs any more. */
function release(leader: Leader, actions: LeaderAction[]): void {
  let out = leader.number;
  let kept = leader.number;
  for (const follower of leader.followers) {
    if (isBinding(follower)) out = Math.min(out, follower.acked);
    if (follower.phase !== "removing") kept = Math.min(kept, follower.acked);
  }
  // A follower that is waited for from now on has not got what is out already.
  if (out > leader.released) {
    leader.released = out;
    actions.push({ do: "release", number: out });
  }
  const keep = Math.min(kept, leader.released);
  const done = leader.brackets.findIndex(({ number }) => number > keep);
  if (done !== 0) leader.brackets.splice(0, done < 0 ? leader.brackets.length : done);
}

function find({ followers }: Leader, name: string): Follower | null {
  return followers.find((follower) => follower.name === name) ?? null;
}
