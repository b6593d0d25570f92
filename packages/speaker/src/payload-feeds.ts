/**
 * Where validated ROA payloads come from: caches and files. What they say becomes calls of the router, which
 * a standby makes as well; who is connected to what is known here alone.
 */

import type { RpkiConfig, RtrCacheConfig } from "@ts-bgp/config";
import type { Call, CallName, ResultOf } from "@ts-bgp/replication";
import type { SourceEnd } from "@ts-bgp/rpki";
import { CacheConnection } from "./cache-connection.ts";
import type { FeedHooks, ShownFeed } from "./feed.ts";
import type { LogEvent } from "./log-event.ts";
import { WatchedRoaFile } from "./watched-roa-file.ts";

/** What feeds need of a speaker. */
export interface Fed {
  now(): number;
  mayWork(): boolean;
  lastEnd(source: string): SourceEnd | null;
  misfit(source: string): Uint8Array | null;
  run<N extends CallName>(call: Call<N>): ResultOf<N>;
  /** Much may be in the journal. */
  commit(): void;
  log(event: LogEvent): void;
}

export class PayloadFeeds {
  private readonly hooks: FeedHooks;
  private feeds: (CacheConnection | WatchedRoaFile)[] = [];
  private config: RpkiConfig | null = null;

  constructor(fed: Fed) {
    this.hooks = {
      now: () => fed.now(),
      mayWork: () => fed.mayWork(),
      lastEnd: (source) => fed.lastEnd(source),
      misfit: (source) => fed.misfit(source),
      payloads: (source, isBegin, octets) => {
        fed.run({ record: "payloads", source, begin: Number(isBegin), octets });
        fed.commit();
      },
      payloadsEnd: (source, end) =>
        fed.run({ record: "payloadsEnd", source, end, nowMs: fed.now() }),
      say: (level, source, message) =>
        fed.log({
          id: "rpki-source",
          level,
          neighbor: null,
          message: `${source}: ${message}`,
          fields: { source },
        }),
    };
  }

  /** Begins what is new, and ends what is gone; null for all. */
  use(config: RpkiConfig | null): void {
    const { caches = [], files = [] } = config ?? {};
    if (config === this.config) return;
    this.config = config;
    const before = this.feeds;
    const kept = (is: (feed: CacheConnection | WatchedRoaFile) => boolean) => before.find(is);
    this.feeds = [
      ...caches.map(
        (cache) =>
          kept((feed) => "name" in feed.config && isSameWay(feed.config, cache)) ??
          new CacheConnection(cache, this.hooks),
      ),
      ...files.map(
        (file) =>
          kept((feed) => "file" in feed.config && feed.config.file === file.file) ??
          new WatchedRoaFile(file, this.hooks),
      ),
    ];
    for (const feed of before) if (!this.feeds.includes(feed)) feed.stop();
  }

  /** To be called several times a second. */
  tick(): void {
    for (const feed of this.feeds) feed.tick();
  }

  /** There may be room for more. */
  resume(): void {
    for (const feed of this.feeds) feed.resume();
  }

  show(): ShownFeed[] {
    return this.feeds.map((feed) => feed.show());
  }
}

/** Whether there is one way to two caches. */
function isSameWay(a: RtrCacheConfig, b: RtrCacheConfig): boolean {
  const keyOf = ({ name, password, tls }: RtrCacheConfig) => JSON.stringify([name, password, tls]);
  return keyOf(a) === keyOf(b);
}
