/** Taking connections off a listening socket one by one, and ending them at once. */

import { ECONNABORTED, errno, libc, SOCK_CLOEXEC, SOCK_NONBLOCK, SOL_SOCKET } from "./libc.ts";
import {
  decodeRemoteAddress,
  SOCKADDR_STORAGE_OCTETS,
  type SocketAddress,
} from "./socket-address.ts";

const SO_LINGER = 13;
/** `struct linger`: on, and no time. */
const NO_LINGER = Int32Array.of(1, 0);

/** A connection that nobody else has. */
export interface AcceptedConnection {
  readonly fd: number;
  readonly remote: SocketAddress;
}

/** Connections that are skipped in a row, so that a flood of them cannot hold the caller. */
const SKIPPED_MAX = 256;

const sockaddr = Buffer.alloc(SOCKADDR_STORAGE_OCTETS);
const octets = new Uint32Array(1);

/**
 * Takes the connection that has waited longest; those whose peer has reset them, or whose interface has
 * gone, are skipped.
 *
 * @param fd - listens, and does not block
 * @returns null when none waits for now, or none can be had, for want of descriptors for example
 */
export function acceptNext(fd: number): AcceptedConnection | null {
  for (let skipped = 0; skipped < SKIPPED_MAX; skipped++) {
    octets[0] = sockaddr.length;
    const accepted = libc().accept4(fd, sockaddr, octets, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (accepted >= 0) {
      const remote = remoteOf(sockaddr);
      if (remote !== null) return { fd: accepted, remote };
      resetConnection(accepted);
    } else if (errno() !== ECONNABORTED) return null;
  }
  return null;
}

/**
 * Takes a stream off a listening Unix socket.
 *
 * @param fd - listens, and does not block
 * @returns its descriptor, which the caller owns; null when none waits
 */
export function acceptStream(fd: number): number | null {
  octets[0] = sockaddr.length;
  const accepted = libc().accept4(fd, sockaddr, octets, SOCK_NONBLOCK | SOCK_CLOEXEC);
  return accepted < 0 ? null : accepted;
}

/** @returns null when there is no name for it, as when the interface has gone that it came by */
function remoteOf(encoded: Uint8Array): SocketAddress | null {
  try {
    return decodeRemoteAddress(encoded);
  } catch {
    return null;
  }
}

/** Ends a connection with a reset, which leaves nothing behind: no octets, no state to wait out. */
export function resetConnection(fd: number): void {
  libc().setsockopt(fd, SOL_SOCKET, SO_LINGER, NO_LINGER, 8);
  libc().close(fd);
}

/** Lets go of a connection that another process has as well: that one has it alone then. */
export function closeConnection(fd: number): void {
  libc().close(fd);
}
