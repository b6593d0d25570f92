/** Addresses that this host has. */

import net from "node:net";
import os from "node:os";
import type { ListenAddress } from "@ts-bgp/config";

/**
 * The address of the other family that goes with an own address as a next hop: the first one on the
 * same interface that can be reached from elsewhere.
 *
 * @param address - a zone is left out
 * @returns null when the interface has none; undefined when no interface has the address
 */
export function otherAddressOf(
  address: string,
  interfaces: ReturnType<typeof os.networkInterfaces> = os.networkInterfaces(),
): string | null | undefined {
  const [bare] = address.split("%");
  for (const list of Object.values(interfaces)) {
    const own = list?.find((entry) => entry.address === bare);
    if (own === undefined) continue;
    const other = list!.find((entry) => entry.family !== own.family && isReachable(entry.address));
    return other?.address ?? null;
  }
  return undefined;
}

const UNREACHABLE = new net.BlockList();
UNREACHABLE.addSubnet("127.0.0.0", 8, "ipv4");
UNREACHABLE.addSubnet("169.254.0.0", 16, "ipv4");
UNREACHABLE.addAddress("::1", "ipv6");
UNREACHABLE.addSubnet("fe80::", 10, "ipv6");

function isReachable(address: string): boolean {
  return !UNREACHABLE.check(address, address.includes(":") ? "ipv6" : "ipv4");
}

/** @returns whether one of several addresses to listen on is this one */
export function isIn(list: readonly ListenAddress[], { address, port }: ListenAddress): boolean {
  return list.some((other) => other.address === address && other.port === port);
}
