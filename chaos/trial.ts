/** One trial: traffic, a disturbance at a random instant, and the verdict of every peer. */
import { setTimeout as delay } from "node:timers/promises";
import { Prng } from "@ts-bgp/inject";
import { addressOf, FAMILIES } from "../test/lab/scene.ts";
import { until } from "../test/lab/until.ts";
import type { Disturbance } from "./disturb.ts";
import type { Differences } from "./expectation.ts";
import { bulkOf, type Change } from "./feed.ts";
import type { TrialPlan } from "./plan.ts";
import { addressOfPair, type Scene } from "./scene.ts";
import { activeOf, makeReady, reached, type Side } from "./sides.ts";
import { isFlowing, type Silence, silenceOf } from "./silence.ts";
import { encodeUpdate } from "./updates.ts";
import type { Fault, WatchedSession, WireEvent } from "./wire-watch.ts";

/** Each scripted session sends one change in this time. */
const PACE_MS = 4;
/** Traffic takes some time to get through to everyone. */
const WARM_MS = 200;
/** Traffic goes on after a disturbance. */
const AFTER_MS = 1_000;
const QUEUED_MAX = 4_000;
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
}

const NO_SILENCE: Silences = {
  ...{ silenceMs: 0, silentPeer: "", silentAtMs: 0 },
  ...{ retransmissionMs: 0, firstMs: 0, undisturbedMs: 0, cutSilenceMs: 0 },
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

/** What goes wrong in the harness itself, or with a daemon's answers, fails the trial as well. */
export async function runTrial(
  scene: Scene,
  plan: TrialPlan,
  disturb: Disturb,
): Promise<TrialResult> {
  try {
    return await new Trial(scene, plan, disturb).run();
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
  private readonly scene: Scene;
  private readonly plan: TrialPlan;
  private readonly disturb: Disturb;
  private readonly prng: Prng;
  private readonly problems: string[] = [];
  private notReady = 0;
  private readonly silences: Silences[] = [];

  constructor(scene: Scene, plan: TrialPlan, disturb: Disturb) {
    this.scene = scene;
    this.plan = plan;
    this.disturb = disturb;
    this.prng = new Prng(plan.seed);
  }

  async run(): Promise<TrialResult> {
    const { scene, plan } = this;
    const upsBefore = await scene.upCounts();
    scene.look();
    const eventsBefore = scene.watch.events.length;
    const rounds = plan.moment === "again" ? 2 : 1;
    for (let round = 0; round < rounds && this.notReady === 0; round++) await this.round(round);
    const reset = await this.sessionsReset(upsBefore);
    const differences = await this.settle(reset === 0 ? SETTLE_MS : SETTLE_AFTER_RESET_MS);
    if (reset > 0) this.problems.push(`${reset} sessions were reset`);
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
      routeDifferences: differences,
      messageFaults: isIn(MESSAGE_FAULTS).length,
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
    const { scene, plan } = this;
    for (const session of scene.watch.sessions.values()) session.signs = [];
    const queues = this.queueChurn(round);
    await scene.feeder.go(PACE_MS, 1);
    const startMs = Date.now();
    const changes = this.changeDaemons(plan.trial * 2 + round);
    // What goes wrong there is told below, unless something else does before.
    changes.catch(() => {});
    await delay(plan.delayMs);
    const bulk = plan.moment === "bulk" ? this.announceBulk() : null;
    if (bulk !== null) await delay(plan.bulkMs);
    const active = () => activeOf(scene.pair);
    const victim = await until(active, ACTIVE_MS, "a side is active before the disturbance");
    const disturbance = await this.disturb(victim, (text) => this.problems.push(text));
    await delay(AFTER_MS);
    const endMs = Date.now();
    const counts = await scene.feeder.stop();
    const bulkAfter = await bulk;
    await changes;
    this.account(queues, counts, bulkAfter);
    await this.rejoin(victim, disturbance);
    scene.look();
    this.listen(startMs, disturbance, endMs);
  }

  private queueChurn(round: number): Change[][] {
    const { feeds, feeder } = this.scene;
    return feeds.map(({ feed, session, address }) => {
      const { churn } = feed;
      const from = (this.plan.seed + round * QUEUED_MAX) % Math.max(1, churn.length);
      const changes = Array.from(
        { length: churn.length === 0 ? 0 : QUEUED_MAX },
        (_, i) => churn[(from + i) % churn.length]!,
      );
      const messages = changes.map(({ family, nlri, attributes }) =>
        encodeUpdate(family, nlri, attributes, address),
      );
      feeder.queue(session, messages);
      return changes;
    });
  }

  /** The daemons announce something else as well, at instants of their own. */
  private async changeDaemons(number: number): Promise<void> {
    const { plan, prng, scene } = this;
    await Promise.all(
      scene.daemons.map(async (end) => {
        await delay(prng.below(plan.delayMs + 200));
        const changed = scene.changedRoutes(end, number);
        await end.daemon.announce(changed);
        for (const route of changed) end.routes.set(route.prefix, route);
      }),
    );
  }

  /** The IPv4 table, all of it again. */
  private async announceBulk(): Promise<{ changes: Change[]; after: number }> {
    const { feeds, feeder } = this.scene;
    const { feed, session, address } = feeds[0]!;
    const changes = bulkOf(feed.table, this.prng);
    const messages = changes.map(({ family, nlri, attributes }) =>
      encodeUpdate(family, nlri, attributes, address),
    );
    return { changes, after: await feeder.send(session, messages, SETTLE_MS) };
  }

  /** What was sent is what must be held. */
  private account(
    queues: readonly Change[][],
    counts: readonly number[],
    bulk: { changes: Change[]; after: number } | null,
  ): void {
    const { expectation, feeds } = this.scene;
    for (const { session, address } of feeds) {
      const sent = queues[session]!.slice(0, counts[session]);
      if (counts[session] === queues[session]!.length) this.problems.push("the churn ran dry");
      const inserted = session === 0 && bulk !== null ? bulk : { changes: [], after: 0 };
      sent.splice(inserted.after, 0, ...inserted.changes);
      for (const change of sent) expectation.apply(address, change);
    }
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

  private listen(startMs: number, { cutAtMs: cut, atMs }: Disturbance, endMs: number): void {
    const cutAtMs = cut ?? atMs;
    const all = [...this.scene.watch.sessions.values()];
    const warmMs = startMs + WARM_MS;
    const flowing = all.filter(({ signs }) => isFlowing(signs, warmMs, cutAtMs));
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
    });
  }

  private async sessionsReset(before: readonly number[]): Promise<number> {
    const after = await this.scene.upCounts();
    const changed = after.filter((count, i) => count !== before[i]).length;
    return changed + this.scene.feeder.closed();
  }

  /** Wait until all peers have what they must. @returns how many routes differ in the end */
  private async settle(withinMs: number): Promise<number> {
    const { scene } = this;
    const told = () => {
      scene.look();
      return [...scene.watch.sessions.values()].map(({ peer, us }) => ({
        peer,
        ...scene.expectation.compareTold(peer, us.messages.held),
      }));
    };
    await reached(() => told().every(({ count }) => count === 0), withinMs);
    let held: (Differences & { peer: string })[] = [];
    await reached(async () => {
      held = await this.heldDifferences();
      return held.every(({ count }) => count === 0);
    }, withinMs / 4);
    const wrong = [...told(), ...held].filter(({ count }) => count > 0);
    for (const { peer, count, told: words } of wrong) {
      this.problems.push(`${peer}: ${count} routes differ: ${words.join("; ")}`);
    }
    return wrong.reduce((sum, { count }) => sum + count, 0);
  }

  private async heldDifferences(): Promise<(Differences & { peer: string })[]> {
    const { daemons, expectation, pair } = this.scene;
    return Promise.all(
      daemons.flatMap(({ node, daemon }) =>
        FAMILIES.map(async (family) => {
          const peer = addressOf(node, family);
          const from = addressOfPair(pair, family);
          const views = (await daemon.routes(family)).filter((view) => view.from === from);
          return { peer, ...expectation.compareHeld(peer, views) };
        }),
      ),
    );
  }
}

function wordsOf({ timeMs, peer, by, fault, detail }: WireEvent): string {
  const time = new Date(timeMs).toISOString().slice(11, 23);
  return `${time} ${peer}: ${fault} by ${by === "us" ? "the speaker" : "the peer"}: ${detail}`;
}
