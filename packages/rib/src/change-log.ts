/**
 * The change log: which prefixes changed, in order, for any number of readers.
 *
 *     begin            cursor A        cursor B            end
 *       | r7 | r2 | r9 |  r2  | r4 | .. |  r7 | r1 | ..... |
 *         ^dead (r7 changed again later)
 *
 * It says that a prefix changed, not how: a reader looks at the tables. So a later change replaces
 * an unread one: an entry counts only while it is the last of its prefix, and a reader that lags
 * skips what was superseded. What no reader needs any more is dropped; when the ring is full, the
 * dead entries are squeezed out before it grows, so it never holds more than twice the prefixes.
 */

import { grown } from "./columns.ts";
import type { PrefixRow } from "./prefix-table.ts";

/** A reader's place: all entries before `position` are read. */
export interface Cursor {
  position: number;
}

/** Positions are stored in 32 bits; beyond this they are made to start over. */
const POSITION_MAX = 2 ** 31;
/** Entries that one `trim` drops. */
const TRIM_MAX = 1 << 16;

export class ChangeLog {
  private ring: Uint32Array = new Uint32Array(1 << 12);
  /** Position of each prefix's last entry plus one; 0 when it has none. */
  private last: Uint32Array = new Uint32Array(0);
  private begin = 0;
  private live = 0;
  private readonly cursors: Cursor[] = [];
  private readonly positionMax: number;
  /** Position of the next entry. */
  end = 0;

  constructor(positionMax: number = POSITION_MAX) {
    this.positionMax = positionMax;
  }

  /** Memory in octets. */
  get octets(): number {
    return this.ring.byteLength + this.last.byteLength;
  }

  /** Starts a reader at the end of the log. */
  open(): Cursor {
    const cursor = { position: this.end };
    this.cursors.push(cursor);
    return cursor;
  }

  close(cursor: Cursor): void {
    const at = this.cursors.indexOf(cursor);
    if (at >= 0) this.cursors.splice(at, 1);
  }

  /** Notes a change of a prefix. Constant time but when the ring must grow. */
  append(row: PrefixRow, capacity: number): void {
    if (row >= this.last.length) this.last = grown(this.last, capacity);
    if (this.last[row] === 0) this.live++;
    if (this.end - this.begin === this.ring.length) this.makeRoom();
    this.ring[this.end & (this.ring.length - 1)] = row;
    this.end++;
    this.last[row] = this.end;
  }

  /**
   * Reads the next changed prefix.
   *
   * @returns its row, or 0 at the end of the log
   */
  next(cursor: Cursor): PrefixRow {
    const { ring, last } = this;
    const mask = ring.length - 1;
    let position = cursor.position;
    while (position < this.end) {
      const row = ring[position & mask]!;
      position++;
      if (last[row] === position) {
        cursor.position = position;
        return row;
      }
    }
    cursor.position = position;
    return 0;
  }

  /** @returns how many entries a reader has not read, superseded ones included */
  lag(cursor: Cursor): number {
    return this.end - cursor.position;
  }

  /** @returns whether the log has an entry of this prefix, which a reader may not have read */
  has(row: PrefixRow): boolean {
    return row < this.last.length && this.last[row] !== 0;
  }

  /**
   * Drops what all readers have read, or the first 65,536 entries of it.
   *
   * @param dropped - called with every prefix that has no entry any more
   */
  trim(dropped: (row: PrefixRow) => void): void {
    let to = Math.min(this.end, this.begin + TRIM_MAX);
    for (const cursor of this.cursors) if (cursor.position < to) to = cursor.position;
    const mask = this.ring.length - 1;
    for (let position = this.begin; position < to; ) {
      const row = this.ring[position & mask]!;
      position++;
      if (this.last[row] !== position) continue;
      this.last[row] = 0;
      this.live--;
      dropped(row);
    }
    this.begin = to;
    if (this.end > this.positionMax) this.makeRoom();
  }

  /** Squeezes the dead entries out, makes the ring longer if need be, and starts positions over. */
  private makeRoom(): void {
    const length = this.ring.length;
    const next = this.live > length >>> 1 ? new Uint32Array(2 * length) : new Uint32Array(length);
    const nextMask = next.length - 1;
    const order = this.cursors.toSorted((a, b) => a.position - b.position);
    let cursor = 0;
    let to = 0;
    for (let position = this.begin; position < this.end; position++) {
      for (; cursor < order.length && order[cursor]!.position === position; cursor++) {
        order[cursor]!.position = to;
      }
      const row = this.ring[position & (length - 1)]!;
      if (this.last[row] !== position + 1) continue;
      next[to & nextMask] = row;
      to++;
      this.last[row] = to;
    }
    for (; cursor < order.length; cursor++) order[cursor]!.position = to;
    this.ring = next;
    this.begin = 0;
    this.end = to;
  }
}
