/** Datagrams to Unix sockets, which Node.js does not have. */

import {
  AF_UNIX,
  check,
  libc,
  MSG_DONTWAIT,
  MSG_NOSIGNAL,
  SOCK_CLOEXEC,
  SOCK_DGRAM,
} from "./libc.ts";
import { unixAddress } from "./socket-address.ts";

/**
 * Sends one datagram, without waiting.
 *
 * @param path - of the receiver's socket; `@` in front for a name of the abstract namespace
 * @throws KernelError when nobody is there or there is no room, Error when the path is too long
 */
export function sendDatagram(path: string, text: string): void {
  const address = unixAddress(path);
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
