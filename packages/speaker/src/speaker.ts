/**
 * The router in the world: gives it time and octets, and does what its outputs say.
 *
 * Work is done in slices between which sockets and timers get their turn. What a slice took in and put
 * out is one bracket; its outputs leave when `Active` says so, alone at once.
 */

import type { Config, ConfigDiff, NeighborConfig } from "@ts-bgp/config";
import {
  Active,
  type ActiveHooks,
  type Call,
  type CallName,
  type ConfigAbout,
  configOctets,
  Journal,
  type Machine,
  type ResultOf,
  replicated,
} from "@ts-bgp/replication";
import type { ConnectionId, Order, Output, Router } from "@ts-bgp/router";
import { congestionControlOf, SocketOptionError, setCongestionControl } from "@ts-bgp/takeover";
import { AcknowledgementLooks } from "./acknowledgement-looks.ts";
import { Latency } from "./latency.ts";
import type { LogEvent } from "./log-event.ts";
import { newMachine } from "./machine.ts";
import type { Observer } from "./observer.ts";
import { otherAddressOf } from "./own-addresses.ts";
import { PayloadFeeds } from "./payload-feeds.ts";
import { type Protection, UNPROTECTED } from "./protection.ts";
import { congestionLack, keysOf, protectionFor } from "./session-sockets.ts";
import { addSlice, type SliceTimes } from "./slice-times.ts";
import { LEVELS, type SpeakerOptions } from "./speaker-options.ts";
import { reasonOf } from "./system-errors.ts";
import { Transport, type TransportEvents } from "./transport.ts";
import { checkTrial } from "./trial-check.ts";
import { TurnedAway } from "./turned-away.ts";

/** A slice is over when it has lasted this long, once the pieces of work at hand are done. */
const SLICE_MS = 4;
const TICK_MS = 100;
/**
 * With a standby every bracket costs a round trip and packets of its own, so small ones are made no
 * more often than this: at thousands of updates a second that halves the cost of each.
 */
const BRACKET_MS = 1;
/** A bracket that has grown to this when it is due does not wait. */
const BRACKET_OCTETS = 1 << 12;
/** One that has grown to this ends at once. */
const BRACKET_OCTETS_MAX = 1 << 17;
const UNANSWERED =
  "cannot connect: no answer yet; the neighbor is away, a filter drops it, or its TCP MD5 password is another";
const REQUIRED = "the configuration says nsr: required, and this host cannot protect connections";
/** Longest wait for the last NOTIFICATIONs to leave. */
const STOP_MS = 3000;

export class Speaker {
  readonly slices: SliceTimes = { count: 0, totalMs: 0, maxMs: 0 };
  readonly latency: Latency = new Latency();
  readonly journal: Journal;
  readonly active: Active;
  readonly transport: Transport;
  readonly turnedAway: TurnedAway;
  readonly feeds: PayloadFeeds;
  readonly observers: Set<Observer> = new Set();
  /** Called several times a second. */
  ticked: () => void = () => {};
  /** Gives the connection of a neighbor to the member that has it. @returns whether that has it now */
  handOver: (address: string, fd: number) => boolean = () => false;
  private readonly log: (event: LogEvent) => void;
  private readonly protection: Protection | null;
  /** What the router's clock is ahead of this host's. */
  readonly clockOffsetMs: number;
  private readonly isHeld: () => boolean;
  /** Outputs that nothing but a doubtful role holds back, in order. */
  private kept: (readonly Output[])[] = [];
  private willFlush = false;
  private scheduled = false;
  /** What it has is with someone else. */
  isSuspended = false;
  /** It listens no more, also where it was about to. */
  private isOver = false;
  /** Connections are being taken over: what comes of routing waits until all have their sockets. */
  private isRestoring = false;
  /** The last slice has left work to do. */
  private hasMore = false;
  /** When the last slice ended, by the clock of `performance`. */
  private slicedMs = 0;
  /** There is work, and no room for what it does. */
  private isHeldUp = false;
  private timer: NodeJS.Timeout | undefined;
  private readonly looks: AcknowledgementLooks | null;

  /** @param machine - a new one, or one that was taken over */
  constructor(machine: Machine, options: SpeakerOptions) {
    this.clockOffsetMs = options.clockOffsetMs ?? 0;
    const { log, protection = null, epoch = 0, patienceMs = 1000, estate = null } = options;
    this.isHeld = options.isHeld ?? (() => true);
    this.log = log;
    this.protection = protection;
    this.journal = new Journal(machine);
    this.looks = protection === null ? null : new AcknowledgementLooks(this.journal, protection);
    const hooks: ActiveHooks = {
      ...(protection?.hooks ?? UNPROTECTED),
      release: (outputs) => this.letOut(outputs),
      say: (id, message) => this.say(id, LEVELS[id], null, message),
    };
    const { recentOctets = 0, stream = 0 } = options;
    const activeOptions = { epoch, patienceMs, estate, recentOctets, stream };
    this.active = new Active(this.journal, activeOptions, hooks);
    this.turnedAway = new TurnedAway(log);
    this.transport = new Transport(this.transportEvents());
    this.feeds = new PayloadFeeds({
      now: () => this.now(),
      mayWork: () => this.active.mayWork && !this.isOver,
      lastEnd: (source) => this.router.tables.origins.validation.sources.get(source)?.end ?? null,
      misfit: (source) => this.router.tables.origins.validation.sources.get(source)?.misfit ?? null,
      run: (call) => this.run(call),
      commit: () => this.commitMuch(),
      log,
    });
  }

  /** A speaker with a router of its own. */
  static fresh(config: Config, options: SpeakerOptions): Speaker {
    return new Speaker(newMachine(config), options);
  }

  get router(): Router {
    return this.journal.machine.router;
  }

  /** The clock of the router: of the side that it was taken over from, if it was. */
  now(): number {
    return nowMs() + this.clockOffsetMs;
  }

  /** Begins to listen and to connect; rejects when an address cannot be listened on. */
  async start(): Promise<void> {
    await this.listen();
    if (!this.isOver) this.run({ record: "start", nowMs: this.now() });
  }

  /** Begins to listen, and lets time pass: all that a router needs that was taken over. */
  async listen(): Promise<void> {
    const { listeners } = this.transport;
    listeners.setKeys(keysOf(this.config));
    try {
      await listeners.use(this.config, null);
    } finally {
      if (!this.isOver) {
        this.feeds.use(this.config.rpki);
        this.timer = setInterval(() => this.tick(), TICK_MS);
      }
    }
  }

  /**
   * Puts another configuration into force.
   *
   * @param octets - as `configOctets` makes them of `replicated(config)`, where they are at hand
   * @param about - who wants it, and why; null where that is not known
   * @returns what it changed; rejects when a new address cannot be listened on, with nothing changed
   */
  async configure(
    config: Config,
    octets: Uint8Array | null = null,
    about: ConfigAbout | null = null,
  ): Promise<ConfigDiff> {
    const { listeners } = this.transport;
    await listeners.use(config, this.config, () => checkTrial(about, this.active));
    if (this.isOver) {
      const what = this.isSuspended ? "gives its role away" : "stops";
      throw new Error(`this side ${what} just now: ask again`);
    }
    listeners.setKeys(keysOf(config));
    const record = configOctets(replicated(config), this.active.areAllCurrent, octets);
    const diff = this.run({ record: "configure", config: record, nowMs: this.now(), about });
    this.feeds.use(this.config.rpki);
    const changed = diff.changed.filter(({ options }) => options.includes("congestionControl"));
    if (changed.length > 0) this.steerAgain(new Set(changed.map(({ address }) => address)));
    return diff;
  }

  /** Gives running connections of neighbors the congestion control that is configured now. */
  private steerAgain(neighbors: ReadonlySet<string>): void {
    for (const [id, fd] of this.transport.descriptors()) {
      const config = this.router.neighborOf(id)?.config;
      if (config === undefined || !neighbors.has(config.address)) continue;
      setCongestionControl(fd, config.congestionControl);
      this.checkCongestionControl(config, fd);
    }
  }

  /** @returns the congestion control that is in use; null of a connection that is not open here */
  congestionControlOf(connection: ConnectionId): string | null {
    const fd = this.transport.descriptor(connection);
    return fd === null ? null : congestionControlOf(fd);
  }

  /** Tells of a connection that has another congestion control than the one that is configured. */
  checkCongestionControl(config: NeighborConfig, fd: number): void {
    const lack = congestionLack(config, fd);
    if (lack !== "") this.say("congestion-control", "warn", config.address, lack);
  }

  /** Ends all sessions, see the router's `shutdown`, and stops. */
  async stop(text: string | null, isRestart = false): Promise<void> {
    this.listenNoMore();
    this.active.loseAll("the speaker is stopped");
    const restart = isRestart ? 1 : 0;
    this.run({ record: "shutdown", text: text ?? "", restart, nowMs: this.now() });
    // Before connections have sockets nobody can be told.
    if (!this.active.isInheriting) this.active.commit(this.now());
    const timeout = new Promise((resolve) => setTimeout(resolve, STOP_MS).unref());
    await Promise.race([this.transport.drained(), timeout]);
  }

  /** Does nothing more: what it has is with someone else now, or was taken by someone else. */
  suspend(): void {
    this.isSuspended = true;
    this.active.retire();
    this.listenNoMore();
  }

  private listenNoMore(): void {
    this.isOver = true;
    clearInterval(this.timer);
    this.feeds.use(null);
    this.transport.listeners.end();
  }

  /** Carries out an operator's order to a neighbor. */
  operate(address: string, order: Order): void {
    this.run({ record: "operate", address, order, nowMs: this.now() });
  }

  /** Tells peers that this speaker is about to shut down, or no more; see the router's method. */
  shutDownGracefully(isOn: boolean): void {
    this.run({ record: "gracefulShutdown", on: isOn ? 1 : 0, nowMs: this.now() });
  }

  /** Runs a call, and has a slice follow. @returns what the router says */
  run<N extends CallName>(call: Call<N>): ResultOf<N> {
    const result = this.journal.run(call);
    this.schedule();
    return result;
  }

  /**
   * Ends no bracket until the promise has settled: a peer whose connection has no socket yet waits for that
   * alone, and what its socket is given is out already. What arrives meanwhile is noted in the journal.
   */
  async restoring(connections: () => Promise<unknown>): Promise<void> {
    this.isRestoring = true;
    try {
      await connections();
    } finally {
      this.isRestoring = false;
      // What was written to connections while others had no socket.
      this.letOut([]);
      this.schedule();
    }
  }

  /** A connection goes on with another socket; `octets`: all that may leave, `toldSent` of it told as sent. */
  restored(id: ConnectionId, fd: number, toldSent: number, octets: readonly Uint8Array[]): void {
    const isOwed = (output: Output) => output.do === "write" && output.connection === id;
    this.kept = this.kept.map((outputs) => outputs.filter((output) => !isOwed(output)));
    this.transport.restored(id, fd, toldSent);
    for (const piece of octets) this.transport.write(id, piece);
    // Others wait for their sockets: what is more than that leaves once all have them.
    this.transport.flushFirst(id);
    if (!this.isRestoring) this.letOut([]);
  }

  /** Has a slice follow when there is room for what it does. */
  schedule(): void {
    if (this.scheduled || this.isSuspended || this.isRestoring) return;
    this.isHeldUp = !this.active.mayWork;
    if (this.isHeldUp) return;
    this.scheduled = true;
    if (this.isEarly) setTimeout(() => this.slice(), BRACKET_MS);
    else setImmediate(() => this.slice());
  }

  /** The standby has made room. */
  roomMade(): void {
    if (this.isHeldUp) this.schedule();
    this.feeds.resume();
  }

  /** Little has happened since the last bracket, and not long ago. */
  private get isEarly(): boolean {
    const { active, journal } = this;
    if (!active.isHolding || this.hasMore || journal.octets >= BRACKET_OCTETS) return false;
    return performance.now() < this.slicedMs + BRACKET_MS;
  }

  /** The configuration in force. */
  private get config(): Config {
    return this.router.tables.config;
  }

  private transportEvents(): TransportEvents {
    return {
      accepted: (remoteAddress, remotePort, localAddress) =>
        this.run({
          record: "accepted",
          remoteAddress,
          remotePort,
          localAddress,
          otherAddress: otherAddressOf(localAddress) ?? "",
          connection: 0,
          nowMs: this.now(),
        }),
      connected: (connection, localAddress) =>
        this.run({
          record: "connected",
          connection,
          localAddress,
          otherAddress: otherAddressOf(localAddress) ?? "",
          nowMs: this.now(),
        }),
      opened: (connection, fd) => this.opened(connection, fd),
      connectFailed: (connection, address, error) => {
        const level = error instanceof SocketOptionError ? "error" : "info";
        this.say("connect-failed", level, address, `cannot connect: ${reasonOf(error)}`);
        this.run({ record: "connectFailed", connection, nowMs: this.now() });
      },
      unanswered: (address) => this.say("connect-failed", "info", address, UNANSWERED),
      received: (connection, octets) => this.received(connection, octets),
      sent: (connection, octets) => {
        // Of one that was handed over with the rest, its new owner knows better.
        if (this.isSuspended) return;
        this.run({ record: "sent", connection, octets, nowMs: this.now() });
      },
      roomMade: () => this.flushSoon(),
      closed: (connection) => this.run({ record: "closed", connection, nowMs: this.now() }),
      refusalOf: (address) => this.router.refusalOf(address),
      protection: (address) => protectionFor(this.router, address),
      lacking: ({ message }) => this.say("connection-refused", "error", null, message),
      refused: (address, { message }) => {
        this.say("connection-refused", "error", address, message);
      },
      handOver: (address, fd) => this.handOver(address, fd),
      turnedAway: (reason, address) => this.turnedAway.note(reason, address, nowMs()),
    };
  }

  /** @returns whether more may be read from the connection */
  private received(connection: ConnectionId, octets: Uint8Array): boolean {
    const isWanted = this.run({ record: "received", connection, octets });
    this.latency.received(this.router, connection, octets, performance.now());
    this.commitMuch();
    return isWanted && this.active.mayWork;
  }

  /** What many have sent at once is many brackets: the first ones are stored while the last are sent. */
  private commitMuch(): void {
    const { journal, active } = this;
    if (journal.octets >= BRACKET_OCTETS_MAX && !this.isRestoring) active.commit(this.now());
  }

  /** @returns whether the connection may be used */
  private opened(connection: ConnectionId, fd: number): boolean {
    const { protection } = this;
    const config = this.router.neighborOf(connection)?.config;
    // The router has given it up meanwhile.
    if (config === undefined) return false;
    if (config.nsr === "required" && protection?.canProtect !== true) {
      this.say("connection-refused", "error", config.address, REQUIRED);
      return false;
    }
    this.checkCongestionControl(config, fd);
    if (protection === null) return true;
    const state = config.nsr === "off" ? null : protection.opened(connection, fd);
    this.run({ record: "tcp", connection, state });
    return true;
  }

  private tick(): void {
    const now = this.now();
    this.ticked();
    this.feeds.tick();
    this.run({ record: "tick", nowMs: now });
    // After a pause of this side, what the standby has said meanwhile is read first.
    setImmediate(() => this.active.tick(now));
    if (this.kept.length > 0 || this.transport.hasPending) this.letOut([]);
    this.looks?.look();
  }

  private slice(): void {
    this.scheduled = false;
    if (!this.isSuspended && !this.isRestoring) this.sliceOnce();
  }

  /** Does work for a slice, and ends the bracket. */
  sliceOnce(): void {
    const start = performance.now();
    const now = this.now();
    this.hasMore = this.journal.slice(now, () => performance.now() < start + SLICE_MS);
    this.active.commit(now);
    this.latency.sliced(this.router, this.active);
    this.protection?.wake();
    this.transport.resume((id) => this.router.wantsInput(id));
    this.slicedMs = performance.now();
    addSlice(this.slices, this.slicedMs - start);
    if (this.hasMore) this.schedule();
  }

  /** Does what outputs want done, as soon as this side may. */
  private letOut(outputs: readonly Output[]): void {
    this.kept.push(outputs);
    if (!this.isHeld()) return;
    for (const due of this.kept.splice(0)) for (const output of due) this.do(output);
    // One acknowledgement lets many brackets out: each connection is written to once.
    if (this.willFlush) return;
    this.willFlush = true;
    queueMicrotask(() => this.flush());
  }

  /** Lets out what may leave, for as long as a slice; what is to be written to many leaves in many turns. */
  private flush(): void {
    this.willFlush = false;
    // What is not let out now is when this side may again.
    if (!this.isHeld()) return;
    const end = performance.now() + SLICE_MS;
    if (this.transport.flush(() => performance.now() < end)) this.flushSoon();
    else this.latency.flushed(this.active.acked, performance.now());
  }

  /** While others have no sockets, what is more than the first octets waits for these. */
  private flushSoon(): void {
    if (this.willFlush || this.isRestoring) return;
    this.willFlush = true;
    setImmediate(() => this.flush());
  }

  private do(output: Output): void {
    switch (output.do) {
      case "connect":
        this.transport.connect(output.connection, output.target);
        return;
      case "write":
        this.transport.write(output.connection, output.octets);
        this.latency.wrote(output.octets);
        for (const observer of this.observers) {
          if (observer.wantsWrites) observer.wrote(output.connection, output.octets);
        }
        return;
      case "close":
        this.protection?.closing(output.connection);
        this.transport.close(output.connection);
        return;
      case "log":
        this.log(output.event);
        return;
      case "observe":
        for (const observer of this.observers) observer.event(output.event);
        return;
    }
  }

  private say(
    id: LogEvent["id"],
    level: LogEvent["level"],
    neighbor: string | null,
    message: string,
    fields: LogEvent["fields"] = {},
  ): void {
    this.log({ id, level, neighbor, message, fields });
  }
}

/** Milliseconds since 1970 that never run backwards. */
export function nowMs(): number {
  return performance.timeOrigin + performance.now();
}
