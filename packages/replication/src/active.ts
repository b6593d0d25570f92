/**
 * The active side's brackets: what is in them, and how they get to the standby and out to peers. When that
 * may be is decided by the leader of `@ts-bgp/pair`, to which all that happens goes as an event.
 *
 *     alone        nobody follows: outputs leave when their bracket ends, the gate is open (I5)
 *     joining      a standby has been sent the image and follows; peers notice nothing of it yet
 *     holding      the gate is closed and outputs wait for acknowledgements of the standby; it is declared
 *                  as soon as nothing is with a peer that it has not got
 *     declared     the standby may take over
 *     undeclaring  it is lost, and may have taken over until the arbiter says otherwise
 *     fenced       another side is active
 *
 * A bracket ends with `commit`. Its outputs, and the TCP acknowledgements of what it received, are
 * released when the standby has acknowledged it (I1, I2).
 */

import {
  ensure,
  type Follower,
  InTurn,
  isBinding,
  type Leader,
  type LeaderAction,
  type LeaderEvent,
  mayWork,
  newLeader,
  octetsBehind,
  stepLeader,
  waitedMs,
} from "@ts-bgp/pair";
import type { ConnectionId, Output } from "@ts-bgp/router";
import { type Deviation, DeviationNews, deviationIn, deviationText } from "./deviation.ts";
import { digestOf } from "./digest.ts";
import { frameOf } from "./frames.ts";
import { ImageQueue } from "./image-queue.ts";
import type { CaptureRoom } from "./image-writer.ts";
import type { Journal, Made } from "./journal.ts";
import { machineCapture } from "./machine-image.ts";
import { outputsOctets } from "./outputs-octets.ts";
import type { AnyRecord, RecordOf } from "./records.ts";

/** What the shell does for the active. */
export interface ActiveHooks {
  /** Sends a frame to the standby. */
  send(frame: Uint8Array): void;
  /** Whether more of an image may be sent now; when not, `pump` is to be called once it may. */
  hasRoom?(): boolean;
  /** Does what outputs want done. */
  release(outputs: readonly Output[]): void;
  /** TCP may acknowledge so many octets of a connection, in all. */
  acknowledge(connection: ConnectionId, octets: number): void;
  /** A connection is gone on all sides: the kernel may end it as it likes. */
  gone(connection: ConnectionId): void;
  /**
   * From now on TCP acknowledges no more than `acknowledge` allows.
   *
   * @returns by connection, how many octets may have been acknowledged before, in all
   */
  closeGate(): ReadonlyMap<ConnectionId, number>;
  openGate(): void;
  /** Gives the standby the right to take over; resolves to whether it has it, or rejects with why not. */
  declare(side: string): Promise<boolean>;
  /** Takes that right back; resolves to false when it was used: then this side must do nothing more. */
  undeclare(): Promise<boolean>;
  /** The standby is gone or of no use: its link is to be closed. `isSlow`: it lacks nothing otherwise. */
  drop(reason: string, isSlow: boolean): void;
  /** Something that an operator may want to know. */
  say(id: ActiveEvent, message: string): void;
}

export type ActiveEvent =
  | "standby-joining"
  | "standby-ready"
  | "standby-lost"
  | "standby-differs"
  | "standby-deviates"
  | "standby-slow"
  | "fenced";

export interface ActiveOptions {
  readonly epoch: number;
  /**
   * A standby that owes acknowledgements and has not got further for so long is given up. One that is
   * behind and gets further is given ten times as long for each bracket: a bulk takes a while to store,
   * but what peers wait for, KEEPALIVEs as well, must not wait without end.
   */
  readonly patienceMs: number;
}

type State = "alone" | "joining" | "holding" | "declared" | "undeclaring" | "fenced";

/** What peers see of a bracket. */
type Effects = Pick<Made, "outputs" | "received" | "gone">;

/** A bracket that is not let out, or that the standby has not acknowledged. */
interface Kept {
  readonly number: number;
  /** Null once they are out. */
  effects: Effects | null;
  /** Null when nobody is to get it. */
  readonly frame: Uint8Array | null;
}

/** Frames of an image that are sent at once: a small one is sent when the standby joins. */
const FIRST_FRAMES = 4;
/** Digests are compared this often. */
const DIGEST_MS = 1000;
const NO_OCTETS = new Uint8Array(0);

export class Active {
  readonly journal: Journal;
  /** Why the standby may not take over, for people; null when it may. */
  reason: string | null = "no standby has joined";
  /** Times that the standby was found to differ. */
  differences = 0;
  /** When digests were last found equal. */
  digestMs = 0;
  /** Brackets have the outputs, for a standby that may come to others. */
  sendsOutputs = false;
  /** How the standby differs that goes on with these; null when it does not. */
  deviation: Deviation | null = null;
  private news: DeviationNews = new DeviationNews();
  private readonly leader: Leader;
  private readonly hooks: ActiveHooks;
  private readonly events: InTurn<LeaderEvent> = new InTurn((event) => this.handle(event));
  private kept: Kept[] = [];
  /** Brackets up to this one are out. */
  private released = 0;
  /** By connection, what peers may have seen acknowledged before the gate was closed. */
  private owed: Map<ConnectionId, number> = new Map();
  /** Made ready for the image of a standby that joins just now. */
  private room: CaptureRoom | undefined;
  /** What a standby that joins is still to be sent; null when it is sent everything as it comes. */
  private image: ImageQueue | null = null;
  private digestAskedMs = 0;
  /** Bracket with the digests that were sent last; 0 when the standby has compared them. */
  private digestNumber = 0;

  constructor(journal: Journal, { epoch, patienceMs }: ActiveOptions, hooks: ActiveHooks) {
    this.journal = journal;
    this.leader = newLeader(epoch, patienceMs);
    this.hooks = hooks;
  }

  get state(): State {
    if (this.leader.isFenced) return "fenced";
    switch (this.follower?.phase) {
      case undefined:
        return "alone";
      case "naming":
        return "holding";
      case "removing":
        return "undeclaring";
      default:
        return this.follower!.phase as State;
    }
  }

  /** Number of the last bracket. */
  get number(): number {
    return this.leader.number;
  }

  /** Last bracket that the standby has stored. */
  get acked(): number {
    return this.follower?.acked ?? this.number;
  }

  /** Last bracket that the standby has run, 0 while it has not even the state. */
  get applied(): number {
    return this.follower?.applied ?? this.number;
  }

  /** Whether outputs wait for a standby. */
  get isHolding(): boolean {
    return !this.leader.isFenced && this.leader.followers.some(isBinding);
  }

  /** Brackets and octets that the standby has not acknowledged. */
  get behind(): { brackets: number; octets: number } {
    const { follower, leader } = this;
    if (follower === null) return { brackets: 0, octets: 0 };
    return { brackets: this.number - follower.acked, octets: octetsBehind(leader, follower) };
  }

  /** @returns for how long an acknowledgement has been owed, and none that was new has come */
  waitedMs(nowMs: number): number {
    return this.follower === null ? 0 : waitedMs(this.leader, this.follower, nowMs);
  }

  /** Whether there is room for what another slice may do. */
  get mayWork(): boolean {
    return mayWork(this.leader);
  }

  /** Ends the bracket: sends it to the standby, and lets it out when that is due. */
  commit(nowMs: number): void {
    const { journal, leader } = this;
    const { calls, sum, ...effects } = journal.take();
    const { outputs, received, gone } = effects;
    const isEmpty = calls.length + outputs.length + received.size + gone.length === 0;
    if (leader.isFenced || isEmpty) return;
    const number = (this.kept.at(-1)?.number ?? leader.number) + 1;
    let frame: Uint8Array | null = null;
    if (leader.followers.some(({ phase }) => phase !== "removing")) {
      const digest = this.digestIfDue(nowMs);
      if (digest !== null) this.digestNumber = number;
      const about = { number, epoch: leader.epoch, calls, sum, digest };
      const octets = this.sendsOutputs ? outputsOctets(outputs) : NO_OCTETS;
      frame = frameOf("bracket", { ...about, outputs: octets });
    }
    this.kept.push({ number, effects, frame });
    this.step({ event: "commit", octets: frame?.length ?? calls.length, nowMs });
  }

  /**
   * A standby wants to join: it is sent the image and everything from here on, as `pump` is called. To be
   * called between two brackets. Throws when there is no memory for it.
   *
   * @param room - made ready for it with `prepareCapture`, so that this takes less long
   */
  join(side: string, nowMs: number, room?: CaptureRoom): void {
    this.commit(nowMs);
    this.reason = "the standby is being sent the state";
    this.room = room;
    try {
      this.step({ event: "join", follower: side, nowMs });
    } finally {
      this.room = undefined;
    }
  }

  /**
   * Somebody who could have been the standby was turned away.
   *
   * @returns false when it was said before, or while there is a standby: then nobody has to be told
   */
  turnedAway(reason: string): boolean {
    if (this.state !== "alone" || this.reason === reason) return false;
    this.reason = reason;
    return true;
  }

  /**
   * Sends another frame of an image or behind it, if there is room. It takes less than a millisecond.
   *
   * @returns whether there is more to send, and room
   */
  pump(): boolean {
    const { hooks, image } = this;
    if (image === null || hooks.hasRoom?.() === false) return false;
    const frame = image.next();
    if (frame === null) this.image = null;
    else hooks.send(frame);
    return frame !== null && hooks.hasRoom?.() !== false;
  }

  /** A record of the standby has come. */
  record(record: AnyRecord, nowMs: number): void {
    const { follower } = this;
    if (follower === null || this.leader.isFenced) return;
    if (record.record === "ack") {
      const { number, applied, window: windowOctets } = record;
      const event = { event: "ack", follower: follower.name } as const;
      this.step({ ...event, number, applied, windowOctets, nowMs });
      if (this.digestNumber > 0 && applied >= this.digestNumber) {
        this.digestNumber = 0;
        this.digestMs = nowMs;
      }
    } else if (record.record === "differs" && record.follows === 1) this.deviates(record);
    else if (record.record === "differs") {
      this.differences++;
      this.hooks.say("standby-differs", `${record.what} at bracket ${record.number}`);
      this.lose(`the standby differed in ${record.what}; it has to join again`);
    }
  }

  private deviates(record: RecordOf<"differs">): void {
    this.deviation = deviationIn(record);
    const text = deviationText(this.deviation) || "it differs no more";
    if (this.news.take(this.deviation)) this.hooks.say("standby-deviates", text);
  }

  /**
   * The link is gone without a word. A standby that has other ways is waited for, no longer than one
   * that says nothing: brackets that it does not acknowledge count against it as ever.
   *
   * @returns whether it is waited for; if not, it is lost
   */
  cut(reason: string, hasWays: boolean): boolean {
    const isWaitedFor = hasWays && (this.state === "holding" || this.state === "declared");
    if (!isWaitedFor) this.lose(reason);
    return isWaitedFor;
  }

  /**
   * The standby comes back by another link, with the state that it had: it has stored all brackets
   * before `next`. What it has not is sent again, so nothing is lost or doubled.
   *
   * @returns what that link is to carry before anything else; null when the standby has to join again
   */
  resume(next: number, nowMs: number): Uint8Array[] | null {
    const { follower, image } = this;
    if (follower === null || image !== null) return null;
    const frames: Uint8Array[] = [];
    const event = { event: "resume", follower: follower.name, next, nowMs } as const;
    const actions = stepLeader(this.leader, event);
    for (const action of actions) {
      if (action.do === "send") frames.push(...this.framesOf(action));
      else if (action.do === "declared") frames.push(declared());
      else this.perform(action, nowMs);
    }
    return actions.length === 0 ? null : frames;
  }

  /** The standby is of no use any more, and given up for that reason. @param isSlow - as for `drop` */
  lose(reason: string, isSlow = false): void {
    const follower = this.follower?.name;
    if (follower !== undefined) this.step({ event: "lose", follower, reason, isSlow });
  }

  /** To be called a few times a second. */
  tick(nowMs: number): void {
    this.step({ event: "tick", nowMs });
  }

  /** This side does nothing more: what becomes of the standby is not its concern any more. */
  retire(): void {
    if (this.leader.isFenced) return;
    stepLeader(this.leader, { event: "fence" });
    this.reason = "this side does nothing more";
    this.forgetAll();
  }

  /** This side has lost its role: nothing may leave it any more. */
  fence(): void {
    this.step({ event: "fence" });
  }

  private forgetAll(): void {
    this.kept = [];
    this.image = null;
  }

  private get follower(): Follower | null {
    return this.leader.followers[0] ?? null;
  }

  private step(event: LeaderEvent): void {
    this.events.tell(event);
  }

  private handle(event: LeaderEvent): void {
    const nowMs = "nowMs" in event ? event.nowMs : 0;
    for (const action of stepLeader(this.leader, event)) this.perform(action, nowMs);
    if (this.follower === null) this.journal.isOn = false;
  }

  private perform(action: LeaderAction, nowMs: number): void {
    const { hooks } = this;
    switch (action.do) {
      case "release":
        this.release(action.number);
        break;
      case "send":
        for (const frame of this.framesOf(action)) {
          if (this.image !== null) this.image.add(frame);
          else hooks.send(frame);
        }
        break;
      case "image":
        this.sendImage(action.to, action.from);
        break;
      case "close-gate":
        this.closeGate(nowMs);
        break;
      case "open-gate":
        this.owed.clear();
        hooks.openGate();
        break;
      case "name":
        this.ask(action);
        break;
      case "declared":
        this.reason = null;
        hooks.send(declared());
        hooks.say("standby-ready", `${action.to} can take over`);
        break;
      case "drop":
        this.drop(action);
        break;
      case "fenced":
        this.forgetAll();
        this.reason = "another side is active";
        hooks.say("fenced", "another side has taken over; this one does nothing more");
        break;
    }
  }

  private digestIfDue(nowMs: number): unknown {
    if (nowMs < this.digestAskedMs + DIGEST_MS) return null;
    this.digestAskedMs = nowMs;
    return digestOf(this.journal.machine);
  }

  private framesOf({ from, number }: { readonly from: number; readonly number: number }) {
    const frames: Uint8Array[] = [];
    const first = this.kept[0]?.number ?? 0;
    for (let at = from; at <= number; at++) {
      const { number: found, frame } = this.kept[at - first] ?? { number: 0, frame: null };
      ensure(found === at && frame !== null, "what a follower lacks is kept", at, first);
      frames.push(frame);
    }
    return frames;
  }

  private sendImage(side: string, joinedAt: number): void {
    const { hooks, journal } = this;
    journal.isOn = true;
    journal.machine.isDigested = true;
    const capture = machineCapture(journal.machine, this.room);
    this.image = new ImageQueue(capture, joinedAt, this.sendsOutputs);
    hooks.say("standby-joining", `${side} is being sent the state`);
    for (let sent = 0; sent < FIRST_FRAMES; sent++) if (!this.pump()) break;
  }

  private release(number: number): void {
    const { kept } = this;
    const first = kept[0]?.number ?? number + 1;
    for (let at = this.released + 1 - first; at <= number - first; at++) {
      const bracket = kept[at];
      const effects = bracket?.effects ?? null;
      ensure(bracket !== undefined && effects !== null, "a bracket goes out once", at + first);
      this.letOut(effects);
      bracket.effects = null;
    }
    this.released = number;
    const needed = this.leader.brackets[0]?.number ?? this.number + 1;
    if (needed > first) kept.splice(0, needed - first);
  }

  private letOut({ outputs, received, gone }: Effects): void {
    const { hooks, owed } = this;
    const wasOwing = owed.size > 0;
    for (const [connection, octets] of received) {
      hooks.acknowledge(connection, octets);
      if (octets >= (owed.get(connection) ?? Number.POSITIVE_INFINITY)) owed.delete(connection);
    }
    if (outputs.length > 0) hooks.release(outputs);
    for (const connection of gone) {
      owed.delete(connection);
      hooks.gone(connection);
    }
    if (wasOwing && owed.size === 0) this.step({ event: "paid" });
  }

  private closeGate(nowMs: number): void {
    const { hooks } = this;
    this.reason = "peers may have seen more than the standby has";
    this.owed = new Map(hooks.closeGate());
    // All that was received up to now counts, once the standby has the bracket that ends here.
    this.commit(nowMs);
    for (const [id, { received }] of this.journal.machine.ledger.connections) {
      hooks.acknowledge(id, received);
      if ((this.owed.get(id) ?? 0) <= received) this.owed.delete(id);
    }
    this.step({ event: "gate-closed", isOwing: this.owed.size > 0 });
  }

  /** Has the arbiter name the standby, or nobody; its answer is an event. */
  private ask({ standbys, question }: Extract<LeaderAction, { do: "name" }>): void {
    ensure(standbys.length <= 1, "one standby is named", ...standbys);
    const [standby = null] = standbys;
    const answered = (isDone: boolean, problem: string | null) =>
      this.step({ event: "named", question, isDone, problem });
    if (standby === null) {
      void this.hooks.undeclare().then((isOurs) => answered(isOurs, null));
      return;
    }
    this.hooks.declare(standby).then(
      (isDone) => answered(isDone, isDone ? null : "the arbiter did not let it become a standby"),
      ({ message }: Error) => answered(false, `it cannot be the standby: ${message}`),
    );
  }

  private drop({ reason, isSlow }: { readonly reason: string; readonly isSlow: boolean }): void {
    const { hooks } = this;
    if (isSlow) hooks.say("standby-slow", reason);
    [this.deviation, this.news] = [null, new DeviationNews()];
    hooks.drop(reason, isSlow);
    hooks.say("standby-lost", reason);
    this.reason = reason;
    this.image = null;
  }
}

function declared(): Uint8Array {
  return frameOf("declared", { ready: 1, reason: "" });
}
