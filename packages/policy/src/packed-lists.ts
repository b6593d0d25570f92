/**
 * Lists of prefixes and of AS numbers packed into one typed array each: so they take an eighth of the
 * memory of their texts, and go to another thread, into an image and back in no time.
 *
 *     prefix list   an entry after the other: a word for length, ge, le and family, one or four words of prefix
 *     AS list       first and last AS number of ranges, in order, that do not touch
 */

import type { PrefixEntry } from "./prefix-entry.ts";
import { newPrefixEntry, parsePrefixEntry } from "./prefix-entry.ts";

/** Entries of a list: packed, or as texts, as an older version has them. */
export type PrefixEntries = Uint32Array | readonly string[];
export type AsEntries = Uint32Array | readonly string[];

const WORDS_INITIAL = 64;
/** Marks an entry of IPv6 in its first word, which also has length, ge and le, an octet each. */
const IPV6 = 1 << 24;

/** Gathers a prefix list. */
export class PrefixListBuilder {
  private words: Uint32Array = new Uint32Array(WORDS_INITIAL);
  private used = 0;

  add({ bitsMax, w0, w1, w2, w3, bits, ge, le }: PrefixEntry): void {
    if (this.used + 5 > this.words.length) {
      const longer = new Uint32Array(2 * this.words.length);
      longer.set(this.words);
      this.words = longer;
    }
    const { words } = this;
    words[this.used++] = (bits << 16) | (ge << 8) | le | (bitsMax === 32 ? 0 : IPV6);
    words[this.used++] = w0;
    if (bitsMax === 32) return;
    words[this.used++] = w1;
    words[this.used++] = w2;
    words[this.used++] = w3;
  }

  /** @returns the entries in the order in which they were added */
  list(): Uint32Array {
    return this.words.slice(0, this.used);
  }
}

/**
 * Gives all entries of a list to a function, in order, each in the same object.
 *
 * @param entries - a wrong text is a programmer's mistake
 */
export function forEachPrefix(entries: PrefixEntries, visit: (entry: PrefixEntry) => void): void {
  const entry = newPrefixEntry();
  if (!(entries instanceof Uint32Array)) {
    for (const text of entries) {
      const mistake = parsePrefixEntry(text, entry);
      if (mistake !== null) throw new Error(mistake);
      visit(entry);
    }
    return;
  }
  for (let at = 0; at < entries.length; ) {
    const meta = entries[at++]!;
    entry.bits = (meta >>> 16) & 255;
    entry.ge = (meta >>> 8) & 255;
    entry.le = meta & 255;
    entry.w0 = entries[at++]! | 0;
    if (meta < IPV6) {
      entry.bitsMax = 32;
      entry.w1 = entry.w2 = entry.w3 = 0;
    } else {
      entry.bitsMax = 128;
      entry.w1 = entries[at++]! | 0;
      entry.w2 = entries[at++]! | 0;
      entry.w3 = entries[at++]! | 0;
    }
    visit(entry);
  }
}

/** @returns number of entries of each family */
export function prefixCounts(entries: PrefixEntries): [ipv4: number, ipv6: number] {
  const counts: [number, number] = [0, 0];
  forEachPrefix(entries, ({ bitsMax }) => {
    counts[bitsMax === 32 ? 0 : 1]++;
  });
  return counts;
}

/**
 * @param bounds - first and last AS number of ranges, one range after the other, in any order
 * @returns the same AS numbers as an AS list
 */
export function packedRanges(bounds: readonly number[]): Uint32Array {
  const order = Array.from({ length: bounds.length / 2 }, (_, k) => 2 * k);
  order.sort((a, b) => bounds[a]! - bounds[b]!);
  const packed = new Uint32Array(bounds.length);
  let used = 0;
  for (const at of order) {
    const [first, last] = [bounds[at]!, bounds[at + 1]!];
    if (used > 0 && first <= packed[used - 1]! + 1) {
      packed[used - 1] = Math.max(packed[used - 1]!, last);
    } else {
      packed[used++] = first;
      packed[used++] = last;
    }
  }
  return packed.slice(0, used);
}
