/**
 * The standby side: stores brackets, acknowledges them, and runs them on a machine of its own.
 *
 * A bracket is acknowledged as soon as it is stored: from then on it survives the active. It is run
 * when there is time, at the latest before a takeover, and then compared with what the active got.
 *
 * A standby that comes to other outputs is of use if the bracket has those of the active: they count as
 * done in the place of its own, and it keeps its right. What it needs to go on is in `Deviations`.
 */

import { areSameAttempts, Deviations, type Output, type Router } from "@ts-bgp/router";
import { type Deviation, DeviationNews } from "./deviation.ts";
import { areOfLedger, areOfTables, differences, digestOf } from "./digest.ts";
import { frameOf } from "./frames.ts";
import { digestIn } from "./json-fields.ts";
import type { Call, Machine } from "./machine.ts";
import { machineFromImage } from "./machine-image.ts";
import { FormatError } from "./octet-reader.ts";
import { outputsFrom } from "./outputs-octets.ts";
import { outputsSum } from "./outputs-sum.ts";
import { BACKLOG_OCTETS_MAX, octetsOf, Receipts } from "./receipts.ts";
import type { Skipped } from "./record-kinds.ts";
import type { AnyRecord, RecordOf } from "./records.ts";
import { replayCalls } from "./replay.ts";

export interface StandbyHooks {
  /** Sends a frame to the active. */
  send(frame: Uint8Array): void;
  /** The state is another one than the active's: of no use from now on. @param own - outputs that this side came to */
  differs(number: number, what: string, own: readonly Output[]): void;
  /** The same, but it goes on with what the active puts out; told again when more differs, or ends. */
  deviates?(deviation: Deviation): void;
  /** A bracket was run, and what it did is what the active did. */
  ran?(bracket: RecordOf<"bracket">): void;
}

/** With so many octets of brackets to be run, the active no longer waits until all is judged anew. */
const AWAITED_OCTETS_MAX = 1 << 20;

/**
 * Octets of brackets that are kept for other standbys, which may lack them when this one takes over. An
 * active is never further ahead of a standby than that one has room for.
 */
const RECENT_OCTETS = 2 * BACKLOG_OCTETS_MAX;

export class Standby {
  /** The active has declared that this side may take over. */
  isDeclared = false;
  /** Bracket behind which both sides were last compared, and equal; 0 for none. */
  digestNumber = 0;
  /** The active is the same program: given the same, its tables are never others unless one is damaged. */
  isSameProgram = false;
  /** Null as long as both sides do the same. */
  deviation: Deviation | null = null;
  /** All is being judged, decided and exported anew, as another program may have done it otherwise. */
  isReconsidering = false;
  readonly skipped: Skipped = { records: 0, fields: 0 };
  private hooks: StandbyHooks;
  private readonly hasOthers: boolean;
  /** The last brackets that were stored, where there are other standbys. */
  private recent: RecordOf<"bracket">[] = [];
  private recentOctets = 0;
  private image: Uint8Array[] = [];
  private imageOctets = 0;
  private machine: Machine | null = null;
  private backlog: RecordOf<"bracket">[] = [];
  private readonly receipts: Receipts = new Receipts();
  /** Octets of brackets that were stored, and that were run, in all. */
  private octetsStored = 0;
  private octetsRun = 0;
  /** Number of the last bracket that was run, and of the last one before the image. */
  private lastRun = 0;
  private lastBefore = 0;
  /** The active is to declare this side once all is judged anew. */
  private isAwaited = false;
  private hasDiffered = false;
  /** Null before there are outputs of the active to go by, and once this side acts itself. */
  private deviations: Deviations | null = null;
  private readonly news: DeviationNews = new DeviationNews();

  /** @param hasOthers - there may be other standbys of the same active */
  constructor(hooks: StandbyHooks, hasOthers = false) {
    this.hooks = hooks;
    this.hasOthers = hasOthers;
  }

  /** Goes on with another active, which has the same log: the stream is to begin where `resume` says. */
  follow(hooks: StandbyHooks): void {
    this.hooks = hooks;
    this.isDeclared = false;
  }

  /** The last brackets that were stored, in order, for other standbys that lack them. */
  get handOn(): readonly RecordOf<"bracket">[] {
    return this.recent;
  }

  /** Number of the last bracket that is stored. */
  get number(): number {
    return this.receipts.number;
  }

  /**
   * Number of the last bracket that was run, as the active is told. As long as all is judged anew it is said
   * that not even the image is complete, so that nobody takes this side for ready.
   */
  get applied(): number {
    return this.isAwaited ? Math.max(0, this.lastBefore - 1) : this.lastRun;
  }

  /** Brackets and octets that are stored and not run. */
  get behind(): { brackets: number; octets: number } {
    return { brackets: this.backlog.length, octets: this.octetsStored - this.octetsRun };
  }

  /** Octets of brackets that were stored, and that were run, in all. */
  get octets(): { stored: number; run: number } {
    return { stored: this.octetsStored, run: this.octetsRun };
  }

  /** Whether there is a state that a takeover could go on from, if the arbiter lets it. */
  get isUsable(): boolean {
    return this.machine !== null && !this.hasDiffered;
  }

  /** Whether brackets are of no use without the outputs of the active. */
  get needsOutputs(): boolean {
    return this.deviations !== null;
  }

  /** Whether there is a machine to look at. */
  get follows(): Machine | null {
    return this.machine;
  }

  /**
   * A record of the active has come. After each batch of them `acknowledge` is to be called.
   *
   * @throws FormatError when it cannot stand here: the stream was cut or mixed up
   */
  record(record: AnyRecord): void {
    switch (record.record) {
      case "image":
        // Brackets that are stored belong to the first one.
        if (this.machine !== null) throw new FormatError("a second image");
        this.image.push(record.octets);
        this.imageOctets += record.octets.length;
        return;
      case "imageEnd":
        this.begin(record);
        return;
      case "bracket":
        this.store(record);
        return;
      case "declared":
        this.isDeclared = record.ready === 1 && !this.hasDiffered;
        return;
      default:
        return;
    }
  }

  /** Tells the active what is stored and run since it was told last, unless somebody else does. */
  acknowledge(): void {
    const frame = this.receipts.acknowledge(this.applied, this.octetsStored - this.octetsRun);
    if (frame !== null) this.hooks.send(frame);
  }

  /**
   * The stream goes on over another link.
   *
   * @returns the bracket that is to come first there; 0 when there is no state to go on from
   */
  resume(): number {
    if (!this.isUsable) return 0;
    this.receipts.renew();
    return this.number + 1;
  }

  /**
   * Runs stored brackets until there are none or `mayGoOn` says no; one at least. Without any it judges anew
   * what another program has judged.
   *
   * @returns whether there is more to do
   */
  work(mayGoOn: () => boolean): boolean {
    if (this.runStored(mayGoOn)) return true;
    if (!this.isReconsidering || this.hasDiffered) return false;
    this.isReconsidering = this.deviations!.work(mayGoOn);
    this.isAwaited &&= this.isReconsidering;
    return this.isReconsidering;
  }

  /** @returns whether there are more brackets */
  private runStored(mayGoOn: () => boolean): boolean {
    const { backlog } = this;
    let done = 0;
    while (done < backlog.length && !this.hasDiffered) {
      const bracket = backlog[done++]!;
      this.run(bracket);
      if (!this.hasDiffered) this.hooks.ran?.(bracket);
      if (!mayGoOn()) break;
    }
    backlog.splice(0, done);
    return backlog.length > 0 && !this.hasDiffered;
  }

  /**
   * Runs all that is stored, for a takeover: what the machine puts out from then on is to be done.
   *
   * @param isolate - has the router take those down whose messages the active has died of; called if more
   *   than what is stored is run
   * @returns the machine as it was at the end of the last bracket; null when it differs, and nobody knows
   *   what peers were sent
   */
  finish(isolate: (router: Router) => void = () => {}): Machine | null {
    while (this.runStored(() => true));
    if (this.hasDiffered) return null;
    const { machine, deviations } = this;
    this.deviations = null;
    this.isReconsidering = false;
    this.isAwaited = false;
    if (machine === null || deviations === null) return machine;
    for (const [id, farewell] of deviations.end(() => isolate(machine.router))) {
      machine.ledger.sayFarewell(id, farewell);
    }
    return machine;
  }

  private begin({ before, octets, hasOutputs }: RecordOf<"imageEnd">): void {
    if (octets !== this.imageOctets) throw new FormatError("a part of the image is missing");
    const machine = machineFromImage(this.image, this.skipped);
    this.machine = machine;
    if (hasOutputs === 1) {
      this.deviations = new Deviations(machine.router, machine);
      // The tables are those of the active, which may have judged otherwise.
      machine.router.reconsider();
      this.isReconsidering = true;
      this.isAwaited = true;
    }
    this.image = [];
    this.imageOctets = 0;
    this.receipts.begin(before);
    this.lastBefore = before - 1;
    this.lastRun = before - 1;
  }

  /** A call is about to be run that another program has run. */
  private readonly beforeCall = (call: Call): void => {
    const isNumbered = call.record === "accepted" && call.connection !== 0;
    if (isNumbered) this.deviations?.expectAccepted(call.remoteAddress, call.connection);
  };

  private store(bracket: RecordOf<"bracket">): void {
    this.receipts.store(bracket.number);
    this.backlog.push(bracket);
    this.octetsStored += octetsOf(bracket);
    // The active lets a standby go that has no room and does not get further.
    this.isAwaited &&= this.behind.octets < AWAITED_OCTETS_MAX;
    if (this.hasOthers) this.keep(bracket);
  }

  private keep(bracket: RecordOf<"bracket">): void {
    this.recent.push(bracket);
    this.recentOctets += octetsOf(bracket);
    if (this.recentOctets <= 2 * RECENT_OCTETS) return;
    let at = 0;
    while (this.recentOctets > RECENT_OCTETS) this.recentOctets -= octetsOf(this.recent[at++]!);
    this.recent.splice(0, at);
  }

  /** What another version says and this one cannot read costs an image, and not the process. */
  private run(bracket: RecordOf<"bracket">): void {
    try {
      this.replay(bracket);
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
      this.differ(bracket.number, `what cannot be read: ${error.message}`);
    }
  }

  private replay(bracket: RecordOf<"bracket">): void {
    const machine = this.machine!;
    this.octetsRun += octetsOf(bracket);
    const { deviations } = this;
    const real = deviations === null ? null : outputsFrom(bracket.outputs, this.skipped);
    deviations?.expect(real!);
    replayCalls(machine, bracket.calls, this.skipped, deviations === null ? null : this.beforeCall);
    const own = machine.router.takeOutputs();
    this.lastRun = bracket.number;
    const isSame = outputsSum(own) === bracket.sum && (real === null || areSameAttempts(own, real));
    machine.ledger.note(isSame || real === null ? own : real);
    if (!isSame && real === null) this.differ(bracket.number, "outputs", own);
    else if (!isSame) {
      deviations!.note(own, real!);
      if (this.deviation === null) this.deviate(bracket.number, ["outputs"]);
    }
    if (deviations?.isFull === true) this.differ(bracket.number, "more than can be noted");
    if (bracket.digest === null || this.hasDiffered) return;
    const what = differences(digestIn(bracket.digest), digestOf(machine));
    const isFatal = real === null || areOfLedger(what) || (this.isSameProgram && areOfTables(what));
    if (what.length > 0 && isFatal) this.differ(bracket.number, what.join(", "), own);
    else if (deviations !== null) this.look(deviations, bracket.number, what);
    if (what.length === 0) this.digestNumber = bracket.number;
  }

  /** A session may be one that this side could not go on with, although nothing differs. */
  private look(deviations: Deviations, number: number, what: readonly string[]): void {
    deviations.forgetGone();
    const isOtherwise = what.length > 0 || deviations.doomed.length > 0;
    if (isOtherwise || this.deviation !== null) this.deviate(number, what);
  }

  /** Tells both sides how this one differs, if that is not known. */
  private deviate(number: number, names: readonly string[]): void {
    const { brackets, doomed } = this.deviations!;
    const what = names.join(", ");
    const { deviation: before } = this;
    this.deviation = { number, what, brackets, doomed };
    if (this.news.take(this.deviation)) this.hooks.deviates?.(this.deviation);
    if (JSON.stringify({ ...before, number }) === JSON.stringify(this.deviation)) return;
    this.hooks.send(frameOf("differs", { number, what, follows: 1, brackets, doomed }));
  }

  private differ(number: number, what: string, own: readonly Output[] = []): void {
    this.hasDiffered = true;
    this.isDeclared = false;
    this.hooks.send(frameOf("differs", { number, what, follows: 0, brackets: 0, doomed: null }));
    this.hooks.differs(number, what, own);
  }
}
