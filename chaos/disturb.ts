/** What is done to a pair of the chaos harness in each mode. */
import { setTimeout as delay } from "node:timers/promises";
import type { LabPair } from "./pair.ts";
import type { Plan } from "./plan.ts";
import { activeOf, makeReady, reached, type Side } from "./sides.ts";

const READY_MS = 20_000;
/** A side that is active says so, sooner or later on a busy machine. */
const ACTIVE_MS = 5_000;

export interface Disturbance {
  /** Before the disturbance itself, when the link was cut; `null` where it was not. */
  readonly cutAtMs: number | null;
  readonly atMs: number;
  /** The other side has to be active in the end, or must not be; `null` where either may be. */
  readonly movesRole: boolean | null;
  /** Ends the victim once more; absent where that is SIGKILL. */
  readonly endAgain?: () => Promise<unknown>;
}

/**
 * @param victim - the active side
 * @param problem - told what goes wrong
 */
export async function disturb(
  pair: LabPair,
  plan: Plan,
  victim: Side,
  problem: (text: string) => void,
): Promise<Disturbance> {
  const { mode, cutMs } = plan;
  const cutAtMs = mode === "link" ? Date.now() : null;
  if (mode === "link") await cutAndHeal(pair, victim, cutMs, problem);
  const beganMs = Date.now();
  const movesRole = mode === "split" ? null : mode !== "none" && pair.kind !== "alone";
  if (mode === "namespace") {
    const lose = () => pair.loseHost(victim);
    const atMs = await lose();
    await endNext(pair, victim, (next) => pair.loseHost(next), problem);
    return { cutAtMs, atMs, movesRole, endAgain: lose };
  }
  await strike(pair, plan, victim, problem);
  if (mode === "process") await endNext(pair, victim, (next) => next.kill(), problem);
  return { cutAtMs, atMs: beganMs, movesRole };
}

/** With two standbys the next active ends as soon as it is one, before anybody has joined it. */
async function endNext(
  pair: LabPair,
  victim: Side,
  end: (next: Side) => Promise<unknown>,
  problem: (text: string) => void,
): Promise<void> {
  if (pair.sides.length < 3) return;
  let next: Side | null = null;
  const isNext = async () => {
    next = await activeOf(pair);
    return next !== null && next !== victim;
  };
  if (await reached(isNext, ACTIVE_MS)) await end(next!);
  else problem("nobody took over from the first");
}

async function strike(
  pair: LabPair,
  plan: Plan,
  victim: Side,
  problem: (text: string) => void,
): Promise<void> {
  const { mode, pauseMs, killMs } = plan;
  if (mode === "planned") {
    await victim.tsbgp("switchover", "--wait").catch((error: Error) => problem(error.message));
  } else if (mode === "interrupted") {
    await switchOverAndKill(pair, victim, killMs, problem);
  } else if (mode === "pause") {
    await victim.pause();
    await delay(pauseMs);
    await victim.resume();
  } else if (mode === "split") {
    await splitAndHeal(pair, victim, plan);
  } else if (mode !== "none") {
    await victim.kill();
  }
}

/** The old active ends before the hand-over, in the middle of it, or when it is done. */
async function switchOverAndKill(
  pair: LabPair,
  victim: Side,
  killMs: number,
  problem: (text: string) => void,
): Promise<void> {
  let isKilled = false;
  const ordered = pair.orderSwitchover(victim).then((isDone) => {
    // Whoever is killed does not answer any more.
    if (!isDone && !isKilled) problem("the switchover was refused");
  });
  await delay(killMs);
  isKilled = true;
  await victim.kill();
  await ordered;
}

/** Whoever is active afterwards, there is never a second one: the peers would have seen it. */
async function splitAndHeal(pair: LabPair, active: Side, { split, cutMs }: Plan): Promise<void> {
  const standby = pair.sides.find((side) => side !== active);
  const stopped = { active, standby, none: undefined }[split.stopped ?? "none"];
  await pair.split(active, split);
  await stopped?.pause();
  await delay(cutMs);
  await stopped?.resume();
  await pair.healSplit();
}

/** Without its link the active goes on alone, and has a ready standby again afterwards. */
async function cutAndHeal(
  pair: LabPair,
  active: Side,
  cutMs: number,
  problem: (text: string) => void,
): Promise<void> {
  await pair.cutLink();
  await delay(cutMs);
  const isActive = async () => (await activeOf(pair)) === active;
  if (!(await reached(isActive, ACTIVE_MS))) problem("the cut link moved the role");
  await pair.healLink();
  if (!(await makeReady(pair, READY_MS))) problem("not ready: after the cut of the link");
}
