/** One trial: traffic, a disturbance at a random instant, and the verdict of every peer. */
import { setTimeout as delay } from "node:timers/promises";
import { until } from "../test/lab/until.ts";
import type { Disturbance } from "./disturb.ts";
import type { TrialPlan } from "./plan.ts";
import {
  activeAndStatus,
  activeOf,
  makeReady,
  notReady,
  type Pair,
  reached,
  type Side,
} from "./sides.ts";
import { isFlowing, type Silence, silenceOf } from "./silence.ts";
import type { Traffic } from "./traffic.ts";
import type { Fault, WatchedSession, WireEvent, WireWatch } from "./wire-watch.ts";

/** Traffic takes some time to get through to everyone. */
const WARM_MS = 200;
/** Traffic goes on after a disturbance. */
const AFTER_MS = 1_000;
/** The last standby that has joined may not disturb anybody afterwards either. */
const AFTER_READY_MS = 1_000;
const TAKEOVER_MS = 5_000;
/** A side that is active says so, sooner or later on a busy machine. */
const ACTIVE_MS = 5_000;
const READY_MS = 20_000;
const SETTLE_MS = 20_000;
/** A reset session has lost its routes: there is nothing to wait for. */
const SETTLE_AFTER_RESET_MS = 2_000;

const SESSION_FAULTS = new Set<Fault>(["FIN", "RST", "OPEN", "NOTIFICATION"]);
const MESSAGE_FAULTS = new Set<Fault>([
  "malformed",
  "duplicate",
  "withdrawn",
  "rewritten",
  "cut",
  "hole",
  "stale",
  "clock",
]);

/** Milliseconds, the longest of all sessions. */
export interface Silences {
  /** Between two packets of ours that make progress, around the disturbance. */
  readonly silenceMs: number;
  /** Who was silent for so long, and when that began, from the disturbance. */
  readonly silentPeer: string;
  readonly silentAtMs: number;
  /** The same where a peer's own retransmission timer had to expire first. */
  readonly retransmissionMs: number;
  /** From the disturbance to the first progress. */
  readonly firstMs: number;
  /** Longest silence of equal traffic just before. */
  readonly undisturbedMs: number;
  /** Longest silence from the cut of the link to the disturbance; 0 where there was no cut. */
  readonly cutSilenceMs: number;
  /**
   * Longest silence of what came then: until a second after a standby was ready again. 0 where the
   * traffic ends before.
   */
  readonly joinSilenceMs: number;
}

const NO_SILENCE: Silences = {
  ...{ silenceMs: 0, silentPeer: "", silentAtMs: 0 },
  ...{ retransmissionMs: 0, firstMs: 0, undisturbedMs: 0, cutSilenceMs: 0, joinSilenceMs: 0 },
};

export interface TrialResult extends TrialPlan, Silences {
  readonly sessionsReset: number;
  readonly sessionFaults: number;
  readonly routeDifferences: number;
  readonly messageFaults: number;
  readonly notReady: number;
  /** Everything that is wrong, in words; the trial has passed when there is nothing. */
  readonly problems: readonly string[];
  /** The pair's own account of the last switch. */
  readonly lastSwitchover: unknown;
  /** Which side was active at the end. */
  readonly active: string;
}

/**
 * Does what a trial is about.
 *
 * @param victim - the active side
 * @param problem - told what goes wrong
 */
export type Disturb = (victim: Side, problem: (text: string) => void) => Promise<Disturbance>;

/** What a trial happens in. */
export interface TrialScene {
  readonly pair: Pair;
  readonly watch: WireWatch;
  /** Judge what all captures have seen since the last call. */
  look(): void;
  /** What peers announce meanwhile; made anew for each trial. */
  startTraffic(plan: TrialPlan): Promise<Traffic>;
}

/** What goes wrong in the harness itself, or with a daemon's answers, fails the trial as well. */
export async function runTrial(
  scene: TrialScene,
  plan: TrialPlan,
  disturb: Disturb,
): Promise<TrialResult> {
  try {
    return await new Trial(scene, plan, disturb, await scene.startTraffic(plan)).run();
  } catch (error) {
    return {
      ...plan,
      ...{ sessionsReset: 0, sessionFaults: 0, routeDifferences: 0, messageFaults: 0, notReady: 0 },
      ...NO_SILENCE,
      problems: [`stopped: ${error instanceof Error ? error.message : error}`],
      lastSwitchover: null,
      active: "unknown",
    };
  }
}

/** Nothing was measured: the machine is too busy. */
export const NO_TRAFFIC = "no session had traffic before the disturbance";

class Trial {
  private readonly scene: TrialScene;
  private readonly plan: TrialPlan;
  private readonly disturb: Disturb;
  private readonly traffic: Traffic;
  private readonly problems: string[] = [];
  private notReady = 0;
  private readonly silences: Silences[] = [];

  constructor(scene: TrialScene, plan: TrialPlan, disturb: Disturb, traffic: Traffic) {
    this.scene = scene;
    this.plan = plan;
    this.disturb = disturb;
    this.traffic = traffic;
  }

  async run(): Promise<TrialResult> {
    const { scene, plan, traffic } = this;
    scene.look();
    const eventsBefore = scene.watch.events.length;
    const rounds = plan.moment === "again" ? 2 : 1;
    for (let round = 0; round < rounds && this.notReady === 0; round++) await this.round(round);
    const reset = await traffic.resets();
    const withinMs = reset === 0 ? SETTLE_MS : SETTLE_AFTER_RESET_MS;
    const verdict = await traffic.settle(withinMs, () => scene.look());
    if (reset > 0) this.problems.push(`${reset} sessions were reset`);
    this.problems.push(...verdict.problems);
    scene.watch.finish();
    const events = scene.watch.events.slice(eventsBefore);
    for (const event of events.slice(0, 10)) this.problems.push(wordsOf(event));
    const isIn = (faults: ReadonlySet<Fault>) => events.filter(({ fault }) => faults.has(fault));
    const active = await activeOf(scene.pair);
    const status = await active?.status();
    const [worst] = this.silences.toSorted((a, b) => b.silenceMs - a.silenceMs);
    return {
      ...plan,
      sessionsReset: reset,
      sessionFaults: isIn(SESSION_FAULTS).length,
      routeDifferences: verdict.differences,
      messageFaults: isIn(MESSAGE_FAULTS).length + verdict.messageFaults,
      notReady: this.notReady,
      ...(worst ?? NO_SILENCE),
      retransmissionMs: Math.max(0, ...this.silences.map((one) => one.retransmissionMs)),
      problems: this.problems,
      lastSwitchover: status?.last_switchover ?? null,
      active: active?.name ?? "none",
    };
  }

  /** Traffic, a disturbance, and both sides there again. */
  private async round(round: number): Promise<void> {
    const { scene, plan, traffic } = this;
    for (const session of scene.watch.sessions.values()) session.signs = [];
    await traffic.begin(round);
    const startMs = Date.now();
    await delay(plan.delayMs);
    if (plan.moment === "bulk") {
      await traffic.announceBulk();
      await delay(plan.bulkMs);
    }
    const active = () => activeAndStatus(scene.pair);
    const found = await until(active, ACTIVE_MS, "a side is active before the disturbance");
    const { side: victim, status } = found;
    const obstacle = notReady(scene.pair, status);
    if (obstacle !== null) this.problems.push(obstacle);
    const disturbance = await this.disturb(victim, (text) => this.problems.push(text));
    await delay(AFTER_MS);
    const endMs = Date.now();
    if (!traffic.flowsOn) this.problems.push(...(await traffic.end()));
    await this.rejoin(victim, disturbance);
    let readyMs = endMs;
    if (traffic.flowsOn) {
      await delay(AFTER_READY_MS);
      readyMs = Date.now();
      this.problems.push(...(await traffic.end()));
    }
    scene.look();
    this.listen(startMs, disturbance, endMs, readyMs);
  }

  /** The right side is active; whoever has ended is started again, and both become ready. */
  private async rejoin(victim: Side, { movesRole, endAgain }: Disturbance): Promise<void> {
    const { pair } = this.scene;
    const { moment, joinMs } = this.plan;
    const tookOver = () => activeOf(pair).then((side) => side !== null && side !== victim);
    if (movesRole === true && !(await reached(tookOver, TAKEOVER_MS))) {
      this.missReady("nobody took over");
      return;
    }
    if (moment === "join" && !(await victim.isRunning())) {
      await victim.start();
      await delay(joinMs);
      await (endAgain?.() ?? victim.kill());
      await until(async () => !(await victim.isRunning()), TAKEOVER_MS, "the standby is dead");
    }
    if (!(await makeReady(pair, READY_MS))) this.missReady("no ready standby");
    const active = await activeOf(pair);
    if (movesRole === false && active !== victim && active !== null)
      this.problems.push("the role moved");
  }

  private missReady(why: string): void {
    this.notReady = 1;
    this.problems.push(`not ready: ${why}`);
  }

  private listen(
    startMs: number,
    { cutAtMs: cut, atMs }: Disturbance,
    endMs: number,
    readyMs: number,
  ): void {
    const cutAtMs = cut ?? atMs;
    const all = [...this.scene.watch.sessions.values()];
    const warmMs = startMs + WARM_MS;
    const { betweenMs } = this.traffic;
    const flowing = all.filter(({ signs }) => isFlowing(signs, warmMs, cutAtMs, betweenMs));
    if (flowing.length === 0) this.problems.push(NO_TRAFFIC);
    const longest = (of: readonly WatchedSession[], value: keyof Silence) =>
      of
        .map(({ peer, signs }) => {
          const silence = silenceOf(signs, atMs, endMs);
          return { peer, ms: silence[value], atMs: silence.longestAtMs };
        })
        .reduce((a, b) => (b.ms > a.ms ? b : a), { peer: "", ms: 0, atMs: 0 });
    const silence = longest(flowing, "longestMs");
    const undisturbed = flowing.map(({ signs }) => {
      const before = signs.filter(({ timeMs }) => timeMs <= cutAtMs);
      return silenceOf(before, warmMs, before.at(-1)!.timeMs).longestMs;
    });
    this.silences.push({
      silenceMs: silence.ms,
      silentPeer: silence.peer,
      silentAtMs: silence.atMs,
      retransmissionMs: longest(all, "repeatMs").ms,
      firstMs: longest(flowing, "firstMs").ms,
      undisturbedMs: Math.max(0, ...undisturbed),
      cutSilenceMs: Math.max(
        0,
        ...(cutAtMs === atMs ? [] : flowing).map(
          ({ signs }) => silenceOf(signs, cutAtMs, atMs).longestMs,
        ),
      ),
      joinSilenceMs: Math.max(
        0,
        ...(readyMs === endMs ? [] : flowing).map(
          ({ signs }) => silenceOf(signs, endMs, readyMs).longestMs,
        ),
      ),
    });
  }
}

function wordsOf({ timeMs, peer, by, fault, detail }: WireEvent): string {
  const time = new Date(timeMs).toISOString().slice(11, 23);
  return `${time} ${peer}: ${fault} by ${by === "us" ? "the speaker" : "the peer"}: ${detail}`;
}
