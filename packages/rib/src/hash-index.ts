/**
 * A hash table of row numbers in typed arrays: open addressing, linear probing.
 *
 * It is cut into 256 segments by the top bits of the hash, each of which grows by itself, so that no
 * insertion ever moves more than a 256th of the table. A slot holds hash and row; the caller
 * compares keys, in a loop of its own so that the comparison is compiled into it:
 *
 *     const segment = index.segments[hash >>> 24]!;
 *     for (let i = hash & (segment.length / 2 - 1); segment[2 * i + 1] !== 0; ...) ...
 */

const SEGMENTS = 256;
const SLOTS_INITIAL = 8;

export class HashIndex {
  /** Pairs of hash and row; row 0 marks a free slot. Read only for callers. */
  readonly segments: Uint32Array[] = Array.from(
    { length: SEGMENTS },
    () => new Uint32Array(2 * SLOTS_INITIAL),
  );
  private readonly used: Uint32Array = new Uint32Array(SEGMENTS);
  size = 0;
  /** Segments below this are to be looked at by `advance`. */
  private unseen = 0;

  /** Octets of all slots. */
  get octets(): number {
    return this.segments.reduce((sum, segment) => sum + segment.byteLength, 0);
  }

  /**
   * Adds a row whose key is not in the table.
   *
   * @param hash - unsigned 32-bit hash of the key
   * @param row - a positive number
   */
  insert(hash: number, row: number): void {
    const s = hash >>> 24;
    let segment = this.segments[s]!;
    if (4 * (this.used[s]! + 1) > 3 * (segment.length >>> 1)) {
      segment = this.segments[s] = rehashed(segment, 2 * segment.length);
    }
    place(segment, hash, row);
    this.used[s]!++;
    this.size++;
  }

  /** Removes a row that is in the table, or throws; the chain behind it moves up. */
  remove(hash: number, row: number): void {
    const segment = this.segments[hash >>> 24]!;
    const mask = (segment.length >>> 1) - 1;
    let hole = hash & mask;
    while (segment[2 * hole + 1] !== row) {
      if (segment[2 * hole + 1] === 0) throw new Error(`row ${row} is not in the index`);
      hole = (hole + 1) & mask;
    }
    for (let i = (hole + 1) & mask; segment[2 * i + 1] !== 0; i = (i + 1) & mask) {
      const home = segment[2 * i]! & mask;
      if (((i - home) & mask) < ((i - hole) & mask)) continue;
      segment[2 * hole] = segment[2 * i]!;
      segment[2 * hole + 1] = segment[2 * i + 1]!;
      hole = i;
    }
    segment[2 * hole + 1] = 0;
    this.used[hash >>> 24]!--;
    this.size--;
  }

  /** Has another row stand for the key of a row that is in the table. */
  replace(hash: number, row: number, by: number): void {
    const segment = this.segments[hash >>> 24]!;
    const mask = (segment.length >>> 1) - 1;
    let i = hash & mask;
    while (segment[2 * i + 1] !== row) i = (i + 1) & mask;
    segment[2 * i + 1] = by;
  }

  /** Has segments that are longer than they need to be made shorter by `advance`. */
  shrink(): void {
    this.unseen = SEGMENTS;
  }

  /** Looks at one segment of those that may be too long. */
  advance(): void {
    if (this.unseen === 0) return;
    this.unseen--;
    const s = this.unseen;
    const segment = this.segments[s]!;
    let slots = segment.length >>> 1;
    while (slots > SLOTS_INITIAL && 4 * this.used[s]! < slots) slots >>>= 1;
    if (2 * slots < segment.length) this.segments[s] = rehashed(segment, 2 * slots);
  }
}

function place(segment: Uint32Array, hash: number, row: number): void {
  const mask = (segment.length >>> 1) - 1;
  let i = hash & mask;
  while (segment[2 * i + 1] !== 0) i = (i + 1) & mask;
  segment[2 * i] = hash;
  segment[2 * i + 1] = row;
}

function rehashed(segment: Uint32Array, length: number): Uint32Array {
  const next = new Uint32Array(length);
  for (let i = 0; i < segment.length; i += 2) {
    if (segment[i + 1] !== 0) place(next, segment[i]!, segment[i + 1]!);
  }
  return next;
}

/** Final mix of a 32-bit hash, so that its top and bottom bits both depend on all of it. */
export function mixHash(h: number): number {
  let x = h;
  x = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
  return (x ^ (x >>> 16)) >>> 0;
}

/**
 * Keyed hash of octets `[at, end)`: additions and rotations, so that without the seed nobody can tell
 * strings of one hash. (With a multiplication for each word one could: a difference in the top bit
 * passes unchanged, and the next word can cancel it.) Even and odd words go into states of their own,
 * which a processor works on at the same time.
 *
 * @param seed - any 32-bit number
 * @returns an unsigned 32-bit number; linear in the octets
 */
export function hashOctets(seed: number, buf: Uint8Array, at: number, end: number): number {
  let a = seed;
  let b = Math.imul(seed, 0x9e3779b1) ^ (end - at);
  let c = ~a;
  let d = ~b;
  for (let i = at; i < end + 8; i += 8) {
    let even = 0;
    let odd = 0;
    if (i + 8 <= end) {
      even = buf[i]! | (buf[i + 1]! << 8) | (buf[i + 2]! << 16) | (buf[i + 3]! << 24);
      odd = buf[i + 4]! | (buf[i + 5]! << 8) | (buf[i + 6]! << 16) | (buf[i + 7]! << 24);
    } else {
      for (let k = end - 1; k >= i + 4; k--) odd = (odd << 8) | buf[k]!;
      for (let k = Math.min(end, i + 4) - 1; k >= i; k--) even = (even << 8) | buf[k]!;
    }
    a = (a + even) | 0;
    c = (c + odd) | 0;
    b ^= a;
    d ^= c;
    a = (((a << 20) | (a >>> 12)) + b) | 0;
    c = (((c << 20) | (c >>> 12)) + d) | 0;
    b = ((b << 9) | (b >>> 23)) ^ a;
    d = ((d << 9) | (d >>> 23)) ^ c;
    a = (((a << 27) | (a >>> 5)) + b) | 0;
    c = (((c << 27) | (c >>> 5)) + d) | 0;
    b = (b << 19) | (b >>> 13);
    d = (d << 19) | (d >>> 13);
  }
  return mixHash((a ^ b) + (c ^ d));
}

/** Keyed hash of four words and a number of bits, with the rounds of `hashOctets`. */
export function hashWords(
  seed: number,
  w0: number,
  w1: number,
  w2: number,
  w3: number,
  bits: number,
): number {
  let a = seed;
  let b = Math.imul(seed, 0x9e3779b1) ^ bits;
  for (let i = 0; i < 5; i++) {
    const word = i < 2 ? (i === 0 ? w0 : w1) : i === 2 ? w2 : i === 3 ? w3 : 0;
    a = (a + word) | 0;
    b ^= a;
    a = (((a << 20) | (a >>> 12)) + b) | 0;
    b = ((b << 9) | (b >>> 23)) ^ a;
    a = (((a << 27) | (a >>> 5)) + b) | 0;
    b = (b << 19) | (b >>> 13);
  }
  return mixHash(a ^ b);
}
