/**
 * The webhook: events that wait here, on the thread that routes, are handed in messages to a thread of its own
 * (`webhook-worker.ts`), one at a time, which sends each until it is taken.
 *
 * What waits is bounded: for one that is away the oldest is dropped and counted, and the next message says how
 * much there was.
 */

import { randomUUID } from "node:crypto";
import type { WebhookConfig } from "@ts-bgp/config";
import { Thread } from "@ts-bgp/feeds/thread";
import type { LogEvent } from "@ts-bgp/speaker";
import { nowMs } from "@ts-bgp/speaker";
import type { ApiEvent } from "./api/messages.ts";
import { LOOKED_FOR, type LookedFor } from "./events.ts";

/** What waits for one that is slow or away. */
const WAITING_MAX = 1000;
/** In one message. */
const EVENTS_MAX = 100;
/** A side that takes over tells what it heard so long before: that it takes over, and what was lost with that. */
const BEFORE_MS = 10_000;
/** At the end of the process, for what is told of that. */
export const FLUSH_MS = 2000;
const THREAD_MEMORY = { maxOldGenerationSizeMb: 32, maxYoungGenerationSizeMb: 4 };

/** Ids that the webhook may be told of; the compiler sees that there are such. */
type EventId =
  | LogEvent["id"]
  | LookedFor
  | "config-rolled-back"
  | "config-stuck"
  | "config-differs"
  | "reload-refused"
  | "started"
  | "stopping";

/** Whose events these are. */
export interface Sender {
  readonly as: number;
  readonly id: string;
  /** Null for a speaker that runs alone. */
  readonly cluster: string | null;
  readonly side: string | null;
}

/** What is posted, as JSON. */
export interface WebhookMessage {
  /** The same when a message is sent again. */
  readonly delivery: string;
  readonly speaker: Sender;
  /** Events before these that nobody was told of. */
  readonly missed: number;
  readonly events: readonly ApiEvent[];
}

export type WebhookOrder = Pick<WebhookConfig, "url" | "secret"> & {
  readonly message: WebhookMessage;
};

/** Of the message that was ordered. `problem`: it was not taken this time, and is sent again. */
export type WebhookReport =
  | { readonly report: "taken" }
  | { readonly report: "refused"; readonly why: string }
  | { readonly report: "problem"; readonly why: string };

export interface WebhookHooks {
  sender(): Sender;
  /** @param wanted - what is looked for beside what the log tells. @returns what ends it */
  watch(wanted: readonly LookedFor[], heard: (event: ApiEvent) => void): () => void;
  say(level: "info" | "warn" | "error", message: string): void;
}

export interface ShownWebhook {
  /** The last message was taken, or there was none. */
  readonly isTaken: boolean;
  readonly waiting: number;
  readonly taken: number;
  /** Dropped since too many waited, and refused by the receiver. */
  readonly dropped: number;
  readonly refused: number;
}

export class Webhook {
  private readonly hooks: WebhookHooks;
  private config: WebhookConfig | null = null;
  private wanted: ReadonlySet<string> = new Set();
  private isActive = false;
  private endWatch: () => void = () => {};
  /** Of a side that is not active: what it would tell if it took over now. */
  private recent: ApiEvent[] = [];
  private waiting: ApiEvent[] = [];
  private missed = 0;
  private underWay: WebhookMessage | null = null;
  private readonly thread: Thread<WebhookOrder, WebhookReport>;
  private willTell = false;
  private problem: string | null = null;
  private emptied: () => void = () => {};
  private taken = 0;
  private dropped = 0;
  private refused = 0;

  constructor(hooks: WebhookHooks) {
    this.hooks = hooks;
    const url = new URL("./webhook-worker.ts", import.meta.url);
    this.thread = new Thread(
      { url, name: "webhook", resourceLimits: THREAD_MEMORY },
      {
        heard: (report) => this.heard(report),
        ended: () => true,
        again: () => {
          if (this.underWay !== null) this.send(this.underWay);
        },
        say: (level, message) => hooks.say(level, message),
      },
    );
  }

  /** A side that is active tells; what waits when it ceases to be that is told all the same. */
  use(config: WebhookConfig | null, isActive: boolean): void {
    const isOther = JSON.stringify(config) !== JSON.stringify(this.config);
    if (!isOther && isActive === this.isActive) return;
    this.endWatch();
    this.config = config;
    this.isActive = isActive;
    this.wanted = new Set<EventId>(config?.events);
    this.endWatch = config === null ? () => {} : this.watch(config);
    if (isActive) {
      const sinceMs = nowMs() - BEFORE_MS;
      for (const event of this.recent.splice(0)) if (event.at_ms >= sinceMs) this.hear(event);
    }
    if (isOther) this.beginAnew();
    this.tellSoon();
  }

  /** Null without a webhook. */
  show(): ShownWebhook | null {
    if (this.config === null) return null;
    const { problem, waiting, underWay, taken, dropped, refused } = this;
    const count = waiting.length + (underWay?.events.length ?? 0);
    return { isTaken: problem === null, waiting: count, taken, dropped, refused };
  }

  /** Resolves when all is told, or nobody takes it soon. */
  async stop(): Promise<void> {
    this.endWatch();
    if (this.problem === null && (this.underWay !== null || this.waiting.length > 0)) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.emptied = resolve;
      const timer = setTimeout(resolve, FLUSH_MS);
      await promise;
      clearTimeout(timer);
    }
    this.thread.end(null);
  }

  private watch({ events }: WebhookConfig): () => void {
    const wanted = this.isActive ? LOOKED_FOR.filter((id) => events.includes(id)) : [];
    return this.hooks.watch(wanted, (event) => this.hear(event));
  }

  private hear(event: ApiEvent): void {
    if (!this.wanted.has(event.id)) return;
    const list = this.isActive ? this.waiting : this.recent;
    list.push(event);
    if (list.length > WAITING_MAX) {
      list.shift();
      if (this.isActive) {
        this.missed++;
        this.dropped++;
      }
    }
    this.tellSoon();
  }

  /** The receiver is another one, or there is none any more. */
  private beginAnew(): void {
    this.thread.end(null);
    this.problem = null;
    if (this.config !== null) {
      if (this.underWay !== null) this.send(this.underWay);
      return;
    }
    this.recent = [];
    this.waiting = [];
    this.missed = 0;
    this.underWay = null;
  }

  /** What happens together is told together. */
  private tellSoon(): void {
    if (this.willTell || this.waiting.length === 0) return;
    this.willTell = true;
    setImmediate(() => {
      this.willTell = false;
      this.tell();
    });
  }

  private tell(): void {
    const { waiting, missed } = this;
    if (this.underWay !== null || waiting.length === 0) return;
    this.missed = 0;
    this.underWay = {
      delivery: randomUUID(),
      speaker: this.hooks.sender(),
      missed,
      events: waiting.splice(0, EVENTS_MAX),
    };
    this.send(this.underWay);
  }

  private send(message: WebhookMessage): void {
    const { url, secret } = this.config!;
    this.thread.begin();
    this.thread.order({ url, secret, message });
  }

  private heard(report: WebhookReport): void {
    const { length } = this.underWay!.events;
    if (report.report === "problem") {
      if (this.problem === null) {
        this.hooks.say("warn", `events are not taken, and wait: ${report.why}`);
      }
      this.problem = report.why;
      this.emptied();
      return;
    }
    if (report.report === "refused") {
      this.refused += length;
      this.missed += length + this.underWay!.missed;
      this.hooks.say("error", `${length} events are refused, and not sent again: ${report.why}`);
    } else {
      this.taken += length;
      if (this.problem !== null) this.hooks.say("info", "events are taken again");
    }
    this.problem = null;
    this.underWay = null;
    if (this.waiting.length === 0) this.emptied();
    this.tell();
  }
}
