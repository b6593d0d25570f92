/** Attribute sets as in the default-free zone: path lengths, and communities of all kinds. */

import {
  AS_TRANS,
  ATTR,
  ATTR_FLAG,
  FAMILY,
  type Family,
  SEGMENT,
  writeU16,
  writeU32,
} from "@ts-bgp/wire-codec";
import { Picker, type Prng } from "./prng.ts";

/** Percent by number of AS numbers before the origin prepends itself; the mean is 4.5. */
const PATH_LENGTHS = new Picker([
  [2, 3],
  [3, 20],
  [4, 34],
  [5, 24],
  [6, 11],
  [7, 5],
  [8, 3],
]);

const LARGE_CARRIERS = [
  174, 701, 1299, 2914, 3257, 3320, 3356, 3491, 5511, 6453, 6461, 6762, 6830, 6939, 7018, 9002,
  12956,
];
/** AS numbers that stand in the middle of paths. */
const TRANSIT: readonly number[] = [
  ...LARGE_CARRIERS,
  ...range(8200, 9000, 7),
  ...range(262000, 270000, 31),
];
/** Origins, as first number and how many; between these blocks all is reserved (RFC 5398, 6996). */
const ORIGIN_BLOCKS = { twoOctet: [1000, 63_496], fourOctet: [131_072, 268_928] } as const;

const IGP_PROBABILITY = 0.93;
const PREPEND_PROBABILITY = 0.12;
const AGGREGATOR_PROBABILITY = 0.05;
const COMMUNITIES_PROBABILITY = 0.7;
const COMMUNITIES_RATE = 0.3;
const COMMUNITIES_MAX = 31;
const EXTENDED_PROBABILITY = 0.05;
const LARGE_PROBABILITY = 0.1;
const LARGE_COMMUNITIES_MAX = 3;

const OPTIONAL_TRANSITIVE = ATTR_FLAG.OPTIONAL | ATTR_FLAG.TRANSITIVE;
/** Route Target of a 2-octet AS (RFC 4360 section 4). */
const ROUTE_TARGET = 0x0002;
/** 192.0.2.1 and 2001:db8::1, which sessions replace by their own address. */
const NEXT_HOP_4 = Uint8Array.of(192, 0, 2, 1);
const NEXT_HOP_6 = Uint8Array.of(0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1);

/** Makes attribute sets, one after the other in the same place. */
export class SyntheticAttributes {
  /** The set made last: canonical octets `[0, length)`. */
  readonly octets: Uint8Array = new Uint8Array(1024);
  length = 0;

  private readonly prng: Prng;
  private readonly path: number[] = [];

  constructor(prng: Prng) {
    this.prng = prng;
  }

  /** @returns a number of AS numbers, as `makePath` wants it */
  pathLength(): number {
    return PATH_LENGTHS.pick(this.prng);
  }

  /**
   * @param asCount - AS numbers before the origin prepends itself, which it may do up to 3 times
   * @returns an AS path that begins with `firstAs`; valid until the next call, free to be changed
   */
  makePath(firstAs: number, asCount: number): number[] {
    const { path, prng } = this;
    path.length = 0;
    path.push(firstAs);
    for (let i = 1; i < asCount - 1; i++) path.push(TRANSIT[prng.below(TRANSIT.length)]!);
    if (asCount > 1) path.push(drawOrigin(prng));
    const origin = path.at(-1)!;
    if (prng.chance(PREPEND_PROBABILITY)) {
      for (let left = 1 + prng.below(3); left > 0; left--) path.push(origin);
    }
    return path;
  }

  /** Makes the next set, with this path and a next hop of the family. */
  make(path: readonly number[], family: Family): void {
    const { prng } = this;
    const [firstAs = 0] = path;
    this.length = 0;
    this.head(ATTR_FLAG.TRANSITIVE, ATTR.ORIGIN, 1);
    this.octets[this.length++] = prng.chance(IGP_PROBABILITY) ? 0 : 2;
    this.asPath(path);
    const nextHop = family === FAMILY.IPV4_UNICAST ? NEXT_HOP_4 : NEXT_HOP_6;
    this.head(ATTR_FLAG.TRANSITIVE, ATTR.NEXT_HOP, nextHop.length);
    this.octets.set(nextHop, this.length);
    this.length += nextHop.length;
    if (prng.chance(AGGREGATOR_PROBABILITY)) {
      this.head(OPTIONAL_TRANSITIVE, ATTR.AGGREGATOR, 8);
      this.u32(path.at(-1) ?? 0);
      this.u32(prng.next());
    }
    if (prng.chance(COMMUNITIES_PROBABILITY)) this.communities(firstAs);
    if (prng.chance(EXTENDED_PROBABILITY)) this.extendedCommunities(firstAs);
    if (prng.chance(LARGE_PROBABILITY)) this.largeCommunities(firstAs);
  }

  private asPath(path: readonly number[]): void {
    this.head(ATTR_FLAG.TRANSITIVE, ATTR.AS_PATH, 2 + 4 * path.length);
    this.octets[this.length++] = SEGMENT.AS_SEQUENCE;
    this.octets[this.length++] = path.length;
    for (const as of path) this.u32(as);
  }

  private communities(as: number): void {
    const { prng } = this;
    const more = Math.floor(-Math.log(1 - prng.fraction()) / COMMUNITIES_RATE);
    const count = Math.min(1 + more, COMMUNITIES_MAX);
    this.head(OPTIONAL_TRANSITIVE, ATTR.COMMUNITIES, 4 * count);
    for (let i = 0; i < count; i++) this.u32(((as & 0xffff) << 16) | (prng.next() & 0xfff));
  }

  private extendedCommunities(as: number): void {
    const { prng } = this;
    const count = 1 + prng.below(2);
    this.head(OPTIONAL_TRANSITIVE, ATTR.EXTENDED_COMMUNITIES, 8 * count);
    for (let i = 0; i < count; i++) {
      this.u32((ROUTE_TARGET << 16) | (as & 0xffff));
      this.u32(prng.next() & 0xffff);
    }
  }

  private largeCommunities(as: number): void {
    const { prng } = this;
    const count = 1 + prng.below(LARGE_COMMUNITIES_MAX);
    this.head(OPTIONAL_TRANSITIVE, ATTR.LARGE_COMMUNITIES, 12 * count);
    for (let i = 0; i < count; i++) {
      this.u32(as);
      this.u32(prng.next() & 0xf);
      this.u32(prng.next() & 0xfff);
    }
  }

  private head(flags: number, type: number, octets: number): void {
    const { octets: out, length } = this;
    writeU16(out, length, (flags << 8) | type);
    out[length + 2] = octets;
    this.length = length + 3;
  }

  private u32(value: number): void {
    this.length = writeU32(this.octets, this.length, value);
  }
}

function drawOrigin(prng: Prng): number {
  const { twoOctet, fourOctet } = ORIGIN_BLOCKS;
  const drawn = prng.below(twoOctet[1] + fourOctet[1]);
  if (drawn >= twoOctet[1]) return fourOctet[0] + drawn - twoOctet[1];
  const as = twoOctet[0] + drawn;
  return as === AS_TRANS ? as + 1 : as;
}

function range(from: number, end: number, by: number): number[] {
  return Array.from({ length: Math.ceil((end - from) / by) }, (_, i) => from + i * by);
}
