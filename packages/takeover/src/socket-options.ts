/**
 * Socket options that Node.js has no names for: TCP MD5 signatures (RFC 2385), the TTL rules of
 * GTSM (RFC 5082), congestion control.
 */

import type net from "node:net";
import { blob, type Layout, struct, u8, u16, u32 } from "buffer-layout";
import { setCongestionControl } from "./congestion-control.ts";
import {
  ENOENT,
  ENOMEM,
  errno,
  IPPROTO_IP,
  IPPROTO_IPV6,
  IPPROTO_TCP,
  KernelError,
  libc,
  setInt,
} from "./libc.ts";
import { encodeSocketAddress } from "./socket-address.ts";

/** An option that has a number per address family. */
interface FamilyOption {
  readonly what: string;
  readonly ipv4: number;
  readonly ipv6: number;
}

/** IP_TTL and IPV6_UNICAST_HOPS, IP_MINTTL and IPV6_MINHOPCOUNT. */
const TTL: FamilyOption = { what: "TTL", ipv4: 2, ipv6: 16 };
const TTL_MIN: FamilyOption = { what: "minimum TTL (GTSM)", ipv4: 21, ipv6: 73 };
/** IP_TOS and IPV6_TCLASS. */
const TRAFFIC_CLASS: FamilyOption = { what: "traffic class", ipv4: 1, ipv6: 67 };
/** Internetwork control, as RFC 4271 appendix E has it: routing goes before traffic. */
const INTERNETWORK_CONTROL = 0xc0;
const TCP_MD5SIG = 14;
const TCP_MD5SIG_EXT = 32;
const MD5SIG_FLAG_PREFIX = 1;
const TTL_MAX = 255;
/** Longest key the kernel takes. */
export const MD5_KEY_OCTETS_MAX = 80;
const SOCKADDR_STORAGE_OCTETS = 128;

/** `struct tcp_md5sig` of linux/tcp.h. */
const tcpMd5sig: Layout<{
  address: Uint8Array;
  flags: number;
  prefixLength: number;
  keyOctets: number;
  interface: number;
  key: Uint8Array;
}> = struct([
  blob(SOCKADDR_STORAGE_OCTETS, "address"),
  u8("flags"),
  u8("prefixLength"),
  u16("keyOctets"),
  u32("interface"),
  blob(MD5_KEY_OCTETS_MAX, "key"),
]);

/** An option that the kernel would not set, with what to do about it. */
export class SocketOptionError extends Error {}

/** How a session's packets are protected and sent. */
export interface SocketProtection {
  /** TCP MD5 key, null for none. */
  readonly password: string | null;
  /** GTSM: the peer is at most so many hops away; 0 for off. */
  readonly ttlSecurity: number;
  /** TTL of outgoing packets otherwise. */
  readonly ttl: number;
  /** Algorithm by the kernel's name; null for the default one. */
  readonly congestionControl: string | null;
}

/**
 * Sets, or with null removes, the MD5 key for segments to and from an address, or all of a prefix: that of
 * the address, or of the longest prefix, counts.
 */
export function setMd5Key(fd: number, address: string, password: string | null): void {
  const sockaddr = Buffer.alloc(SOCKADDR_STORAGE_OCTETS);
  const [host = "", bits] = address.split("/");
  // The key is of the address; the kernel does not look at an interface here.
  sockaddr.set(encodeSocketAddress({ address: host.split("%")[0]!, port: 0 }));
  const key = Buffer.alloc(MD5_KEY_OCTETS_MAX);
  const keyOctets = password === null ? 0 : key.write(password, "utf8");
  const value = Buffer.alloc(tcpMd5sig.span);
  tcpMd5sig.encode(
    {
      address: sockaddr,
      flags: bits === undefined ? 0 : MD5SIG_FLAG_PREFIX,
      prefixLength: Number(bits ?? 0),
      ...{ keyOctets, interface: 0, key },
    },
    value,
  );
  const option = bits === undefined ? TCP_MD5SIG : TCP_MD5SIG_EXT;
  if (libc().setsockopt(fd, IPPROTO_TCP, option, value, value.length) === 0) return;
  const reason = errno();
  if (password === null && reason === ENOENT) return;
  const what = `TCP MD5 key for ${address} was refused by the kernel`;
  if (reason !== ENOMEM) throw new SocketOptionError(`${what} (errno ${reason})`);
  throw new SocketOptionError(
    `${what}: no memory for more keys on one socket; raise net.core.optmem_max (sysctl)`,
  );
}

/**
 * Sets the TTL rules of a session, the precedence of its packets and its congestion control on its
 * socket.
 */
export function setSessionOptions(fd: number, isIpv4: boolean, protection: SocketProtection): void {
  const { ttlSecurity } = protection;
  set(fd, isIpv4, TRAFFIC_CLASS, INTERNETWORK_CONTROL);
  set(fd, isIpv4, TTL, ttlSecurity > 0 ? TTL_MAX : protection.ttl);
  if (ttlSecurity > 0) set(fd, isIpv4, TTL_MIN, TTL_MAX + 1 - ttlSecurity);
  setCongestionControl(fd, protection.congestionControl);
}

/**
 * A listening socket answers with the full TTL, so that peers with GTSM hear it. What is accepted has its
 * congestion control from the first segment on.
 */
export function setListenOptions(fd: number, isIpv4: boolean): void {
  set(fd, isIpv4, TRAFFIC_CLASS, INTERNETWORK_CONTROL);
  set(fd, isIpv4, TTL, TTL_MAX);
  setCongestionControl(fd, null);
}

/** @returns the file descriptor under a socket or server of `node:net` */
export function descriptorOf(socket: net.Socket | net.Server): number {
  const { _handle } = socket as unknown as { _handle: { fd: number } | null };
  const fd = _handle?.fd ?? -1;
  if (fd < 0) throw new SocketOptionError("the socket has no file descriptor");
  return fd;
}

function set(fd: number, isIpv4: boolean, option: FamilyOption, value: number): void {
  try {
    if (isIpv4) setInt(fd, IPPROTO_IP, option.ipv4, value, option.what);
    else setInt(fd, IPPROTO_IPV6, option.ipv6, value, option.what);
  } catch (error) {
    if (!(error instanceof KernelError)) throw error;
    throw new SocketOptionError(`${option.what} was refused by the kernel (errno ${error.errno})`);
  }
}
