/**
 * Those who are told what the active side does: feeds, mirrors, the record, followers of its routes, and the webhook;
 * and who tells it of routes of its host's kernel.
 */

import type { Config } from "@ts-bgp/config";
import { Feeds } from "@ts-bgp/feeds";
import { MirrorServer, type Pair, Recorder, type ShownNsr } from "@ts-bgp/nsr";
import { concealInSteps } from "@ts-bgp/replication";
import type { Router } from "@ts-bgp/router";
import type { Speaker } from "@ts-bgp/speaker";
import { Cluster } from "./cluster/cluster.ts";
import type { ControlHandler } from "./control.ts";
import { watchEvents } from "./events.ts";
import { feedMetrics } from "./feed-metrics.ts";
import { Followers } from "./followers.ts";
import { KernelSource } from "./kernel-source.ts";
import type { Log } from "./logging.ts";
import type { MetricRecord } from "./metric-parts.ts";
import { mirroredOf } from "./mirror/mirrored.ts";
import { RecordDesk } from "./past/ask-record.ts";
import type { Recorded } from "./past/past-commands.ts";
import { recordMetrics } from "./past/record-metrics.ts";
import { sideText } from "./status-text.ts";
import { inTurns } from "./turns.ts";
import { Webhook } from "./webhook.ts";
import { webhookMetrics } from "./webhook-metrics.ts";

/** What they are told of the speaker. */
export interface Observed {
  readonly version: string;
  router(): Router;
  shownNsr(): ShownNsr;
  /** Answers what the speaker is asked. */
  readonly answer: ControlHandler;
}

export class Observers {
  readonly feeds: Feeds;
  readonly followers: Followers;
  readonly mirrors: MirrorServer;
  readonly cluster: Cluster;
  private readonly kernel: KernelSource;
  /** What is recorded, for those who ask. */
  readonly record: Recorded;
  private readonly recorder: Recorder;
  private readonly desk: RecordDesk;
  private readonly webhook: Webhook;

  constructor(log: Log, { version, router, shownNsr, answer }: Observed) {
    this.feeds = new Feeds({
      version,
      describe: () => sideText(shownNsr()),
      say: (level, message, fields) => log.say(level, "feed", message, fields),
    });
    this.followers = new Followers(version, (...said) => log.say(...said));
    this.cluster = new Cluster(version, (...said) => log.say(...said), answer);
    this.kernel = new KernelSource((level, message) => log.say(level, "kernel-routes", message));
    this.mirrors = new MirrorServer({ software: version, log: log.event });
    const recorder = new Recorder({ software: version, log: log.event });
    const desk = new RecordDesk((message) => log.say("warn", "record", message));
    this.recorder = recorder;
    this.desk = desk;
    this.record = {
      get shown() {
        return recorder.shown;
      },
      ask: (asked) => desk.ask(asked),
    };
    this.webhook = new Webhook({
      sender: () => {
        const { as, id } = router().tables.config.router;
        const { cluster, side } = shownNsr();
        return { as, id, cluster: cluster || null, side: side || null };
      },
      watch: (wanted, heard) => watchEvents(log, router, wanted, heard),
      say: (level, message) => log.say(level, "webhook", message),
    });
  }

  /**
   * Lets those in who follow as a configuration says; rejects when an address cannot be had, with nothing changed.
   *
   * @param octets - of the one that is about to come into force, for mirrors and the record; null for none
   */
  async configure(config: Config, before: Config, octets: Uint8Array | null = null): Promise<void> {
    const isMirrored = before.mirrors !== null || before.record !== null;
    if (isMirrored && octets !== null) await inTurns(concealInSteps(octets));
    await this.followers.configure(config.followers);
    try {
      await this.cluster.configure(config.cluster);
    } catch (error) {
      await this.followers.configure(before.followers);
      throw error;
    }
  }

  /** @param speaker - null while this side is not active */
  use(speaker: Speaker | null, config: Config, pair: Pair | null, epoch: number): void {
    this.feeds.use(speaker, config);
    const mirrored = mirroredOf(speaker, pair);
    this.mirrors.use(mirrored, config.mirrors);
    this.recorder.use(mirrored, config.record);
    // Also before this side acts: once it does, it has more to do, and is larger.
    if (config.record === null) this.desk.close();
    else this.desk.open();
    this.followers.use(speaker, epoch);
    this.cluster.use(speaker, epoch);
    this.kernel.use(speaker);
    this.webhook.use(config.webhook, speaker !== null);
  }

  metrics(): MetricRecord[] {
    return [
      ...feedMetrics(this.feeds, this.followers.shown),
      ...recordMetrics(this.recorder.shown),
      ...webhookMetrics(this.webhook.show()),
    ];
  }

  async stop(): Promise<void> {
    this.followers.stop();
    this.kernel.use(null);
    this.desk.close();
    await Promise.all([
      ...[this.feeds.stop(), this.webhook.stop(), this.recorder.stop()],
      this.cluster.stop(),
    ]);
  }
}
