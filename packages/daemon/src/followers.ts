/**
 * Those who follow the routes that are used, from a thread of their own: the table that they are told of, their
 * connections and their slowness are its business.
 *
 *     thread that routes                              followers-worker.ts
 *     router/observed.ts   outputs   --- routes --->  a table, and a log of what changes in it
 *     followers.ts         a piece   <-- walk ------  follower.ts   what each one is told
 *
 * When that thread does not follow, changes are not kept for it: it reads the table anew.
 */

import type { FollowersConfig } from "@ts-bgp/config";
import { TableWalk } from "@ts-bgp/feeds/table-walk";
import { Thread } from "@ts-bgp/feeds/thread";
import { TABLE, type Table } from "@ts-bgp/feeds-codec";
import { type Observed, type Router, tellsNextHops, type Wants } from "@ts-bgp/router";
import {
  type FollowersOrder,
  type FollowersReport,
  NO_FOLLOWERS,
  type ShownFollowers,
} from "./follower-orders.ts";
import type { Log } from "./logging.ts";

/** What may be under way to the thread; below the other one it is told again. */
const UNDER_WAY_OCTETS_MAX = 1 << 26;
const UNDER_WAY_OCTETS_LOW = 1 << 22;
/** A piece of the table is over when it has lasted this long. */
const PIECE_MS = 1;
/** So often it is looked whether a restart of the speaker is over. */
const RESTART_LOOK_MS = 200;

interface Followed {
  readonly router: Router;
  readonly observers: Set<object>;
}

export class Followers {
  shown: ShownFollowers = NO_FOLLOWERS;
  readonly wantsWrites: boolean = false;
  private readonly thread: Thread<FollowersOrder, FollowersReport>;
  private config: FollowersConfig | null = null;
  private speaker: Followed | null = null;
  private epoch = 0;
  private table: Table = TABLE.LOC_RIB;
  /** What of next hops the router tells. */
  private told = "";
  private runs: Uint8Array[] = [];
  private runOctets = 0;
  private underWay = 0;
  private isMissing = false;
  private willTell = false;
  private walk: TableWalk | null = null;
  /** For each configuration that the thread has not answered, the oldest first; null where nobody waits. */
  private unanswered: (PromiseWithResolvers<void> | null)[] = [];
  private readonly version: string;
  private readonly log: Log["say"];

  constructor(version: string, log: Log["say"]) {
    this.version = version;
    this.log = log;
    const url = new URL("./followers-worker.ts", import.meta.url);
    this.thread = new Thread(
      { url, name: "followers" },
      {
        heard: (report) => this.hear(report),
        ended: (problem) => this.ended(problem),
        again: () => this.resume(),
        say: (level, message) => this.say(level, message),
      },
    );
  }

  /** Lets followers in as a configuration says; rejects when the address cannot be had, with nothing changed. */
  async configure(config: FollowersConfig | null): Promise<void> {
    if (JSON.stringify(config) === JSON.stringify(this.config)) return;
    if (!this.thread.isUp) this.resume();
    const waiting = Promise.withResolvers<void>();
    this.orderConfig(config, waiting);
    await waiting.promise;
    this.thread.cancel();
    this.config = config;
    if (config === null) this.stop();
  }

  /** Followers are told the routes of a speaker from now on; null: of none. */
  use(speaker: Followed | null, epoch: number): void {
    const next = this.config === null ? null : speaker;
    if (next === this.speaker) {
      this.beginIfOther();
      return;
    }
    if (this.speaker !== null) this.leave(this.speaker);
    if (next === null) return;
    this.speaker = next;
    this.epoch = epoch;
    next.observers.add(this);
    this.begin();
  }

  event(event: Observed): void {
    if (event.kind === "routes") this.beginIfOther();
    if (event.kind !== "routes" || this.isMissing || !this.thread.isUp) return;
    this.runs.push(event.octets);
    this.runOctets += event.octets.length;
    if (this.willTell) return;
    this.willTell = true;
    setImmediate(() => {
      this.willTell = false;
      this.tell();
    });
  }

  /** What is written to peers is not asked for. */
  wrote(): void {}

  stop(): void {
    if (this.speaker !== null) this.leave(this.speaker);
    this.thread.end({ order: "stop" });
    this.shown = NO_FOLLOWERS;
  }

  private say(level: "info" | "warn" | "error", message: string): void {
    this.log(level, "followers", message);
  }

  /** There is a thread, and it lets followers in by what is in force. */
  private resume(): void {
    this.thread.cancel();
    if (this.thread.begin()) {
      this.underWay = 0;
      this.begin();
    }
    if (this.config !== null) this.orderConfig(this.config, null);
  }

  private orderConfig(
    config: FollowersConfig | null,
    waiting: PromiseWithResolvers<void> | null,
  ): void {
    this.unanswered.push(waiting);
    this.order({ order: "configure", config, software: this.version });
  }

  private begin(): void {
    if (this.speaker === null) return;
    this.isMissing = false;
    const { wants } = this.speaker.router.tables;
    this.told = toldOf(wants);
    this.table = tellsNextHops(wants) ? TABLE.NEXT_HOPS : TABLE.LOC_RIB;
    this.order({ order: "begin", epoch: this.epoch, table: this.table });
  }

  /** The router may tell other things than before, since its configuration is another one. */
  private beginIfOther(): void {
    if (this.speaker === null || toldOf(this.speaker.router.tables.wants) === this.told) return;
    this.forget();
    this.begin();
  }

  private leave(speaker: Followed): void {
    speaker.observers.delete(this);
    this.speaker = null;
    this.forget();
    this.order({ order: "end" });
  }

  private forget(): void {
    this.walk = null;
    this.runs = [];
    this.runOctets = 0;
  }

  private ended(problem: string): boolean {
    this.forget();
    this.shown = NO_FOLLOWERS;
    for (const waiting of this.unanswered.splice(0)) waiting?.reject(new Error(problem));
    return this.config !== null;
  }

  private tell(): void {
    const { runs, runOctets: octets } = this;
    if (runs.length === 0) return;
    this.runs = [];
    this.runOctets = 0;
    if (this.underWay > UNDER_WAY_OCTETS_MAX) {
      this.isMissing = true;
      this.walk = null;
      this.say("warn", "more changes than followers can be told: they are told everything anew");
      return;
    }
    this.underWay += octets;
    this.order({ order: "routes", runs, octets });
  }

  private order(order: FollowersOrder): void {
    this.thread.order(order);
  }

  private hear(report: FollowersReport): void {
    switch (report.report) {
      case "configured":
        this.answered(report.problem);
        return;
      case "taken":
        this.underWay -= report.octets;
        if (!this.isMissing || this.underWay > UNDER_WAY_OCTETS_LOW) return;
        this.isMissing = false;
        this.order({ order: "missed" });
        return;
      case "walk":
        this.walkOn(report.isFirst);
        return;
      case "shown":
        this.shown = report.shown;
        return;
      case "say":
        this.say(report.level, report.message);
        return;
    }
  }

  private answered(problem: string | null): void {
    const waiting = this.unanswered.shift() ?? null;
    if (problem === null) waiting?.resolve();
    else if (waiting !== null) waiting.reject(new Error(problem));
    else {
      this.say("error", `nobody can follow: ${problem}; it is tried again`);
      this.thread.beginLater();
    }
  }

  /** A piece of the table, in a turn of its own. */
  private walkOn(isFirst: boolean): void {
    if (this.speaker === null || this.isMissing) return;
    if (isFirst) this.walk = new TableWalk(this.speaker.router, [this.table], null);
    // What has happened before the piece is told before it; when that is too much, the walk is over.
    this.tell();
    const { walk } = this;
    if (walk === null) return;
    const end = performance.now() + PIECE_MS;
    const octets = walk.next(() => performance.now() < end);
    if (octets === null) {
      // After a restart of the speaker it is not all as long as neighbors have not told all.
      if (this.speaker.router.tables.restart.waiting !== 0) {
        setTimeout(() => {
          if (this.walk === walk) this.walkOn(false);
        }, RESTART_LOOK_MS).unref();
        return;
      }
      this.walk = null;
    }
    this.order({ order: "walked", octets });
  }
}

function toldOf({ paths = 1, interfaces = false }: Wants): string {
  return `${paths} ${interfaces}`;
}
