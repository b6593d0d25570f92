/** Prefixes and AS numbers in the JSON of validators. */

import { parseAddress, readU32 } from "@ts-bgp/wire-codec";

const AS_MAX = 0xffffffff;

/** A prefix in 32-bit words; those beyond the family's are 0. */
export interface RoaPrefix {
  readonly isWide: boolean;
  readonly words: readonly [number, number, number, number];
  readonly bits: number;
}

/** @returns the prefix, or what is wrong with it */
export function parsedRoaPrefix(text: unknown): RoaPrefix | string {
  if (typeof text !== "string") return "prefix must be text";
  const slash = text.indexOf("/");
  const octets = slash < 0 ? null : parseAddress(text.slice(0, slash));
  const length = text.slice(slash + 1);
  if (octets === null || !/^\d{1,3}$/.test(length)) return `"${text}" is not a prefix`;
  const isWide = octets.length === 16;
  const bits = Number(length);
  if (bits > 8 * octets.length) return `"${text}" is longer than an address`;
  const w0 = readU32(octets, 0);
  const w1 = isWide ? readU32(octets, 4) : 0;
  const w2 = isWide ? readU32(octets, 8) : 0;
  const w3 = isWide ? readU32(octets, 12) : 0;
  if (!areClear(w0, w1, w2, w3, bits)) return `"${text}" has bits behind its length`;
  return { isWide, words: [w0, w1, w2, w3], bits };
}

/** Whether all bits behind the first ones are 0. */
export function areClear(w0: number, w1: number, w2: number, w3: number, bits: number): boolean {
  return (
    isClear(w0, bits) && isClear(w1, bits - 32) && isClear(w2, bits - 64) && isClear(w3, bits - 96)
  );
}

function isClear(word: number, bits: number): boolean {
  if (bits >= 32) return true;
  return bits <= 0 ? word === 0 : word << bits === 0;
}

export function isAs(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= 0 && (value as number) <= AS_MAX;
}

/** @returns the number in `13335` or `"AS13335"`, null when it is neither */
export function asOf(value: unknown): number | null {
  if (typeof value === "number") return isAs(value) ? value : null;
  const digits = typeof value === "string" ? /^(?:AS)?(\d{1,10})$/i.exec(value)?.[1] : undefined;
  const as = Number(digits ?? Number.NaN);
  return isAs(as) ? as : null;
}
