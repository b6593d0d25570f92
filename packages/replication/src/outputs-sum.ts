/** Checksum of the outputs of a bracket, by which a standby knows that it did the same. */

import { isEffect, type Output } from "@ts-bgp/router";

/** An odd number: a power of it is the weight of an octet. */
const BASE = 0x01000193;
/** Sums of a buffer are kept for each of so many octets. */
const STRIDE = 64;
/** Of a larger buffer, which holds more than what one bracket wrote, each piece is summed by itself. */
export const SHARED_OCTETS_MAX = 1 << 22;

/**
 * Sums of octet strings, many of which are parts of the same buffer: what an update group writes once is
 * sent to each member without its own routes, so that each has other pieces of it.
 *
 * The sum of a piece is a polynomial in BASE modulo 2^32, so it follows from the sums of the buffer up to
 * both ends of the piece: a buffer is gone through once, however many pieces of it there are.
 */
class PieceSums {
  /** By buffer: null after the first piece, then sums up to every STRIDE octets. */
  private readonly buffers: Map<ArrayBufferLike, Uint32Array | null> = new Map();

  /** @returns the same for the same octets, wherever they stand; constant time for most pieces */
  of(octets: Uint8Array): number {
    const { buffer, byteOffset, length } = octets;
    const known = this.buffers.get(buffer);
    if (known === undefined || buffer.byteLength > SHARED_OCTETS_MAX) {
      this.buffers.set(buffer, null);
      return sumOf(octets, 0, length, 0);
    }
    const all = new Uint8Array(buffer);
    let sums = known;
    if (sums === null) {
      sums = sumsOf(all);
      this.buffers.set(buffer, sums);
    }
    const before = sumUpTo(all, sums, byteOffset);
    return (sumUpTo(all, sums, byteOffset + length) - Math.imul(before, powerOf(length))) >>> 0;
  }
}

/**
 * @returns a number below 2^32 that is the same for the same connections begun, written to and closed
 *   in the same order; linear in the distinct buffers that were written. Logs do not count.
 */
export function outputsSum(outputs: readonly Output[]): number {
  const sums = new PieceSums();
  let sum = 0;
  for (const output of outputs) {
    if (!isEffect(output)) continue;
    let part = output.do.length;
    if (output.do === "write") part = Math.imul(sums.of(output.octets), 31) + output.octets.length;
    sum = (Math.imul(sum, 31) + part + Math.imul(output.connection, 0x9e3779b1)) >>> 0;
  }
  return sum;
}

/** @returns the sum of `[at, end)` behind octets whose sum is `before` */
function sumOf(octets: Uint8Array, at: number, end: number, before: number): number {
  let sum = before;
  for (let i = at; i < end; i++) sum = (Math.imul(sum, BASE) + octets[i]!) | 0;
  return sum >>> 0;
}

function sumsOf(octets: Uint8Array): Uint32Array {
  const sums = new Uint32Array(Math.floor(octets.length / STRIDE) + 1);
  for (let i = 1; i < sums.length; i++) {
    sums[i] = sumOf(octets, (i - 1) * STRIDE, i * STRIDE, sums[i - 1]!);
  }
  return sums;
}

function sumUpTo(octets: Uint8Array, sums: Uint32Array, end: number): number {
  const stride = Math.floor(end / STRIDE);
  return sumOf(octets, stride * STRIDE, end, sums[stride]!);
}

/** @returns BASE to the power of `exponent`, modulo 2^32 */
function powerOf(exponent: number): number {
  let power = 1;
  let square = BASE;
  for (let left = exponent; left > 0; left >>>= 1) {
    if ((left & 1) === 1) power = Math.imul(power, square);
    square = Math.imul(square, square);
  }
  return power;
}
