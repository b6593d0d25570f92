/**
 * Extended communities that end at the border of an AS: bit 0x40 of the type octet says "not
 * transitive" (RFC 4360 sections 2 and 6, RFC 5701 section 2). One of them, the origin validation
 * state (RFC 8097), may cross it where both sides want that.
 */

import { copyOctets, readU16 } from "./octets.ts";

const NON_TRANSITIVE = 0x40;
const ORIGIN_VALIDATION_STATE = 0x4300;

/** @returns whether the community at `at` stays within its AS */
function staysInside(buf: Uint8Array, at: number, rpkiState: boolean): boolean {
  if ((buf[at]! & NON_TRANSITIVE) === 0) return false;
  return !rpkiState || readU16(buf, at) !== ORIGIN_VALIDATION_STATE;
}

/**
 * @param octetsEach - 8, or 20 for those with IPv6 addresses
 * @param rpkiState - the origin validation state may cross
 * @returns whether some of the communities `[at, end)` stay within their AS; allocates nothing
 */
export function someStayInside(
  buf: Uint8Array,
  at: number,
  end: number,
  octetsEach: number,
  rpkiState: boolean,
): boolean {
  for (let i = at; i < end; i += octetsEach) if (staysInside(buf, i, rpkiState)) return true;
  return false;
}

/**
 * Writes those of `[at, end)` that cross the border, in their order; parameters as above.
 *
 * @returns the index after what was written at `outAt`
 */
export function copyCrossing(
  buf: Uint8Array,
  at: number,
  end: number,
  octetsEach: number,
  rpkiState: boolean,
  out: Uint8Array,
  outAt: number,
): number {
  let o = outAt;
  for (let i = at; i < end; i += octetsEach) {
    if (staysInside(buf, i, rpkiState)) continue;
    copyOctets(buf, i, i + octetsEach, out, o);
    o += octetsEach;
  }
  return o;
}
