/**
 * The active side's brackets: what is in them, and how they get to standbys and out to peers. When that
 * may be is decided by the leader of `@ts-bgp/pair`, to which all that happens goes as an event. Towards
 * each standby it is in one of these states, and as a whole in the best of them:
 *
 *     alone        nobody follows: outputs leave when their bracket ends, the gate is open (I5)
 *     joining      a standby has been sent the image and follows; peers notice nothing of it yet
 *     inheriting   this side has taken over, and it is to be seen what another standby has
 *     holding      the gate is closed and outputs wait for acknowledgements of the standby; it is declared
 *                  as soon as nothing is with a peer that it has not got
 *     declared     the standby may take over
 *     undeclaring  it is lost, and may have taken over until the arbiter says otherwise
 *     fenced       another side is active
 *
 * A bracket ends with `commit`. Its outputs, and the TCP acknowledgements of what it received, are
 * released when all standbys that have to have acknowledged it (I1, I2).
 */

import {
  type Follower,
  InTurn,
  isBinding,
  type Leader,
  type LeaderAction,
  type LeaderEvent,
  mayWork,
  newLeader,
  stepLeader,
  waitedMs,
} from "@ts-bgp/pair";
import type { ConnectionId } from "@ts-bgp/router";
import {
  type ActiveHooks,
  type ActiveOptions,
  type ActiveState,
  behindOf,
  gravest,
  inheritedOf,
  type Joining,
  newOutlet,
  type Outlet,
  type StandbyState,
  standbyState,
  stateOf,
} from "./active-types.ts";
import { type Deviation, deviationIn, deviationText } from "./deviation.ts";
import { DigestTimes } from "./digest.ts";
import { frameOf } from "./frames.ts";
import type { Journal } from "./journal.ts";
import { type Effects, type HeldBack, KeptBrackets, type OutBracket } from "./kept-brackets.ts";
import { Mirrors } from "./mirrors.ts";
import { DECLARED, outletFor, windowOf } from "./outlet.ts";
import { outputsOctets } from "./outputs-octets.ts";
import { RecentBrackets } from "./recent-brackets.ts";
import type { AnyRecord, RecordOf } from "./records.ts";

/** Frames of an image that are sent at once: a small one is sent when the standby joins. */
const FIRST_FRAMES = 4;

export class Active {
  readonly journal: Journal;
  readonly mirrors: Mirrors;
  /** Why the standby may not take over, for people; null when it may. */
  reason: string | null = "no standby has joined";
  /** Times that the standby was found to differ. */
  differences = 0;
  /** When digests were last found equal. */
  digestMs = 0;
  private readonly leader: Leader;
  private readonly hooks: ActiveHooks;
  private readonly events: InTurn<LeaderEvent> = new InTurn((event) => this.handle(event));
  private readonly kept: KeptBrackets;
  private readonly recent: RecentBrackets;
  /** By connection, what peers may have seen acknowledged before the gate was closed. */
  private owed: Map<ConnectionId, number> = new Map();
  /** What there is to say of a standby that joins just now. */
  private joining: Joining = {};
  /** By standby. */
  private readonly outlets: Map<string, Outlet> = new Map();
  private readonly digests: DigestTimes = new DigestTimes();
  /** Called once everything that was inherited is with all heirs. */
  private goOn: (() => void) | null = null;

  constructor(journal: Journal, options: ActiveOptions, hooks: ActiveHooks) {
    const { epoch, patienceMs, estate = null, recentOctets = 0, stream = 0 } = options;
    this.journal = journal;
    this.leader = newLeader(epoch, patienceMs, inheritedOf(estate));
    this.hooks = hooks;
    const { followers, released } = this.leader;
    this.kept = new KeptBrackets(released);
    this.recent = new RecentBrackets(recentOctets);
    this.mirrors = new Mirrors({ journal, epoch, stream }, estate, released);
    if (estate === null || followers.length === 0) return;
    for (const { name } of followers) this.outlets.set(name, newOutlet(null, false));
    this.kept.inherit(estate, epoch);
    this.reason = "it is to be seen what the other standbys have";
    journal.isOn = true;
    journal.machine.isDigested = true;
  }

  get state(): ActiveState {
    return stateOf(this.leader);
  }

  /** @returns the state towards one standby */
  stateOf(side: string): ActiveState {
    return stateOf(this.leader, side);
  }

  /** All that follow, as far as they are. */
  get standbys(): StandbyState[] {
    return this.leader.followers.map((follower) => {
      return standbyState(this.leader, follower, this.outlets.get(follower.name)?.digestMs ?? 0);
    });
  }

  /** It is to be seen what heirs have: nobody may join, and no connection goes on. */
  get isInheriting(): boolean {
    return this.leader.released < this.leader.inheritedTo;
  }

  /** Resolves at once, or when all heirs have what this side has: then connections may go on. */
  inherit(): Promise<void> {
    if (!this.isInheriting || this.leader.isFenced) return Promise.resolve();
    return new Promise((resolve) => {
      this.goOn = resolve;
    });
  }

  /** Brackets have the outputs, for a standby that may come to others. */
  private get sendsOutputs(): boolean {
    return [...this.outlets.values()].some(({ wantsOutputs }) => wantsOutputs);
  }

  /** How a standby differs that goes on with these; null when none does. */
  get deviation(): Deviation | null {
    return gravest(this.outlets.values());
  }

  /** All standbys read what this version writes. */
  get areAllCurrent(): boolean {
    return [...this.outlets.values()].every(({ needsNames }) => !needsNames);
  }

  /** Number of the last bracket. */
  get number(): number {
    return this.leader.number;
  }

  /** Last bracket that all standbys have stored. */
  get acked(): number {
    return this.number - this.behind.brackets;
  }

  /** Last bracket that all standbys have run, 0 while one has not even the state. */
  get applied(): number {
    return Math.min(this.number, ...this.leader.followers.map(({ applied }) => applied));
  }

  /** Whether outputs wait for a standby. */
  get isHolding(): boolean {
    return !this.leader.isFenced && this.leader.followers.some(isBinding);
  }

  /** Brackets and octets that not all standbys have acknowledged. */
  get behind(): { brackets: number; octets: number } {
    return behindOf(this.leader);
  }

  /** @returns for how long a standby has owed an acknowledgement, and none that was new has come */
  waitedMs(side: string, nowMs: number): number {
    const follower = this.find(side);
    return follower === null ? 0 : waitedMs(this.leader, follower, nowMs);
  }

  /** Whether there is room for what another slice may do. */
  get mayWork(): boolean {
    return mayWork(this.leader);
  }

  heldBackOf(connection: ConnectionId): HeldBack {
    return this.kept.heldBackOf(connection);
  }

  /** Ends the bracket: sends it to the standby, and lets it out when that is due. */
  commit(nowMs: number): void {
    const { journal, leader, mirrors } = this;
    const { calls, sum, hasSecrets, ...effects } = journal.take();
    const { outputs, received, gone } = effects;
    const isEmpty = calls.length + outputs.length + received.size + gone.length === 0;
    if (leader.isFenced || isEmpty) return;
    const number = (this.kept.last ?? leader.number) + 1;
    let frame: Uint8Array | null = null;
    let mirrored: Uint8Array | null = null;
    const isWatched = leader.followers.some(({ phase }) => phase !== "removing");
    if (isWatched || this.recent.isGoing || mirrors.isOn) {
      const digest = this.digests.digestIfDue(journal.machine, nowMs);
      if (digest !== null) for (const outlet of this.outlets.values()) outlet.digestNumber = number;
      const about = { number, epoch: leader.epoch, calls, sum, digest };
      const octets = outputsOctets(this.sendsOutputs ? outputs : []);
      frame = frameOf("bracket", { ...about, outputs: octets });
      const isOwn = hasSecrets || octets.length > 0;
      if (mirrors.isOn) mirrored = isOwn ? mirrors.frameOf({ ...about, outputs: octets }) : frame;
    }
    this.kept.add(number, effects, isWatched ? frame : null, mirrored);
    this.recent.add(number, frame, isWatched);
    this.step({ event: "commit", octets: frame?.length ?? calls.length, nowMs });
  }

  /**
   * A standby wants to join: it is sent the image and everything from here on, as `pump` is called. To be
   * called between two brackets. Throws when there is no memory for it.
   */
  join(side: string, nowMs: number, joining: Joining = {}): void {
    // What comes at once of what a bracket lets out is to be in the image, and in no bracket behind it.
    do this.commit(nowMs);
    while (this.journal.octets > 0);
    if (this.state !== "declared") this.reason = "the standby is being sent the state";
    this.joining = joining;
    this.step({ event: "join", follower: side, nowMs });
    this.joining = {};
  }

  /** Whether a standby that has stored all brackets before this one can be sent the others. */
  keepsFrom(number: number): boolean {
    return !this.leader.isFenced && this.recent.from(number, this.number) !== null;
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
  pump(side: string): boolean {
    const { hooks } = this;
    const outlet = this.outlets.get(side);
    if (outlet?.image == null || hooks.hasRoom?.(side) === false) return false;
    const frame = outlet.image.next();
    if (frame === null) outlet.image = null;
    else hooks.send(side, frame);
    return frame !== null && hooks.hasRoom?.(side) !== false;
  }

  /** A record of a standby has come. */
  record(side: string, record: AnyRecord, nowMs: number): void {
    const outlet = this.outlets.get(side);
    if (outlet === undefined || this.leader.isFenced) return;
    if (record.record === "ack") {
      const { applied, number } = record;
      const windowOctets = windowOf(outlet, record);
      this.step({ event: "ack", follower: side, number, applied, windowOctets, nowMs });
      if (outlet.digestNumber > 0 && applied >= outlet.digestNumber) {
        outlet.digestNumber = 0;
        outlet.digestMs = nowMs;
        this.digestMs = nowMs;
      }
    } else if (record.record === "differs" && record.follows === 1) this.deviates(outlet, record);
    else if (record.record === "differs") {
      this.differences++;
      this.hooks.say("standby-differs", `${record.what} at bracket ${record.number}`);
      this.lose(side, `the standby differed in ${record.what}; it has to join again`);
    } else if (record.record === "bracket") this.gain(side, record, nowMs);
  }

  /** @returns the first bracket that a standby of the active before has and this side lacks; 0 for none */
  lackedOf(side: string): number {
    const { phase, had = 0 } = this.find(side) ?? {};
    return phase === "heir" && had > this.number ? this.number + 1 : 0;
  }

  /** Another standby of the active before had more of its brackets than this side. */
  private gain(side: string, bracket: RecordOf<"bracket">, nowMs: number): void {
    const { number, calls } = bracket;
    if (number <= this.number) return;
    if (this.lackedOf(side) !== number) {
      this.lose(side, `it sent bracket ${number} behind bracket ${this.number}`);
      return;
    }
    this.kept.gain(this.journal.machine, bracket, this.leader.epoch);
    this.step({ event: "gain", number, octets: calls.length, nowMs });
  }

  private deviates(outlet: Outlet, record: RecordOf<"differs">): void {
    outlet.deviation = deviationIn(record);
    const text = deviationText(outlet.deviation) || "it differs no more";
    if (outlet.news.take(outlet.deviation)) this.hooks.say("standby-deviates", text);
  }

  /**
   * The link is gone without a word. A standby that has other ways is waited for, no longer than one
   * that says nothing: brackets that it does not acknowledge count against it as ever.
   *
   * @returns whether it is waited for; if not, it is lost
   */
  cut(side: string, reason: string, hasWays: boolean): boolean {
    const state = this.stateOf(side);
    // An heir may still come, or come again.
    const mayReturn = hasWays && (state === "holding" || state === "declared");
    if (mayReturn || state === "inheriting") return true;
    this.lose(side, reason);
    return false;
  }

  /**
   * The standby comes back by another link, with the state that it had: it has stored all brackets
   * before `next`. What it has not is sent again, so nothing is lost or doubled.
   *
   * @returns what that link is to carry before anything else; null when the standby has to join again
   */
  resume(side: string, next: number, nowMs: number): Uint8Array[] | null {
    const outlet = this.outlets.get(side);
    if (outlet === undefined || outlet.image !== null) return null;
    const frames: Uint8Array[] = [];
    const event = { event: "resume", follower: side, next, nowMs } as const;
    let goesOn = false;
    for (const action of stepLeader(this.leader, event)) {
      goesOn ||= action.do === "send" || action.do === "fetch";
      if (action.do === "send") frames.push(...this.kept.frames(action.from, action.number));
      else if (action.do === "declared") frames.push(DECLARED);
      else this.perform(action, nowMs);
    }
    return goesOn ? frames : null;
  }

  /** A standby is of no use any more, and given up for that reason. @param isSlow - as for `drop` */
  lose(side: string, reason: string, isSlow = false): void {
    this.step({ event: "lose", follower: side, reason, isSlow });
  }

  /** The same of all. */
  loseAll(reason: string, isSlow = false): void {
    for (const { name } of [...this.leader.followers]) this.lose(name, reason, isSlow);
  }

  /** To be called a few times a second. */
  tick(nowMs: number): void {
    this.mirrors.tick(nowMs);
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
    this.kept.forget();
    this.recent.clear();
    this.mirrors.clear();
    this.outlets.clear();
    this.goOn?.();
  }

  private find(side: string): Follower | null {
    return this.leader.followers.find(({ name }) => name === side) ?? null;
  }

  private step(event: LeaderEvent): void {
    this.events.tell(event);
  }

  private handle(event: LeaderEvent): void {
    const nowMs = "nowMs" in event ? event.nowMs : 0;
    for (const action of stepLeader(this.leader, event)) this.perform(action, nowMs);
    const isFollowed = this.leader.followers.length > 0 || this.recent.isGoing;
    if (!isFollowed && !this.mirrors.isOn) this.journal.isOn = false;
  }

  private perform(action: LeaderAction, nowMs: number): void {
    const { hooks } = this;
    switch (action.do) {
      case "release":
        this.release(action.number);
        break;
      case "send":
        for (const frame of this.kept.frames(action.from, action.number)) {
          const image = this.outlets.get(action.to)?.image ?? null;
          if (image !== null) image.add(frame);
          else hooks.send(action.to, frame);
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
        hooks.send(action.to, DECLARED);
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

  private sendImage(side: string, joinedAt: number): void {
    const { joining, journal, recent, hooks } = this;
    const { outlet, what } = outletFor(joining, joinedAt, journal, recent);
    this.outlets.set(side, outlet);
    hooks.say("standby-joining", `${side} is being sent ${what}`);
    for (let sent = 0; sent < FIRST_FRAMES; sent++) if (!this.pump(side)) break;
  }

  private release(number: number): void {
    const needed = this.leader.brackets[0]?.number ?? this.number + 1;
    this.kept.release(number, needed, (effects, bracket) => this.letOut(effects, bracket));
    if (this.isInheriting) return;
    this.goOn?.();
    this.goOn = null;
  }

  private letOut({ outputs, received, gone }: Effects, { number, mirrored }: OutBracket): void {
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
    this.mirrors.out(number, mirrored);
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

  /** Has the arbiter name standbys, or nobody; its answer is an event. */
  private ask({ standbys, heirs, question }: Extract<LeaderAction, { do: "name" }>): void {
    const rights = { standbys, heirs };
    const before = this.leader.answered.standbys;
    const answered = (isDone: boolean, problem: string | null) =>
      this.step({ event: "named", question, isDone, problem });
    if (standbys.every((name) => before.includes(name))) {
      void this.hooks.undeclare(rights).then((isOurs) => answered(isOurs, null));
      return;
    }
    this.hooks.declare(rights).then(
      (isDone) => answered(isDone, isDone ? null : "the arbiter did not let it become a standby"),
      ({ message }: Error) => answered(false, `it cannot be the standby: ${message}`),
    );
  }

  private drop({ follower, reason, isSlow }: Extract<LeaderAction, { do: "drop" }>): void {
    const { hooks } = this;
    if (isSlow) hooks.say("standby-slow", reason);
    hooks.drop(follower, reason, isSlow);
    hooks.say("standby-lost", reason);
    this.outlets.delete(follower);
    if (this.state !== "declared") this.reason = reason;
  }
}
