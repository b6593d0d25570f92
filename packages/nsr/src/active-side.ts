/** The active one of a pair: lets a standby join, and has everything wait for it that has to. */

import { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import type { NsrConfig } from "@ts-bgp/config";
import { type AnyRecord, frameOf, type RecordOf, STREAM_VERSION } from "@ts-bgp/replication";
import type { LogEvent } from "@ts-bgp/speaker";
import { nowMs, type Speaker } from "@ts-bgp/speaker";
import { descriptorOf, setBuffer } from "@ts-bgp/takeover";
import type { Arbiter } from "./arbiter.ts";
import type { Frozen } from "./frozen.ts";
import { lostIn } from "./handover-check.ts";
import { HeartbeatSender } from "./heartbeats.ts";
import { type Hello, helloOf, type Side, wantsOutputs } from "./hello.ts";
import { Link } from "./link.ts";
import { addressText, type Caller, listenForLinks } from "./links.ts";
import type { PairGate } from "./pair-gate.ts";
import { Protector } from "./protector.ts";
import { prepared, sendOn } from "./state-transfer.ts";
import type { Outcome } from "./switchover.ts";

/**
 * What the kernel takes of brackets at once. The rest waits for this side's main thread, which has much else
 * to do when there is much to send.
 */
const LINK_BUFFER_OCTETS = 1 << 22;
/** Longest wait for the standby to acknowledge everything, before a switchover is given up. */
const SETTLE_MS = 2000;
/** Wait before another attempt to have the address of the link. */
const RETRY_MS = 2000;
/** Wait before the arbiter is asked again to take the standby's name out; peers wait meanwhile. */
const RETRY_NAME_MS = 200;
/** A link must be silent for longer than that: a side that has nothing to do sends something every 100 ms. */
const WAY_MS_MIN = 150;
/** However patient the pair is, another way is tried after so long, since peers wait for what is held up. */
const WAY_MS_MAX = 1000;
/** So long an active waits until the standby has taken over, and a standby for a handover that was announced. */
export const HANDOVER_MS = 2000;
/** The same for each connection beside that: ten times what one takes on a busy machine. */
const HANDOVER_CONNECTION_MS = 20;

export type { Hello, Side };

export class ActiveSide {
  readonly protector: Protector;
  /** Of the standby that follows; its link may be away for a moment. */
  peer: Hello | null = null;
  /** When the link came up, or went down. */
  linkSinceMs = 0;
  /** Address here that the link leads to; null when there is none. */
  over: string | null = null;
  /** Why nobody can join; null when someone can. */
  problem: string | null = null;
  private readonly side: Side;
  private readonly epoch: number;
  private readonly arbiter: Arbiter;
  private readonly gate: Pick<PairGate, "need">;
  private speaker!: Speaker;
  private link: Link | null = null;
  private heartbeats: HeartbeatSender | null = null;
  private isStopped = false;
  /** Told what goes wrong. */
  private tell: (problem: string) => void = () => {};
  /** Why the address of the link could not be had the last time. */
  private linkProblem: string | null = null;
  /** How many streams were accepted; each has its number among them. */
  private acceptedCount = 0;
  /** Number of the stream that was used last. */
  private usedNumber = 0;
  /** Bracket that was acknowledged last at the last look, -1 when nothing was waited for. */
  private seen = -1;
  /** Null when nobody can come. */
  private stopListening: (() => void) | null = null;
  private handoverTaken: (taken: RecordOf<"handoverTaken"> | null) => void = () => {};

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
    this.protector = new Protector(pairGate.gate, pairGate.problem, now, {
      send: (frame) => this.link?.send(frame),
      hasRoom: () => this.link?.hasRoom !== false,
      declare: (standby) => arbiter.nameStandby(standby),
      undeclare: () => this.unname(),
      drop: (reason, isSlow) => this.drop(reason, isSlow),
    });
  }

  /**
   * Lets a standby join; rejects when the address for that cannot be had.
   *
   * @param speaker - with this side's protector
   * @param problem - told when nobody can join any more
   */
  async start(speaker: Speaker, problem: (reason: string) => void): Promise<void> {
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
        this.giveUp(text);
      },
    );
    speaker.ticked = () => {
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
    return this.link?.skipped ?? 0;
  }

  /** An exception ends the process, and that was noted. */
  sayLast(): void {
    this.heartbeats?.sayLast();
  }

  /** The standby, if there is one, has to join again. */
  giveUp(reason: string): void {
    this.drop(reason);
    this.speaker.active.lose(reason);
    this.speaker.schedule();
  }

  /** Tells the standby that heartbeats stop because of a handover, so that it does not take over for that. */
  announceHandover(): void {
    this.link?.send(frameOf("handingOver", { number: this.speaker.active.number }));
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
    void this.refuseStandbys();
    this.drop("the active side stops");
  }

  /**
   * Waits until the standby has run everything.
   *
   * @returns whether it has; if so, that stays true until the caller waits for something
   */
  async settle(): Promise<boolean> {
    do {
      this.speaker.sliceOnce();
      if (!(await this.isSettled())) return false;
    } while (this.speaker.journal.octets > 0);
    this.speaker.transport.flush();
    return true;
  }

  private async isSettled(): Promise<boolean> {
    const { active } = this.speaker;
    const endMs = performance.now() + SETTLE_MS;
    while (performance.now() < endMs) {
      const isLevel = active.behind.brackets === 0 && active.applied === active.number;
      if (isLevel && this.link !== null) return true;
      if (active.state !== "declared") return false;
      await sleep(0);
    }
    return false;
  }

  /**
   * Sends the standby what it needs to go on.
   *
   * @returns what became of the connections, once it acts; null when it does not say so
   */
  async handOver(frozen: Readonly<Record<string, Frozen>>): Promise<Outcome | null> {
    const { number } = this.speaker.active;
    if (this.link === null) return null;
    this.link.send(frameOf("handover", { number, epoch: this.epoch, frozen }));
    const waitMs = HANDOVER_MS + HANDOVER_CONNECTION_MS * Object.keys(frozen).length;
    const taken = await new Promise<RecordOf<"handoverTaken"> | null>((resolve) => {
      this.handoverTaken = resolve;
      setTimeout(() => resolve(null), waitMs).unref();
    });
    if (taken === null) return null;
    // A version that does not say it goes on with what it was handed, as far as this side knows.
    if (taken.lost === null) return { resumed: Object.keys(frozen).length, lost: [] };
    const lost = lostIn(taken.lost);
    if (lost === null) this.say("warn", "what the standby says of lost sessions cannot be read");
    return { resumed: taken.resumed, lost: lost ?? [] };
  }

  /** Tries until it can be done: before it is, nothing may leave that the standby does not have. */
  private async unname(): Promise<boolean> {
    for (let tries = 0; ; tries++) {
      try {
        return await this.arbiter.nameStandby(null);
      } catch (error) {
        if (tries === 0) this.tell(`the arbiter cannot be reached: ${(error as Error).message}`);
        if (this.isStopped) return false;
        await sleep(RETRY_NAME_MS);
      }
    }
  }

  private accept(caller: Caller): void {
    const { stream } = caller;
    const number = ++this.acceptedCount;
    const refuse = (reason: string) => {
      caller.refuse(reason);
      link.bye(reason);
    };
    const link: Link = new Link(stream, "stranger", {
      record: (record) => {
        if (link === this.link) this.record(record);
        else if (record.record === "hello") this.welcome({ link, caller, number }, record);
        else refuse("a standby says hello first");
      },
      drained: () => void this.sendImage(link),
      idle: () => {
        this.protector.wake();
        this.speaker.roomMade();
      },
      closed: (reason, isBroken) => {
        if (isBroken) caller.refuse(reason);
        if (link === this.link) this.lost(reason);
      },
    });
  }

  private welcome(arrival: Arrival, hello: Hello): void {
    const stranger = mismatch(this.side.config, this.side.name, hello);
    if (stranger === null) arrival.caller.welcome();
    else arrival.caller.refuse(stranger);
    if (hello.next > 0) {
      this.welcomeBack(arrival, hello);
      return;
    }
    const isAnew = this.link === null && hello.side === this.peer?.side;
    const isLate = arrival.number < this.usedNumber;
    if (isAnew && !isLate && stranger === null) {
      this.giveUp(`${hello.side} has begun anew`);
    }
    const refusal = isLate ? "another stream was quicker" : this.refusalOf(hello);
    if (refusal !== null) {
      arrival.link.bye(refusal);
      if (hello.problem !== "") this.turnedAway(refusal);
      return;
    }
    this.peer = hello;
    if (hello.ends > 0) this.say("warn", endsText(hello));
    this.speaker.active.sendsOutputs = wantsOutputs(this.side.build, hello);
    this.heartbeats?.expect(hello.echo);
    this.use(arrival);
    void this.letJoin(arrival.link, hello.side);
  }

  /** Nobody joins before all packets go through the gate. Peers are served between any two steps. */
  private async letJoin(link: Link, side: string): Promise<void> {
    const { speaker } = this;
    const guarded = this.gate.need(true);
    // What becomes of it is looked at below, unless nobody wants to know any more.
    guarded.catch(() => {});
    try {
      const room = await prepared(speaker.journal.machine, () => this.isUsed(link));
      const isGuarded = await guarded;
      if (!this.isUsed(link)) return;
      if (!isGuarded) return this.drop("the rules of the gate are not in place");
      speaker.active.join(side, speaker.now(), room);
    } catch (error) {
      this.cannotSend(link, error as Error);
    }
    await this.sendImage(link);
  }

  /** Until all of it is sent, or the link takes no more. */
  private async sendImage(link: Link): Promise<void> {
    try {
      await sendOn(this.speaker.active, () => this.isUsed(link));
    } catch (error) {
      this.cannotSend(link, error as Error);
    }
  }

  /** There may be no memory for a state. */
  private cannotSend(link: Link, { message }: Error): void {
    if (this.isUsed(link)) this.giveUp(`its state cannot be sent: ${message}`);
  }

  private isUsed(link: Link): boolean {
    return link === this.link && !this.isStopped;
  }

  /** The standby has lost its link, or finds it dead, and goes on by another one where it was. */
  private welcomeBack(arrival: Arrival, hello: Hello): void {
    const { peer, epoch, speaker } = this;
    const { link, number } = arrival;
    // What was said on a way that was given up may come late.
    const isNew = number > this.usedNumber;
    const isSame = hello.side === peer?.side && hello.echo === peer.echo && hello.epoch === epoch;
    const frames = isNew && isSame ? speaker.active.resume(hello.next, speaker.now()) : null;
    if (frames === null) {
      link.bye("what this side has does not go on there: it has to be sent anew");
      return;
    }
    this.link?.close();
    this.use(arrival);
    for (const frame of frames) link.send(frame);
    this.say("info", `${hello.side} came back over ${this.over}`);
    speaker.schedule();
  }

  private use({ link, caller, number }: Arrival): void {
    const { side, epoch } = this;
    this.link = link;
    link.trust("standby");
    const { stream } = caller;
    if (stream instanceof Socket) setBuffer(descriptorOf(stream), "send", LINK_BUFFER_OCTETS);
    this.usedNumber = number;
    this.linkSinceMs = nowMs();
    this.over = ownAddressOf(caller.stream) ?? addressText(side.config.listen);
    link.send(frameOf("hello", helloOf(side, "active", epoch)));
  }

  private refusalOf(hello: Hello): string | null {
    const { config, name } = this.side;
    if (this.link !== null) return `${this.peer?.side} is the standby already`;
    const problem = this.protector.problem ?? this.problem ?? mismatch(config, name, hello);
    if (problem !== null) return problem;
    if (hello.problem !== "") return `${hello.side} cannot take over: ${hello.problem}`;
    return this.speaker.active.state === "alone" ? null : "the standby before is about to be left";
  }

  /** The one that could be the standby does not come as one; said once. */
  private turnedAway(refusal: string): void {
    if (this.speaker.active.turnedAway(refusal)) this.say("warn", refusal);
  }

  private record(record: AnyRecord): void {
    if (record.record === "handoverTaken") this.handoverTaken(record);
    else if (record.record === "bye") this.giveUp(`${this.peer?.side} leaves: ${record.reason}`);
    else if (record.record === "hello") this.giveUp(`${this.peer?.side} says hello again`);
    else this.speaker.active.record(record, this.speaker.now());
  }

  private lost(reason: string): void {
    const { peer, speaker } = this;
    this.link = null;
    this.over = null;
    this.handoverTaken(null);
    this.linkSinceMs = nowMs();
    const hasWays = peer !== null && peer.ways > 1 && this.stopListening !== null;
    if (speaker.active.cut(reason, hasWays)) {
      this.say("warn", `${reason}: ${peer?.side} may come back by another way`);
      return;
    }
    this.peer = null;
    speaker.schedule();
  }

  /**
   * A link that no acknowledgement comes over is left in time, if the standby has another way. Looks
   * twice: after a pause of this side, what has come meanwhile is read first.
   */
  private look(): void {
    const { link, linkSinceMs, peer, speaker, seen } = this;
    const { acked, isHolding, behind } = speaker.active;
    this.seen = behind.brackets > 0 ? acked : -1;
    if (link === null && speaker.active.state === "alone") void this.gate.need(false);
    if (link === null || peer === null || peer.ways <= 1 || this.stopListening === null) return;
    const waitedMs = Math.min(speaker.active.waitedMs(speaker.now()), nowMs() - linkSinceMs);
    const isStuck = isHolding && seen === acked && behind.brackets > 0;
    if (!isStuck || waitedMs <= wayPatienceMs(this.side.config)) return;
    link.close();
    this.lost(`no acknowledgement came over the link for ${Math.round(waitedMs)} ms`);
  }

  private say(level: LogEvent["level"], message: string): void {
    this.side.log({ id: "nsr-link", level, neighbor: null, message, fields: {} });
  }

  private drop(reason: string, isSlow = false): void {
    const { link } = this;
    this.link = null;
    this.over = null;
    this.peer = null;
    this.handoverTaken(null);
    link?.bye(reason, isSlow);
  }
}

/** A stream of somebody who said hello; numbers tell which of two is newer. */
interface Arrival {
  readonly link: Link;
  readonly caller: Caller;
  readonly number: number;
}

/** Of a standby that has ended of its own doing: how often, and how. */
export function endsText({ side, ends, ended }: Hello): string {
  const times = ends === 1 ? "once" : `${ends} times in a row`;
  return `${side} has ended ${times} as a standby, by ${ended}`;
}

/** @returns the address of this end, undefined for a Unix socket */
function ownAddressOf(stream: Duplex): string | undefined {
  if (!(stream instanceof Socket) || stream.localAddress === undefined) return undefined;
  return addressText({ address: stream.localAddress, port: stream.localPort! });
}

/**
 * @returns for how long a link may be silent before another way is tried: half of the time after which
 *   the standby is given up, but longer than an active that has nothing to do is silent
 */
export function wayPatienceMs({ patienceMs }: NsrConfig): number {
  return Math.min(Math.max(WAY_MS_MIN, patienceMs / 2), WAY_MS_MAX);
}

/** @returns why sides do not belong together, null when they do */
export function mismatch({ cluster }: NsrConfig, name: string, hello: Hello): string | null {
  if (hello.cluster !== cluster) return `this is cluster "${cluster}", not "${hello.cluster}"`;
  if (hello.side === name) return `both sides have the name "${name}"`;
  if (hello.version !== STREAM_VERSION) {
    return `replication stream ${hello.version} is not understood, only ${STREAM_VERSION}`;
  }
  return null;
}
