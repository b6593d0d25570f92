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
  /** With ADD-PATH: path identifiers that were spoken of, by prefix. */
  readonly pathIds: ReadonlyMap<PrefixRow, ReadonlySet<number>>;
}

interface Noted extends Doubt {
  readonly pathIds: Map<PrefixRow, Set<number>>;
}

export class Doubts implements RowHolder {
  readonly isSettled = true;
  private readonly rib: Rib;
  private readonly nlri: NlriReader;
  private readonly all: RowSet = new RowSet();
  private readonly noted: Map<number, Noted> = new Map();

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
      for (const { rows, pathIds } of noted) {
        rows.add(row);
        if (!addPath) continue;
        const known = pathIds.get(row);
        if (known === undefined) pathIds.set(row, new Set([nlri.pathId]));
        else known.add(nlri.pathId);
      }
    }
  }

  /** @returns what somebody may have been sent otherwise; null for nothing */
  get(whom: number): Doubt | null {
    return this.noted.get(whom) ?? null;
  }

  /** Somebody is gone. */
  forget(whom: number): void {
    this.noted.delete(whom);
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
    for (const { rows, pathIds } of this.noted.values()) {
      rows.move(from, to);
      const ids = pathIds.get(from);
      if (ids === undefined) continue;
      pathIds.delete(from);
      pathIds.set(to, ids);
    }
  }

  private of(whom: number): Noted {
    let noted = this.noted.get(whom);
    if (noted === undefined) {
      noted = { rows: new RowSet(), pathIds: new Map() };
      this.noted.set(whom, noted);
    }
    return noted;
  }
}
