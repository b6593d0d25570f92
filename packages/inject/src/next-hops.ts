/** The addresses that routes get as their next hop. */

import { networkInterfaces } from "node:os";
import { parseAddress } from "@ts-bgp/wire-codec";

export interface NextHops {
  /** 4 octets. */
  readonly ipv4: Uint8Array;
  /** 16 octets. */
  readonly ipv6: Uint8Array;
}

/**
 * Own addresses for the next hop of both families: that of the session, and one of the other family
 * on the same interface. Without such a one the session's address is made into one of the family:
 * IPv4 mapped into IPv6, or the last four octets of IPv6.
 *
 * @param localAddress - of the session; anything else gives unspecified addresses
 */
export function ownNextHops(localAddress: string): NextHops {
  const [bare = ""] = localAddress.split("%");
  const own = parseAddress(bare) ?? new Uint8Array(4);
  const wanted = own.length === 4 ? "IPv6" : "IPv4";
  const other = siblings(bare).find(({ family, address }) => {
    return family === wanted && !address.toLowerCase().startsWith("fe80:");
  });
  const octets = other === undefined ? null : parseAddress(other.address);
  if (own.length === 4) return { ipv4: own, ipv6: octets ?? mapped(own) };
  return { ipv4: octets ?? own.slice(12), ipv6: own };
}

/** @returns all addresses of the interface that has this one */
function siblings(address: string): { family: string; address: string }[] {
  for (const addresses of Object.values(networkInterfaces())) {
    if (addresses?.some((entry) => entry.address === address)) return addresses;
  }
  return [];
}

/** RFC 4291 section 2.5.5.2. */
function mapped(ipv4: Uint8Array): Uint8Array {
  const octets = new Uint8Array(16);
  octets.fill(0xff, 10, 12);
  octets.set(ipv4, 12);
  return octets;
}
