/** Connections in the kernel that no process has any more, or soon none will: found and ended. */

import { readFileSync } from "node:fs";
import { AFI, formatAddress } from "@ts-bgp/wire-codec";
import type { SocketAddress } from "./socket-address.ts";
import { destroySockets, type Ends } from "./socket-destroy.ts";

/** In `/proc/net/tcp`: state of a socket that listens. */
const LISTENS = "0A";

/**
 * Ends all connections of these local addresses in this network namespace, whoever owns them: before a
 * side that died here gets its guard back. Packets of theirs must be held back meanwhile.
 *
 * @returns how many there were
 * @throws KernelError as `destroySocket`
 */
export function destroyConnectionsOf(addresses: readonly string[]): number {
  const tables = ["/proc/net/tcp", "/proc/net/tcp6"].map(readTable);
  const ends = tables
    .flatMap(connectionsIn)
    .filter(({ local }) => addresses.includes(local.address));
  return destroySockets(ends, (error) => {
    throw error;
  });
}

/** @param table - text of `/proc/net/tcp` or `/proc/net/tcp6`, see proc(5) */
export function connectionsIn(table: string): Ends[] {
  return table
    .split("\n")
    .slice(1)
    .map((line) => line.trim().split(/\s+/))
    .filter((fields) => fields.length > 3 && fields[3] !== LISTENS)
    .map(([, local, remote]) => ({ local: addressOf(local!), remote: addressOf(remote!) }));
}

function readTable(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    // A kernel without IPv6.
    return "";
  }
}

/** @param text - address in words of the machine's order, colon, port; both hexadecimal */
function addressOf(text: string): SocketAddress {
  const [words = "", port = ""] = text.split(":");
  const octets = Buffer.from(words, "hex");
  const address = formatAddress(octets.length === 4 ? AFI.IPV4 : AFI.IPV6, octets.swap32(), 0);
  return { address, port: Number.parseInt(port, 16) };
}
