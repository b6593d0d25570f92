/**
 * Those who observe a speaker, from a thread of their own: what is encoded for them, their connections and
 * their slowness are its business.
 *
 *     thread that routes                                   feeds-worker.ts
 *     router/observed.ts   outputs      --- events --->    peers.ts      who is up
 *     feeds.ts             what is sent --- writes --->    station.ts    what each station is told
 *     table-walk.ts        a piece      <-- asks ------    stations.ts   connections with them
 *
 * Each way is bounded. When the thread of the feeds does not follow, events are not kept for it: it is told
 * that it missed some, and tells everything anew.
 */

import { hostname } from "node:os";
import type { Config } from "@ts-bgp/config";
import { type ConnectionId, type Observed, observedSession, type Router } from "@ts-bgp/router";
import { parseIpv4 } from "@ts-bgp/wire-codec";
import { Dumps } from "./dumps.ts";
import { numbersOf } from "./numbers.ts";
import type {
  DumpRequest,
  DumpResult,
  DumpsRequest,
  FeedOrder,
  FeedReport,
  ShownMrt,
  ShownStation,
  Told,
} from "./orders.ts";
import { TableWalk } from "./table-walk.ts";
import { Thread } from "./thread.ts";
import { WriteBatch } from "./write-batch.ts";

/** What may be under way to the thread. */
const UNDER_WAY_OCTETS_MAX = 1 << 26;
/** Below this it is told again, after it was too slow. */
const UNDER_WAY_OCTETS_LOW = 1 << 22;
/** Octets that an event takes, beside its own. */
const EVENT_OCTETS = 100;
/** A piece of a walk is over when it has lasted this long. */
const PIECE_MS = 1;
/** For files that are being written when the speaker stops. */
const STOP_MS = 2000;

/** A speaker as it is observed. */
export interface Observable {
  readonly router: Router;
  readonly observers: Set<object>;
}

export interface FeedsHooks {
  readonly version: string;
  /** What stations are told of this side when it begins to tell. */
  describe(): string;
  say(level: "info" | "warn" | "error", message: string, fields?: object): void;
}

export class Feeds {
  stations: readonly ShownStation[] = [];
  mrt: ShownMrt | null = null;
  /** What is written to peers is wanted as well. */
  wantsWrites = false;
  private readonly hooks: FeedsHooks;
  private readonly thread: Thread<FeedOrder, FeedReport>;
  private speaker: Observable | null = null;
  private told: Told = { bmp: null, mrt: null };
  private events: Observed[] = [];
  private eventOctets = 0;
  private readonly writes: WriteBatch = new WriteBatch();
  private willTell = false;
  private underWay = 0;
  /** Events are lost until the thread has caught up. */
  private isMissing = false;
  private readonly walks: Map<number, TableWalk> = new Map();
  private readonly dumps: Dumps;

  constructor(hooks: FeedsHooks) {
    this.hooks = hooks;
    this.dumps = new Dumps({
      order: (order) => {
        this.beginThread();
        this.order(order);
      },
      say: (level, message) => hooks.say(level, message),
    });
    const url = new URL("./feeds-worker.ts", import.meta.url);
    this.thread = new Thread(
      { url, name: "feeds" },
      {
        heard: (report) => this.hear(report),
        ended: (problem) => this.ended(problem),
        again: () => this.start(),
        say: (level, message) => hooks.say(level, message),
      },
    );
  }

  /** From now on a speaker is observed, as its configuration wants; null for none. */
  use(speaker: Observable | null, { bmp, mrt }: Pick<Config, "bmp" | "mrt">): void {
    const next = bmp === null && mrt === null ? null : speaker;
    const isOther = bmp !== this.told.bmp || mrt !== this.told.mrt;
    this.told = { bmp, mrt };
    if (next !== null && next === this.speaker) {
      if (!isOther) return;
      this.watch(next);
      this.order({ order: "configure", told: this.told });
      return;
    }
    if (this.speaker !== null) this.leave(this.speaker);
    if (next === null) return;
    this.watch(next);
    this.start();
  }

  /** Writes routes of a router into a file. @returns what it has; rejects when it cannot be written */
  dump(router: Router, request: DumpRequest): Promise<DumpResult> {
    return this.dumps.write(router, request);
  }

  /** Something has happened. */
  event(event: Observed): void {
    if (this.isMissing) return;
    this.events.push(event);
    const octets = "octets" in event ? event.octets.length : 0;
    this.eventOctets += EVENT_OCTETS + octets;
    this.tellSoon();
  }

  /** Octets were written to a peer. */
  wrote(connection: ConnectionId, octets: Uint8Array): void {
    if (this.isMissing || this.speaker === null) return;
    const row = this.speaker.router.neighborOf(connection)?.row;
    if (row === undefined) return;
    // What happened before it was written is told before.
    if (this.events.length > 0) this.tell();
    this.writes.add(row, octets);
    this.tellSoon();
  }

  /** Resolves once files are complete, or gone; the disk has so long for that. */
  async stop(): Promise<void> {
    this.thread.cancel();
    if (this.speaker !== null) this.leave(this.speaker);
    this.order({ order: "stop" });
    await this.thread.untilGone(STOP_MS);
  }

  private watch(speaker: Observable): void {
    this.speaker = speaker;
    speaker.observers.add(this);
    this.wantsWrites =
      this.told.bmp?.stations.some(({ tables }) => tables.includes("adj-out-post")) ?? false;
  }

  private leave(speaker: Observable): void {
    speaker.observers.delete(this);
    this.speaker = null;
    this.walks.clear();
    this.events = [];
    this.eventOctets = 0;
    this.writes.clear();
    this.stations = [];
    this.mrt = null;
    this.order({ order: "end" });
  }

  private start(): void {
    const { speaker } = this;
    if (speaker === null) return;
    this.beginThread();
    this.isMissing = false;
    const { as, id } = speaker.router.tables.config.router;
    const { version } = this.hooks;
    this.order({
      order: "begin",
      identity: { as, identifier: parseIpv4(id)!, hostname: hostname(), version },
      text: this.hooks.describe(),
      told: this.told,
      sessions: sessionsOf(speaker.router),
    });
  }

  private beginThread(): void {
    if (this.thread.begin()) this.underWay = 0;
  }

  private ended(problem: string): boolean {
    this.isMissing = true;
    this.walks.clear();
    this.dumps.fail(problem);
    return this.speaker !== null;
  }

  private tellSoon(): void {
    if (this.willTell) return;
    this.willTell = true;
    setImmediate(() => {
      this.willTell = false;
      this.tell();
    });
  }

  private tell(): void {
    const { events, eventOctets, writes } = this;
    if (events.length > 0) {
      this.events = [];
      this.eventOctets = 0;
      this.send({ order: "events", events, octets: eventOctets }, eventOctets);
    }
    const octets = writes.octets;
    if (octets > 0) this.send({ order: "writes", writes: writes.take(), octets }, octets);
  }

  private send(order: FeedOrder, octets: number): void {
    if (this.isMissing) return;
    if (this.underWay > UNDER_WAY_OCTETS_MAX) {
      this.isMissing = true;
      this.hooks.say("warn", "more happens than the feeds can tell: they tell everything anew");
      return;
    }
    this.underWay += octets;
    this.order(order);
  }

  private order(order: FeedOrder): void {
    this.thread.order(order);
  }

  private hear(report: FeedReport): void {
    switch (report.report) {
      case "taken":
        this.underWay -= report.octets;
        if (this.isMissing && this.underWay < UNDER_WAY_OCTETS_LOW) this.tellAnew();
        return;
      case "walk":
        this.walkOn(report.walk, report.tables, report.peers);
        return;
      case "walk-over":
        this.walks.delete(report.walk);
        return;
      case "numbers":
        if (this.speaker === null) return;
        this.order({
          order: "numbers",
          station: report.station,
          numbers: numbersOf(this.speaker.router),
        });
        return;
      case "say":
        this.hooks.say(report.level, report.message, report.fields);
        return;
      case "shown":
        if (this.speaker === null) return;
        this.stations = report.stations;
        this.mrt = report.mrt;
        return;
      case "dump-due":
        // How it went is said by the thread.
        if (this.speaker !== null) this.dump(this.speaker.router, report.request).catch(() => {});
        return;
      case "dumps-due":
        this.dumpAdvertised(report.request);
        return;
      case "dump-on":
        this.dumps.on(report.dump);
        return;
      case "dumped":
        this.dumps.over(report.dump, report.result);
        return;
    }
  }

  private tellAnew(): void {
    if (this.speaker === null) return;
    this.isMissing = false;
    this.walks.clear();
    this.order({ order: "missed", sessions: sessionsOf(this.speaker.router) });
  }

  private dumpAdvertised(request: DumpsRequest): void {
    const { speaker } = this;
    if (speaker === null) return;
    void this.dumps.writeAdvertised(speaker.router, request, () => this.speaker === speaker);
  }

  /** A piece of a walk, in a turn of its own. */
  private walkOn(
    number: number,
    tables: Extract<FeedReport, { report: "walk" }>["tables"],
    peers: readonly number[] | null,
  ): void {
    const { speaker } = this;
    if (speaker === null) return;
    let walk = this.walks.get(number);
    if (walk === undefined) {
      walk = new TableWalk(speaker.router, tables, peers);
      this.walks.set(number, walk);
    }
    // What has happened before the piece is told before it.
    this.tell();
    const end = performance.now() + PIECE_MS;
    const octets = walk.next(() => performance.now() < end);
    if (octets === null) this.walks.delete(number);
    this.order({ order: "walked", walk: number, octets });
  }
}

function sessionsOf({ neighbors }: Router) {
  return [...neighbors.values()].flatMap(({ session }) =>
    session === null ? [] : [observedSession(session)],
  );
}
