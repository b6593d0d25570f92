/**
 * Ranges of prefixes with ge and le: one hash table per address family that holds all lengths, asked
 * once for each length that could hold an entry for the prefix in question.
 *
 * A million exact IPv4 entries take 16 MB, and a question one probe.
 */

import { formatPrefix, writeU32 } from "@ts-bgp/wire-codec";
import { maskOf, type PrefixEntry } from "./prefix-entry.ts";

const SLOTS_INITIAL = 16;
/** Marks a used slot in `meta`, which also has the length, ge and le, an octet each. */
const USED = 1 << 24;

/** Entries of one address family, open addressing with linear probing; allocates nothing when asked. */
export class PrefixHash {
  private readonly words: 1 | 4;
  private keys: Int32Array;
  private meta: Uint32Array;
  /** What an entry is for besides the prefix; null where that is nothing. */
  private tags: Uint32Array | null;
  private used = 0;
  /** Prefix lengths of the entries, and the bounds of ge and le over the entries of each. */
  private lengths: number[] = [];
  private readonly geMin: Uint8Array = new Uint8Array(129).fill(255);
  private readonly leMax: Uint8Array = new Uint8Array(129);

  /**
   * @param expected - number of entries that will not make it grow
   * @param isTagged - entries have a number besides their prefix, which is part of the question
   */
  constructor(words: 1 | 4, expected: number, isTagged = false) {
    this.words = words;
    let slots = SLOTS_INITIAL;
    while (3 * slots < 4 * expected) slots *= 2;
    this.tags = isTagged ? new Uint32Array(slots) : null;
    this.keys = new Int32Array(words * slots);
    this.meta = new Uint32Array(slots);
  }

  get octets(): number {
    return this.keys.byteLength + this.meta.byteLength + (this.tags?.byteLength ?? 0);
  }

  add(entry: PrefixEntry, tag = 0): void {
    const { w0, w1, w2, w3, bits, ge, le } = entry;
    if (4 * (this.used + 1) > 3 * this.meta.length) this.grow();
    if (this.place(w0, w1, w2, w3, USED | (bits << 16) | (ge << 8) | le, tag)) this.used++;
    if (!this.lengths.includes(bits)) this.lengths = [...this.lengths, bits].sort((a, b) => a - b);
    this.geMin[bits] = Math.min(this.geMin[bits]!, ge);
    this.leMax[bits] = Math.max(this.leMax[bits]!, le);
  }

  /** @returns the slot of an entry that takes the prefix, or -1 */
  find(w0: number, w1: number, w2: number, w3: number, bits: number, tag = 0): number {
    for (const length of this.lengths) {
      if (length > bits) return -1;
      if (bits < this.geMin[length]! || bits > this.leMax[length]!) continue;
      const slot =
        this.words === 1
          ? this.probe(w0 & maskOf(length), 0, 0, 0, length, bits, tag)
          : this.probe(
              w0 & maskOf(length),
              w1 & maskOf(length - 32),
              w2 & maskOf(length - 64),
              w3 & maskOf(length - 96),
              length,
              bits,
              tag,
            );
      if (slot >= 0) return slot;
    }
    return -1;
  }

  text(slot: number): string {
    const nlri = new Uint8Array(17);
    const meta = this.meta[slot]!;
    const bits = (meta >>> 16) & 255;
    const ge = (meta >>> 8) & 255;
    const le = meta & 255;
    nlri[0] = bits;
    for (let k = 0; k < this.words; k++)
      writeU32(nlri, 1 + 4 * k, this.keys[this.words * slot + k]!);
    const prefix = formatPrefix(this.words === 1 ? 1 : 2, nlri, 0);
    return `${prefix}${ge > bits ? ` ge ${ge}` : ""}${le > bits ? ` le ${le}` : ""}`;
  }

  /** @returns the slot of an entry for exactly this prefix that takes length `bits`, or -1 */
  private probe(
    w0: number,
    w1: number,
    w2: number,
    w3: number,
    length: number,
    bits: number,
    tag: number,
  ): number {
    const { keys, meta, tags, words } = this;
    const mask = meta.length - 1;
    for (let i = hashOf(w0, w1, w2, w3, length ^ tag) & mask; ; i = (i + 1) & mask) {
      const m = meta[i]!;
      if (m === 0) return -1;
      if (tags !== null && tags[i] !== tag) continue;
      if (keys[words * i] !== w0 || ((m >>> 16) & 255) !== length) continue;
      if (bits < ((m >>> 8) & 255) || bits > (m & 255)) continue;
      if (words === 1) return i;
      if (keys[4 * i + 1] === w1 && keys[4 * i + 2] === w2 && keys[4 * i + 3] === w3) return i;
    }
  }

  /** @returns false when the entry was there already */
  private place(w0: number, w1: number, w2: number, w3: number, m: number, tag: number): boolean {
    const { keys, meta, tags, words } = this;
    const mask = meta.length - 1;
    let i = hashOf(w0, w1, w2, w3, ((m >>> 16) & 255) ^ tag) & mask;
    for (; meta[i] !== 0; i = (i + 1) & mask) {
      if (meta[i] !== m || keys[words * i] !== w0 || (tags !== null && tags[i] !== tag)) continue;
      if (words === 1) return false;
      if (keys[4 * i + 1] === w1 && keys[4 * i + 2] === w2 && keys[4 * i + 3] === w3) return false;
    }
    meta[i] = m;
    if (tags !== null) tags[i] = tag;
    keys[words * i] = w0;
    if (words === 4) {
      keys[4 * i + 1] = w1;
      keys[4 * i + 2] = w2;
      keys[4 * i + 3] = w3;
    }
    return true;
  }

  private grow(): void {
    const { keys, meta, tags, words } = this;
    if (tags !== null) this.tags = new Uint32Array(2 * tags.length);
    this.keys = new Int32Array(2 * keys.length);
    this.meta = new Uint32Array(2 * meta.length);
    for (let i = 0; i < meta.length; i++) {
      if (meta[i] === 0) continue;
      const k = words * i;
      const tag = tags === null ? 0 : tags[i]!;
      if (words === 1) this.place(keys[k]!, 0, 0, 0, meta[i]!, tag);
      else this.place(keys[k]!, keys[k + 1]!, keys[k + 2]!, keys[k + 3]!, meta[i]!, tag);
    }
  }
}

function hashOf(w0: number, w1: number, w2: number, w3: number, length: number): number {
  let h = Math.imul(w0 ^ length, 0x9e3779b1);
  h = Math.imul((h ^ (h >>> 15)) + w1, 0x85ebca6b);
  h = Math.imul((h ^ (h >>> 13)) + w2, 0xc2b2ae35);
  h = Math.imul((h ^ (h >>> 16)) + w3, 0x27d4eb2f);
  return h ^ (h >>> 15);
}
