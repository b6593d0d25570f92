/** One disturbance of an exchange point, measured from the clients' side. */
import { setTimeout as delay } from "node:timers/promises";
import { cpuSecondsOf, machineBusySeconds } from "../bench/usage.ts";
import { activeAndStatus, activeOf, notReady, reached, type Side } from "../chaos/sides.ts";
import { distributionOf } from "../chaos/silence.ts";
import type { NsrStatus } from "../test/lab/ask.ts";
import type { ClientsSilence } from "./clients.ts";
import {
  differencesOf,
  type Exchange,
  type Faults,
  faultsBetween,
  isReadyWithin,
  settle,
} from "./exchange.ts";

/**
 * kill: kill -9 of the active. switchover: as `tsbgp switchover`. bulk: kill -9 while all clients
 * announce their tables again. host: the host of the active is lost, of a pair on two hosts.
 */
export const ACTS = ["kill", "switchover", "bulk", "host"] as const;
export type Act = (typeof ACTS)[number];

export interface EpisodeOptions {
  readonly act: Act;
  /** Routes that change in a second, of all clients together. */
  readonly churn: number;
  /** Of the window in which silence is measured, from the disturbance on. */
  readonly windowSeconds: number;
  /** Of equal traffic just before. */
  readonly undisturbedSeconds: number;
  /** Of what clients are to be told in a bulk, how much they have been told when the kill comes. */
  readonly bulkShare: number;
}

/** Of all sessions: the longest time that each was told nothing. */
export interface Silence {
  /** Of each session. */
  readonly gapsMs: readonly number[];
  readonly medianMs: number;
  readonly p99Ms: number;
  readonly maxMs: number;
  /** Longest turn of the clients' own loop: times below it say nothing. */
  readonly turnMs: number;
}

export interface Episode {
  readonly act: Act;
  readonly undisturbed: Silence;
  /** Processors that were busy with something else on this machine in the undisturbed time. */
  readonly otherCores: number;
  readonly silence: Silence;
  /** While a new standby joined, until a second after it was ready; null where none was started. */
  readonly join: Silence | null;
  /**
   * Until a standby was ready again: from the start of the side that had ended, or from the order of
   * a switchover. Null when it did not come to that.
   */
  readonly readyAgainSeconds: number | null;
  /** Whether a standby could have taken over all sessions, just before; of a bulk, before that. */
  readonly wasReady: boolean;
  /** What clients noticed until the start of a standby, or until the end. */
  readonly faults: Faults;
  /** The same from the start of a standby on. */
  readonly joinFaults: Faults | null;
  /** Routes that clients hold in another way than they should, in the end. */
  readonly differences: number;
  /** Of what clients were to be told in the bulk, how much they had been told at the kill. */
  readonly toldShare: number | null;
  /** What went wrong, in words. */
  readonly problems: readonly string[];
  /** The pair's own account of it; null when no side is active, or none ever took over. */
  readonly lastSwitchover: SwitchoverAccount | null;
}

/** Of `show nsr`. */
export interface SwitchoverAccount {
  readonly cause: string;
  readonly planned: boolean;
  readonly ms: Readonly<Record<string, number>>;
  /** Sessions that went on, and that were lost. */
  readonly resumed: number;
  readonly lost: number;
  /** Why sessions were lost, each reason once. */
  readonly causes: readonly string[];
}

const WARM_MS = 1_000;
const TAKEOVER_MS = 5_000;
const READY_MS = 60_000;
const AFTER_JOIN_MS = 1_000;
const BULK_MS = 300_000;
/** Longer than anything takes that is measured without a given end. */
const OPEN_WINDOW_SECONDS = 3600;

/**
 * Disturbs an exchange, waits until it is ready again and all tables have settled.
 *
 * @throws Error when the harness itself cannot go on, or no side is active before
 */
export async function runEpisode(exchange: Exchange, options: EpisodeOptions): Promise<Episode> {
  const { clients, pair } = exchange;
  const { act, churn, undisturbedSeconds, windowSeconds } = options;
  const problems: string[] = [];
  clients.churn(churn);
  await delay(WARM_MS);
  const foreignBefore = foreignCpuSeconds(exchange);
  const undisturbed = await silenceDuring(exchange, undisturbedSeconds, async () => {});
  const otherCores = (foreignCpuSeconds(exchange) - foreignBefore) / undisturbedSeconds;
  const before = await clients.stat();
  const active = await activeAndStatus(pair);
  if (active === null) throw new Error("no side, or more than one, is active");
  const { side: victim, status } = active;
  const obstacle = notReady(pair, status);
  if (obstacle !== null) problems.push(obstacle);
  const toldShare = act === "bulk" ? await untilMiddleOfBulk(exchange, options.bulkShare) : null;
  let ready: Promise<number | null> = Promise.resolve(null);
  const silence = await silenceDuring(exchange, windowSeconds, async () => {
    if (act === "host") await pair.loseHost(victim);
    else if (act === "switchover") {
      const orderedMs = performance.now();
      if (!(await pair.orderSwitchover(victim))) problems.push("the switchover was refused");
      ready = secondsUntilReady(exchange, orderedMs);
    } else await victim.kill();
  });
  const tookOver = () => activeOf(pair).then((side) => side !== null && side !== victim);
  const isPair = pair.sides.length > 1;
  if (isPair && !(await reached(tookOver, TAKEOVER_MS))) problems.push("nobody took over");
  const joinBefore = await clients.stat();
  const isGone = !(await victim.isRunning());
  const join = isGone ? await rejoin(exchange, victim) : null;
  const readyAgainSeconds = join === null ? await ready : join.readySeconds;
  if (readyAgainSeconds === null) problems.push("no standby became ready again");
  const check = await settle(exchange);
  const differences = differencesOf(check);
  if (differences > 0) problems.push(`routes differ: ${JSON.stringify(check)}`);
  const after = await clients.stat();
  const lastSwitchover = accountOf((await activeAndStatus(pair))?.status ?? null);
  const lost = faultsBetween(before, after).closed;
  const causes = lastSwitchover === null ? [] : [lastSwitchover.cause, ...lastSwitchover.causes];
  const cause = causes.length === 0 ? "" : ` (${causes.join("; ")})`;
  if (lost > 0) problems.push(`${lost} sessions were closed${cause}`);
  return {
    ...{ act, undisturbed: figuresOf(undisturbed), otherCores, silence: figuresOf(silence) },
    ...{ join: join?.silence ?? null, readyAgainSeconds },
    faults: faultsBetween(before, join === null ? after : joinBefore),
    joinFaults: join === null ? null : faultsBetween(joinBefore, after),
    ...{ differences, toldShare, problems, lastSwitchover, wasReady: obstacle === null },
  };
}

interface Lost {
  readonly cause: string;
}

function accountOf(status: NsrStatus | null): SwitchoverAccount | null {
  const last = status?.last_switchover as
    | (Omit<SwitchoverAccount, "lost" | "causes"> & { readonly lost: readonly Lost[] })
    | null
    | undefined;
  if (last === null || last === undefined) return null;
  const { cause, planned, ms, resumed, lost } = last;
  const causes = [...new Set(lost.map((one) => one.cause))];
  return { cause, planned, ms, resumed, lost: lost.length, causes };
}

/** Silence of each session from just before the action until some time after it. */
async function silenceDuring(
  { clients }: Exchange,
  seconds: number,
  act: () => Promise<void>,
): Promise<ClientsSilence> {
  const markMs = await clients.mark(seconds);
  await act();
  await delay(Math.max(0, markMs + 1000 * seconds - Date.now()));
  return clients.silence();
}

/** Has everybody announce everything again. @returns the share that clients have been told by now */
async function untilMiddleOfBulk({ clients, options }: Exchange, share: number): Promise<number> {
  const all = options.clients * (options.clients - 1) * options.routes;
  clients.announce();
  await clients.told(Math.ceil(all * share), BULK_MS);
  return (await clients.stat()).told / all;
}

async function rejoin(exchange: Exchange, side: Side) {
  const { clients } = exchange;
  await clients.mark(OPEN_WINDOW_SECONDS);
  const startMs = performance.now();
  await side.start();
  const readySeconds = await secondsUntilReady(exchange, startMs);
  await delay(AFTER_JOIN_MS);
  return { readySeconds, silence: figuresOf(await clients.silence()) };
}

async function secondsUntilReady(exchange: Exchange, fromMs: number): Promise<number | null> {
  const isReady = await isReadyWithin(exchange, READY_MS);
  return isReady ? (performance.now() - fromMs) / 1000 : null;
}

/** Of all that is neither of the exchange nor of this process. */
function foreignCpuSeconds({ pair, clients }: Exchange): number {
  const sides = pair.sides.map((side) => pair.pidOf(side)).filter((pid) => pid !== null);
  return machineBusySeconds() - cpuSecondsOf([...sides, clients.pid, process.pid]);
}

function figuresOf({ gapsMs, turnMs }: ClientsSilence): Silence {
  const { median, p99, max } = distributionOf(gapsMs);
  return { gapsMs, medianMs: median, p99Ms: p99, maxMs: max, turnMs };
}
