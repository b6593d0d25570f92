/**
 * Prefixes as in the default-free zone: their lengths, and that neighbouring ones often come from
 * the same place and share their attributes.
 */

import { FAMILY, type Family } from "@ts-bgp/wire-codec";
import { Picker, type Prng } from "./prng.ts";

/** Share of each prefix length in percent, about that of the IPv4 table of 2025. */
const IPV4_LENGTHS = new Picker([
  [24, 59.5],
  [23, 9.8],
  [22, 11.3],
  [21, 5.2],
  [20, 4.7],
  [19, 2.9],
  [18, 1.6],
  [17, 1.0],
  [16, 1.5],
  [15, 0.3],
  [14, 0.2],
  [13, 0.1],
  [12, 0.06],
  [11, 0.02],
  [10, 0.01],
  [9, 0.005],
  [8, 0.005],
]);

/** The same for IPv6. */
const IPV6_LENGTHS = new Picker([
  [48, 46],
  [47, 3.2],
  [46, 3.5],
  [45, 2.2],
  [44, 9.5],
  [43, 0.9],
  [42, 2.2],
  [41, 0.7],
  [40, 8.8],
  [39, 0.6],
  [38, 1.2],
  [37, 0.6],
  [36, 5.2],
  [35, 0.8],
  [34, 1.1],
  [33, 2.0],
  [32, 8.6],
  [31, 0.3],
  [30, 0.4],
  [29, 2.0],
  [28, 0.15],
  [24, 0.04],
  [20, 0.01],
]);

/** Prefixes per attribute set; the mean is about 4. */
const CLUSTER_SIZES = new Picker([
  [1, 48],
  [2, 17],
  [3, 9],
  [4, 6],
  [6, 6],
  [8, 5],
  [12, 4],
  [20, 3],
  [40, 1.2],
  [100, 0.15],
]);
export const CLUSTER_PREFIXES_MAX = 100;

/** First octets of IPv4 addresses that are nobody's, or mostly not routed. */
const UNUSED_FIRST_OCTETS: ReadonlySet<number> = new Set([0, 10, 127, 169, 172, 192]);
const MULTICAST_FIRST_OCTET = 224;

/** First 12 or 16 bits of the blocks that the registries hand out from, with a weight. */
const IPV6_BLOCKS: readonly (readonly [word: number, bits: number])[] = [
  [0x20010000, 16],
  [0x24000000, 12],
  [0x26000000, 12],
  [0x28000000, 12],
  [0x2a000000, 12],
  [0x2c000000, 12],
];
const IPV6_BLOCK_PICKER = new Picker([
  [0, 8],
  [1, 34],
  [2, 22],
  [3, 12],
  [4, 21],
  [5, 3],
]);

/** Share of prefixes that do not follow the one before them. */
const JUMP_PROBABILITY = 0.4;
/** A length is given up after so many addresses that are taken: there may be no free one left. */
const TRIES_MAX = 16;

/** @returns how many prefixes share the next attribute set */
export function clusterSize(prng: Prng): number {
  return CLUSTER_SIZES.pick(prng);
}

/**
 * An endless row of different prefixes of one family, in clusters.
 *
 * Allocates nothing per prefix.
 */
export class SyntheticPrefixes {
  /** First 32 bits of prefix `i` of the cluster made last, and the 32 after that (IPv6). */
  readonly w0: Uint32Array = new Uint32Array(CLUSTER_PREFIXES_MAX);
  readonly w1: Uint32Array = new Uint32Array(CLUSTER_PREFIXES_MAX);
  /** Its length. */
  readonly bits: Uint8Array = new Uint8Array(CLUSTER_PREFIXES_MAX);

  private readonly prng: Prng;
  private readonly ipv6: boolean;
  private readonly taken: PrefixSet;

  /** @param prefixesMax - how many prefixes will be made in all, at most */
  constructor(prng: Prng, family: Family, prefixesMax: number) {
    this.prng = prng;
    this.ipv6 = family === FAMILY.IPV6_UNICAST;
    this.taken = new PrefixSet(prefixesMax);
  }

  /**
   * Makes the next cluster.
   *
   * @param max - at most so many prefixes, 1 or more
   * @returns how many there are, 1 or more
   */
  cluster(max: number): number {
    const { prng } = this;
    const count = Math.min(clusterSize(prng), max);
    let follows = false;
    for (let i = 0; i < count; i++) {
      if (follows && prng.chance(JUMP_PROBABILITY)) follows = false;
      this.place(i, follows);
      follows = true;
    }
    return count;
  }

  /** Makes prefix `i`, behind the one before it if it can. */
  private place(i: number, follows: boolean): void {
    const { prng, w0, w1, bits, taken } = this;
    let length = this.drawLength();
    let next = follows;
    for (let tries = 0; ; tries++) {
      if (tries === TRIES_MAX) {
        length = this.drawLength();
        tries = 0;
      }
      bits[i] = length;
      if (next && this.follow(i)) {
        // The address is that behind the prefix before, cut to the length.
      } else if (this.ipv6) {
        const [word, blockBits] = IPV6_BLOCKS[IPV6_BLOCK_PICKER.pick(prng)]!;
        w0[i] = word | (prng.next() >>> blockBits);
        w1[i] = prng.next();
      } else {
        w0[i] = prng.next();
        w1[i] = 0;
      }
      next = false;
      if (length <= 32) {
        w0[i] = w0[i]! & (length === 32 ? -1 : ~(0xffffffff >>> length));
        w1[i] = 0;
      } else {
        w1[i] = w1[i]! & ~(0xffffffff >>> (length - 32));
      }
      if (this.usable(w0[i]!) && taken.add(w0[i]!, w1[i]!, length)) return;
    }
  }

  private drawLength(): number {
    return (this.ipv6 ? IPV6_LENGTHS : IPV4_LENGTHS).pick(this.prng);
  }

  /** Sets address `i` to the one behind prefix `i - 1`. @returns whether there is one */
  private follow(i: number): boolean {
    const { w0, w1, bits } = this;
    const before = bits[i - 1]!;
    w0[i] = w0[i - 1]!;
    w1[i] = w1[i - 1]!;
    if (before <= 32) {
      w1[i] = 0;
      w0[i] = w0[i]! + 2 ** (32 - before);
      return w0[i]! !== 0;
    }
    w1[i] = w1[i]! + 2 ** (64 - before);
    // The end of a /32: nobody's neighbour.
    return w1[i]! !== 0;
  }

  private usable(word: number): boolean {
    if (this.ipv6) return word >>> 29 === 1;
    const first = word >>> 24;
    return first < MULTICAST_FIRST_OCTET && !UNUSED_FIRST_OCTETS.has(first);
  }
}

/** Prefixes of at most 48 bits that have been used: a hash table of fixed size. */
class PrefixSet {
  /** A prefix as a number below 2^50: its 48 bits, and a bit that marks where it ends. */
  private readonly keys: Float64Array;

  constructor(prefixesMax: number) {
    this.keys = new Float64Array(2 ** Math.ceil(Math.log2(2 * prefixesMax + 2)));
  }

  /** @returns false when the prefix was there */
  add(w0: number, w1: number, bits: number): boolean {
    const { keys } = this;
    const mask = keys.length - 1;
    const key = (w0 * 65536 + (w1 >>> 16)) * 2 + 2 ** (48 - bits);
    const mixed = Math.imul(w0 ^ (bits << 24), 0x9e3779b1) ^ Math.imul(w1 ^ bits, 0x85ebca6b);
    for (let i = (mixed ^ (mixed >>> 15)) & mask; ; i = (i + 1) & mask) {
      if (keys[i] === key) return false;
      if (keys[i] !== 0) continue;
      keys[i] = key;
      return true;
    }
  }
}
