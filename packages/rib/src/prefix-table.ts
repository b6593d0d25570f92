/**
 * Prefixes to rows and back: IPv4 in one 32-bit column, IPv6 in four.
 *
 * A row lives as long as something refers to it: a path, an unread entry of the change log, or what
 * an update group has advertised. Whoever drops the last of these frees it.
 */

import { Columns, Rows } from "./columns.ts";
import { HashIndex, hashWords, mixHash } from "./hash-index.ts";

/** Row of a prefix; 0 is none. */
export type PrefixRow = number;

/** In `dirty` of a row that is free. */
const FREE = 2;

/** Columns read `column[row]`; they are replaced when the table grows, so do not keep them. */
export class PrefixTable {
  /** The prefix in 32-bit words, high first; words 1 to 3 stay empty for IPv4. */
  w0: Uint32Array = new Uint32Array(0);
  w1: Uint32Array = new Uint32Array(0);
  w2: Uint32Array = new Uint32Array(0);
  w3: Uint32Array = new Uint32Array(0);
  /** Prefix length in bits. */
  bits: Uint8Array = new Uint8Array(0);
  /** First path of the prefix in the path table, 0 when there is none. */
  head: Uint32Array = new Uint32Array(0);
  /** Best path, 0 when there is none; right once the decision process has run. */
  best: Uint32Array = new Uint32Array(0);
  /** 1 while the prefix waits for the decision process, else 0; 2 in a row that is free. */
  dirty: Uint8Array = new Uint8Array(0);
  readonly rows: Rows = new Rows();

  /** 32 or 128. */
  readonly bitsMax: 32 | 128;
  private readonly seed: number;
  private readonly index: HashIndex = new HashIndex();
  readonly columns: Columns;

  /** @param seed - mixed into the hash so that a peer cannot aim at one chain */
  constructor(bitsMax: 32 | 128, seed: number) {
    this.bitsMax = bitsMax;
    this.seed = seed;
    const words = bitsMax === 32 ? ["w0"] : ["w0", "w1", "w2", "w3"];
    this.columns = new Columns(this, [...words, "bits", "head", "best", "dirty"]);
  }

  /** Rows are below this. */
  get limit(): number {
    return this.rows.limit;
  }

  /** Number of prefixes. */
  get size(): number {
    return this.index.size;
  }

  /** Memory in octets, by kind. */
  memory(): { index: number; columns: number } {
    return { index: this.index.octets, columns: this.columns.octets };
  }

  /** How many rows the columns have room for; columns that follow them should have the same. */
  get capacity(): number {
    return this.columns.capacity;
  }

  /** @returns the row of a prefix whose bits beyond `bits` are 0, or 0 when it is not there */
  find(w0: number, w1: number, w2: number, w3: number, bits: number): PrefixRow {
    return this.lookup(this.hashOf(w0, w1, w2, w3, bits), w0, w1, w2, w3, bits);
  }

  /** @returns the row of a prefix, made when it was not there */
  intern(w0: number, w1: number, w2: number, w3: number, bits: number): PrefixRow {
    const hash = this.hashOf(w0, w1, w2, w3, bits);
    return this.lookup(hash, w0, w1, w2, w3, bits) || this.add(hash, w0, w1, w2, w3, bits);
  }

  /** Forgets a prefix that nothing refers to any more. */
  free(row: PrefixRow): void {
    this.index.remove(this.hashOfRow(row), row);
    this.best[row] = 0;
    this.dirty[row] = FREE;
    this.rows.give(row);
  }

  isFree(row: PrefixRow): boolean {
    return this.dirty[row] === FREE;
  }

  /** Gives a prefix a row that was taken for it, in place of the one that it has, which is lost. */
  move(from: PrefixRow, to: PrefixRow): void {
    this.index.replace(this.hashOfRow(from), from, to);
    this.columns.copy(from, to);
    this.head[from] = 0;
    this.best[from] = 0;
    this.dirty[from] = FREE;
  }

  /** @returns the hash of a row's prefix, equal for equal prefixes of tables with one seed */
  hashOfRow(row: PrefixRow): number {
    const { w0, w1, w2, w3, bits } = this;
    if (this.bitsMax === 32) return this.hashOf(w0[row]!, 0, 0, 0, bits[row]!);
    return this.hashOf(w0[row]!, w1[row]!, w2[row]!, w3[row]!, bits[row]!);
  }

  /** Has columns and index give back what they do not need for the rows that there are. */
  shrink(): void {
    this.columns.shrink(this.limit);
    this.index.shrink();
  }

  /** Makes room ahead of need, or gives it back; to be called once a slice. */
  advance(): void {
    this.index.advance();
    this.columns.advance(this.limit);
  }

  private hashOf(w0: number, w1: number, w2: number, w3: number, bits: number): number {
    if (this.bitsMax === 128) return hashWords(this.seed, w0, w1, w2, w3, bits);
    return mixHash(Math.imul(w0 ^ this.seed, 0x9e3779b1) ^ bits);
  }

  private lookup(
    hash: number,
    w0: number,
    w1: number,
    w2: number,
    w3: number,
    bits: number,
  ): PrefixRow {
    const segment = this.index.segments[hash >>> 24]!;
    const mask = (segment.length >>> 1) - 1;
    for (let i = hash & mask; ; i = (i + 1) & mask) {
      const row = segment[2 * i + 1]!;
      if (row === 0) return 0;
      if (segment[2 * i] !== hash || this.w0[row] !== w0 || this.bits[row] !== bits) continue;
      if (this.bitsMax === 32) return row;
      if (this.w1[row] === w1 && this.w2[row] === w2 && this.w3[row] === w3) return row;
    }
  }

  private add(
    hash: number,
    w0: number,
    w1: number,
    w2: number,
    w3: number,
    bits: number,
  ): PrefixRow {
    const row = this.rows.take();
    this.columns.reserve(row);
    this.dirty[row] = 0;
    this.w0[row] = w0;
    this.bits[row] = bits;
    if (this.bitsMax === 128) {
      this.w1[row] = w1;
      this.w2[row] = w2;
      this.w3[row] = w3;
    }
    this.index.insert(hash, row);
    return row;
  }
}
