/** The traffic of scripted peers with tables of their own, between daemons that change routes as well. */
import { setTimeout as delay } from "node:timers/promises";
import { Prng } from "@ts-bgp/inject";
import { addressOf, FAMILIES } from "../test/lab/scene.ts";
import type { Differences } from "./expectation.ts";
import { bulkOf, type Change } from "./feed.ts";
import type { TrialPlan } from "./plan.ts";
import { missingOf } from "./restarter.ts";
import type { Scene } from "./scene.ts";
import { reached } from "./sides.ts";
import type { Traffic, Verdict } from "./traffic.ts";
import { encodeUpdate } from "./updates.ts";

/** Each scripted session sends one change in this time. */
const PACE_MS = 4;
const QUEUED_MAX = 4_000;
const SEND_MS = 20_000;

interface Bulk {
  readonly changes: readonly Change[];
  /** How many changes of the queue went before it. */
  readonly after: number;
}

export class FeedTraffic implements Traffic {
  readonly flowsOn: boolean = false;
  readonly betweenMs: number = 20;
  private readonly scene: Scene;
  private readonly plan: TrialPlan;
  private readonly upsBefore: readonly number[];
  private readonly toldBefore: number;
  private readonly prng: Prng;
  private queues: Change[][] = [];
  private changes: Promise<void> = Promise.resolve();
  private bulk: Promise<Bulk> | null = null;

  private constructor(scene: Scene, plan: TrialPlan, upsBefore: readonly number[]) {
    this.scene = scene;
    this.plan = plan;
    this.upsBefore = upsBefore;
    this.toldBefore = scene.cache?.told ?? 0;
    this.prng = new Prng(plan.seed);
  }

  static async start(scene: Scene, plan: TrialPlan): Promise<FeedTraffic> {
    return new FeedTraffic(scene, plan, await scene.upCounts());
  }

  async begin(round: number): Promise<void> {
    // It is away at the instant of whatever happens, and until the traffic ends.
    await this.scene.restarter?.leave();
    this.queues = this.queueChurn(round);
    await this.scene.feeder.go(PACE_MS, 1);
    this.changes = this.changeDaemons(this.plan.trial * 2 + round);
    // What goes wrong there is told at the end, unless something else does before.
    this.changes.catch(() => {});
  }

  /** The IPv4 table, all of it again. */
  async announceBulk(): Promise<void> {
    const { feeds, feeder } = this.scene;
    const { feed, session, address } = feeds[0]!;
    const changes = bulkOf(feed.table, this.prng);
    const messages = changes.map(({ family, nlri, attributes }) =>
      encodeUpdate(family, nlri, attributes, address),
    );
    this.bulk = feeder.send(session, messages, SEND_MS).then((after) => ({ changes, after }));
    this.bulk.catch(() => {});
  }

  async end(): Promise<string[]> {
    const counts = await this.scene.feeder.stop();
    const bulk = await this.bulk;
    await this.changes;
    this.bulk = null;
    return [...(await this.endRestart()), ...this.account(counts, bulk)];
  }

  /** The neighbor that has left comes back: until then everybody had its routes. */
  private async endRestart(): Promise<string[]> {
    const { daemons, restarter } = this.scene;
    if (restarter === null) return [];
    const found = await Promise.all(
      daemons.map(async ({ daemon }) => {
        const missing = missingOf(await daemon.routes("ipv4-unicast"));
        const whose = `${missing.length} routes of a neighbor that restarts`;
        return missing.length === 0 ? [] : [`${daemon.kind.name} has lost ${whose}`];
      }),
    );
    await restarter.comeBack();
    return found.flat();
  }

  async resets(): Promise<number> {
    const after = await this.scene.upCounts();
    const changed = after.filter((count, i) => count !== this.upsBefore[i]).length;
    return changed + this.scene.feeder.closed();
  }

  async settle(withinMs: number, look: () => void): Promise<Verdict> {
    const { scene } = this;
    const told = () => {
      look();
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
    const isCacheHeard = scene.cache === undefined || scene.cache.told > this.toldBefore;
    return {
      differences: wrong.reduce((sum, { count }) => sum + count, 0),
      messageFaults: 0,
      problems: [
        ...wrong.map(({ peer, count, told: words }) => {
          return `${peer}: ${count} routes differ: ${words.join("; ")}`;
        }),
        ...(isCacheHeard ? [] : ["no update of the cache came to its end"]),
      ],
    };
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

  /** What was sent is what must be held. */
  private account(counts: readonly number[], bulk: Bulk | null): string[] {
    const { expectation, feeds } = this.scene;
    const problems: string[] = [];
    for (const { session, address } of feeds) {
      const queue = this.queues[session]!;
      const sent = queue.slice(0, counts[session]);
      if (counts[session] === queue.length) problems.push("the churn ran dry");
      if (session === 0 && bulk !== null) sent.splice(bulk.after, 0, ...bulk.changes);
      for (const change of sent) expectation.apply(address, change);
    }
    return problems;
  }

  private async heldDifferences(): Promise<(Differences & { peer: string })[]> {
    const { daemons, expectation, pair } = this.scene;
    return Promise.all(
      daemons.flatMap(({ node, daemon }) =>
        FAMILIES.map(async (family) => {
          const peer = addressOf(node, family);
          const from = addressOf(pair, family);
          const views = (await daemon.routes(family)).filter((view) => view.from === from);
          return { peer, ...expectation.compareHeld(peer, views) };
        }),
      ),
    );
  }
}
