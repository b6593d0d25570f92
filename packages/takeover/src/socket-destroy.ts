/** Ending sockets that are not ours to close: what a killed process left in the kernel. */

import { blob, type Layout, struct, u8, u16be, u32 } from "buffer-layout";
import { AF_INET, AF_INET6, ENOENT, IPPROTO_TCP, KernelError, libc } from "./libc.ts";
import { NETLINK_SOCK_DIAG, openNetlink, request } from "./netlink.ts";
import { addressOctets, interfaceIndex, isIpv4, type SocketAddress } from "./socket-address.ts";

const SOCK_DESTROY = 21;
const STATES_ALL = 0xffff_ffff;
const NO_COOKIE = 0xffff_ffff;

/** `struct inet_diag_req_v2` of linux/inet_diag.h. */
export const inetDiagRequest: Layout<{
  family: number;
  protocol: number;
  extensions: number;
  padding: number;
  states: number;
  localPort: number;
  remotePort: number;
  localAddress: Uint8Array;
  remoteAddress: Uint8Array;
  interface: number;
  cookieLow: number;
  cookieHigh: number;
}> = struct([
  ...["family", "protocol", "extensions", "padding"].map(u8),
  u32("states"),
  u16be("localPort"),
  u16be("remotePort"),
  blob(16, "localAddress"),
  blob(16, "remoteAddress"),
  ...["interface", "cookieLow", "cookieHigh"].map(u32),
]);

/** Both ends of a TCP connection. */
export interface Ends {
  readonly local: SocketAddress;
  readonly remote: SocketAddress;
}

/**
 * Ends the TCP sockets of connections in this network namespace, whoever owns them. The kernel sends
 * RST for each: where the peer must not see that, a gate protects the flow.
 *
 * @param failed - told of each that the kernel refuses to end; the others go on
 * @returns how many there were
 * @throws KernelError without CAP_NET_ADMIN, or where the kernel is built without INET_DIAG
 */
export function destroySockets(
  connections: readonly Ends[],
  failed: (error: KernelError, ends: Ends) => void,
): number {
  if (connections.length === 0) return 0;
  const fd = openNetlink(NETLINK_SOCK_DIAG);
  let ended = 0;
  try {
    for (const ends of connections) {
      const reason = request(fd, SOCK_DESTROY, 0, requestOf(ends));
      if (reason === 0) ended++;
      else if (reason !== ENOENT) failed(new KernelError("ending a socket", reason), ends);
    }
  } finally {
    libc().close(fd);
  }
  return ended;
}

/**
 * The same for one connection.
 *
 * @returns whether there was one
 * @throws KernelError when the kernel refuses: no CAP_NET_ADMIN, or built without INET_DIAG_DESTROY
 */
export function destroySocket(local: SocketAddress, remote: SocketAddress): boolean {
  const ended = destroySockets([{ local, remote }], (error) => {
    throw error;
  });
  return ended === 1;
}

function requestOf({ local, remote }: Ends): Buffer {
  const [, scope] = remote.address.split("%");
  const payload = Buffer.alloc(inetDiagRequest.span);
  inetDiagRequest.encode(
    {
      family: isIpv4(local.address) ? AF_INET : AF_INET6,
      protocol: IPPROTO_TCP,
      extensions: 0,
      padding: 0,
      states: STATES_ALL,
      localPort: local.port,
      remotePort: remote.port,
      localAddress: padded(local.address),
      remoteAddress: padded(remote.address),
      interface: scope === undefined ? 0 : interfaceIndex(scope),
      cookieLow: NO_COOKIE,
      cookieHigh: NO_COOKIE,
    },
    payload,
  );
  return payload;
}

function padded(address: string): Buffer {
  const octets = Buffer.alloc(16);
  octets.set(addressOctets(address));
  return octets;
}
