/** Connections that one process gives another over a Unix socket: unix(7), SCM_RIGHTS. */

import {
  AF_UNIX,
  EAGAIN,
  errno,
  getU32,
  IPPROTO_TCP,
  libc,
  type MessageHeader,
  MSG_CMSG_CLOEXEC,
  MSG_DONTWAIT,
  MSG_NOSIGNAL,
  SOCK_CLOEXEC,
  SOCK_NONBLOCK,
  SOCK_STREAM,
  SOL_SOCKET,
} from "./libc.ts";
import { isOwnUser, peerCredentials } from "./peer-credentials.ts";
import { SOCKADDR_STORAGE_OCTETS, unixAddress } from "./socket-address.ts";

const SCM_RIGHTS = 1;
const SO_PROTOCOL = 38;
/** `struct cmsghdr`, and a descriptor behind it: there is room for one and no more. */
const CONTROL_OCTETS = 20;
const LEVEL_AT = 8;
const TYPE_AT = 12;
const DESCRIPTOR_AT = 16;
/** Data that goes with it: the kernel sends no descriptor alone. */
const DATA_OCTETS = 1;

/**
 * Gives a connection to whoever listens on a Unix socket, without waiting. The own descriptor stays open, and is to be
 * closed in either case.
 *
 * @param path - of the listening socket
 * @returns whether it was given: not when nobody listens there, somebody who is neither this user nor root, or too many wait
 */
export function handOver(path: string, connection: number): boolean {
  const fd = libc().socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return false;
  try {
    const address = unixAddress(path);
    if (libc().connect(fd, address, address.length) < 0) return false;
    // Whoever has a connection speaks for this side, also where a key protects it.
    if (!isOwnUser(peerCredentials(fd).user)) return false;
    const control = Buffer.alloc(CONTROL_OCTETS);
    control.writeBigUInt64LE(BigInt(CONTROL_OCTETS));
    control.writeInt32LE(SOL_SOCKET, LEVEL_AT);
    control.writeInt32LE(SCM_RIGHTS, TYPE_AT);
    control.writeInt32LE(connection, DESCRIPTOR_AT);
    return libc().sendmsg(fd, headerWith(control), MSG_DONTWAIT | MSG_NOSIGNAL) === DATA_OCTETS;
  } finally {
    libc().close(fd);
  }
}

/**
 * @param fd - of a stream from a process that calls `handOver`, of which nothing was read
 * @returns the descriptor of a TCP connection, which the caller owns; "waits" while it has not come, null when none will
 */
export function takeHandedOver(fd: number): number | "waits" | null {
  const control = Buffer.alloc(CONTROL_OCTETS);
  const header = headerWith(control);
  const octets = libc().recvmsg(fd, header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  if (octets < 0) return errno() === EAGAIN ? "waits" : null;
  if (octets === 0 || header.controlOctets < CONTROL_OCTETS) return null;
  if (control.readInt32LE(LEVEL_AT) !== SOL_SOCKET) return null;
  if (control.readInt32LE(TYPE_AT) !== SCM_RIGHTS) return null;
  const taken = control.readInt32LE(DESCRIPTOR_AT);
  // Its peer may have hung up meanwhile.
  if (isTcpConnection(taken)) return taken;
  libc().close(taken);
  return null;
}

/** Nothing else is of use to who takes it. */
function isTcpConnection(fd: number): boolean {
  try {
    return getU32(fd, SOL_SOCKET, SO_PROTOCOL, "SO_PROTOCOL") === IPPROTO_TCP && hasPeer(fd);
  } catch {
    return false;
  }
}

function hasPeer(fd: number): boolean {
  const octets = Buffer.alloc(SOCKADDR_STORAGE_OCTETS);
  return libc().getpeername(fd, octets, Uint32Array.of(octets.length)) === 0;
}

function headerWith(control: Buffer): MessageHeader {
  const data = Buffer.alloc(DATA_OCTETS);
  return {
    ...{ name: null, nameOctets: 0, parts: [{ at: data, octets: data.length }], count: 1 },
    ...{ control, controlOctets: control.length, flags: 0 },
  };
}
