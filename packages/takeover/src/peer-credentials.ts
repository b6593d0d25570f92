/** Who is at the other end of a Unix socket, as the kernel says: unix(7), SO_PEERCRED. */

import { check, libc, SOL_SOCKET } from "./libc.ts";

const SO_PEERCRED = 17;
const ROOT = 0;
/** `struct ucred`: process, user, group. */
const UCRED_OCTETS = 12;

export interface PeerCredentials {
  readonly process: number;
  readonly user: number;
}

/**
 * @param fd - of a stream socket; of one that has connected, the answer tells of who listens there
 * @returns the process and its effective user, as they were when it connected or began to listen
 * @throws KernelError
 */
export function peerCredentials(fd: number): PeerCredentials {
  const ucred = new Uint32Array(UCRED_OCTETS / 4);
  const octets = Uint32Array.of(UCRED_OCTETS);
  check(libc().getsockopt(fd, SOL_SOCKET, SO_PEERCRED, ucred, octets), "SO_PEERCRED");
  return { process: ucred[0]!, user: ucred[1]! };
}

/** Whether a user may do as this process: it is the same one, or root. */
export function isOwnUser(user: number): boolean {
  return user === ROOT || user === process.geteuid!();
}
