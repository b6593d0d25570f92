/** What kind of address a next hop is. */

import { readU16, readU32 } from "./octets.ts";

/**
 * Whether no host can have the address: 0/8, 127/8 and 224/3 of IPv4, unspecified and loopback of
 * IPv6. (A multicast address of IPv6 passes, as it passes the parsers of other daemons; it is for
 * the policy on next hops to reject.)
 *
 * @param octets - 4, 16, or 32 of which the first 16 are looked at
 */
export function isMartianNextHop(buf: Uint8Array, at: number, octets: number): boolean {
  const first = buf[at]!;
  if (octets === 4) return first === 0 || first === 127 || first >= 224;
  const zeros = readU32(buf, at) | readU32(buf, at + 4) | readU32(buf, at + 8);
  return zeros === 0 && readU32(buf, at + 12) <= 1;
}

/** Whether the IPv6 address is "::". */
export function isUnspecified(buf: Uint8Array, at: number): boolean {
  return (
    (readU32(buf, at) | readU32(buf, at + 4) | readU32(buf, at + 8) | readU32(buf, at + 12)) === 0
  );
}

/** Whether the IPv6 address is in fe80::/10. */
export function isLinkLocal(buf: Uint8Array, at: number): boolean {
  return (readU16(buf, at) & 0xffc0) === 0xfe80;
}
