/**
 * All VRPs of all sources, which of them count, and how they change: what a router has of the RPKI.
 *
 * A source is a cache or a file. What it says comes in pieces (`stage`) that do nothing until it is
 * complete (`complete`); then `step` puts them into the tables, a bounded number at a time. A whole set
 * replaces what the source had: it gets a bit of its own in the tables, and when all of it is there, a pass
 * over the tables has it count in place of the old one, so that what both have never changes. Nobody who
 * asks sees any of that before all of it is there, and then all at once: no route is invalid because its
 * payload is replaced by another one, or is there later than one that covers it.
 *
 * Sources of the lowest preference number count that has any source with data, and all of these together.
 *
 * Everything here is a function of the calls: a copy that gets the same ones is the same.
 */

import { AspaTable, type PathState } from "./aspa-table.ts";
import {
  type Aspa,
  arePayloads,
  isAspa,
  newVrp,
  readAspa,
  readVrp,
  type Vrp,
} from "./payload-octets.ts";
import { NO_SLURM, type Slurm, SlurmFilters } from "./slurm.ts";
import { type OriginState, VrpTable } from "./vrp-table.ts";

/** Rows or VRPs that one step looks at. */
const STEP_ROWS = 2048;
/** Octets that may be staged of one source: five million VRPs of IPv4. */
export const STAGED_OCTETS_MAX = 60_000_000;
/** Of one's own assertions. */
const LOCAL_BIT = 1;
/** A source needs a second bit while a whole set replaces another one. */
export const SOURCES_MAX = 15;

export interface SourceConfig {
  /** Unique among sources. */
  readonly name: string;
  readonly kind: "cache" | "file";
  /** Lower ones are preferred. */
  readonly preference: number;
}

/** What a cache says at the end of its data. */
export interface SourceEnd {
  /** Protocol version, session and serial number, with which a cache goes on; session null for a file. */
  readonly version: number;
  readonly session: number | null;
  readonly serial: number;
  readonly refreshSeconds: number;
  readonly retrySeconds: number;
  /** After so long without another end the data does not count any more; 0 for never. */
  readonly expireSeconds: number;
  /** It was a whole set, and not a difference. */
  readonly isWhole: boolean;
}

export class Source {
  readonly name: string;
  readonly kind: SourceConfig["kind"];
  preference: number;
  /** In the tables; 0 while it has no data there. */
  bit = 0;
  /** What it said last; null before that, and once it has expired. */
  end: SourceEnd | null = null;
  /** When that was. */
  endedMs = 0;
  staged: Uint8Array[] = [];
  stagedOctets = 0;
  /** VRPs that it has in the tables. */
  ipv4 = 0;
  ipv6 = 0;
  /** Customers that it has ASPAs of. */
  aspas = 0;
  /** What did not fit first, since its last whole set: announced though there, or withdrawn though not there. */
  misfit: Uint8Array | null = null;
  /** Not among those that are configured any more. */
  isGone = false;

  constructor({ name, kind, preference }: SourceConfig) {
    this.name = name;
    this.kind = kind;
    this.preference = preference;
  }

  /** When its data does not count any more; Infinity for never. */
  get expiresMs(): number {
    const seconds = this.end?.expireSeconds ?? 0;
    return seconds === 0 ? Number.POSITIVE_INFINITY : this.endedMs + 1000 * seconds;
  }
}

/** VRPs to be put into the tables. */
interface Task {
  readonly source: Source;
  readonly isWhole: boolean;
  readonly pieces: readonly Uint8Array[];
  /** Piece that is read next, and where in it. */
  piece: number;
  at: number;
  /**
   * A difference is read twice, for what comes, and then for what goes: an older program, which may be the
   * one that goes on with it, hides nothing.
   */
  isForGone: boolean;
  /** See Source. */
  misfit: Uint8Array | null;
  /** Bit of a whole set, and its VRPs so far. */
  bit: number;
  ipv4: number;
  ipv6: number;
  aspas: number;
}

/** What a pass over the tables looks at next. */
interface Pass {
  ipv4: number;
  ipv6: number;
  /** Customers that are left; null before that. */
  aspas: number[] | null;
}

const newPass = (): Pass => ({ ipv4: 1, ipv6: 1, aspas: null });

export class Validation {
  readonly ipv4: VrpTable = new VrpTable(32);
  readonly ipv6: VrpTable = new VrpTable(128);
  readonly aspas: AspaTable = new AspaTable();
  /** By name, in the order of the configuration. */
  sources: Map<string, Source> = new Map();
  private slurm: Slurm = NO_SLURM;
  private filters: SlurmFilters = new SlurmFilters([]);
  private tasks: Task[] = [];
  /** Bits that nobody has; those of sources that count; those to be taken out of the tables. */
  private free = ~LOCAL_BIT;
  private counting = LOCAL_BIT;
  private dead = 0;
  /** Null when there is none to be made. */
  private pass: Pass | null = null;
  /** A change was shown, and the tables are not ready for another one. */
  private follows = false;

  /** Has other sources and exceptions. */
  configure(sources: readonly SourceConfig[], slurm: Slurm): void {
    const next = new Map<string, Source>();
    for (const config of sources) {
      const source = this.sources.get(config.name) ?? new Source(config);
      source.preference = config.preference;
      next.set(config.name, source);
    }
    for (const source of this.sources.values()) if (!next.has(source.name)) this.drop(source);
    this.sources = next;
    this.changeLocal(slurm);
    this.recount();
  }

  /** What a source is about to say is begun anew. */
  begin(name: string): void {
    const source = this.sources.get(name);
    if (source === undefined) return;
    source.staged = [];
    source.stagedOctets = 0;
  }

  /**
   * A source says more; nothing of one that is not configured, nor of one that says too much.
   *
   * @param octets - see payload-octets.ts; must not change any more
   */
  stage(name: string, octets: Uint8Array): void {
    const source = this.sources.get(name);
    if (source === undefined || octets.length === 0 || !arePayloads(octets)) return;
    source.stagedOctets += octets.length;
    if (source.stagedOctets <= STAGED_OCTETS_MAX) source.staged.push(octets);
    else source.staged = [];
  }

  /** A source has said all. @returns whether that counts */
  complete(name: string, end: SourceEnd, nowMs: number): boolean {
    const source = this.sources.get(name);
    if (source === undefined) return false;
    const pieces = source.staged;
    const isTooMuch = source.stagedOctets > STAGED_OCTETS_MAX;
    this.begin(name);
    // A difference to nothing says nothing.
    if (isTooMuch || (!end.isWhole && source.end === null)) return false;
    source.end = end;
    source.endedMs = nowMs;
    const { isWhole } = end;
    // A whole set makes up for all that was not begun: what waits is bounded however often a cache has news.
    if (isWhole) this.tasks = this.tasks.filter((task, k) => k === 0 || task.source !== source);
    const start = { piece: 0, at: 0, isForGone: false, misfit: null };
    this.tasks.push({ source, isWhole, pieces, ...start, bit: 0, ipv4: 0, ipv6: 0, aspas: 0 });
    return true;
  }

  /** The data of a source does not count any more. */
  expire(source: Source): void {
    source.end = null;
    source.misfit = null;
    this.retire(source);
    this.recount();
  }

  /** Whether there is something to do for `step`. */
  get isBusy(): boolean {
    return this.follows || this.tasks.length > 0 || this.pass !== null;
  }

  /** A text that is another one when other payloads count; null while some are put in that do not count yet. */
  get mark(): string | null {
    if (this.isMidway) return null;
    return [this.ipv4, this.ipv6, this.aspas].map(({ digest }) => String(digest)).join(" ");
  }

  /** Whether the data of a source is in the tables, and shown. */
  isLoaded({ bit }: Source): boolean {
    return bit !== 0 && !this.isMidway;
  }

  /** Whether it counts there. */
  isCounting({ bit }: Source): boolean {
    return (this.counting & bit) !== 0;
  }

  /** Does a bounded piece of work. @returns whether there is more */
  step(): boolean {
    const { ipv4, ipv6 } = this;
    if (this.follows) this.follow();
    else if (this.pass !== null) this.stepPass(this.pass);
    else if (this.tasks.length > 0) this.stepTask(this.tasks[0]!);
    if (!this.follows && !this.isMidway) this.show();
    ipv4.advance();
    ipv6.advance();
    return this.isBusy;
  }

  /** See VrpTable. */
  stateOf(
    isWide: boolean,
    w0: number,
    w1: number,
    w2: number,
    w3: number,
    bits: number,
    origin: number,
  ): OriginState {
    return (isWide ? this.ipv6 : this.ipv4).stateOf(w0, w1, w2, w3, bits, origin);
  }

  /** See AspaTable. */
  pathStateOf(
    buf: Uint8Array,
    at: number,
    end: number,
    isDownstream: boolean,
    neighborAs: number,
  ): PathState {
    return this.aspas.stateOf(buf, at, end, isDownstream, neighborAs);
  }

  /** Has what an image of an older program does not have. */
  completeState(): void {
    for (const part of [this.ipv4, this.ipv6, this.aspas]) part.complete();
    for (const one of [...this.sources.values(), ...this.tasks]) one.misfit ??= null;
    // A pass of an older program, which has no `follows`, is another one; that of this program goes on.
    if (this.pass !== null && !Object.hasOwn(this, "follows")) this.pass = newPass();
    this.follows ??= false;
  }

  /** Whether a part of a change is in the tables, and another one is not. */
  private get isMidway(): boolean {
    const task = this.tasks[0];
    const isBegun = task !== undefined && (task.piece > 0 || task.at > 0 || task.isForGone);
    return this.pass !== null || (isBegun && !task.isWhole);
  }

  /** What was put into the tables counts. */
  private show(): void {
    const { ipv4, ipv6, aspas } = this;
    const parts = [ipv4, ipv6, aspas].filter(({ isAhead }) => isAhead);
    for (const part of parts) part.show();
    this.follows = ipv4.isAhead || ipv6.isAhead;
  }

  private follow(): void {
    const { ipv4, ipv6 } = this;
    this.follows = ipv4.isAhead ? ipv4.follow(STEP_ROWS) || ipv6.isAhead : ipv6.follow(STEP_ROWS);
  }

  private stepTask(task: Task): void {
    const { source } = task;
    if (source.isGone || source.end === null) {
      this.giveUp(task);
      return;
    }
    if (task.isWhole && task.bit === 0) {
      task.bit = this.takeBit();
    }
    const vrp = newVrp();
    for (let left = STEP_ROWS; left > 0; left--) {
      const piece = task.pieces[task.piece];
      if (piece === undefined) {
        if (!task.isWhole && !task.isForGone) {
          task.piece = 0;
          task.isForGone = true;
          continue;
        }
        this.tasks.shift();
        if (task.isWhole) this.replace(source, task);
        else source.misfit ??= task.misfit;
        this.mistrust(source);
        return;
      }
      const counts = task.isWhole || source.bit !== 0;
      const { at } = task;
      let fits = true;
      if (isAspa(piece, at)) {
        const [aspa, next] = readAspa(piece, at);
        task.at = next;
        // Other providers take the place of those before at once; one that goes may come again behind that.
        if (counts && (task.isWhole || task.isForGone)) fits = this.applyAspa(aspa, source, task);
      } else {
        task.at = readVrp(piece, at, vrp);
        const isTurn = task.isWhole || vrp.isAnnounced !== task.isForGone;
        if (counts && isTurn) fits = this.apply(vrp, source, task);
      }
      if (!fits) task.misfit ??= piece.slice(at, task.at);
      if (task.at < piece.length) continue;
      task.piece++;
      task.at = 0;
    }
  }

  /**
   * What a cache has is not what this side has: it is to say all of it again (RFC 8210 section 12). A file may
   * say a thing twice.
   */
  private mistrust(source: Source): void {
    if (source.misfit === null || source.end === null || source.kind === "file") return;
    // What it has said since then tells what it is worth.
    if (this.tasks.some((task) => task.source === source)) return;
    source.end = { ...source.end, session: null };
  }

  /** @returns whether it is announced and was not there, or withdrawn and was */
  private apply(vrp: Vrp, source: Source, task: Task): boolean {
    const { isWhole } = task;
    const table = vrp.isWide ? this.ipv6 : this.ipv4;
    const own = isWhole ? task.bit : source.bit;
    const row = vrp.isAnnounced ? table.intern(vrp) : table.find(vrp);
    const has = row !== 0 && (table.sources[row]! & own) !== 0;
    if (has === vrp.isAnnounced) return false;
    const counted = isWhole ? task : source;
    counted[vrp.isWide ? "ipv6" : "ipv4"] += vrp.isAnnounced ? 1 : -1;
    if (vrp.isAnnounced) table.sources[row]! |= own;
    else table.sources[row]! &= ~own;
    table.settle(row, this.counts(table, row));
    return true;
  }

  /**
   * Other providers of a customer come in place of those that it had.
   *
   * @returns whether it is not withdrawn, or was there
   */
  private applyAspa(
    { isAnnounced, customer, providers }: Aspa,
    source: Source,
    task: Task,
  ): boolean {
    const { aspas } = this;
    const { isWhole } = task;
    const bit = isWhole ? task.bit : source.bit;
    // Where those that go are named, they may go behind those that have come in their place.
    const isNamed = !isAnnounced && providers.length > 0;
    if (isNamed && !aspas.says(customer, bit, providers)) return true;
    const had = aspas.put(customer, bit, isAnnounced ? providers : null);
    const counted = isWhole ? task : source;
    counted.aspas += Number(isAnnounced) - Number(had);
    aspas.settle(customer, this.counting);
    return isAnnounced || had;
  }

  /** A whole set is there: it counts in place of what the source had. */
  private replace(source: Source, { bit, ipv4, ipv6, aspas, misfit }: Task): void {
    this.dead |= source.bit;
    source.bit = bit;
    source.ipv4 = ipv4;
    source.ipv6 = ipv6;
    source.aspas = aspas;
    source.misfit = misfit;
    this.recount();
  }

  private retire(source: Source): void {
    this.dead |= source.bit;
    source.bit = 0;
    source.ipv4 = 0;
    source.ipv6 = 0;
    source.aspas = 0;
  }

  private drop(source: Source): void {
    source.isGone = true;
    this.retire(source);
  }

  private giveUp(task: Task): void {
    this.tasks.shift();
    if (task.bit === 0) return;
    this.dead |= task.bit;
    this.recount();
  }

  /** @returns a bit that nobody has: there are enough, and tasks wait while some are being taken out */
  private takeBit(): number {
    const bit = this.free & -this.free;
    this.free &= ~bit;
    return bit;
  }

  private changeLocal(slurm: Slurm): void {
    for (const vrp of this.slurm.assertions) {
      const table = vrp.isWide ? this.ipv6 : this.ipv4;
      const row = table.find(vrp);
      if (row !== 0) table.sources[row]! &= ~LOCAL_BIT;
    }
    this.slurm = slurm;
    this.filters = new SlurmFilters(slurm.filters);
    for (const vrp of slurm.assertions) {
      const table = vrp.isWide ? this.ipv6 : this.ipv4;
      table.sources[table.intern(vrp)]! |= LOCAL_BIT;
    }
  }

  /** Others count now, or have gone: all rows are looked at. */
  private recount(): void {
    let preferred = Number.POSITIVE_INFINITY;
    for (const { bit, preference } of this.sources.values()) {
      if (bit !== 0) preferred = Math.min(preferred, preference);
    }
    this.counting = LOCAL_BIT;
    for (const { bit, preference } of this.sources.values()) {
      if (preference === preferred) this.counting |= bit;
    }
    this.pass = newPass();
  }

  private stepPass(pass: Pass): void {
    pass.ipv4 = this.passOver(this.ipv4, pass.ipv4);
    if (pass.ipv4 < this.ipv4.limit) return;
    pass.ipv6 = this.passOver(this.ipv6, pass.ipv6);
    if (pass.ipv6 < this.ipv6.limit) return;
    pass.aspas ??= this.aspas.keys();
    for (const customer of pass.aspas.splice(-STEP_ROWS)) {
      this.aspas.settle(customer, this.counting, this.dead);
    }
    if (pass.aspas.length > 0) return;
    this.pass = null;
    this.free |= this.dead;
    this.dead = 0;
  }

  private passOver(table: VrpTable, from: number): number {
    const end = Math.min(table.limit, from + STEP_ROWS);
    for (let row = from; row < end; row++) {
      if (table.isFree(row)) continue;
      table.sources[row]! &= ~this.dead;
      table.settle(row, this.counts(table, row));
    }
    return end;
  }

  private counts(table: VrpTable, row: number): boolean {
    const sources = table.sources[row]!;
    if ((sources & LOCAL_BIT) !== 0) return true;
    if ((sources & this.counting) === 0) return false;
    if (this.slurm.filters.length === 0) return true;
    const { tree, node, as } = table;
    const at = node[row]!;
    const wide = tree.isWide;
    return !this.filters.has(
      wide,
      tree.w0[at]!,
      wide ? tree.w1[at]! : 0,
      wide ? tree.w2[at]! : 0,
      wide ? tree.w3[at]! : 0,
      tree.bits[at]!,
      as[row]!,
    );
  }
}
