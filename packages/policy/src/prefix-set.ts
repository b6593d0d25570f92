/**
 * Prefix lists with ge and le: one hash table per address family that holds all lengths, asked once
 * for each length that could hold an entry for the prefix in question.
 *
 * A million exact IPv4 entries take 16 MB, and a question one probe.
 */

import { FAMILY, type Family, formatPrefix, writeU32 } from "@ts-bgp/wire-codec";
import { forEachPrefix, type PrefixEntries, prefixCounts } from "./packed-lists.ts";
import { maskOf, type PrefixEntry } from "./prefix-entry.ts";

/** An immutable set of ranges of prefixes. */
export class PrefixSet {
  private readonly ipv4: PrefixHash;
  private readonly ipv6: PrefixHash;

  /** @param entries - packed, or as `parsePrefixEntry` takes them; a wrong one is a programmer's mistake */
  constructor(entries: PrefixEntries) {
    // Texts are few, and tables grow.
    const isPacked = entries instanceof Uint32Array;
    const [ipv4, ipv6] = isPacked ? prefixCounts(entries) : [0, 0];
    this.ipv4 = new PrefixHash(1, ipv4);
    this.ipv6 = new PrefixHash(4, ipv6);
    forEachPrefix(entries, (entry) => (entry.bitsMax === 32 ? this.ipv4 : this.ipv6).add(entry));
  }

  /** Words may be signed or unsigned. Allocates nothing. */
  has(family: Family, w0: number, w1: number, w2: number, w3: number, bits: number): boolean {
    const hash = family === FAMILY.IPV4_UNICAST ? this.ipv4 : this.ipv6;
    return hash.find(w0, w1, w2, w3, bits) >= 0;
  }

  /** @returns an entry that takes the prefix, as text, or null when there is none */
  entryOf(
    family: Family,
    w0: number,
    w1: number,
    w2: number,
    w3: number,
    bits: number,
  ): string | null {
    const hash = family === FAMILY.IPV4_UNICAST ? this.ipv4 : this.ipv6;
    const slot = hash.find(w0, w1, w2, w3, bits);
    return slot < 0 ? null : hash.text(slot);
  }

  /** Memory in octets. */
  get octets(): number {
    return this.ipv4.octets + this.ipv6.octets;
  }
}

const SLOTS_INITIAL = 16;
/** Marks a used slot in `meta`, which also has the length, ge and le, an octet each. */
const USED = 1 << 24;

/** Entries of one address family, open addressing with linear probing. */
class PrefixHash {
  private readonly words: 1 | 4;
  private keys: Int32Array;
  private meta: Uint32Array;
  private used = 0;
  /** Prefix lengths of the entries, and the bounds of ge and le over the entries of each. */
  private lengths: number[] = [];
  private readonly geMin: Uint8Array = new Uint8Array(129).fill(255);
  private readonly leMax: Uint8Array = new Uint8Array(129);

  /** @param expected - number of entries that will not make it grow */
  constructor(words: 1 | 4, expected: number) {
    this.words = words;
    let slots = SLOTS_INITIAL;
    while (3 * slots < 4 * expected) slots *= 2;
    this.keys = new Int32Array(words * slots);
    this.meta = new Uint32Array(slots);
  }

  get octets(): number {
    return this.keys.byteLength + this.meta.byteLength;
  }

  add(entry: PrefixEntry): void {
    const { w0, w1, w2, w3, bits, ge, le } = entry;
    if (4 * (this.used + 1) > 3 * this.meta.length) this.grow();
    if (this.place(w0, w1, w2, w3, USED | (bits << 16) | (ge << 8) | le)) this.used++;
    if (!this.lengths.includes(bits)) this.lengths = [...this.lengths, bits].sort((a, b) => a - b);
    this.geMin[bits] = Math.min(this.geMin[bits]!, ge);
    this.leMax[bits] = Math.max(this.leMax[bits]!, le);
  }

  /** @returns the slot of an entry that takes the prefix, or -1 */
  find(w0: number, w1: number, w2: number, w3: number, bits: number): number {
    for (const length of this.lengths) {
      if (length > bits) return -1;
      if (bits < this.geMin[length]! || bits > this.leMax[length]!) continue;
      const slot =
        this.words === 1
          ? this.probe(w0 & maskOf(length), 0, 0, 0, length, bits)
          : this.probe(
              w0 & maskOf(length),
              w1 & maskOf(length - 32),
              w2 & maskOf(length - 64),
              w3 & maskOf(length - 96),
              length,
              bits,
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
  ): number {
    const { keys, meta, words } = this;
    const mask = meta.length - 1;
    for (let i = hashOf(w0, w1, w2, w3, length) & mask; ; i = (i + 1) & mask) {
      const m = meta[i]!;
      if (m === 0) return -1;
      if (keys[words * i] !== w0 || ((m >>> 16) & 255) !== length) continue;
      if (bits < ((m >>> 8) & 255) || bits > (m & 255)) continue;
      if (words === 1) return i;
      if (keys[4 * i + 1] === w1 && keys[4 * i + 2] === w2 && keys[4 * i + 3] === w3) return i;
    }
  }

  /** @returns false when the entry was there already */
  private place(w0: number, w1: number, w2: number, w3: number, m: number): boolean {
    const { keys, meta, words } = this;
    const mask = meta.length - 1;
    let i = hashOf(w0, w1, w2, w3, (m >>> 16) & 255) & mask;
    for (; meta[i] !== 0; i = (i + 1) & mask) {
      if (meta[i] !== m || keys[words * i] !== w0) continue;
      if (words === 1) return false;
      if (keys[4 * i + 1] === w1 && keys[4 * i + 2] === w2 && keys[4 * i + 3] === w3) return false;
    }
    meta[i] = m;
    keys[words * i] = w0;
    if (words === 4) {
      keys[4 * i + 1] = w1;
      keys[4 * i + 2] = w2;
      keys[4 * i + 3] = w3;
    }
    return true;
  }

  private grow(): void {
    const { keys, meta, words } = this;
    this.keys = new Int32Array(2 * keys.length);
    this.meta = new Uint32Array(2 * meta.length);
    for (let i = 0; i < meta.length; i++) {
      if (meta[i] === 0) continue;
      const k = words * i;
      if (words === 1) this.place(keys[k]!, 0, 0, 0, meta[i]!);
      else this.place(keys[k]!, keys[k + 1]!, keys[k + 2]!, keys[k + 3]!, meta[i]!);
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
