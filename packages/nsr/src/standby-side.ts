/** The standby one of a pair: follows the active, and tells when it is time to take over. */

import { setTimeout as sleep } from "node:timers/promises";
import type { LinkAddress } from "@ts-bgp/config";
import {
  type AnyRecord,
  frameOf,
  type Machine,
  type RecordOf,
  Standby,
  type StandbyHooks,
} from "@ts-bgp/replication";
import type { ConnectionId } from "@ts-bgp/router";
import { type LogEvent, nowMs, type PairEvent, type Suspect } from "@ts-bgp/speaker";
import { HANDOVER_MS } from "./active-side.ts";
import type { Arbiter } from "./arbiter.ts";
import { type FollowEnd, type Had, heeding, ownDeviationText, TIMES } from "./following.ts";
import type { Frozen } from "./frozen.ts";
import { frozenIn } from "./handover-check.ts";
import { HeartbeatListener, promiseMs, WORD_HEARD } from "./heartbeats.ts";
import { type Hello, helloOf, mismatch, type Side, wayPatienceMs } from "./hello.ts";
import type { ThreadLink, Way } from "./link-thread.ts";
import { addressText, waysOf } from "./links.ts";
import { followInLog, handsOn, lackedBehind, storedIn } from "./log-of-stream.ts";
import { msOf, RouterClock } from "./router-clock.ts";

/** So many heartbeats late: packets of BFD that are sent twice do no harm. */
const BFD_SILENT_BEATS = 1.5;

export class StandbySide {
  /** Another one once the active goes on behind what was read from the log. */
  standby: Standby;
  peer: Hello | null = null;
  linkSinceMs = nowMs();
  /** When both sides were last compared; 0 for never. */
  comparedMs = 0;
  /** The active's main thread was found to do nothing, while its heartbeats came. */
  isHanging = false;
  /** What it may die of, as it has said; with an empty cause, what it was at while it did nothing. */
  suspects: readonly Suspect[] = [];
  /** Of several ways to the other side, those that no heartbeat comes by. */
  readonly waysDown: Set<string> = new Set();
  /** Of the active. */
  readonly clock: RouterClock = new RouterClock();
  private readonly side: Side;
  private readonly arbiter: Arbiter;
  private link!: ThreadLink;
  /** Where the link leads to. */
  private address!: LinkAddress;
  /** All addresses of the side that is there. */
  private ways: readonly LinkAddress[] = [];
  /** When something was last heard by the link before. */
  private heardBeforeMs: number;
  /** Nothing has come over the link since it is the one that is used. */
  private isAway = true;
  private isCut = false;
  /** Another way to the active side is being looked for. */
  private isConnecting = false;
  /** Why that was last; null when it never was. */
  private cause: string | null = null;
  /** After so long without a word over the link another way is looked for. */
  private attemptMs = 0;
  private isWorking = false;
  /** What was run will be acknowledged. */
  private isAckDue = false;
  private isSilent = false;
  /** The active is about to give its role to this side. */
  private isHandedOver = false;
  /** This side is done with the link: it still takes the brackets that were acknowledged, and nothing else. */
  private isLeaving = false;
  private isOver = false;
  /** Looks since something came over the link. */
  private silentLooks = 0;
  private heartbeats: HeartbeatListener | null = null;
  private readonly echo = crypto.getRandomValues(new Uint32Array(1))[0]! || 1;
  private ended: (end: FollowEnd) => void = () => {};

  /** Why this side's host cannot take over; null when it can. */
  private readonly problem: string | null;

  private had: Had;
  private readonly hooks: StandbyHooks;

  private constructor(side: Side, arbiter: Arbiter, problem: string | null, had: Had) {
    const { before } = had;
    this.side = side;
    this.arbiter = arbiter;
    this.problem = problem;
    this.had = had;
    this.heardBeforeMs = before?.heardMs ?? nowMs();
    this.hooks = {
      send: (frame) => this.link.send(frame),
      differs: (number, what) => {
        side.differed.once = true;
        side.diskLog?.remove();
        this.lose(`this side differs in ${what} at bracket ${number}`, false);
      },
      deviates: (what) => this.say("nsr-deviates", "warn", ownDeviationText(what)),
    };
    this.standby = before?.standby ?? new Standby(this.hooks, handsOn(side));
    if (before !== null) this.standby.follow(this.hooks);
  }

  /**
   * @param had - what this side can go on with
   * @returns a side that is connected to the active; rejects when there is none
   */
  static async connect(
    side: Side,
    arbiter: Arbiter,
    had: Had = { before: null, read: null },
  ): Promise<StandbySide> {
    const { before } = had;
    const problem = await side.lack();
    const { links, config } = side;
    const ways = waysOf(config);
    const way = await (before === null
      ? links.connect(ways, config)
      : links.connectSoon(ways, config));
    const standbySide = new StandbySide(side, arbiter, problem, had);
    const peer = side.config.peers.find(({ ways }) => ways.includes(way.address))!;
    standbySide.ways = peer.ways;
    standbySide.use(way);
    return standbySide;
  }

  /** Of the active that was followed last; 0 for none. */
  get epoch(): number {
    return this.peer?.epoch ?? this.had.before?.epoch ?? 0;
  }

  /** Follows until that comes to its end. */
  follow(): Promise<FollowEnd> {
    const looks = setInterval(() => void this.look(), TIMES.lookMs);
    return new Promise((resolve) => {
      this.ended = (end) => {
        this.ended = () => {};
        this.isOver = true;
        clearInterval(looks);
        void this.heartbeats?.stop();
        if (end.kind === "handover" || end.mayTakeOver) this.side.bfd.goAlone();
        else this.side.bfd.rest();
        resolve(end);
      };
      const next = this.had.before === null ? 0 : this.goOn(null);
      if (this.had.read !== null) this.link.offer(storedIn(this.had.read));
      this.sayHello(this.had.before?.epoch ?? 0, next);
    });
  }

  /** @returns the bracket that the link has to begin with @param epoch - of the active; null when it says so */
  private goOn(epoch: number | null): number {
    const next = this.standby.resume();
    this.ran();
    if (next > 0) this.link.resume({ epoch, next, octets: this.standby.octets.stored });
    return next;
  }

  private sayHello(epoch: number, next: number): void {
    const { echo, side, ways } = this;
    const problem = this.problem ?? "";
    const lacks = this.had.read === null ? {} : lackedBehind(this.had.read);
    const more = { echo, next, problem, ways: ways.length, ...lacks };
    const hello = helloOf(side, "standby", epoch, more);
    // It could not go on without what an active puts out.
    if (this.standby.needsOutputs) hello.outputs = 1;
    this.link.send(frameOf("hello", hello));
  }

  /** @returns the machine, for a look at it */
  get machine(): Machine | null {
    return this.standby.follows;
  }

  /** Address of the other side that the link leads to; null when it is away. */
  get over(): string | null {
    return this.isAway ? null : addressText(this.address);
  }

  get skipped(): number {
    const { records, fields } = this.standby.skipped;
    return this.link.skipped + records + fields;
  }

  /** When something was last heard of the active. */
  get heardMs(): number {
    const { heardUs } = this.link;
    return heardUs < 0 ? this.heardBeforeMs : msOf(heardUs);
  }

  stop(reason: string): void {
    this.isLeaving = true;
    this.link.bye(reason);
    this.ended({ kind: "lost", cause: reason, mayTakeOver: false });
  }

  private use({ link, address }: Way): void {
    const { side } = this;
    this.linkSinceMs = nowMs();
    this.link = link;
    this.address = address;
    this.isAway = true;
    this.isCut = false;
    link.use({
      record: (record, frame) => this.record(record, frame),
      idle: () => {
        side.diskLog?.flush();
        this.work();
      },
      closed: (reason) => this.closed(reason),
    });
  }

  private record(record: AnyRecord, frame: Uint8Array): void {
    if (this.isLeaving) {
      if (record.record === "bracket" || record.record === "declared") this.store(record, frame);
      return;
    }
    this.silentLooks = 0;
    this.isAway = false;
    this.attemptMs = wayPatienceMs(this.side.config);
    if (record.record === "hello") this.welcome(record);
    else if (record.record === "bye" && record.slow === 1) this.dismissed(record.reason);
    else if (record.record === "bye" && record.to !== "") {
      // Another standby has the role now: this side may go on with that one, if the arbiter says so too.
      this.lose(record.reason, this.standby.isUsable);
    } else if (record.record === "bye") this.lose(record.reason, false);
    else if ("epoch" in record && record.epoch !== this.peer?.epoch) {
      this.lose(`the stream is of epoch ${record.epoch}, not ${this.peer?.epoch}`, false);
    } else if (record.record === "handingOver") this.isHandedOver = true;
    else if (record.record === "handover") this.handedOver(record);
    else this.store(record, frame);
  }

  private store(record: AnyRecord, frame: Uint8Array): void {
    heeding(() => this.standby.record(record));
    if (record.record === "bracket") this.side.diskLog?.add(frame);
  }

  private handedOver({ number, frozen }: RecordOf<"handover">): void {
    let connections: ReadonlyMap<ConnectionId, Frozen>;
    try {
      connections = frozenIn(frozen);
    } catch (error) {
      // The active hears of it, and asks for its role back.
      this.lose(`the handover cannot be read: ${(error as Error).message}`, false);
      return;
    }
    this.ended({ kind: "handover", number, frozen: connections, link: this.link });
  }

  private welcome(hello: Hello): void {
    const { config, name } = this.side;
    if (this.peer !== null) {
      if (hello.next > 0) this.handOn(hello.next);
      const over = addressText(this.address);
      this.say("nsr-link", "info", `the link goes on over ${over}: ${this.cause}`);
      return;
    }
    const problem = mismatch(config, name, hello);
    if (problem !== null) {
      this.lose(problem, false);
      return;
    }
    this.peer = hello;
    const { read } = this.had;
    if (read !== null && hello.goesOn === lackedBehind(read).lacks) {
      this.standby = read.standby;
      this.standby.follow(this.hooks);
      this.ran();
    }
    followInLog(this.side, hello, this.standby, read);
    this.had = { ...this.had, read: null };
    this.standby.isSameProgram = hello.build === this.side.build;
    if (hello.next > 0) this.handOn(hello.next);
    const { lease } = this.arbiter;
    const isSilent = (reason: string, isHanging: boolean) => {
      this.isHanging = isHanging;
      void this.heartbeatsMissing(reason);
    };
    const { epoch } = hello;
    const { ways, echo } = this;
    const order = { thread: this.side.heartbeats, config, ways, epoch, lease, echo };
    const failed = (reason: string) => this.lose(`heartbeats cannot be heard: ${reason}`, false);
    const way = (address: LinkAddress, isUp: boolean) => this.wayChanged(address, isUp);
    this.heartbeats = new HeartbeatListener(order, isSilent, failed, way, (suspects) => {
      this.suspects = suspects;
    });
    this.shadowBfd(this.heartbeats);
    try {
      this.arbiter.watch(hello.process, () => {
        this.lose(`process ${hello.process} of ${hello.side} has ended`, this.standby.isUsable);
      });
    } catch (error) {
      this.lose((error as Error).message, false);
    }
  }

  /** What the active sends for BFD is sent here as soon as it is silent, once this side may take over. */
  private shadowBfd({ memory }: HeartbeatListener): void {
    const { side, standby } = this;
    const router = () => (standby.isDeclared ? (this.machine?.router ?? null) : null);
    const clockOffsetMs = () => this.clock.note(this.machine, this.heardMs);
    const silentMs = BFD_SILENT_BEATS * side.config.heartbeatMs;
    side.bfd.shadow({ router, clockOffsetMs }, { memory, word: WORD_HEARD, silentMs });
  }

  /** The active has taken over, and lacks brackets that this side has. */
  private handOn(from: number): void {
    for (const bracket of this.standby.handOn) {
      if (bracket.number >= from) this.link.send(frameOf("bracket", bracket));
    }
  }

  private wayChanged(address: LinkAddress, isUp: boolean): void {
    const text = addressText(address);
    if (isUp) this.waysDown.delete(text);
    else this.waysDown.add(text);
    if (isUp) this.say("nsr-way", "info", `heartbeats come by ${text} again`);
    else this.say("nsr-way", "warn", `no heartbeat comes by ${text}`);
  }

  private say(id: PairEvent, level: LogEvent["level"], message: string): void {
    this.side.log({ id, level, neighbor: null, message, fields: {} });
  }

  private async heartbeatsMissing(reason: string): Promise<void> {
    // After its announcement this is no failure: the handover is on its way, or it says that there is none.
    if (this.isHandedOver) await sleep(HANDOVER_MS);
    if (this.isOver) return;
    // It is back when something of its main thread comes over the link after that time.
    const endMs = nowMs() + promiseMs(this.side.config);
    await this.silent(reason, () => this.heardMs > endMs);
  }

  /**
   * The active has lost its patience and is about to take this side's name out. As long as it cannot, it
   * lets nothing out, and somebody has to go on.
   */
  private dismissed(reason: string): void {
    this.link.close();
    this.isAway = true;
    this.attemptMs = Number.POSITIVE_INFINITY;
    void this.silent(reason, null, () => true);
  }

  private work(): void {
    if (this.isWorking) return;
    this.isWorking = true;
    setImmediate(() => {
      this.isWorking = false;
      const endMs = performance.now() + TIMES.workMs;
      const compared = this.standby.digestNumber;
      // An exception ends the process, as it would on the active side: the next start waits, and says so.
      const more = this.standby.work(() => performance.now() < endMs);
      if (this.standby.digestNumber !== compared) this.comparedMs = nowMs();
      this.ran();
      if (more || !this.link.hasTold.room) this.link.acknowledge();
      else this.acknowledgeSoon();
      if (more) this.work();
      else if (this.standby.isUsable && !this.isOver) this.side.diskLog?.calm(this.standby);
    });
  }

  private ran(): void {
    const { isUsable, applied, octets } = this.standby;
    if (isUsable) this.link.ran(applied, octets.run);
    this.clock.note(this.machine, this.heardMs);
  }

  /** With the next bracket, if one comes soon: half as many packets. */
  private acknowledgeSoon(): void {
    if (this.isAckDue) return;
    this.isAckDue = true;
    setTimeout(() => {
      this.isAckDue = false;
      if (!this.link.hasTold.applied) this.link.acknowledge();
    }, TIMES.appliedMs).unref();
  }

  /**
   * The link has ended, which does not mean that the active has: another way to it is tried while it is found
   * out whether it runs.
   */
  private closed(reason: string): void {
    if (this.isOver) return;
    this.isAway = true;
    this.isCut = true;
    this.linkSinceMs = nowMs();
    if (!this.comeBack(reason)) {
      void this.silent(reason);
      return;
    }
    // Waiting costs nothing as long as this side may not take over anyway, because it has promised so.
    const endMs = nowMs() + promiseMs(this.side.config);
    const mayAnswer = () => (this.isConnecting || !this.isCut) && nowMs() < endMs;
    void this.silent(reason, () => !this.isAway, mayAnswer);
  }

  /** Has the stream go on over another way, beside everything else. @returns whether that may be */
  private comeBack(cause: string): boolean {
    if (this.ways.length === 1 || !this.standby.isUsable) return false;
    if (this.isConnecting) return true;
    this.isConnecting = true;
    this.cause = cause;
    void this.takeOtherWay().finally(() => {
      this.isConnecting = false;
    });
    return true;
  }

  private async takeOtherWay(): Promise<void> {
    const { side, peer, link, ways } = this;
    const { heardUs } = link;
    const after = ways.indexOf(this.address) + 1;
    let way: Way;
    try {
      way = await side.links.connect([...ways.slice(after), ...ways.slice(0, after)], side.config);
    } catch {
      // It is tried again, as long as this side follows.
      return;
    }
    const isNeeded = !this.isOver && (this.isCut || link.heardUs === heardUs);
    // Once the old link is closed nothing more is stored, and `resume` names the bracket that is to come first.
    if (isNeeded) link.close();
    if (!isNeeded || this.isOver) {
      way.link.close();
      return;
    }
    this.heardBeforeMs = this.heardMs;
    this.use(way);
    const epoch = peer?.epoch ?? 0;
    this.sayHello(epoch, this.goOn(epoch));
  }

  /**
   * The active is silent, or its link is closed. If it runs it notices as well, and takes this side's
   * right back; one that cannot is taken over from.
   *
   * @param isBack - whether the active was heard again; null when it cannot be
   * @param mayAnswer - whether the active may still show in time that it runs
   */
  private async silent(
    cause: string,
    isBack: (() => boolean) | null = null,
    mayAnswer: () => boolean = () => false,
  ): Promise<void> {
    if (this.isSilent) return;
    this.isSilent = true;
    const { standby, side } = this;
    const endMs = nowMs() + side.config.patienceMs + TIMES.undeclareMs;
    while ((standby.isUsable || isBack !== null) && nowMs() < endMs) {
      // The arbiter may have named this side although it was not told: that message may have been lost.
      let state = standby.isUsable ? await this.arbiter.state(side.name, this.epoch) : "running";
      const mayReturn = isBack !== null && (!this.isCut || this.isConnecting);
      if (state !== "stopped" && !standby.isDeclared && mayReturn) state = "running";
      if (state === "alone") {
        const why = standby.isDeclared ? `${cause}; the active side goes on alone` : cause;
        this.lose(why, false);
        return;
      }
      if (state === "stopped") break;
      if (isBack?.() === true) {
        this.isSilent = false;
        this.isHanging = false;
        return;
      }
      if (state === "unknown" && !mayAnswer()) break;
      await sleep(TIMES.askMs);
    }
    this.lose(cause, standby.isUsable);
  }

  /** Counts looks, not time: after a pause of this side, what has come meanwhile is read first. */
  private async look(): Promise<void> {
    const silentMs = ++this.silentLooks * TIMES.lookMs;
    const cause = `nothing came over the link for ${silentMs} ms`;
    if (silentMs > this.attemptMs) {
      this.attemptMs = 2 * silentMs;
      this.comeBack(cause);
    }
    if (silentMs < TIMES.stoppedMs || silentMs % TIMES.stoppedLookMs !== 0) return;
    const isLong = silentMs >= this.side.config.patienceMs + TIMES.linkSilentMs;
    // Before heartbeats have begun, nothing else tells of an active that is suspended.
    const isStopped =
      this.standby.isDeclared &&
      (await this.arbiter.state(this.side.name, this.epoch)) === "stopped";
    if (!isLong && !isStopped) return;
    void this.silent(cause);
  }

  private lose(cause: string, mayTakeOver: boolean): void {
    // After a handover the link is still needed, and silence means nothing.
    if (this.isOver || this.isLeaving) return;
    this.isLeaving = true;
    this.link.bye(cause);
    this.ended({ kind: "lost", cause, mayTakeOver });
  }
}
