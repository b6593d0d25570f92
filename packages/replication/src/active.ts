/**
 * The active side: when what a bracket did may be seen by peers.
 *
 *     alone     nobody follows: outputs leave when their bracket ends, the gate is open (I5)
 *     joining   a standby has been sent the image and follows; peers notice nothing of it yet
 *     holding   the gate is closed and outputs wait for acknowledgements of the standby; it is declared
 *               as soon as nothing is with a peer that it has not got
 *     declared  the standby may take over
 *
 * A bracket ends with `commit`. Its outputs, and the TCP acknowledgements of what it received, are
 * released when the standby has acknowledged it (I1, I2). When the standby is lost, everything is
 * released at once, but of a declared one only when it has lost the right to take over (`undeclare`).
 */

import type { ConnectionId, Output } from "@ts-bgp/router";
import { digestOf } from "./digest.ts";
import { frameOf } from "./frames.ts";
import type { Journal, Made } from "./journal.ts";
import { machineImage } from "./machine-image.ts";
import type { AnyRecord } from "./records.ts";

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

/** A bracket that the standby has not acknowledged. */
interface Pending extends Effects {
  readonly number: number;
  /** For a link that takes the place of the one it was sent over. */
  readonly frame: Uint8Array;
  readonly sentMs: number;
}

/** The image goes in pieces of this size, so that acknowledgements and beats get through. */
const IMAGE_PIECE_OCTETS = 1 << 18;
/** A standby that has not even the state after so long is given up. */
const JOIN_MS = 60_000;
/** So many times the patience a bracket may wait with a standby that gets further. */
const BEHIND_PATIENCE = 10;
/** Digests are compared this often. */
const DIGEST_MS = 1000;

export class Active {
  readonly journal: Journal;
  state: State = "alone";
  /** Why the standby may not take over, for people; empty when it may. */
  reason = "no standby has joined";
  /** Name of the standby that joins or follows. */
  standby = "";
  /** Number of the last bracket. */
  number = 0;
  acked = 0;
  applied = 0;
  /** Times that the standby was found to differ. */
  differences = 0;
  /** When digests were last found equal. */
  digestMs = 0;
  private readonly options: ActiveOptions;
  private readonly hooks: ActiveHooks;
  private pending: Pending[] = [];
  private pendingOctets = 0;
  /** Octets that the standby has room for. */
  private window = 0;
  /** First bracket of the standby's journal. */
  private joinedAt = 0;
  /** By connection, what peers may have seen acknowledged before the gate was closed. */
  private owed: Map<ConnectionId, number> = new Map();
  private heldFrom = 0;
  private heldMs = 0;
  /** When the standby last acknowledged something new. */
  private ackedMs = 0;
  /** When the standby was last known to have run something. */
  private appliedMs = 0;
  private declaring = false;
  /** Parts of an image, those that were sent, and frames that wait for the rest to go. */
  private image: Uint8Array[] = [];
  private imageSent = 0;
  private behindImage: Uint8Array[] = [];
  private digestAskedMs = 0;
  /** Bracket with the digests that were sent last; 0 when the standby has compared them. */
  private digestNumber = 0;

  constructor(journal: Journal, options: ActiveOptions, hooks: ActiveHooks) {
    this.journal = journal;
    this.options = options;
    this.hooks = hooks;
  }

  /** Whether outputs wait for a standby. */
  get holds(): boolean {
    return this.state === "holding" || this.state === "declared" || this.state === "undeclaring";
  }

  /** Brackets and octets that the standby has not acknowledged. */
  get behind(): { brackets: number; octets: number } {
    return { brackets: this.pending.length, octets: this.pendingOctets };
  }

  /** @returns for how long an acknowledgement has been owed, and none that was new has come */
  waitedMs(nowMs: number): number {
    const first = this.pending[0];
    return first === undefined ? 0 : nowMs - Math.max(first.sentMs, this.heldMs, this.ackedMs);
  }

  /** @returns how long the oldest bracket has waited for its acknowledgement since outputs are held */
  private oldestMs(nowMs: number): number {
    const first = this.pending[0];
    return first === undefined ? 0 : nowMs - Math.max(first.sentMs, this.heldMs);
  }

  /** Whether there is room for what another slice may do (R3.8). */
  get mayWork(): boolean {
    if (this.state === "alone") return true;
    return this.state !== "fenced" && this.pendingOctets < this.window;
  }

  /** Ends the bracket: sends it to the standby, and lets it out when that is due. */
  commit(nowMs: number): void {
    const { journal, hooks } = this;
    const { outputs, received, gone, calls, sum } = journal.take();
    if (this.state === "alone") {
      this.letOut({ outputs, received, gone });
      return;
    }
    if (this.state === "fenced" || (calls.length === 0 && outputs.length === 0)) return;
    const number = ++this.number;
    const digest = this.digestIfDue(nowMs);
    if (digest !== null) this.digestNumber = number;
    const frame = frameOf("bracket", { number, epoch: this.options.epoch, calls, sum, digest });
    const isHeld = this.holds;
    if (!isHeld && outputs.length > 0) hooks.release(outputs);
    this.pending.push({
      number,
      outputs: isHeld ? outputs : [],
      received,
      gone,
      frame,
      sentMs: nowMs,
    });
    this.pendingOctets += frame.length;
    if (this.state === "undeclaring") return;
    if (this.image.length > 0) this.behindImage.push(frame);
    else hooks.send(frame);
  }

  /**
   * A standby wants to join: it is sent the image and everything from here on. To be called between
   * two brackets.
   */
  join(side: string, nowMs: number): void {
    this.commit(nowMs);
    const { hooks, journal } = this;
    this.standby = side;
    this.state = "joining";
    this.reason = "the standby is being sent the state";
    this.joinedAt = this.number + 1;
    this.acked = this.number;
    this.applied = 0;
    this.appliedMs = nowMs;
    this.window = Number.POSITIVE_INFINITY;
    journal.isOn = true;
    journal.machine.isDigested = true;
    this.image = machineImage(journal.machine).flatMap(partsOf);
    this.imageSent = 0;
    const octets = this.image.reduce((sum, { length }) => sum + length, 0);
    this.behindImage = [frameOf("imageEnd", { before: this.joinedAt, octets })];
    hooks.say("standby-joining", `${side} is being sent ${octets} octets of state`);
    this.pump();
  }

  /** Sends what there is room for of an image, and then what came up behind it. */
  pump(): void {
    const { hooks, image, joinedAt: before } = this;
    while (this.imageSent < image.length) {
      if (hooks.hasRoom?.() === false) return;
      hooks.send(frameOf("image", { before, octets: image[this.imageSent++]! }));
    }
    this.image = [];
    this.imageSent = 0;
    for (const frame of this.behindImage.splice(0)) hooks.send(frame);
  }

  /** A record of the standby has come. */
  record(record: AnyRecord, nowMs: number): void {
    if (this.state === "alone" || this.state === "fenced") return;
    if (record.record === "ack") {
      this.window = record.window;
      if (record.applied > this.applied) {
        this.applied = record.applied;
        this.appliedMs = nowMs;
      }
      if (this.digestNumber > 0 && this.applied >= this.digestNumber) {
        this.digestNumber = 0;
        this.digestMs = nowMs;
      }
      if (record.number > this.acked) this.ackedMs = nowMs;
      this.acknowledged(Math.min(record.number, this.number));
      this.advance(nowMs);
    } else if (record.record === "differs") {
      this.differences++;
      this.hooks.say("standby-differs", `${record.what} at bracket ${record.number}`);
      this.lose(`the standby differed in ${record.what}; it has to join again`);
    }
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
  resume(next: number): Uint8Array[] | null {
    const { state } = this;
    const isFollowed = state === "joining" || state === "holding" || state === "declared";
    const hasImage = this.image.length === 0;
    if (!isFollowed || !hasImage || next <= this.acked || next > this.number + 1) return null;
    this.acknowledged(next - 1);
    const frames = this.pending.map(({ frame }) => frame);
    return state === "declared" ? [...frames, declared()] : frames;
  }

  /** The standby is of no use any more, and given up for that reason. @param isSlow - as for `drop` */
  lose(reason: string, isSlow = false): void {
    const { hooks } = this;
    if (this.state === "alone" || this.state === "undeclaring" || this.state === "fenced") return;
    hooks.drop(reason, isSlow);
    hooks.say("standby-lost", reason);
    this.reason = reason;
    const wasDeclared = this.state === "declared" || this.declaring;
    if (!wasDeclared) {
      this.goOnAlone();
      return;
    }
    this.state = "undeclaring";
    void hooks.undeclare().then((isOurs) => {
      if (isOurs) this.goOnAlone();
      else this.fence();
    });
  }

  /** To be called a few times a second. */
  tick(nowMs: number): void {
    const { state, hooks, mayWork } = this;
    if (state === "undeclaring" || state === "fenced") return;
    const patienceMs = state === "joining" ? JOIN_MS : this.options.patienceMs;
    const behindMs = BEHIND_PATIENCE * this.options.patienceMs;
    if (this.waitedMs(nowMs) > patienceMs) {
      hooks.say("standby-slow", `no acknowledgement for ${patienceMs} ms`);
      this.lose(`the standby did not acknowledge for ${patienceMs} ms`, true);
    } else if (this.holds && this.oldestMs(nowMs) > behindMs) {
      hooks.say("standby-slow", `an acknowledgement is ${behindMs} ms late`);
      this.lose(`the standby was ${behindMs} ms behind with its acknowledgements`, true);
    } else if (!mayWork && nowMs - this.appliedMs > this.options.patienceMs) {
      // It has stored what it was sent, and says that there is no room for more.
      hooks.say("standby-slow", `no room for ${this.options.patienceMs} ms`);
      this.lose(`the standby has had no room for ${this.options.patienceMs} ms`, true);
    }
  }

  /** This side does nothing more: what becomes of the standby is not its concern any more. */
  retire(): void {
    if (this.state === "fenced") return;
    this.state = "fenced";
    this.reason = "this side does nothing more";
    this.pending = [];
  }

  /** This side has lost its role: nothing may leave it any more. */
  fence(): void {
    if (this.state === "fenced") return;
    this.retire();
    this.reason = "another side is active";
    this.hooks.say("fenced", "another side has taken over; this one does nothing more");
  }

  private digestIfDue(nowMs: number): unknown {
    if (nowMs < this.digestAskedMs + DIGEST_MS) return null;
    this.digestAskedMs = nowMs;
    return digestOf(this.journal.machine);
  }

  private acknowledged(number: number): void {
    if (number <= this.acked) return;
    this.acked = number;
    let done = 0;
    for (const pending of this.pending) {
      if (pending.number > number) break;
      done++;
      this.pendingOctets -= pending.frame.length;
      this.letOut(pending);
    }
    this.pending.splice(0, done);
  }

  private letOut({ outputs, received, gone }: Effects): void {
    const { hooks } = this;
    for (const [connection, octets] of received) {
      hooks.acknowledge(connection, octets);
      const owed = this.owed.get(connection);
      if (owed !== undefined && octets >= owed) this.owed.delete(connection);
    }
    if (outputs.length > 0) hooks.release(outputs);
    for (const connection of gone) {
      this.owed.delete(connection);
      hooks.gone(connection);
    }
  }

  /** Goes on to the next state when its time has come. */
  private advance(nowMs: number): void {
    const { hooks } = this;
    if (this.state === "joining" && this.applied + 1 >= this.joinedAt) {
      this.state = "holding";
      this.heldMs = nowMs;
      this.reason = "peers may have seen more than the standby has";
      this.owed = new Map(hooks.closeGate());
      // All that was received up to now counts, once the standby has the bracket that ends here.
      this.commit(nowMs);
      this.heldFrom = this.number;
      for (const [id, { received }] of this.journal.machine.ledger.connections) {
        hooks.acknowledge(id, received);
        if ((this.owed.get(id) ?? 0) <= received) this.owed.delete(id);
      }
    }
    if (this.state !== "holding" || this.declaring || this.acked < this.heldFrom) return;
    if (this.owed.size > 0) return;
    this.declareStandby();
  }

  private declareStandby(): void {
    const { hooks, standby } = this;
    this.declaring = true;
    const isOver = () => this.state !== "holding" || this.standby !== standby;
    const answered = (isDeclared: boolean) => {
      this.declaring = false;
      if (isOver()) return;
      if (!isDeclared) {
        this.lose("the arbiter did not let it become a standby");
        return;
      }
      this.state = "declared";
      this.reason = "";
      hooks.send(declared());
      hooks.say("standby-ready", `${standby} can take over`);
    };
    const failed = ({ message }: Error) => {
      // Whether it has the right is not known: it is taken back.
      if (!isOver()) this.lose(`it cannot be the standby: ${message}`);
      this.declaring = false;
    };
    void hooks.declare(standby).then(answered, failed);
  }

  private goOnAlone(): void {
    const { pending, hooks, journal } = this;
    this.state = "alone";
    this.standby = "";
    this.pending = [];
    this.pendingOctets = 0;
    this.owed.clear();
    this.image = [];
    this.behindImage = [];
    journal.isOn = false;
    hooks.openGate();
    for (const bracket of pending) this.letOut(bracket);
  }
}

function declared(): Uint8Array {
  return frameOf("declared", { ready: 1, reason: "" });
}

function partsOf(piece: Uint8Array): Uint8Array[] {
  const parts: Uint8Array[] = [];
  for (let at = 0; at < piece.length; at += IMAGE_PIECE_OCTETS) {
    parts.push(piece.subarray(at, at + IMAGE_PIECE_OCTETS));
  }
  return parts;
}
