/** Datagrams to Unix sockets, which Node.js does not have. */

import { AF_UNIX, check, libc, MSG_DONTWAIT, SOCK_CLOEXEC, SOCK_DGRAM } from "./libc.ts";

const MSG_NOSIGNAL = 0x4000;
const PATH_OCTETS_MAX = 108;

/**
 * Sends one datagram, without waiting.
 *
 * @param path - of the receiver's socket; `@` in front for a name of the abstract namespace
 * @throws KernelError when nobody is there or there is no room, Error when the path is too long
 */
export function sendDatagram(path: string, text: string): void {
  // `struct sockaddr_un` of unix(7): the family, then the path; an abstract name begins with a zero.
  const name = Buffer.from(path.startsWith("@") ? `\0${path.slice(1)}` : `${path}\0`);
  if (name.length > PATH_OCTETS_MAX) throw new Error(`${path} is too long for a Unix socket`);
  const address = Buffer.alloc(2 + name.length);
  address.writeUInt16LE(AF_UNIX);
  name.copy(address, 2);
  const fd = check(libc().socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), "socket");
  try {
    const octets = Buffer.from(text);
    const flags = MSG_DONTWAIT | MSG_NOSIGNAL;
    const { length } = octets;
    check(libc().sendto(fd, octets, length, flags, address, address.length), `datagram to ${path}`);
  } finally {
    libc().close(fd);
  }
}
