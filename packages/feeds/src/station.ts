/**
 * One BMP station: its connection, and what it is told.
 *
 * A session with it begins with everything that there is: who is up, then the tables, in pieces that are
 * asked for as the station takes them; what changes meanwhile is told at once, and counts for more than the
 * piece that comes after it, which has it too. What a neighbor that comes up later could be sent is used already
 * and does not change, so the Loc-RIB is walked again for that neighbor. A station that takes less than there is to
 * tell is told that it has missed something, and everything anew in another session.
 */

import type { Socket } from "node:net";
import type { BmpStationConfig, BmpTable } from "@ts-bgp/config";
import {
  BMP_TERMINATION,
  type BmpBlock,
  type BmpPeer,
  BmpWriter,
  type RouteRun,
  TABLE,
  type Table,
} from "@ts-bgp/feeds-codec";
import type { Observed, ObservedSession } from "@ts-bgp/router";
import { FAMILY, type Family } from "@ts-bgp/wire-codec";
import type { Identity, Numbers, ShownStation } from "./orders.ts";
import { BUFFER_OCTETS, mayWait, Outbox } from "./outbox.ts";
import { bmpDown, bmpPeer, locRibPeer, locRibUp, type Peers } from "./peers.ts";
import { locRibStatistics, peerStatistics } from "./statistics.ts";
import { type ExportedRuns, ToldRoutes } from "./told-routes.ts";
import type { ToldWrite } from "./told-writes.ts";

const TABLE_OF: Readonly<Record<BmpTable, Table>> = {
  "adj-in-pre": TABLE.ADJ_IN_PRE,
  "adj-in-post": TABLE.ADJ_IN_POST,
  "loc-rib": TABLE.LOC_RIB,
  "adj-out-pre": TABLE.ADJ_OUT_PRE,
  "adj-out-post": TABLE.ADJ_OUT_POST,
};
const FAMILIES: readonly Family[] = [FAMILY.IPV4_UNICAST, FAMILY.IPV6_UNICAST];
const TABLE_NAME = "global";
/** With less than this to be sent, the next piece of the tables is asked for. */
const WALK_OCTETS_MAX = 1 << 20;
/** So many pieces of the tables have room in the queue, when each neighbor is told of; */
const PIECES_QUEUED = 4;
/** but none need have less, so that they do not become too many. */
const PIECE_OCTETS_MIN = 1 << 12;
/** So much is sent in the buffer that it was written into; less is copied, so that little does not wait in a large one. */
const FLUSH_OCTETS = BUFFER_OCTETS / 2;
/** A station that does not take the last message in that time loses the connection. */
const END_MS = 5000;

/** What a station needs of the thread that it is in. */
export interface StationHooks {
  readonly peers: Peers;
  readonly identity: Identity;
  /** What it is told at the beginning. */
  readonly text: string;
  now(): number;
  /** @returns a number for a walk, which no other has had */
  newWalk(): number;
  /** Asks for the next piece of a walk, of about so many octets at most; infinity for no bound. */
  walk(
    walk: number,
    tables: readonly Table[],
    peers: readonly number[] | null,
    octetsMax: number,
  ): void;
  /** The walk is not wanted any more. */
  endWalk(walk: number): void;
  say(level: "info" | "warn" | "error", station: string, message: string): void;
}

export class Station {
  readonly config: BmpStationConfig;
  private readonly hooks: StationHooks;
  private readonly tables: ReadonlySet<Table>;
  private readonly writer: BmpWriter = new BmpWriter();
  private outbox: Outbox | null = null;
  private socket: Socket | null = null;
  /** Number of the walk that has not come to its end; 0 for none. */
  walk = 0;
  /** It is of all tables, as the first of each session is; others are of the Loc-RIB, for `exportedTo` alone. */
  private isOfAll = false;
  /** Sessions that are told in it what they could be sent. */
  private exportedTo: Set<ObservedSession> = new Set();
  /** Those that have come up since it began: the next one is for them. */
  private late: Set<ObservedSession> = new Set();
  /** The next piece of it is under way. */
  private isAsked = false;
  private sinceMs: number | null = null;
  private octetsBefore = 0;
  private messages = 0;
  private sessions = 0;
  private missed = 0;
  /** What it is told of what it missed, when it is back. */
  private missedText: string | null = null;
  problem: string | null = null;
  isConnecting = false;

  constructor(config: BmpStationConfig, hooks: StationHooks) {
    this.config = config;
    this.hooks = hooks;
    this.tables = new Set(config.tables.map((name) => TABLE_OF[name]));
  }

  get isUp(): boolean {
    return this.socket !== null;
  }

  show(): ShownStation {
    const { config, sinceMs, messages, sessions, missed, outbox, problem } = this;
    return {
      name: config.name,
      state: this.isUp ? "up" : this.isConnecting ? "connecting" : "waiting",
      sinceMs,
      isComplete: this.isUp && this.walk === 0,
      messages,
      octets: this.octetsBefore + (outbox?.octetsSent ?? 0),
      queuedOctets: outbox?.octets ?? 0,
      heldOctets: outbox?.heldOctets ?? 0,
      ...{ sessions, missed, problem },
    };
  }

  /** A connection with the station is there. */
  begin(socket: Socket): void {
    const { config, hooks, writer } = this;
    this.socket = socket;
    this.outbox = new Outbox(socket, config.queueOctetsMax, config.version);
    this.sinceMs = hooks.now();
    this.sessions++;
    this.problem = null;
    socket.on("close", () => this.closed(socket));
    const { hostname, version } = hooks.identity;
    const text = [hooks.text, ...(this.missedText === null ? [] : [this.missedText])].join("; ");
    writer.initiation(hostname, `ts-bgp ${version}`, text);
    this.missedText = null;
    this.count(1);
    if (this.tables.has(TABLE.LOC_RIB)) {
      const { identity } = hooks;
      writer.peerUp(locRibPeer(identity), hooks.now(), locRibUp(identity), TABLE_NAME);
      this.count(1);
    }
    for (const session of hooks.peers.up.values()) this.goesUp(session);
    const wanted = [...hooks.peers.up.values()].filter((session) => this.wantsPeer(session));
    this.beginWalk(true, new Set(wanted));
    this.flush();
    hooks.say("info", config.name, "connected");
    this.walkOn();
  }

  /** The session is over for good, or the station is told everything anew. */
  end(reason: number, text: string | null): void {
    const { socket, outbox } = this;
    if (socket === null || outbox === null) return;
    this.writer.take();
    this.writer.termination(reason, text);
    outbox.end(this.writer.take());
    setTimeout(() => socket.destroy(), END_MS).unref();
    this.forget();
  }

  /** A session of a neighbor is up, which was not before; `flush` must follow. */
  up(session: ObservedSession): void {
    if (!this.isUp || !this.wantsPeer(session)) return;
    this.goesUp(session);
    if (this.tables.has(TABLE.ADJ_OUT_PRE)) this.late.add(session);
    this.walkOn();
  }

  /** A session has ended; `flush` must follow. */
  down(session: ObservedSession, event: Extract<Observed, { readonly kind: "down" }>): void {
    if (!this.isUp || !this.wantsPeer(session)) return;
    this.writer.peerDown(bmpPeer(session), event.atMs, bmpDown(event));
    this.count(1);
    this.late.delete(session);
    this.exportedTo.delete(session);
    if (!this.isOfAll && this.exportedTo.size === 0) this.giveUpWalk();
    this.walkOn();
  }

  /** Routes of tables have changed; `flush` must follow. */
  routes(told: ToldRoutes): void {
    this.runs(told);
    this.beforeExport(told, null);
  }

  /** @returns whether it is told what is sent to a neighbor */
  wantsSent(session: ObservedSession): boolean {
    return this.isUp && this.tables.has(TABLE.ADJ_OUT_POST) && this.wantsPeer(session);
  }

  /** Messages were sent to a neighbor; `flush` must follow. */
  sent(session: ObservedSession, { block, from, to }: ToldWrite): void {
    if (!this.wantsSent(session)) return;
    this.tellBlock(session, block, from, to, !session.fourOctetAs);
  }

  /** A neighbor has sent a message with faults; `flush` must follow. */
  malformed(session: ObservedSession, octets: Uint8Array, atMs: number): void {
    if (!this.isUp || !this.config.mirrorMalformed || !this.wantsPeer(session)) return;
    this.writer.mirror(bmpPeer(session), atMs, octets);
    this.count(1);
  }

  /** A piece of the tables that was asked for; null at their end. */
  walked(octets: Uint8Array | null): void {
    this.isAsked = false;
    if (!this.isUp) return;
    if (octets !== null) {
      const told = new ToldRoutes(octets, this.hooks.now());
      if (this.isOfAll) this.runs(told);
      this.beforeExport(told, this.exportedTo);
    } else {
      this.walk = 0;
      this.endsOfRib();
    }
    this.flush();
    this.walkOn();
  }

  /** Asks for more of the tables where there is room. */
  walkOn(): void {
    const { hooks, outbox, config } = this;
    if (this.walk === 0 && this.late.size > 0) {
      this.beginWalk(false, this.late);
      this.late = new Set();
    }
    if (this.walk === 0 || this.isAsked || outbox === null) return;
    if (outbox.octets > WALK_OCTETS_MAX) return;
    this.isAsked = true;
    const octetsMax = this.pieceOctets();
    if (!this.isOfAll) {
      hooks.walk(this.walk, [TABLE.LOC_RIB], [], octetsMax);
      return;
    }
    const tables = [...this.tables].map((table) =>
      table === TABLE.ADJ_OUT_PRE ? TABLE.LOC_RIB : table,
    );
    const peers = config.neighbors.length === 0 ? null : [...this.wantedPeers()];
    hooks.walk(this.walk, [...new Set(tables)], peers, octetsMax);
  }

  /** A piece of the Loc-RIB is told of each of many, who have to have room in the queue beside what changes. */
  private pieceOctets(): number {
    if (!this.tables.has(TABLE.ADJ_OUT_PRE)) return Number.POSITIVE_INFINITY;
    const told = PIECES_QUEUED * this.exportedTo.size;
    return Math.max(PIECE_OCTETS_MIN, this.config.queueOctetsMax / told);
  }

  numbers({ peers, locRib }: Numbers): void {
    if (!this.isUp) return;
    const { hooks, writer } = this;
    const atMs = hooks.now();
    for (const numbers of peers) {
      const session = hooks.peers.up.get(numbers.peer);
      if (session === undefined || !this.wantsPeer(session)) continue;
      writer.statistics(bmpPeer(session), atMs, peerStatistics(numbers));
      this.count(1);
    }
    if (this.tables.has(TABLE.LOC_RIB)) {
      writer.statistics(locRibPeer(hooks.identity), atMs, locRibStatistics(locRib));
      this.count(1);
    }
    this.flush();
  }

  private beginWalk(isOfAll: boolean, exportedTo: Set<ObservedSession>): void {
    this.walk = this.hooks.newWalk();
    this.isAsked = false;
    this.isOfAll = isOfAll;
    this.exportedTo = exportedTo;
  }

  private giveUpWalk(): void {
    if (this.walk !== 0) this.hooks.endWalk(this.walk);
    this.walk = 0;
  }

  private *wantedPeers(): Generator<number> {
    for (const session of this.hooks.peers.up.values()) {
      if (this.wantsPeer(session)) yield session.peer;
    }
  }

  private wantsPeer({ neighbor, group }: ObservedSession): boolean {
    const { neighbors } = this.config;
    if (neighbors.length === 0) return true;
    return neighbors.includes(neighbor) || (group !== "" && neighbors.includes(group));
  }

  private goesUp(session: ObservedSession): void {
    if (!this.wantsPeer(session)) return;
    this.writer.peerUp(bmpPeer(session), session.sinceMs, session, null);
    this.count(1);
  }

  private runs(told: ToldRoutes): void {
    for (const run of told.runs) {
      if (!this.isUp) return;
      this.run(run, told.atMs);
    }
  }

  private run(run: RouteRun, atMs: number): void {
    const { tables, hooks } = this;
    if (run.table === TABLE.LOC_RIB) {
      if (tables.has(TABLE.LOC_RIB)) this.tell(locRibPeer(hooks.identity), run, atMs);
      return;
    }
    const session = tables.has(run.table) ? hooks.peers.up.get(run.peer) : undefined;
    if (session === undefined || !this.wantsPeer(session)) return;
    // Routes of an earlier session that are kept, when this one has no path identifiers: they went with Peer Down.
    const isReceived = run.table === TABLE.ADJ_IN_PRE || run.table === TABLE.ADJ_IN_POST;
    if (isReceived && run.addPath && (session.addPathReceive & run.family) === 0) return;
    this.tell(bmpPeer(session), run, atMs);
  }

  /**
   * What is used is what each neighbor could be sent, but the one that it comes from (RFC 8671 section 4).
   *
   * @param to - sessions that are told of; null for all
   */
  private beforeExport(told: ToldRoutes, to: ReadonlySet<ObservedSession> | null): void {
    if (!this.tables.has(TABLE.ADJ_OUT_PRE)) return;
    for (const family of FAMILIES) {
      if (!told.runs.some((run) => run.table === TABLE.LOC_RIB && run.family === family)) continue;
      for (const session of this.hooks.peers.up.values()) {
        if (!this.isUp) return;
        if (!this.wantsPeer(session) || (session.families & family) === 0) continue;
        if (to !== null && !to.has(session)) continue;
        const exported = told.exportedRuns(family, (session.addPathSend & family) !== 0);
        this.tellExported(session, exported, told.atMs);
      }
    }
  }

  private tellExported(session: ObservedSession, exported: ExportedRuns, atMs: number): void {
    const { block, runs, firsts, byPeer } = exported;
    let from = 0;
    for (const own of byPeer.get(session.peer) ?? []) {
      this.tellBlock(session, block, from, firsts[own]!, false);
      const withdrawn = { ...runs[own]!, table: TABLE.ADJ_OUT_PRE, attributes: null };
      this.tell(bmpPeer(session), withdrawn, atMs);
      from = firsts[own + 1]!;
    }
    this.tellBlock(session, block, from, block.length, false);
  }

  /** Messages `[from, to)` of a block, as those of a neighbor. */
  private tellBlock(
    session: ObservedSession,
    block: BmpBlock,
    from: number,
    to: number,
    twoOctetAs: boolean,
  ): void {
    const { writer } = this;
    const peer = bmpPeer(session);
    const part = { peer, block, from, to, twoOctetAs };
    if (this.isUp && mayWait(part)) {
      // What was told before is sent before.
      if (writer.sink.length > 0) this.send(true);
      if (!this.isUp) return;
      this.count(to - from);
      this.pushed(this.outbox!.pushPart(part));
      return;
    }
    for (let next = from; next < to && this.isUp; ) {
      const done = writer.block(peer, block, next, to, BUFFER_OCTETS, twoOctetAs);
      this.count(done - next);
      next = done;
      this.flushWhenFull();
    }
  }

  private tell(peer: BmpPeer, run: RouteRun, atMs: number): void {
    if (!this.isUp) return;
    this.count(this.writer.routes(peer, atMs, run));
    this.flushWhenFull();
  }

  private endsOfRib(): void {
    const { writer, hooks, tables, isOfAll, exportedTo } = this;
    const atMs = hooks.now();
    if (isOfAll && tables.has(TABLE.LOC_RIB)) {
      const peer = locRibPeer(hooks.identity);
      for (const family of FAMILIES) writer.endOfRib(peer, atMs, TABLE.LOC_RIB, family);
    }
    for (const session of hooks.peers.up.values()) {
      if (!this.wantsPeer(session)) continue;
      const families = FAMILIES.filter((family) => (session.families & family) !== 0);
      for (const table of tables) {
        if (table === TABLE.LOC_RIB) continue;
        if (table === TABLE.ADJ_OUT_PRE ? !exportedTo.has(session) : !isOfAll) continue;
        for (const family of families) writer.endOfRib(bmpPeer(session), atMs, table, family);
      }
    }
  }

  private count(messages: number): void {
    this.messages += messages;
  }

  private flushWhenFull(): void {
    if (this.writer.sink.length >= FLUSH_OCTETS) this.send(true);
  }

  /** Sends what was told in this turn. */
  flush(): void {
    this.send(false);
  }

  /** @param hasMore - more is told in this turn, and `flush` follows */
  private send(hasMore: boolean): void {
    const { outbox, writer } = this;
    const { sink } = writer;
    const isLarge = outbox !== null && sink.length >= FLUSH_OCTETS;
    const octets = isLarge ? sink.swap(outbox.buffer()) : sink.take();
    this.pushed(outbox === null || outbox.push(octets, hasMore));
  }

  private pushed(hadRoom: boolean): void {
    const { outbox } = this;
    if (hadRoom || outbox === null) return;
    const [octets, held] = [outbox.octets, outbox.heldOctets].map((one) =>
      (one / 2 ** 20).toFixed(0),
    );
    this.miss(`${octets} MB wait for the station in ${held} MB of memory: it is too slow`);
  }

  /** The station has missed something: it is told so, and everything anew in another session. */
  miss(text: string): void {
    if (!this.isUp) return;
    this.missed++;
    this.missedText = `messages were missed: ${text}`;
    this.hooks.say("warn", this.config.name, `${this.missedText}; all is told anew`);
    this.end(BMP_TERMINATION.OUT_OF_RESOURCES, this.missedText);
    this.problem = text;
  }

  private closed(socket: Socket): void {
    if (this.socket !== socket) return;
    this.problem ??= "it has closed the connection";
    this.hooks.say("warn", this.config.name, this.problem);
    this.forget();
  }

  private forget(): void {
    this.octetsBefore += this.outbox?.octetsSent ?? 0;
    this.socket = null;
    this.outbox = null;
    this.sinceMs = null;
    this.giveUpWalk();
    this.late.clear();
  }
}
