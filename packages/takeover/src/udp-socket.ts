/** UDP sockets with what Node.js has no names for: TTL rules in both directions, and addresses of others. */

import {
  AF_INET,
  AF_INET6,
  check,
  EPERM,
  errno,
  IPPROTO_IP,
  IPPROTO_IPV6,
  KernelError,
  libc,
  MSG_DONTWAIT,
  SOCK_CLOEXEC,
  SOCK_DGRAM,
  SOCK_NONBLOCK,
  SOL_SOCKET,
  setInt,
} from "./libc.ts";
import { encodeSocketAddress, type SocketAddress } from "./socket-address.ts";

const SO_REUSEADDR = 2;
const SO_ATTACH_FILTER = 26;
const SOCK_FPROG_OCTETS = 16;
const IPV6_V6ONLY = 26;
/** IP_TTL, IP_TOS, IP_TRANSPARENT of ip(7), and their kin of ipv6(7). */
const OPTIONS = {
  ipv4: { level: IPPROTO_IP, ttl: 2, trafficClass: 1, transparent: 19 },
  ipv6: { level: IPPROTO_IPV6, ttl: 16, trafficClass: 67, transparent: 75 },
};
const TTL_MAX = 255;
const INTERNETWORK_CONTROL = 0xc0;
const ANY = { ipv4: "0.0.0.0", ipv6: "::" };
/** In a filter: offsets from here on are those of the IP header (linux/filter.h). */
const NETWORK_HEADER = 0xfff0_0000;
const TTL_AT = { ipv4: 8, ipv6: 7 };
/** Instructions of a classic filter: load an octet, go on if it is equal, return. */
const LOAD_OCTET = 0x30;
const SKIP_UNLESS_EQUAL = 0x15 | (1 << 24);
const RETURN = 0x06;
const ALL_OCTETS = 0xffff_ffff;

type Ip = "ipv4" | "ipv6";

/**
 * Opens a socket that packets to a port of this host are read from. Where another process has the same one,
 * the newer of both gets them.
 *
 * @param isDirect - only packets that no router has passed on are let in: they have a TTL of 255 (RFC 5082)
 * @returns its descriptor @throws KernelError
 */
export function openUdpReceiver(ip: Ip, port: number, isDirect: boolean): number {
  const fd = openUdp(ip);
  try {
    if (ip === "ipv6") setInt(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1, "IPV6_V6ONLY");
    if (isDirect) letInDirect(fd, ip);
    bind(fd, { address: ANY[ip], port });
    return fd;
  } catch (error) {
    libc().close(fd);
    throw error;
  }
}

/**
 * Opens a socket that packets are sent from, with a TTL of 255, as internetwork control.
 *
 * @param from - of another host where the process may do that (CAP_NET_ADMIN); null for any of this one
 * @returns its descriptor @throws KernelError where the address cannot be had
 */
export function openUdpSender(ip: Ip, from: string | null, port: number): number {
  const fd = openUdp(ip);
  const { level, ttl, trafficClass, transparent } = OPTIONS[ip];
  try {
    setInt(fd, level, ttl, TTL_MAX, "TTL");
    setInt(fd, level, trafficClass, INTERNETWORK_CONTROL, "traffic class");
    if (from !== null) allowOthers(fd, level, transparent);
    bind(fd, { address: from ?? ANY[ip], port });
    return fd;
  } catch (error) {
    libc().close(fd);
    throw error;
  }
}

/** @returns 0, or the kernel's number of why the packet was not sent */
export function sendUdp(fd: number, to: SocketAddress, octets: Uint8Array): number {
  const address = encodeSocketAddress(to);
  const sent = libc().sendto(fd, octets, octets.length, MSG_DONTWAIT, address, address.length);
  return sent < 0 ? errno() : 0;
}

export function closeUdp(fd: number): void {
  libc().close(fd);
}

function openUdp(ip: Ip): number {
  const domain = ip === "ipv4" ? AF_INET : AF_INET6;
  const fd = check(libc().socket(domain, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), "socket");
  setInt(fd, SOL_SOCKET, SO_REUSEADDR, 1, "SO_REUSEADDR");
  return fd;
}

function bind(fd: number, end: SocketAddress): void {
  const address = encodeSocketAddress(end);
  check(libc().bind(fd, address, address.length), `bind to ${end.address} port ${end.port}`);
}

function allowOthers(fd: number, level: number, option: number): void {
  try {
    setInt(fd, level, option, 1, "transparent addresses");
  } catch (error) {
    // An address of this host needs no right.
    if (!(error instanceof KernelError) || error.errno !== EPERM) throw error;
  }
}

function letInDirect(fd: number, ip: Ip): void {
  const instructions = Uint32Array.of(
    ...[LOAD_OCTET, NETWORK_HEADER + TTL_AT[ip]],
    ...[SKIP_UNLESS_EQUAL, TTL_MAX],
    ...[RETURN, ALL_OCTETS],
    ...[RETURN, 0],
  );
  const program = { count: instructions.length / 2, instructions };
  check(
    libc().attachFilter(fd, SOL_SOCKET, SO_ATTACH_FILTER, program, SOCK_FPROG_OCTETS),
    "TTL filter",
  );
}
