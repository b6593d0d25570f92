/** Requests to the kernel over netlink(7): one message out, its answers and its acknowledgement back. */

import { type Layout, struct, u16, u32 } from "buffer-layout";
import {
  check,
  EAGAIN,
  EINTR,
  errno,
  KernelError,
  libc,
  SOCK_CLOEXEC,
  SOCK_RAW,
  SOL_SOCKET,
} from "./libc.ts";

const AF_NETLINK = 16;
const SOCKADDR_NL_OCTETS = 12;
const SO_RCVTIMEO = 20;
const ANSWER_OCTETS_MAX = 8192;
const ANSWER_TIMEOUT_S = 2;

export const NETLINK_ROUTE = 0;
export const NETLINK_SOCK_DIAG = 4;
export const NETLINK_NETFILTER = 12;

export const NLM_F_REQUEST = 1;
export const NLM_F_ACK = 4;
export const NLM_F_REPLACE = 0x100;
/** All that there are, and not one. */
export const NLM_F_DUMP = 0x300;
export const NLM_F_CREATE = 0x400;
export const NLMSG_ERROR = 2;
const NLMSG_DONE = 3;
export const NLMSG_HEADER_OCTETS = 16;

interface MessageHeader {
  octets: number;
  type: number;
  flags: number;
  sequence: number;
  port: number;
}

/** `struct nlmsghdr` of linux/netlink.h. */
export const nlmsghdr: Layout<MessageHeader> = struct([
  u32("octets"),
  u16("type"),
  u16("flags"),
  u32("sequence"),
  u32("port"),
]);

/** @returns the descriptor of a bound socket; the caller closes it */
export function openNetlink(protocol: number): number {
  const fd = check(libc().socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol), "netlink socket");
  const address = Buffer.alloc(SOCKADDR_NL_OCTETS);
  address.writeUInt16LE(AF_NETLINK, 0);
  try {
    check(libc().bind(fd, address, address.length), "netlink socket");
    // A kernel that does not answer must not hold up the process for good.
    const timeout = Buffer.alloc(16);
    timeout.writeUInt32LE(ANSWER_TIMEOUT_S, 0);
    check(libc().setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, timeout, timeout.length), "SO_RCVTIMEO");
  } catch (error) {
    libc().close(fd);
    throw error;
  }
  return fd;
}

/** @returns one attribute (`struct nlattr`), padded */
export function attribute(type: number, value: Uint8Array): Buffer {
  const octets = 4 + value.length;
  const encoded = Buffer.alloc((octets + 3) & ~3);
  encoded.writeUInt16LE(octets, 0);
  encoded.writeUInt16LE(type, 2);
  encoded.set(value, 4);
  return encoded;
}

/**
 * Sends one request and waits for the kernel's word on it.
 *
 * @param heard - told of each message that comes before that, without its header; not to be kept
 * @returns 0, or errno
 */
export function request(
  fd: number,
  type: number,
  flags: number,
  payload: Uint8Array,
  heard: (message: Buffer) => void = () => {},
): number {
  const message = Buffer.alloc(NLMSG_HEADER_OCTETS + payload.length);
  nlmsghdr.encode(
    {
      octets: message.length,
      type,
      flags: NLM_F_REQUEST | NLM_F_ACK | flags,
      sequence: 1,
      port: 0,
    },
    message,
  );
  message.set(payload, NLMSG_HEADER_OCTETS);
  check(libc().send(fd, message, message.length, 0), "netlink request");
  const answer = Buffer.alloc(ANSWER_OCTETS_MAX);
  for (;;) {
    const octets = libc().recv(fd, answer, answer.length, 0);
    if (octets < 0) {
      const reason = errno();
      if (reason === EINTR) continue;
      throw new KernelError("netlink answer", reason === EAGAIN ? EAGAIN : reason);
    }
    for (let at = 0; at + NLMSG_HEADER_OCTETS <= octets; ) {
      const header = nlmsghdr.decode(answer, at);
      const body = answer.subarray(at + NLMSG_HEADER_OCTETS, at + header.octets);
      if (header.type === NLMSG_ERROR) return -body.readInt32LE(0);
      if (header.type === NLMSG_DONE) return 0;
      heard(body);
      at += (header.octets + 3) & ~3;
    }
  }
}

/** Opens a socket for one request. @returns 0, or errno */
export function requestOnce(
  protocol: number,
  type: number,
  flags: number,
  payload: Uint8Array,
): number {
  const fd = openNetlink(protocol);
  try {
    return request(fd, type, flags, payload);
  } finally {
    libc().close(fd);
  }
}
