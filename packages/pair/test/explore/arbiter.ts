/** The arbiter of the world: who is active, by the rules that the shipped one has. */

import { claim, give, name, rightOf, stepSide } from "../../src/index.ts";
import { lead, perform } from "./acts.ts";
import { holderOf, NAMES, type Proc, type World } from "./world.ts";

export const LOST_ANSWER = "has the word changed, and is not told";

export const LOST_QUESTION = "asks for another word, and nobody hears it";

export function claimed(world: World, at: number, isTold: boolean): void {
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
    perform(world, at, stepSide(proc.side, { event: "passed-over" }));
    return;
  }
  const epoch = right === null ? null : world.word.epoch;
  perform(world, at, stepSide(proc.side, { event: "role", epoch, reason: null }));
}

function isAboutTo({ isAlive, isPaused, side, stored }: Proc): boolean {
  if (!isAlive || isPaused || stored === null) return false;
  return ["following", "claiming", "returning"].includes(side.state);
}

/** @param problem - what becomes of the question or its answer, if it is lost; who asked learns no more than that */
export function named(
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

export function gave(world: World, at: number): void {
  const proc = world.procs[at]!;
  delete proc.pending.give;
  const word = give(world.word, holderOf(world, at), NAMES[proc.giveTo]!);
  if (word !== null) world.word = word;
  perform(world, at, stepSide(proc.side, { event: "gave", isOurs: word !== null, reason: null }));
}
