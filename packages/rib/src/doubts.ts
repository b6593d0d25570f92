/**
 * Prefixes of which it is not known what somebody was sent, since another router has spoken in this one's
 * place and the two did not say the same. Whoever goes on sends them as they are then.
 */

import { NlriReader } from "./nlri-reader.ts";
import type { PrefixRow } from "./prefix-table.ts";
import type { Rib, RowHolder } from "./rib.ts";
import { RowSet } from "./row-set.ts";

/** What one may have been sent otherwise. */
export interface Doubt {
  readonly rows: RowSet;
  /** With ADD-PATH: path identifiers that it may have been told of, by prefix. */
  readonly pathIds: ReadonlyMap<PrefixRow, ReadonlySet<number>>;
}

/** So many prefixes and path identifiers may be noted, beside two for each path that there is. */
export const DOUBT_LIMITS = { spare: 1 << 20 };

const NO_PATH_IDS: Doubt["pathIds"] = new Map();

export class Doubts implements RowHolder {
  readonly isSettled = true;
  private readonly rib: Rib;
  private readonly nlri: NlriReader;
  /** Those of everybody. */
  private all: RowSet = new RowSet();
  /** Somebody was told of them; not whom, which would take this for each: who was not ignores a withdrawal. */
  private pathIds: Map<PrefixRow, Set<number>> = new Map();
  private pathIdCount = 0;
  private readonly noted: Map<number, RowSet> = new Map();

  constructor(rib: Rib) {
    this.rib = rib;
    this.nlri = new NlriReader(rib.prefixes.bitsMax);
    rib.rowHolders.push(this);
  }

  /**
   * Somebody spoke of routes; linear in these, times `whom`.
   *
   * @param whom - by numbers of the caller's choice
   * @param buf - NLRI octets `[at, end)`, checked by the codec
   */
  note(whom: readonly number[], buf: Uint8Array, at: number, end: number, addPath: boolean): void {
    const { nlri, all } = this;
    const noted = whom.map((one) => this.of(one));
    for (let i = at; i < end; ) {
      i = nlri.read(buf, i, addPath);
      const row = this.rib.prefixes.intern(nlri.w0, nlri.w1, nlri.w2, nlri.w3, nlri.bits);
      all.add(row);
      for (const rows of noted) rows.add(row);
      if (addPath) this.notePathId(row, nlri.pathId);
    }
  }

  /** Whom there is something of. */
  get whom(): Iterable<number> {
    return this.noted.keys();
  }

  /** Whether far more is noted than there are paths: what is noted of prefixes that are gone stays. */
  get isFull(): boolean {
    const { all, pathIdCount, rib } = this;
    return all.size + pathIdCount > DOUBT_LIMITS.spare + 2 * rib.paths.size;
  }

  /**
   * @param addPath - it is sent path identifiers
   * @returns what somebody may have been sent otherwise; null for nothing
   */
  get(whom: number, addPath: boolean): Doubt | null {
    const rows = this.noted.get(whom);
    return rows === undefined ? null : { rows, pathIds: addPath ? this.pathIds : NO_PATH_IDS };
  }

  /** Somebody is gone. */
  forget(whom: number): void {
    if (!this.noted.delete(whom) || this.noted.size > 0) return;
    const { all } = this;
    this.all = new RowSet();
    this.pathIds = new Map();
    this.pathIdCount = 0;
    this.rib.freeUnused(all);
  }

  /** Nothing is in doubt any more, or others have it in hand. */
  close(): void {
    const { rowHolders } = this.rib;
    rowHolders.splice(rowHolders.indexOf(this), 1);
    this.rib.freeUnused(this.all);
  }

  needsRow(row: PrefixRow): boolean {
    return this.all.has(row);
  }

  moveRow(from: PrefixRow, to: PrefixRow): void {
    this.all.move(from, to);
    for (const rows of this.noted.values()) rows.move(from, to);
    const ids = this.pathIds.get(from);
    if (ids === undefined) return;
    this.pathIds.delete(from);
    this.pathIds.set(to, ids);
  }

  private notePathId(row: PrefixRow, pathId: number): void {
    const known = this.pathIds.get(row);
    if (known?.has(pathId) === true) return;
    if (known === undefined) this.pathIds.set(row, new Set([pathId]));
    else known.add(pathId);
    this.pathIdCount++;
  }

  private of(whom: number): RowSet {
    let noted = this.noted.get(whom);
    if (noted === undefined) {
      noted = new RowSet();
      this.noted.set(whom, noted);
    }
    return noted;
  }
}
