/**
 * Big-endian numbers in octet strings. Callers have checked the bounds; beyond the end a
 * `Uint8Array` reads `undefined`, which these turn into 0, so a missed check cannot throw.
 */

/** @returns the unsigned 16-bit number at `at` */
export function readU16(buf: Uint8Array, at: number): number {
  return (buf[at]! << 8) | buf[at + 1]!;
}

/** @returns the unsigned 32-bit number at `at` */
export function readU32(buf: Uint8Array, at: number): number {
  return ((buf[at]! << 24) | (buf[at + 1]! << 16) | (buf[at + 2]! << 8) | buf[at + 3]!) >>> 0;
}

/** Writes the low 16 bits of `value`; returns the index after them. */
export function writeU16(buf: Uint8Array, at: number, value: number): number {
  buf[at] = value >>> 8;
  buf[at + 1] = value;
  return at + 2;
}

/** Writes the low 32 bits of `value`; returns the index after them. */
export function writeU32(buf: Uint8Array, at: number, value: number): number {
  buf[at] = value >>> 24;
  buf[at + 1] = value >>> 16;
  buf[at + 2] = value >>> 8;
  buf[at + 3] = value;
  return at + 4;
}

/** Copies `[at, end)` to `toAt`. A loop beats `set(subarray)` for the short runs of this codec. */
export function copyOctets(
  from: Uint8Array,
  at: number,
  end: number,
  to: Uint8Array,
  toAt: number,
): void {
  if (end - at > 96) to.set(from.subarray(at, end), toAt);
  else for (let i = at, k = toAt; i < end; i++, k++) to[k] = from[i]!;
}
