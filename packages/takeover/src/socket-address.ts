/** Socket addresses of the kernel, to and from text. */

import { AFI, formatAddress, parseAddress } from "@ts-bgp/wire-codec";
import { blob, type Layout, struct, u16, u16be, u32 } from "buffer-layout";
import { AF_INET, AF_INET6, AF_UNIX, check, libc } from "./libc.ts";

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
/** Of IPv4 the kernel wants eight octets of padding as well. */
const SOCKADDR_IN_OCTETS = 16;
/** Room for an address of any family. */
export const SOCKADDR_STORAGE_OCTETS = 128;
const INTERFACE_NAME_OCTETS = 16;
/** Of an IPv4 address in the place of one of IPv6. */
const MAPPED = "::ffff:";

/** An address and port of one end of a connection. */
export interface SocketAddress {
  /** Text without a mapped prefix; of a link-local address with `%interface`. */
  readonly address: string;
  readonly port: number;
}

/**
 * The octets of an address; an interface after `%` is left out.
 *
 * @throws Error when the text is no address
 */
export function addressOctets(address: string): Buffer {
  const octets = parseAddress(address.split("%")[0]!);
  if (octets === null) throw new Error(`not an address: ${address}`);
  return Buffer.from(octets);
}

export function isIpv4(address: string): boolean {
  return !address.includes(":");
}

const UNIX_PATH_OCTETS_MAX = 108;

/**
 * @param path - of a Unix socket; `@` in front for a name of the abstract namespace
 * @returns `struct sockaddr_un` of unix(7)
 * @throws Error when the path is too long
 */
export function unixAddress(path: string): Buffer {
  // An abstract name begins with a zero, and has none at its end.
  const name = Buffer.from(path.startsWith("@") ? `\0${path.slice(1)}` : `${path}\0`);
  if (name.length > UNIX_PATH_OCTETS_MAX) throw new Error(`${path} is too long for a Unix socket`);
  const address = Buffer.alloc(2 + name.length);
  address.writeUInt16LE(AF_UNIX);
  name.copy(address, 2);
  return address;
}

const ENCODED_MAX = 4096;
/** A takeover asks several times for the ends of each connection. */
const encodedByText: Map<string, Buffer> = new Map();

/**
 * @returns the kernel's form, as long as its family asks for; not to be changed
 * @throws Error when the text is no address or its interface does not exist
 */
export function encodeSocketAddress(end: SocketAddress): Buffer {
  // What an interface is called may change.
  if (end.address.includes("%")) return encodeAnew(end);
  const text = `${end.address} ${end.port}`;
  const known = encodedByText.get(text);
  if (known !== undefined) return known;
  if (encodedByText.size >= ENCODED_MAX) encodedByText.clear();
  const encoded = encodeAnew(end);
  encodedByText.set(text, encoded);
  return encoded;
}

function encodeAnew({ address, port }: SocketAddress): Buffer {
  const octets = addressOctets(address);
  if (octets.length === 4) {
    const encoded = Buffer.alloc(SOCKADDR_IN_OCTETS);
    const fields = { family: AF_INET, port, flowinfo: 0, address: octets, scopeId: 0 };
    sockaddrIn.encode(fields, encoded);
    return encoded;
  }
  const [, name] = address.split("%");
  const scopeId = name === undefined ? 0 : interfaceIndex(name);
  const encoded = Buffer.alloc(sockaddrIn6.span);
  sockaddrIn6.encode({ family: AF_INET6, port, flowinfo: 0, address: octets, scopeId }, encoded);
  return encoded;
}

/** @throws Error when it is neither IPv4 nor plain IPv6: mapped addresses are not taken over */
export function decodeSocketAddress(encoded: Uint8Array): SocketAddress {
  const decoded = decodeRemoteAddress(encoded);
  if (sockaddrIn.decode(encoded).family === AF_INET6 && isIpv4(decoded.address)) {
    throw new Error(`${MAPPED}${decoded.address} is a mapped address`);
  }
  return decoded;
}

/** @throws Error when it is neither IPv4 nor IPv6, or its interface does not exist any more */
export function decodeRemoteAddress(encoded: Uint8Array): SocketAddress {
  const { family, port } = sockaddrIn.decode(encoded);
  if (family === AF_INET) return { address: formatAddress(AFI.IPV4, encoded, 4), port };
  if (family !== AF_INET6) throw new Error(`address family ${family} is not of TCP`);
  const { scopeId } = sockaddrIn6.decode(encoded);
  const address = formatAddress(AFI.IPV6, encoded, 8);
  if (address.startsWith(MAPPED)) return { address: address.slice(MAPPED.length), port };
  return { address: scopeId === 0 ? address : `${address}%${interfaceName(scopeId)}`, port };
}

export function localAddressOf(fd: number): SocketAddress {
  const encoded = Buffer.alloc(SOCKADDR_STORAGE_OCTETS);
  check(libc().getsockname(fd, encoded, Uint32Array.of(encoded.length)), "own address");
  return decodeSocketAddress(encoded);
}

export function remoteAddressOf(fd: number): SocketAddress {
  const encoded = Buffer.alloc(SOCKADDR_STORAGE_OCTETS);
  check(libc().getpeername(fd, encoded, Uint32Array.of(encoded.length)), "peer's address");
  return decodeSocketAddress(encoded);
}

/** @throws Error when there is no such interface in this network namespace */
export function interfaceIndex(name: string): number {
  const index = libc().if_nametoindex(name);
  if (index === 0) throw new Error(`there is no interface ${name}`);
  return index;
}

function interfaceName(index: number): string {
  const name = libc().if_indextoname(index, Buffer.alloc(INTERFACE_NAME_OCTETS));
  if (name === null) throw new Error(`there is no interface with index ${index}`);
  return name;
}
