/**
 * Mirrors of an active side: they are sent what is out, which is what peers may have seen, and nothing waits for
 * them. They have no right, and no part in the leader's rule: of all this the leader knows nothing.
 *
 * What is out is on every standby. So a mirror is never ahead of the side that takes over, and goes on with that
 * one behind the bracket that it has, as long as the brackets behind it are there.
 *
 * A record on disk is one more of them, served by somebody else than the others.
 *
 * A mirror that does not take what it is sent is dropped once that is too much, and joins again with the newest state.
 */

import type { Config } from "@ts-bgp/config";
import { ensure } from "@ts-bgp/pair";
import type { Estate } from "./active-types.ts";
import type { CaptureRoom } from "./capture-room.ts";
import { areConfiguring, concealedCalls, secretsOf } from "./conceal.ts";
import { frameOf } from "./frames.ts";
import { ImageQueue } from "./image-queue.ts";
import type { Journal } from "./journal.ts";
import { mirrorCapture } from "./machine-image.ts";
import { RecentBrackets } from "./recent-brackets.ts";
import type { RecordOf } from "./records.ts";

/** Octets that may wait for a mirror, and that are kept for those that come again. */
export const MIRROR_OCTETS_MAX: number = 1 << 26;
/** For so long after a takeover brackets of the active before are kept. */
const BEFORE_MS = 60_000;

/** What the shell does for mirrors. */
export interface MirrorHooks {
  send(to: string, frame: Uint8Array): void;
  /** @returns octets that were sent and have not left this process */
  backlogOf(to: string): number;
  /** There may be more to `pump`. */
  wake(to: string): void;
  /** It is of no use to go on with that mirror: its link is to be closed. It did not take what it was sent, or could not. */
  drop(to: string, reason: string, why: "slow" | "secret"): void;
}

interface MirrorOutlet {
  /** Of who serves it. */
  readonly hooks: MirrorHooks;
  /** What it is still to be sent before the next bracket that is out; null when nothing. */
  queue: ImageQueue | null;
  /** Last bracket that it has: part of its image, or what it came with; 0 when it is not ahead of what is out. */
  readonly hasTo: number;
  /** The end of the image: until all of it is out. */
  held: Uint8Array | null;
  /** Octets of frames behind the image in the queue. */
  waiting: number;
}

export interface MirrorsOf {
  readonly journal: Journal;
  readonly epoch: number;
  readonly stream: number;
  readonly isRelay?: boolean;
}

/** The log of an active that this side has taken over from. */
type Before = Pick<Estate, "stream" | "brackets" | "number" | "nowMs">;

export class Mirrors {
  /** Of all brackets of this active: a number by chance. */
  readonly stream: number;
  private readonly journal: Journal;
  private readonly epoch: number;
  private readonly isRelay: boolean;
  private readonly outlets: Map<string, MirrorOutlet> = new Map();
  private hooks: MirrorHooks | null = null;
  private recent: RecentBrackets;
  private before: Before | null;
  /** Brackets up to this one are out. */
  private released: number;
  /** In force after the bracket that was written down last; null while none is. */
  private config: Config | null = null;

  /**
   * @param stream - see `Active`; 0 where nobody mirrors
   * @param isRelay - not of the active, but of a mirror of it that passes brackets on: others may have come further
   *   elsewhere, and come again
   * @param estate - of a side that has taken over, whose `stream` is 0 when mirrors cannot go on with it
   */
  constructor(
    { journal, epoch, stream, isRelay = false }: MirrorsOf,
    estate: Estate | null,
    released: number,
  ) {
    this.stream = stream;
    this.journal = journal;
    this.epoch = epoch;
    this.isRelay = isRelay;
    this.released = released;
    this.before = stream > 0 && estate !== null && estate.stream > 0 ? estate : null;
    this.recent = new RecentBrackets(this.before === null ? 0 : MIRROR_OCTETS_MAX);
    if (this.isOn) this.writeDown();
  }

  /** Whether brackets are to be written down for mirrors that are there, or may come again. */
  get isOn(): boolean {
    const mayCome = this.isRelay && this.hooks !== null;
    return mayCome || this.outlets.size > 0 || this.recent.isGoing || this.before !== null;
  }

  /** Whether a mirror is being sent the state. */
  isSendingStateTo(name: string): boolean {
    const { queue = null, held = null } = this.outlets.get(name) ?? {};
    return held !== null || queue?.isImageOver === false;
  }

  /** Whether any mirror is. */
  get isSendingState(): boolean {
    return [...this.outlets.keys()].some((name) => this.isSendingStateTo(name));
  }

  /** Number of the last bracket that is out. */
  get last(): number {
    return this.released;
  }

  /** Begins to serve mirrors that may come again, or ends that with null. */
  serve(hooks: MirrorHooks | null): void {
    const { hooks: before, outlets } = this;
    this.hooks = hooks;
    if (hooks === null) {
      for (const [name, outlet] of [...outlets]) if (outlet.hooks === before) this.leave(name);
      this.recent.clear();
      this.recent = new RecentBrackets(0);
      this.before = null;
    } else if (!this.recent.isGoing && this.before === null) {
      this.recent = new RecentBrackets(MIRROR_OCTETS_MAX);
    }
  }

  /**
   * @param stream - of the active that a mirror has brackets of
   * @param lacks - the first one that it has not
   * @returns the same when it can go on there; 0 when it needs the state
   */
  goesOnFrom(stream: number, lacks: number): number {
    return this.behind(stream, lacks) === null ? 0 : lacks;
  }

  /**
   * A mirror joins, behind the last bracket. What it is sent comes of `pump`. Throws when there is no memory for it.
   *
   * @param number - of the last bracket
   * @param room - made ready for the state, see `prepareCapture`
   * @param hooks - of who serves it, where that is not the one of all others
   */
  join(
    name: string,
    from: { stream: number; lacks: number },
    number: number,
    room: CaptureRoom,
    hooks: MirrorHooks | null = this.hooks,
  ): void {
    ensure(!this.outlets.has(name) && hooks !== null, "a mirror joins once", name);
    const frames = this.behind(from.stream, from.lacks);
    if (frames === null) {
      this.writeDown();
      const queue = new ImageQueue(mirrorCapture(this.journal.machine, room), number + 1, false);
      this.outlets.set(name, { hooks, queue, hasTo: number, held: null, waiting: 0 });
      return;
    }
    const queue = ImageQueue.goingOn(frames, number + 1);
    const waiting = frames.reduce((octets, { length }) => octets + length, 0);
    const hasTo = frames.length === 0 ? from.lacks - 1 : 0;
    this.outlets.set(name, { hooks, queue, hasTo, held: null, waiting });
  }

  leave(name: string): void {
    this.outlets.delete(name);
  }

  /** Sends another frame that waits. @returns whether there is more to send */
  pump(name: string): boolean {
    const outlet = this.outlets.get(name);
    if (outlet === undefined || outlet.queue === null) return false;
    const { queue } = outlet;
    if (outlet.held !== null) {
      if (this.released < outlet.hasTo) return false;
      this.send(name, outlet.held);
      outlet.held = null;
      return true;
    }
    const isBehind = queue.isImageOver;
    const frame = queue.next();
    if (frame === null) {
      outlet.queue = null;
      return false;
    }
    if (isBehind) outlet.waiting -= frame.length;
    // As long as it is not complete, nothing of it is shown.
    if (isBehind === queue.isImageOver) this.send(name, frame);
    else outlet.held = frame;
    return true;
  }

  /**
   * @returns what mirrors are sent of the bracket that was made last; null when none could follow it, since a secret
   *   has changed
   */
  frameOf(bracket: Bracket): Uint8Array | null {
    const { config: before } = this;
    const { config } = this.journal.machine.router.tables;
    this.config = config;
    const isSame =
      before === config || (before !== null && secretsOf(before) === secretsOf(config));
    return isSame ? mirroredFrame(bracket, config, this.journal.configured) : null;
  }

  /** A bracket is out. @param frame - as mirrors are sent it; null when it was not written down for them */
  out(number: number, frame: Uint8Array | null): void {
    this.released = number;
    // Those that were taken over are with whoever asks for them.
    if (this.before !== null && number <= this.before.number) return;
    if (frame === null) this.before = null;
    this.recent.add(number, frame, this.isRelay || this.outlets.size > 0);
    for (const [name, outlet] of [...this.outlets]) {
      if (number === outlet.hasTo) outlet.hooks.wake(name);
      if (number <= outlet.hasTo) continue;
      if (frame !== null) this.tell(name, frame);
      else this.drop(name, "a secret is another one, which mirrors are not told", "secret");
    }
  }

  /** Says something to a mirror, behind all that it was sent before. */
  tell(name: string, frame: Uint8Array): void {
    const outlet = this.outlets.get(name);
    if (outlet === undefined) return;
    const { hooks } = outlet;
    if (outlet.queue === null) hooks.send(name, frame);
    else {
      outlet.queue.add(frame);
      outlet.waiting += frame.length;
    }
    if (outlet.waiting + hooks.backlogOf(name) <= MIRROR_OCTETS_MAX) return;
    this.drop(name, `it is more than ${MIRROR_OCTETS_MAX >> 20} MB behind`, "slow");
  }

  private drop(name: string, reason: string, why: "slow" | "secret"): void {
    const hooks = this.outlets.get(name)?.hooks;
    this.outlets.delete(name);
    hooks?.drop(name, reason, why);
  }

  tick(nowMs: number): void {
    if (this.before !== null && nowMs > this.before.nowMs + BEFORE_MS) this.before = null;
  }

  clear(): void {
    this.outlets.clear();
    this.recent.clear();
    this.before = null;
  }

  private send(name: string, frame: Uint8Array): void {
    this.outlets.get(name)?.hooks.send(name, frame);
  }

  /** Between two brackets. */
  private writeDown(): void {
    this.journal.isOn = true;
    this.journal.machine.isDigested = true;
    this.config = this.journal.machine.router.tables.config;
  }

  /** @returns the brackets from one on that are out; null when one of them is not kept */
  private behind(stream: number, from: number): Uint8Array[] | null {
    const { before, recent, released } = this;
    if (stream === 0) return null;
    const beforeTo = before?.number ?? 0;
    // What mirrors have of the active before is part of the log of the new one, which knows where that ended; a relay
    // may have heard the rest of it from the new one.
    const isOfBefore = before !== null && stream === before.stream;
    const isOwn = stream === this.stream || (this.isRelay && isOfBefore && from > beforeTo + 1);
    // What is not here yet is about to come.
    if (this.isRelay && isOwn && from > released) return [];
    if (from > released + 1) return null;
    // Who was told of this stream, and had nothing of it yet, may lack what is of the one before.
    if (isOwn && (before === null || from > beforeTo + 1)) return recent.from(from, released);
    if (before === null || !(isOwn || isOfBefore) || released < before.number) return null;
    const { number, brackets } = before;
    const lacked = number + 1 - from;
    if (lacked < 0 || lacked > brackets.length) return null;
    const own = released === number ? [] : recent.from(number + 1, released);
    if (own === null) return null;
    const others = lacked === 0 ? [] : brackets.slice(-lacked);
    // What was a secret before them is not known any more.
    if (others.some(({ calls }) => areConfiguring(calls))) return null;
    const { epoch } = this;
    return [...others.map((bracket) => mirroredFrame({ ...bracket, epoch }, null, [])), ...own];
  }
}

type Bracket = Omit<RecordOf<"bracket">, "record">;
const NO_OCTETS = new Uint8Array(0);

function mirroredFrame(
  bracket: Bracket,
  config: Config | null,
  given: readonly Uint8Array[],
): Uint8Array {
  const calls = concealedCalls(bracket.calls, config, given);
  return frameOf("bracket", { ...bracket, calls, outputs: NO_OCTETS });
}
