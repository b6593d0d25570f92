/** A set of rows as bits, one for each row of a table that grows. */

import { grown, resized } from "./columns.ts";

export class RowSet {
  private words: Uint32Array = new Uint32Array(32);
  /** Number of rows in the set. */
  size = 0;

  has(row: number): boolean {
    const word = row >>> 5;
    return word < this.words.length && (this.words[word]! & (1 << (row & 31))) !== 0;
  }

  add(row: number): void {
    const word = row >>> 5;
    if (word >= this.words.length) this.widen(word + 1);
    const bit = 1 << (row & 31);
    if ((this.words[word]! & bit) !== 0) return;
    this.words[word]! |= bit;
    this.size++;
  }

  delete(row: number): void {
    const word = row >>> 5;
    const bit = 1 << (row & 31);
    if (word >= this.words.length || (this.words[word]! & bit) === 0) return;
    this.words[word]! &= ~bit;
    this.size--;
  }

  /** @returns the smallest row of the set that is at least `from`, or -1 */
  next(from: number): number {
    let word = from >>> 5;
    if (word >= this.words.length) return -1;
    let bits = this.words[word]! & (-1 << (from & 31));
    while (bits === 0) {
      if (++word === this.words.length) return -1;
      bits = this.words[word]!;
    }
    return (word << 5) + 31 - Math.clz32(bits & -bits);
  }

  /** Adds the rows of another set; linear in the words of that, 32 rows each. */
  addAll(other: RowSet): void {
    if (other.words.length > this.words.length) this.widen(other.words.length);
    for (let i = 0; i < other.words.length; i++) {
      const more = other.words[i]! & ~this.words[i]!;
      if (more === 0) continue;
      this.words[i]! |= more;
      this.size += bitCount(more);
    }
  }

  /** Has row `to` in the set if, and in place of, row `from`. */
  move(from: number, to: number): void {
    if (!this.has(from)) return;
    this.delete(from);
    this.add(to);
  }

  /** Gives back what is held for rows from `capacity` on, none of which is in the set. */
  fit(capacity: number): void {
    const length = (capacity >>> 5) + 1;
    if (this.words.length > 2 * length) this.words = resized(this.words, length);
  }

  copy(): RowSet {
    const set = new RowSet();
    set.words = this.words.slice();
    set.size = this.size;
    return set;
  }

  private widen(length: number): void {
    this.words = grown(this.words, Math.max(length, 2 * this.words.length));
  }
}

function bitCount(word: number): number {
  let n = word - ((word >>> 1) & 0x55555555);
  n = (n & 0x33333333) + ((n >>> 2) & 0x33333333);
  return Math.imul((n + (n >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24;
}

/** Rows that are taken in a circle while more may come. */
export class RowCircle extends RowSet {
  /** Where the circle stands; 0 until the first row was taken. */
  private at = 0;

  /** Whether no row was taken yet. */
  get isUntouched(): boolean {
    return this.at === 0;
  }

  /** @returns the next row, which is in the set no longer, or 0 when there is none */
  take(): number {
    let row = this.next(this.at);
    if (row < 0) row = this.next(0);
    if (row < 0) return 0;
    this.delete(row);
    this.at = row + 1;
    return row;
  }
}

/** Rows that someone still has to look at, some of them before the others. */
export class PendingRows extends RowCircle {
  /** A part of them. */
  readonly urgent: RowCircle = new RowCircle();

  /** Adds a row that is to be taken before those that are not urgent. */
  addUrgent(row: number): void {
    this.add(row);
    this.urgent.add(row);
  }

  override take(): number {
    return this.takeUrgent() || super.take();
  }

  override move(from: number, to: number): void {
    super.move(from, to);
    this.urgent.move(from, to);
  }

  /** @returns the next urgent row, which is in the set no longer, or 0 when there is none */
  takeUrgent(): number {
    if (this.urgent.size === 0) return 0;
    const row = this.urgent.take();
    this.delete(row);
    return row;
  }
}
