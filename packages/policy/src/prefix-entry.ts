/**
 * Entries of prefix lists as text: `PREFIX [ge N] [le N]`, read fast, since a registry's list has a
 * million of them.
 */

import { AFI, parsePrefix, readU32 } from "@ts-bgp/wire-codec";

/** What the last successful `parsePrefixEntry` read. */
export interface PrefixEntry {
  /** 32 or 128: the address family. */
  bitsMax: 32 | 128;
  /** The prefix in 32-bit words as signed numbers, high first; bits beyond `bits` are 0. */
  w0: number;
  w1: number;
  w2: number;
  w3: number;
  bits: number;
  /** Shortest and longest prefix length that the entry takes. */
  ge: number;
  le: number;
}

const SLASH = 47;
const DOT = 46;
const COLON = 58;
const SPACE = 32;

/** @returns an entry to give to `parsePrefixEntry`, which fills it */
export function newPrefixEntry(): PrefixEntry {
  return { bitsMax: 32, w0: 0, w1: 0, w2: 0, w3: 0, bits: 0, ge: 0, le: 0 };
}

/**
 * Reads one entry. Without `ge` and `le` it takes exactly the prefix; `le` alone takes the prefix
 * and longer ones up to N; `ge` alone takes longer ones from N up to the full length.
 *
 * @param into - filled; holds nothing of use when there is a mistake
 * @returns null, or what is wrong
 */
export function parsePrefixEntry(text: string, into: PrefixEntry): string | null {
  const cut = text.indexOf(" ");
  const prefixEnd = cut < 0 ? text.length : cut;
  if (!parseIpv4Prefix(text, prefixEnd, into) && !parseIpv6Prefix(text, prefixEnd, into)) {
    const mistake = parseAnyPrefix(text.slice(0, prefixEnd), into);
    if (mistake !== null) return mistake;
  }
  into.ge = into.bits;
  into.le = into.bits;
  return cut < 0 ? null : parseBounds(text, cut, into);
}

/** Reads the usual case, dotted IPv4 without host bits; anything else is left to the long way. */
function parseIpv4Prefix(text: string, end: number, into: PrefixEntry): boolean {
  let address = 0;
  let field = -1;
  let dots = 0;
  let slashAt = -1;
  for (let i = 0; i < end; i++) {
    const code = text.charCodeAt(i);
    if (code >= 48 && code <= 57) {
      if (field === 0) return false;
      field = field < 0 ? code - 48 : field * 10 + code - 48;
      if (field > 255) return false;
    } else if (field < 0 || slashAt >= 0) {
      return false;
    } else if (code === DOT || code === SLASH) {
      if (code === DOT) dots++;
      else slashAt = i;
      address = (address << 8) | field;
      field = -1;
    } else {
      return false;
    }
  }
  if (dots !== 3 || slashAt < 0 || field < 0 || field > 32) return false;
  const bits = field;
  if ((address & ~maskOf(bits)) !== 0) return false;
  into.bitsMax = 32;
  into.w0 = address;
  into.w1 = into.w2 = into.w3 = 0;
  into.bits = bits;
  return true;
}

/** Groups of the address at hand, in order, without those that `::` stands for. */
const GROUPS = new Uint16Array(8);

/** Reads the usual case of IPv6, hexadecimal groups without host bits; anything else is left to the long way. */
function parseIpv6Prefix(text: string, end: number, into: PrefixEntry): boolean {
  let count = 0;
  let gapAt = -1;
  let at = 0;
  for (; at < end && text.charCodeAt(at) !== SLASH; count++) {
    if (text.charCodeAt(at) === COLON && text.charCodeAt(at + 1) === COLON) {
      if (gapAt >= 0) return false;
      gapAt = count;
      at += 2;
      if (text.charCodeAt(at) === SLASH) break;
    } else if (count > 0 && text.charCodeAt(at++) !== COLON) return false;
    const start = at;
    let group = 0;
    for (let digit = 0; digit >= 0 && at < end; ) {
      digit = hexDigit(text.charCodeAt(at));
      if (digit < 0) break;
      group = (group << 4) | digit;
      at++;
    }
    if (at === start || at > start + 4 || count === 8) return false;
    GROUPS[count] = group;
  }
  if (gapAt < 0 ? count !== 8 : count > 7) return false;
  const bits = parseLength(text, at + 1, end);
  if (bits < 0 || bits > 128) return false;
  return spread(count, gapAt, bits, into);
}

/** Takes `GROUPS` as an address with a gap. @returns false when it has host bits */
function spread(count: number, gapAt: number, bits: number, into: PrefixEntry): boolean {
  const gap = gapAt < 0 ? 0 : 8 - count;
  const groupAt = (k: number) => {
    if (gapAt < 0 || k < gapAt) return GROUPS[k]!;
    return k < gapAt + gap ? 0 : GROUPS[k - gap]!;
  };
  into.w0 = (groupAt(0) << 16) | groupAt(1);
  into.w1 = (groupAt(2) << 16) | groupAt(3);
  into.w2 = (groupAt(4) << 16) | groupAt(5);
  into.w3 = (groupAt(6) << 16) | groupAt(7);
  into.bitsMax = 128;
  into.bits = bits;
  const { w0, w1, w2, w3 } = into;
  const hostBits = (w0 & ~maskOf(bits)) | (w1 & ~maskOf(bits - 32));
  return (hostBits | (w2 & ~maskOf(bits - 64)) | (w3 & ~maskOf(bits - 96))) === 0;
}

/** @returns the number of one to three digits, -1 when it is none */
function parseLength(text: string, start: number, end: number): number {
  if (start >= end || end > start + 3) return -1;
  let length = 0;
  for (let at = start; at < end; at++) {
    const digit = text.charCodeAt(at) - 48;
    if (digit < 0 || digit > 9 || (length === 0 && at > start)) return -1;
    length = 10 * length + digit;
  }
  return length;
}

/** @returns the value of a hexadecimal digit, -1 when it is none */
function hexDigit(code: number): number {
  if (code >= 48 && code <= 57) return code - 48;
  const letter = code | 32;
  return letter >= 97 && letter <= 102 ? letter - 87 : -1;
}

function parseAnyPrefix(text: string, into: PrefixEntry): string | null {
  const prefix = parsePrefix(text);
  if (prefix === null) {
    return text.includes("/")
      ? `"${text}" is not a prefix`
      : `"${text}" is not a prefix: the length is missing`;
  }
  const { address, bits } = prefix;
  into.bitsMax = prefix.afi === AFI.IPV4 ? 32 : 128;
  const words = [0, 0, 0, 0];
  for (let k = 0; k < address.length / 4; k++) {
    const word = readU32(address, 4 * k) | 0;
    words[k] = word & maskOf(bits - 32 * k);
    if (words[k] !== word) return `${text} has host bits set`;
  }
  [into.w0, into.w1, into.w2, into.w3] = words as [number, number, number, number];
  into.bits = bits;
  return null;
}

function parseBounds(text: string, at: number, into: PrefixEntry): string | null {
  const match = /^ +(?:ge +(\d{1,3}))?(?: *le +(\d{1,3}))?$/.exec(text.slice(at));
  if (match === null || text.charCodeAt(text.length - 1) === SPACE) {
    return `"${text.slice(at).trim()}" after a prefix is not "ge N", "le N" or "ge N le N"`;
  }
  const { bits, bitsMax } = into;
  if (match[1] !== undefined) {
    into.ge = Number(match[1]);
    into.le = bitsMax;
  }
  if (match[2] !== undefined) into.le = Number(match[2]);
  if (into.ge > bitsMax) return `ge ${into.ge} is above ${bitsMax}`;
  if (into.ge < bits) return `ge ${into.ge} is below the prefix length ${bits}`;
  if (into.le > bitsMax) return `le ${into.le} is above ${bitsMax}`;
  if (into.ge > into.le) {
    return match[1] === undefined
      ? `le ${into.le} is below the prefix length ${bits}`
      : `ge ${into.ge} is above le ${into.le}`;
  }
  return null;
}

/** @returns a word whose first `bits` bits are 1; none for 0 and less, all for 32 and more */
export function maskOf(bits: number): number {
  if (bits <= 0) return 0;
  return bits >= 32 ? -1 : -1 << (32 - bits);
}
