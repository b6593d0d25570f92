/** Reading the routes of an UPDATE, checked by the codec, one after the other. */

import { readU32 } from "@ts-bgp/wire-codec";

/** Holds the route read last; allocates nothing. */
export class NlriReader {
  /** 0 without ADD-PATH. */
  pathId = 0;
  /** The prefix in words, high first, bits beyond its length cleared. */
  w0 = 0;
  w1 = 0;
  w2 = 0;
  w3 = 0;
  bits = 0;
  private readonly bitsMax: 32 | 128;

  constructor(bitsMax: 32 | 128) {
    this.bitsMax = bitsMax;
  }

  /** @returns the index after the route at `at` */
  read(buf: Uint8Array, at: number, addPath: boolean): number {
    let i = at;
    if (addPath) {
      this.pathId = readU32(buf, i);
      i += 4;
    } else this.pathId = 0;
    const bits = buf[i]!;
    const end = i + 1 + ((bits + 7) >> 3);
    this.bits = bits;
    this.w0 = readWord(buf, i + 1, end, bits);
    if (this.bitsMax === 128) {
      this.w1 = bits > 32 ? readWord(buf, i + 5, end, bits - 32) : 0;
      this.w2 = bits > 64 ? readWord(buf, i + 9, end, bits - 64) : 0;
      this.w3 = bits > 96 ? readWord(buf, i + 13, end, bits - 96) : 0;
    }
    return end;
  }
}

/** Up to 32 bits at `at`, of which `bits` count; octets from `end` on are not the prefix's. */
function readWord(buf: Uint8Array, at: number, end: number, bits: number): number {
  let word = 0;
  if (at + 4 <= end) {
    word = (buf[at]! << 24) | (buf[at + 1]! << 16) | (buf[at + 2]! << 8) | buf[at + 3]!;
  } else {
    for (let i = at, shift = 24; i < end; i++, shift -= 8) word |= buf[i]! << shift;
  }
  if (bits >= 32) return word >>> 0;
  return bits === 0 ? 0 : (word & (-1 << (32 - bits))) >>> 0;
}
