/**
 * Addresses, prefixes and raw octets as people write them. Parsers give null for anything that is
 * not exactly of the form; nothing here throws.
 */

import { AFI } from "./constants.ts";
import { readU16, readU32, writeU16, writeU32 } from "./octets.ts";

/** @param address - unsigned 32 bits */
export function formatIpv4(address: number): string {
  return `${address >>> 24}.${(address >>> 16) & 255}.${(address >>> 8) & 255}.${address & 255}`;
}

/** @returns the 16 octets at `at` as RFC 5952 wants them, IPv4-mapped ones with a dotted end */
export function formatIpv6(buf: Uint8Array, at: number): string {
  const groups = Array.from({ length: 8 }, (_, k) => readU16(buf, at + 2 * k));
  if (groups.slice(0, 5).every((group) => group === 0) && groups[5] === 0xffff) {
    return `::ffff:${formatIpv4(readU32(buf, at + 12))}`;
  }
  const { start, length } = longestZeroRun(groups);
  const hex = groups.map((group) => group.toString(16));
  if (length < 2) return hex.join(":");
  return `${hex.slice(0, start).join(":")}::${hex.slice(start + length).join(":")}`;
}

/** The first of the longest runs of zero groups: what `::` stands for (RFC 5952 section 4.2). */
function longestZeroRun(groups: readonly number[]): { start: number; length: number } {
  let best = { start: 0, length: 0 };
  for (let i = 0; i < groups.length; i++) {
    let length = 0;
    while (groups[i + length] === 0) length++;
    if (length > best.length) best = { start: i, length };
  }
  return best;
}

/** @returns the address of 4 or 16 octets at `at`, by the family `afi` */
export function formatAddress(afi: number, buf: Uint8Array, at: number): string {
  return afi === AFI.IPV4 ? formatIpv4(readU32(buf, at)) : formatIpv6(buf, at);
}

/**
 * A prefix as it stands in NLRI, for example "192.0.2.0/24".
 *
 * @param at - index of the length octet, whose value must fit the family; bits beyond the length
 *   are shown as 0, since they mean nothing (RFC 4271 section 4.3)
 */
export function formatPrefix(afi: number, buf: Uint8Array, at: number): string {
  const bits = buf[at]!;
  const address = new Uint8Array(16);
  const octets = (bits + 7) >> 3;
  address.set(buf.subarray(at + 1, at + 1 + octets));
  if ((bits & 7) !== 0) address[octets - 1]! &= 0xff << (8 - (bits & 7));
  return `${formatAddress(afi, address, 0)}/${bits}`;
}

/** @returns unsigned 32 bits, or null; only four decimal numbers without leading zeros will do */
export function parseIpv4(text: string): number | null {
  const match = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(text);
  if (match === null) return null;
  let address = 0;
  for (const digits of match.slice(1)) {
    const octet = Number(digits);
    if (octet > 255 || String(octet) !== digits) return null;
    address = address * 256 + octet;
  }
  return address;
}

/** @returns 16 octets, or null; every form of RFC 4291 section 2.2 will do, a zone will not */
export function parseIpv6(text: string): Uint8Array | null {
  const sides = text.split("::");
  if (sides.length > 2) return null;
  const head = parseGroups(sides[0]!, sides.length === 1);
  const tail = sides.length === 2 ? parseGroups(sides[1]!, true) : [];
  if (head === null || tail === null) return null;
  const missing = 8 - head.length - tail.length;
  if (sides.length === 2 ? missing < 1 : missing !== 0) return null;
  const address = new Uint8Array(16);
  head.forEach((group, k) => void writeU16(address, 2 * k, group));
  tail.forEach((group, k) => void writeU16(address, 2 * (8 - tail.length + k), group));
  return address;
}

/** @param last - the groups end the address, so that its last two may be an IPv4 address */
function parseGroups(text: string, last: boolean): number[] | null {
  if (text === "") return [];
  const groups: number[] = [];
  const parts = text.split(":");
  for (const [k, part] of parts.entries()) {
    if (part.includes(".")) {
      const ipv4 = last && k === parts.length - 1 ? parseIpv4(part) : null;
      if (ipv4 === null) return null;
      groups.push(ipv4 >>> 16, ipv4 & 0xffff);
    } else {
      if (!/^[0-9a-fA-F]{1,4}$/.test(part)) return null;
      groups.push(Number.parseInt(part, 16));
    }
  }
  return groups;
}

/** @returns 4 or 16 octets, or null */
export function parseAddress(text: string): Uint8Array | null {
  const ipv4 = parseIpv4(text);
  if (ipv4 === null) return parseIpv6(text);
  const address = new Uint8Array(4);
  writeU32(address, 0, ipv4);
  return address;
}

export interface Prefix {
  afi: 1 | 2;
  /** 4 or 16 octets; bits beyond `bits` are as the text had them. */
  address: Uint8Array;
  bits: number;
}

/** @returns the prefix of a text such as "2001:db8::/32", or null */
export function parsePrefix(text: string): Prefix | null {
  const slash = text.indexOf("/");
  const digits = text.slice(slash + 1);
  if (slash < 0 || !/^(0|[1-9]\d{0,2})$/.test(digits)) return null;
  const address = parseAddress(text.slice(0, slash));
  const bits = Number(digits);
  if (address === null || bits > 8 * address.length) return null;
  return { afi: address.length === 4 ? AFI.IPV4 : AFI.IPV6, address, bits };
}

/**
 * @returns an address of 4 or 16 octets, a global and a link-local IPv6 address with a space
 *   between for 32, and hexadecimal digits after `0x` for any other length
 */
export function formatNextHop(buf: Uint8Array, at: number, octets: number): string {
  if (octets === 4) return formatIpv4(readU32(buf, at));
  if (octets === 16) return formatIpv6(buf, at);
  if (octets === 32) return `${formatIpv6(buf, at)} ${formatIpv6(buf, at + 16)}`;
  return `0x${formatHex(buf, at, at + octets)}`;
}

/** The inverse of `formatNextHop`; throws for any other text. */
export function parseNextHop(text: string): Uint8Array {
  const raw = text.startsWith("0x") ? parseHex(text.slice(2)) : null;
  if (raw !== null) return raw;
  const parts = text.split(" ").map(parseAddress);
  if (parts.includes(null)) throw new RangeError(`${text} is not a next hop`);
  return Uint8Array.from(parts.flatMap((part) => [...part!]));
}

/** @returns two lower-case digits per octet of `[at, end)` */
export function formatHex(buf: Uint8Array, at = 0, end: number = buf.length): string {
  let text = "";
  for (let i = at; i < end; i++) text += buf[i]!.toString(16).padStart(2, "0");
  return text;
}

/** @returns the octets, or null when the text is not pairs of hexadecimal digits */
export function parseHex(text: string): Uint8Array | null {
  if (text.length % 2 !== 0 || !/^[0-9a-fA-F]*$/.test(text)) return null;
  const octets = new Uint8Array(text.length / 2);
  for (let i = 0; i < octets.length; i++) {
    octets[i] = Number.parseInt(text.slice(2 * i, 2 * i + 2), 16);
  }
  return octets;
}
