/** Address families as numbers, bits and names. */

import { AFI, FAMILY, type Family, SAFI } from "./constants.ts";

const AFI_NAMES: Readonly<Record<number, string>> = { 1: "ipv4", 2: "ipv6", 25: "l2vpn" };

/** IANA's SAFI registry, in the words that operators use. */
const SAFI_NAMES: Readonly<Record<number, string>> = {
  1: "unicast",
  2: "multicast",
  4: "labeled-unicast",
  5: "mcast-vpn",
  65: "vpls",
  66: "mdt",
  70: "evpn",
  71: "ls",
  73: "sr-policy",
  85: "mup",
  128: "vpn",
  129: "multicast-vpn",
  132: "route-target",
  133: "flowspec",
  134: "flowspec-vpn",
};

/** @returns the FAMILY bit, 0 for a family that this speaker does not route */
export function familyBit(afi: number, safi: number): Family | 0 {
  if (safi !== SAFI.UNICAST) return 0;
  if (afi === AFI.IPV4) return FAMILY.IPV4_UNICAST;
  return afi === AFI.IPV6 ? FAMILY.IPV6_UNICAST : 0;
}

/** @returns the AFI of a FAMILY bit; the SAFI is always unicast */
export function familyAfi(family: Family): 1 | 2 {
  return family === FAMILY.IPV4_UNICAST ? AFI.IPV4 : AFI.IPV6;
}

/** @returns for example "ipv6-unicast"; numbers stand where there is no name */
export function familyName(afi: number, safi: number): string {
  return `${AFI_NAMES[afi] ?? `afi${afi}`}-${SAFI_NAMES[safi] ?? `safi${safi}`}`;
}
