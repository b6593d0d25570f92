/**
 * Socket options that Node.js has no names for: TCP MD5 signatures (RFC 2385) and the TTL rules of
 * GTSM (RFC 5082), set through libc. Linux only.
 *
 * The kernel's structures are declared once, as layouts.
 */

import type net from "node:net";
import { addressOctets } from "@ts-bgp/router";
import { blob, type Layout, struct, u8, u16, u16be, u32 } from "buffer-layout";
import koffi from "koffi";

const IPPROTO_IP = 0;
const IPPROTO_TCP = 6;
const IPPROTO_IPV6 = 41;
const IP_TTL = 2;
const IP_MINTTL = 21;
const IPV6_UNICAST_HOPS = 16;
const IPV6_MINHOPCOUNT = 73;
const TCP_MD5SIG = 14;
const AF_INET = 2;
const AF_INET6 = 10;
const ENOENT = 2;
const ENOMEM = 12;
const TTL_MAX = 255;
/** Longest key the kernel takes. */
export const MD5_KEY_OCTETS_MAX = 80;
const SOCKADDR_STORAGE_OCTETS = 128;

interface SockAddr {
  family: number;
  port: number;
  flowinfo: number;
  address: Uint8Array;
  scopeId: number;
}

/** `struct sockaddr_in` of ip(7), and `sockaddr_in6` of ipv6(7). */
const sockaddrIn: Layout<SockAddr> = struct([u16("family"), u16be("port"), blob(4, "address")]);
const sockaddrIn6: Layout<SockAddr> = struct([
  u16("family"),
  u16be("port"),
  u32("flowinfo"),
  blob(16, "address"),
  u32("scopeId"),
]);
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

type SetSockOpt = (
  fd: number,
  level: number,
  option: number,
  value: Buffer,
  octets: number,
) => number;
let setsockopt: SetSockOpt | null = null;

/** An option that the kernel would not set, with what to do about it. */
export class SocketOptionError extends Error {}

/** How a session's packets are protected. */
export interface SocketProtection {
  /** TCP MD5 key, null for none. */
  readonly password: string | null;
  /** GTSM: the peer is at most so many hops away; 0 for off. */
  readonly ttlSecurity: number;
  /** TTL of outgoing packets otherwise. */
  readonly ttl: number;
}

/** Sets, or with null removes, the MD5 key for segments to and from an address. */
export function setMd5Key(fd: number, address: string, password: string | null): void {
  const octets = addressOctets(address);
  const isIpv4 = octets.length === 4;
  const sockaddr = Buffer.alloc(SOCKADDR_STORAGE_OCTETS);
  (isIpv4 ? sockaddrIn : sockaddrIn6).encode(
    {
      family: isIpv4 ? AF_INET : AF_INET6,
      port: 0,
      flowinfo: 0,
      address: Buffer.from(octets),
      scopeId: 0,
    },
    sockaddr,
  );
  const key = Buffer.alloc(MD5_KEY_OCTETS_MAX);
  const keyOctets = password === null ? 0 : key.write(password, "utf8");
  const value = Buffer.alloc(tcpMd5sig.span);
  tcpMd5sig.encode(
    { address: sockaddr, flags: 0, prefixLength: 0, keyOctets, interface: 0, key },
    value,
  );
  const errno = set(fd, IPPROTO_TCP, TCP_MD5SIG, value);
  if (errno === 0 || (password === null && errno === ENOENT)) return;
  const what = `TCP MD5 key for ${address} was refused by the kernel`;
  if (errno !== ENOMEM) throw new SocketOptionError(`${what} (errno ${errno})`);
  throw new SocketOptionError(
    `${what}: no memory for more keys on one socket; raise net.core.optmem_max (sysctl)`,
  );
}

/** Sets the TTL rules of a session on its socket. */
export function setTtl(fd: number, isIpv4: boolean, protection: SocketProtection): void {
  const { ttlSecurity } = protection;
  const level = isIpv4 ? IPPROTO_IP : IPPROTO_IPV6;
  const ttl = ttlSecurity > 0 ? TTL_MAX : protection.ttl;
  check(setInt(fd, level, isIpv4 ? IP_TTL : IPV6_UNICAST_HOPS, ttl), "TTL");
  if (ttlSecurity === 0) return;
  const min = TTL_MAX + 1 - ttlSecurity;
  check(setInt(fd, level, isIpv4 ? IP_MINTTL : IPV6_MINHOPCOUNT, min), "minimum TTL (GTSM)");
}

/** A listening socket answers with the full TTL, so that peers with GTSM hear it. */
export function setListenTtl(fd: number, isIpv4: boolean): void {
  const level = isIpv4 ? IPPROTO_IP : IPPROTO_IPV6;
  check(setInt(fd, level, isIpv4 ? IP_TTL : IPV6_UNICAST_HOPS, TTL_MAX), "TTL");
}

/** @returns the file descriptor under a socket or server of `node:net` */
export function descriptorOf(socket: net.Socket | net.Server): number {
  const { _handle } = socket as unknown as { _handle: { fd: number } | null };
  const fd = _handle?.fd ?? -1;
  if (fd < 0) throw new SocketOptionError("the socket has no file descriptor");
  return fd;
}

function check(errno: number, what: string): void {
  if (errno !== 0)
    throw new SocketOptionError(`${what} was refused by the kernel (errno ${errno})`);
}

function setInt(fd: number, level: number, option: number, value: number): number {
  const octets = Buffer.alloc(4);
  octets.writeInt32LE(value);
  return set(fd, level, option, octets);
}

/** @returns 0, or errno */
function set(fd: number, level: number, option: number, value: Buffer): number {
  setsockopt ??= koffi
    .load("libc.so.6")
    .func("int setsockopt(int, int, int, void *, uint32_t)") as SetSockOpt;
  return setsockopt(fd, level, option, value, value.length) === 0 ? 0 : koffi.errno();
}
