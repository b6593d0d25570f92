/** The active one of a pair: lets standbys join, and has everything wait for them that has to. */

import { setTimeout as sleep } from "node:timers/promises";
import { type ActiveState, type AnyRecord, frameOf, type RecordOf } from "@ts-bgp/replication";
import { type LogEvent, nowMs, type Speaker } from "@ts-bgp/speaker";
import type { Arbiter } from "./arbiter.ts";
import type { Frozen } from "./frozen.ts";
import { lostIn } from "./handover-check.ts";
import { HeartbeatSender } from "./heartbeats.ts";
import {
  endsText,
  type Hello,
  helloOf,
  joiningOf,
  mismatch,
  ownAddressOf,
  type Side,
  wantsOutputs,
  wayPatienceMs,
} from "./hello.ts";
import { Link } from "./link.ts";
import { addressText, type Caller, listenForLinks } from "./links.ts";
import type { PairGate } from "./pair-gate.ts";
import { Protector } from "./protector.ts";
import { type Arrival, StandbyLink } from "./standby-link.ts";
import { prepared, sendOn } from "./state-transfer.ts";
import { goesOnFrom, newStream } from "./stream.ts";
import type { Outcome } from "./switchover.ts";
import { unname } from "./unname.ts";

/** Longest wait for the standby to acknowledge everything, before a switchover is given up. */
const SETTLE_MS = 2000;
/** Wait before another attempt to have the address of the link. */
const RETRY_MS = 2000;
/** So often time passes for a side that has other standbys until it has gone on. */
const INHERIT_TICK_MS = 10;
/** So long an active waits until the standby has taken over, and a standby for a handover that was announced. */
export const HANDOVER_MS = 2000;
/** The same for each connection beside that: ten times what one takes on a busy machine. */
const HANDOVER_CONNECTION_MS = 20;

export class ActiveSide {
  readonly protector: Protector;
  /** Why nobody can join; null when someone can. */
  problem: string | null = null;
  /** By name, the standbys that follow; the link of one may be away for a moment. */
  readonly standbys: Map<string, StandbyLink> = new Map();
  /** Connections of another side are being taken over: nobody joins meanwhile. */
  isTakingUp = false;
  private readonly side: Side;
  private readonly epoch: number;
  private readonly arbiter: Arbiter;
  private readonly gate: Pick<PairGate, "need">;
  private speaker!: Speaker;
  private heartbeats: HeartbeatSender | null = null;
  private isStopped = false;
  /** Lets time pass as long as nothing else does. */
  private pulse: NodeJS.Timeout | undefined;
  /** Told what goes wrong. */
  private tell: (problem: string) => void = () => {};
  /** Why the address of the link could not be had the last time. */
  private linkProblem: string | null = null;
  /** How many streams were accepted; each has its number among them. */
  private acceptedCount = 0;
  /** By standby, the number of the stream that was used last. */
  private readonly usedNumbers: Map<string, number> = new Map();
  /** Null when nobody can come. */
  private stopListening: (() => void) | null = null;
  private handoverTaken: (taken: RecordOf<"handoverTaken"> | null) => void = () => {};
  /** The standby that the role is given to. */
  private heir = "";
  /** As in the record `hello`. */
  readonly stream: number;

  constructor(
    side: Side,
    epoch: number,
    arbiter: Arbiter,
    pairGate: Pick<PairGate, "gate" | "problem" | "need">,
    now: () => number,
  ) {
    this.side = side;
    this.epoch = epoch;
    this.arbiter = arbiter;
    this.gate = pairGate;
    this.stream = side.config.log === null && !side.hasMirrors ? 0 : newStream();
    const until = { tell: (text: string) => this.tell(text), isOver: () => this.isStopped };
    const linkTo = (name: string) => this.standbys.get(name)?.link ?? null;
    this.protector = new Protector(pairGate.gate, pairGate.problem, now, {
      send: (to, frame) => linkTo(to)?.send(frame),
      hasRoom: (to) => linkTo(to)?.hasRoom !== false,
      declare: (rights) => arbiter.nameStandbys(rights),
      undeclare: (rights) => unname(arbiter, rights, until),
      drop: (name, reason, isSlow) => this.drop(name, reason, isSlow),
    });
  }

  /**
   * Lets a standby join; rejects when the address for that cannot be had.
   *
   * @param speaker - with this side's protector
   * @param problem - told when nobody can join any more
   */
  async start(speaker: Speaker, problem: (reason: string) => void): Promise<void> {
    if (this.stopListening !== null) return;
    this.speaker = speaker;
    this.tell = problem;
    const { heartbeats, config, refusals } = this.side;
    const called = (caller: Caller) => this.accept(caller);
    const stopListening = await listenForLinks(config.listen, config, called, (refusal) =>
      refusals.note({ ...refusal, count: 1 }),
    );
    if (this.isStopped) return stopListening();
    this.stopListening = stopListening;
    this.heartbeats = new HeartbeatSender(
      heartbeats,
      config,
      this.epoch,
      this.arbiter.lease,
      this.side.notes(),
      (reason) => {
        const text = `heartbeats cannot be sent: ${reason}`;
        this.problem = text;
        problem(text);
        this.giveUpAll(text);
      },
    );
    speaker.ticked = () => {
      clearInterval(this.pulse);
      this.heartbeats?.progress();
      this.look();
    };
  }

  /** The same, tried until it can be done; as long as it cannot, `problem` says why. */
  async startSoon(speaker: Speaker, problem: (reason: string) => void): Promise<void> {
    if (this.isStopped) return;
    try {
      await this.start(speaker, problem);
      if (this.problem === this.linkProblem) this.problem = null;
    } catch (error) {
      const { message } = error as Error;
      if (message !== this.linkProblem) problem(message);
      this.linkProblem = message;
      this.problem = message;
      setTimeout(() => void this.startSoon(speaker, problem), RETRY_MS).unref();
    }
  }

  /** It was found out that another side has the role. */
  get isFenced(): boolean {
    return this.speaker.active.state === "fenced";
  }

  get skipped(): number {
    let skipped = 0;
    for (const { link } of this.standbys.values()) skipped += link?.skipped ?? 0;
    return skipped;
  }

  /** An exception ends the process, and that was noted. */
  sayLast(): void {
    this.heartbeats?.sayLast();
  }

  /** Resolves once all other standbys of a side that was taken over from have the same. */
  async inherit(speaker: Speaker): Promise<void> {
    // Until the speaker listens, which is once connections have their sockets.
    this.pulse = setInterval(() => {
      speaker.active.tick(speaker.now());
      this.heartbeats?.progress();
    }, INHERIT_TICK_MS);
    await speaker.active.inherit();
  }

  /** A standby, if it follows, has to join again. */
  giveUp(name: string, reason: string): void {
    this.drop(name, reason);
    this.speaker.active.lose(name, reason);
    this.speaker.schedule();
  }

  /** All of them have to. */
  giveUpAll(reason: string): void {
    for (const name of [...this.standbys.keys()]) this.giveUp(name, reason);
    this.speaker.active.loseAll(reason);
    this.speaker.schedule();
  }

  /** Tells standbys that heartbeats stop because of a handover, so that they do not take over for that. */
  announceHandover(): void {
    const frame = frameOf("handingOver", { number: this.speaker.active.number });
    for (const { link } of this.standbys.values()) link?.send(frame);
  }

  /** Lets nobody join any more. The file of a Unix socket goes with it, so before another side has one. */
  async refuseStandbys(): Promise<void> {
    this.stopListening?.();
    this.stopListening = null;
    await this.heartbeats?.stop();
    this.heartbeats = null;
  }

  stop(): void {
    this.isStopped = true;
    clearInterval(this.pulse);
    void this.refuseStandbys();
    for (const name of [...this.standbys.keys()]) {
      this.drop(name, "the active side stops", false, name === this.heir ? "" : this.heir);
    }
  }

  /**
   * Waits until a standby has run everything.
   *
   * @returns whether it has; if so, that stays true until the caller waits for something
   */
  async settle(to: string): Promise<boolean> {
    do {
      this.speaker.sliceOnce();
      if (!(await this.isSettled(to))) return false;
    } while (this.speaker.journal.octets > 0);
    this.speaker.transport.flush();
    return true;
  }

  private async isSettled(to: string): Promise<boolean> {
    const { active } = this.speaker;
    const endMs = performance.now() + SETTLE_MS;
    while (performance.now() < endMs) {
      const found = active.standbys.find(({ name }) => name === to);
      if (found?.state !== "declared") return false;
      const isLevel = found.behind.brackets === 0 && found.behind.applied === 0;
      if (isLevel && this.standbys.get(to)?.link != null) return true;
      await sleep(0);
    }
    return false;
  }

  /**
   * Sends a standby what it needs to go on, and the others to that one.
   *
   * @returns what became of the connections, once it acts; null when it does not say so
   */
  async handOver(to: string, frozen: Readonly<Record<string, Frozen>>): Promise<Outcome | null> {
    const { number } = this.speaker.active;
    const link = this.standbys.get(to)?.link ?? null;
    if (link === null) return null;
    this.heir = to;
    const waitMs = HANDOVER_MS + HANDOVER_CONNECTION_MS * Object.keys(frozen).length;
    const taken = await new Promise<RecordOf<"handoverTaken"> | null>((resolve) => {
      this.handoverTaken = resolve;
      setTimeout(() => resolve(null), waitMs).unref();
      link.send(frameOf("handover", { number, epoch: this.epoch, frozen }));
      for (const other of [...this.standbys.keys()]) {
        if (other !== to) this.drop(other, `${to} has the role now`, false, to);
      }
    });
    if (taken === null) return null;
    // A version that does not say it goes on with what it was handed, as far as this side knows.
    if (taken.lost === null) return { resumed: Object.keys(frozen).length, lost: [] };
    const lost = lostIn(taken.lost);
    if (lost === null) this.say("warn", "what the standby says of lost sessions cannot be read");
    return { resumed: taken.resumed, lost: lost ?? [] };
  }

  private accept(caller: Caller): void {
    const { stream } = caller;
    const number = ++this.acceptedCount;
    let name = "";
    const refuse = (reason: string) => {
      caller.refuse(reason);
      link.bye(reason);
    };
    const link: Link = new Link(stream, "stranger", {
      record: (record) => {
        if (name !== "" && this.isUsed(link, name)) this.record(name, record);
        else if (record.record === "hello") {
          name = record.side;
          this.welcome({ link, caller, number }, record);
        } else refuse("a standby says hello first");
      },
      drained: () => void this.sendImage(link, name),
      idle: () => {
        this.protector.wake();
        this.speaker.roomMade();
      },
      closed: (reason, isBroken) => {
        if (isBroken) caller.refuse(reason);
        if (this.standbys.get(name)?.link === link) this.lost(name, reason);
      },
    });
  }

  private welcome(arrival: Arrival, hello: Hello): void {
    const { side: name } = hello;
    const stranger = mismatch(this.side.config, this.side.name, hello);
    if (stranger === null) arrival.caller.welcome();
    else arrival.caller.refuse(stranger);
    if (hello.next > 0 && stranger === null) {
      this.welcomeBack(arrival, hello);
      return;
    }
    const known = this.standbys.get(name);
    const isAnew = known?.link === null;
    const isLate = arrival.number < (this.usedNumbers.get(name) ?? 0);
    const isHeir = this.speaker.active.stateOf(name) === "inheriting";
    if ((isAnew || isHeir) && !isLate && stranger === null) {
      this.giveUp(name, `${name} has begun anew`);
    }
    const refusal = isLate ? "another stream was quicker" : this.refusalOf(hello);
    if (refusal !== null) {
      arrival.link.bye(refusal);
      if (hello.problem !== "") this.turnedAway(refusal);
      return;
    }
    if (hello.ends > 0) this.say("warn", endsText(hello));
    this.use(arrival, hello);
    void this.letJoin(arrival.link, hello);
  }

  /** Nobody joins before all packets go through the gate. Peers are served between any two steps. */
  private async letJoin(link: Link, hello: Hello): Promise<void> {
    const { speaker } = this;
    const { side: name } = hello;
    const goesOn = () => goesOnFrom(hello, this.side, this.stream, speaker.active);
    const lacks = goesOn();
    const guarded = this.gate.need(true);
    // What becomes of it is looked at below, unless nobody wants to know any more.
    guarded.catch(() => {});
    try {
      // Without an image there is nothing to be made ready for one.
      const isWanted = () => lacks === 0 && this.isUsed(link, name);
      const room = await prepared(speaker.journal.machine, isWanted);
      const isGuarded = await guarded;
      if (!this.isUsed(link, name)) return;
      if (!isGuarded) return this.drop(name, "the rules of the gate are not in place");
      // What is in hand may be more than is kept of what it lacks.
      speaker.active.commit(speaker.now());
      if (lacks !== goesOn()) return this.drop(name, "what it lacks was given up");
      const joining = { ...joiningOf(this.side.build, hello), room, lacks };
      speaker.active.join(name, speaker.now(), joining);
    } catch (error) {
      this.cannotSend(link, name, error as Error);
    }
    await this.sendImage(link, name);
  }

  /** Until all of it is sent, or the link takes no more. */
  private async sendImage(link: Link, name: string): Promise<void> {
    try {
      await sendOn(this.speaker.active, name, () => this.isUsed(link, name));
    } catch (error) {
      this.cannotSend(link, name, error as Error);
    }
  }

  /** There may be no memory for a state. */
  private cannotSend(link: Link, name: string, { message }: Error): void {
    if (this.isUsed(link, name)) this.giveUp(name, `its state cannot be sent: ${message}`);
  }

  private isUsed(link: Link, name: string): boolean {
    return link === this.standbys.get(name)?.link && !this.isStopped;
  }

  /**
   * A standby has lost its link, or finds it dead, and goes on by another one where it was; or it was one of
   * the active that this side has taken over from.
   */
  private welcomeBack(arrival: Arrival, hello: Hello): void {
    const { active } = this.speaker;
    const { link, number } = arrival;
    const { side: name } = hello;
    const known = this.standbys.get(name);
    // What was said on a way that was given up may come late.
    const isNew = number > (this.usedNumbers.get(name) ?? 0);
    const isKnown = hello.echo === known?.hello.echo && hello.epoch === this.epoch;
    const isHeir = active.stateOf(name) === "inheriting";
    const lack = isHeir && isNew ? this.lackOfHeir(hello) : null;
    if (lack !== null) {
      this.giveUp(name, lack);
      link.bye(lack);
      return;
    }
    // One that has lost its only link to this side comes anew, with what it has.
    const mayResume = isNew && (isKnown || (isHeir && hello.epoch <= this.epoch));
    const frames = mayResume ? active.resume(name, hello.next, this.speaker.now()) : null;
    if (frames === null) {
      link.bye("what this side has does not go on there: it has to be sent anew");
      return;
    }
    known?.link?.close();
    const standby = this.use(arrival, hello);
    for (const frame of frames) link.send(frame);
    this.say("info", `${name} came back over ${standby.over}`);
    this.speaker.schedule();
  }

  private use(arrival: Arrival, hello: Hello): StandbyLink {
    const { side, epoch } = this;
    const { link, number } = arrival;
    const { side: name } = hello;
    const known = this.standbys.get(name);
    // One that joins has another number each time, one that comes back the same.
    if (known?.hello.echo !== hello.echo) this.arbiter.lease?.expectEchoes(name, hello.echo);
    const standby = known?.hello.echo === hello.echo ? known : new StandbyLink(hello);
    this.standbys.set(name, standby);
    this.usedNumbers.set(name, number);
    standby.use(arrival, ownAddressOf(arrival.caller.stream) ?? addressText(side.config.listen));
    const { active } = this.speaker;
    const goesOn = goesOnFrom(hello, side, this.stream, active);
    const more = { next: active.lackedOf(name), stream: this.stream, goesOn };
    link.send(frameOf("hello", helloOf(side, "active", epoch, more)));
    return standby;
  }

  private refusalOf(hello: Hello): string | null {
    const { config, name } = this.side;
    const { active } = this.speaker;
    const [other] = [...this.standbys.keys()].filter((one) => one !== hello.side);
    const isOnly = config.peers.some((peer) => peer.name === null);
    if (isOnly && other !== undefined) return `${other} is the standby already`;
    if (this.standbys.has(hello.side)) return `${hello.side} is the standby already`;
    const problem = mismatch(config, name, hello) ?? this.lackOf(hello);
    if (problem !== null) return problem;
    if (this.isTakingUp) return "this side is taking over";
    const state: ActiveState = isOnly ? active.state : active.stateOf(hello.side);
    return state === "alone" ? null : "the standby before is about to be left";
  }

  /** @returns why one of these two hosts cannot be one of a pair */
  private lackOf(hello: Hello): string | null {
    const lack = hello.problem === "" ? null : `${hello.side} cannot take over: ${hello.problem}`;
    return this.protector.problem ?? this.problem ?? lack;
  }

  /** The same of one that goes on without an image: what it has must be what this side has. */
  private lackOfHeir(hello: Hello): string | null {
    const isOther = wantsOutputs(this.side.build, hello) || this.side.differed.once;
    return this.lackOf(hello) ?? (isOther ? `${hello.side} may have other outputs` : null);
  }

  /** The one that could be the standby does not come as one; said once. */
  private turnedAway(refusal: string): void {
    if (this.speaker.active.turnedAway(refusal)) this.say("warn", refusal);
  }

  private record(name: string, record: AnyRecord): void {
    if (record.record === "handoverTaken") this.handoverTaken(record);
    else if (record.record === "bye") this.giveUp(name, `${name} leaves: ${record.reason}`);
    else if (record.record === "hello") this.giveUp(name, `${name} says hello again`);
    else this.speaker.active.record(name, record, this.speaker.now());
  }

  private lost(name: string, reason: string): void {
    const { speaker } = this;
    const standby = this.standbys.get(name)!;
    standby.away();
    if (name === this.heir) this.handoverTaken(null);
    const hasWays = standby.hasWays && this.stopListening !== null;
    if (speaker.active.cut(name, reason, hasWays)) {
      this.say("warn", `${reason}: ${name} may come back by another way`);
      return;
    }
    this.standbys.delete(name);
    speaker.schedule();
  }

  /** A link that no acknowledgement comes over is left in time, if the standby has another way. */
  private look(): void {
    const { active } = this.speaker;
    if (this.standbys.size === 0 && active.state === "alone") void this.gate.need(false);
    if (this.stopListening === null) return;
    for (const { name, state, behind } of active.standbys) {
      const standby = this.standbys.get(name);
      if (standby?.link == null || !standby.hasWays || state === "joining") continue;
      const sinceMs = nowMs() - standby.sinceMs;
      const waitedMs = Math.min(active.waitedMs(name, this.speaker.now()), sinceMs);
      const isStuck = standby.isStuck(active.number - behind.brackets, behind.brackets);
      if (!isStuck || waitedMs <= wayPatienceMs(this.side.config)) continue;
      standby.link.close();
      this.lost(name, `no acknowledgement came over the link for ${Math.round(waitedMs)} ms`);
    }
  }

  private say(level: LogEvent["level"], message: string): void {
    this.side.log({ id: "nsr-link", level, neighbor: null, message, fields: {} });
  }

  /** @param to - the side that has the role now; empty when that is this one, or not known */
  private drop(name: string, reason: string, isSlow = false, to = ""): void {
    const standby = this.standbys.get(name);
    this.standbys.delete(name);
    if (name === this.heir) this.handoverTaken(null);
    standby?.away()?.bye(reason, isSlow, to);
  }
}
