/**
 * UPDATE messages as the harness reads and writes them (RFC 4271 section 4.3, RFC 4760).
 *
 * It knows the format by itself, and shares no code with the speaker it watches. Routes go by their
 * prefix as text, "10.0.0.0/24" or "2001:db8::/32", which is how daemons show them.
 */
import type { Family, Origin } from "../test/lab/daemon.ts";

export const HEADER_OCTETS = 19;
export const TYPE = {
  OPEN: 1,
  UPDATE: 2,
  NOTIFICATION: 3,
  KEEPALIVE: 4,
  ROUTE_REFRESH: 5,
} as const;

export const ATTRIBUTE = {
  ORIGIN: 1,
  AS_PATH: 2,
  NEXT_HOP: 3,
  MED: 4,
  LOCAL_PREF: 5,
  ATOMIC_AGGREGATE: 6,
  AGGREGATOR: 7,
  COMMUNITIES: 8,
  MP_REACH: 14,
  MP_UNREACH: 15,
  EXTENDED_COMMUNITIES: 16,
  LARGE_COMMUNITIES: 32,
} as const;

const AS_SET = 1;
const ORIGINS: readonly Origin[] = ["igp", "egp", "incomplete"];

/** A path attribute; `octets` is its value. */
export interface Attribute {
  readonly flags: number;
  readonly type: number;
  readonly octets: Uint8Array;
}

/** What an UPDATE says. Octets are views of the message. */
export interface Update {
  readonly family: Family;
  readonly withdrawn: readonly string[];
  readonly announced: readonly string[];
  /** Of the announced prefixes, packed as on the wire. */
  readonly nlri: Uint8Array;
  /** Without next hop and the two attributes that carry prefixes, in the order of the message. */
  readonly attributes: readonly Attribute[];
  /** "" when nothing is announced. */
  readonly nextHop: string;
}

/** A route with everything that is compared, as text: equal routes have equal texts. */
export interface RouteText {
  /** What every daemon shows: origin, path, next hop, MED, LOCAL_PREF, communities. */
  readonly shown: string;
  /** Types and values of the other attributes. */
  readonly hidden: string;
}

/** @returns what is wrong, as text, when the body of the message cannot be an UPDATE */
export function parseUpdate(body: Uint8Array): Update | string {
  if (body.length < 4) return "UPDATE shorter than 4 octets";
  const withdrawnEnd = 2 + two(body, 0);
  if (withdrawnEnd + 2 > body.length) return "withdrawn routes beyond the end";
  const attributesEnd = withdrawnEnd + 2 + two(body, withdrawnEnd);
  if (attributesEnd > body.length) return "attributes beyond the end";
  const attributes = parseAttributes(body.subarray(withdrawnEnd + 2, attributesEnd));
  if (typeof attributes === "string") return attributes;
  const old = {
    withdrawn: body.subarray(2, withdrawnEnd),
    nlri: body.subarray(attributesEnd),
    nextHop: attributes.find(({ type }) => type === ATTRIBUTE.NEXT_HOP)?.octets,
  };
  const others = attributes.filter(({ type }) => !CARRIERS.has(type));
  const reach = attributes.find(({ type }) => type === ATTRIBUTE.MP_REACH)?.octets;
  const unreach = attributes.find(({ type }) => type === ATTRIBUTE.MP_UNREACH)?.octets;
  if (reach === undefined && unreach === undefined) {
    return assemble("ipv4-unicast", old.withdrawn, old.nlri, others, old.nextHop);
  }
  if (old.withdrawn.length + old.nlri.length > 0) return "prefixes in both places";
  const family = FAMILIES[(reach ?? unreach)!.subarray(0, 3).join(".")];
  if (family === undefined) return "a family that was not negotiated";
  if (reach !== undefined && (reach.length < 5 || 5 + reach[3]! > reach.length)) {
    return "MP_REACH_NLRI too short";
  }
  const nlri = reach?.subarray(5 + reach[3]!) ?? EMPTY;
  const nextHop = reach?.subarray(4, 4 + Math.min(16, reach[3]!));
  return assemble(family, unreach?.subarray(3) ?? EMPTY, nlri, others, nextHop);
}

const EMPTY = new Uint8Array(0);
const CARRIERS = new Set<number>([ATTRIBUTE.NEXT_HOP, ATTRIBUTE.MP_REACH, ATTRIBUTE.MP_UNREACH]);
const FAMILIES: Readonly<Record<string, Family>> = {
  "0.1.1": "ipv4-unicast",
  "0.2.1": "ipv6-unicast",
};

function assemble(
  family: Family,
  withdrawnOctets: Uint8Array,
  nlri: Uint8Array,
  attributes: readonly Attribute[],
  nextHopOctets: Uint8Array | undefined,
): Update | string {
  const withdrawn = parsePrefixes(withdrawnOctets, family);
  const announced = parsePrefixes(nlri, family);
  if (withdrawn === null || announced === null) return "a prefix that cannot be";
  if (announced.length > 0 && nextHopOctets === undefined) return "no next hop";
  const nextHop = nextHopOctets === undefined ? "" : addressText(nextHopOctets);
  return { family, withdrawn, announced, nlri, attributes, nextHop };
}

function parseAttributes(octets: Uint8Array): Attribute[] | string {
  const found: Attribute[] = [];
  for (let at = 0; at < octets.length; ) {
    const flags = octets[at]!;
    const head = (flags & 0x10) === 0 ? 3 : 4;
    if (at + head > octets.length) return "an attribute's header is cut";
    const length = head === 3 ? octets[at + 2]! : two(octets, at + 2);
    const end = at + head + length;
    if (end > octets.length) return `attribute ${octets[at + 1]} beyond the end`;
    const type = octets[at + 1]!;
    if (found.some((one) => one.type === type)) return `attribute ${type} twice`;
    found.push({ flags, type, octets: octets.subarray(at + head, end) });
    at = end;
  }
  return found;
}

function parsePrefixes(octets: Uint8Array, family: Family): string[] | null {
  const addressOctets = family === "ipv4-unicast" ? 4 : 16;
  const prefixes: string[] = [];
  const address = new Uint8Array(addressOctets);
  for (let at = 0; at < octets.length; ) {
    const bits = octets[at]!;
    const end = at + 1 + ((bits + 7) >> 3);
    if (bits > 8 * addressOctets || end > octets.length) return null;
    address.fill(0);
    address.set(octets.subarray(at + 1, end));
    prefixes.push(`${addressText(address)}/${bits}`);
    at = end;
  }
  return prefixes;
}

/** An IPv4 address, or an IPv6 address in the form of RFC 5952. */
export function addressText(octets: Uint8Array): string {
  if (octets.length === 4) return octets.join(".");
  const groups: number[] = [];
  for (let at = 0; at < 16; at += 2) groups.push(two(octets, at));
  let best = 0;
  let bestAt = -1;
  for (let at = 0; at < 8; at++) {
    let end = at;
    while (end < 8 && groups[end] === 0) end++;
    if (end - at > Math.max(best, 1)) {
      best = end - at;
      bestAt = at;
    }
    if (end > at) at = end;
  }
  const hex = (part: readonly number[]) => part.map((group) => group.toString(16)).join(":");
  if (bestAt < 0) return hex(groups);
  return `${hex(groups.slice(0, bestAt))}::${hex(groups.slice(bestAt + best))}`;
}

/** @param address - IPv4 or IPv6; no IPv4 part in an IPv6 address */
export function addressOctets(address: string): Uint8Array {
  if (!address.includes(":")) return Uint8Array.from(address.split("."), Number);
  const groups = (text: string) => (text === "" ? [] : text.split(":"));
  const [head = "", tail] = address.split("::");
  const left = groups(head);
  const right = tail === undefined ? [] : groups(tail);
  const zeros = new Array<string>(8 - left.length - right.length).fill("0");
  const words = [...left, ...zeros, ...right].map((word) => Number.parseInt(word, 16));
  return Uint8Array.from(words.flatMap((word) => [word >>> 8, word & 0xff]));
}

/** One UPDATE with routes, or without them when `attributes` is null. */
export function encodeUpdate(
  family: Family,
  nlri: Uint8Array,
  attributes: readonly Attribute[] | null,
  nextHop: string,
): Uint8Array {
  const isIpv4 = family === "ipv4-unicast";
  const hop = addressOctets(nextHop);
  if (attributes === null) {
    if (isIpv4) return message(TYPE.UPDATE, [sized(nlri), Uint8Array.of(0, 0)]);
    const unreach = Buffer.concat([Uint8Array.of(0, 2, 1), nlri]);
    const one = attributeOctets({ flags: 0x90, type: ATTRIBUTE.MP_UNREACH, octets: unreach });
    return message(TYPE.UPDATE, [Uint8Array.of(0, 0), sized(one)]);
  }
  const carrier = isIpv4
    ? { flags: 0x40, type: ATTRIBUTE.NEXT_HOP, octets: hop }
    : {
        flags: 0x90,
        type: ATTRIBUTE.MP_REACH,
        octets: Buffer.concat([Uint8Array.of(0, 2, 1, hop.length), hop, Uint8Array.of(0), nlri]),
      };
  const all = Buffer.concat([carrier, ...attributes].map(attributeOctets));
  return message(TYPE.UPDATE, [Uint8Array.of(0, 0), sized(all), isIpv4 ? nlri : EMPTY]);
}

function message(type: number, parts: readonly Uint8Array[]): Uint8Array {
  const length = parts.reduce((sum, part) => sum + part.length, HEADER_OCTETS);
  const header = new Uint8Array(HEADER_OCTETS).fill(0xff, 0, 16);
  header.set([length >>> 8, length & 0xff, type], 16);
  return Buffer.concat([header, ...parts]);
}

function attributeOctets({ flags, type, octets }: Attribute): Uint8Array {
  const { length } = octets;
  const head =
    length > 0xff || (flags & 0x10) !== 0
      ? [flags | 0x10, type, length >>> 8, length & 0xff]
      : [flags, type, length];
  return Buffer.concat([Uint8Array.from(head), octets]);
}

function sized(part: Uint8Array): Uint8Array {
  return Buffer.concat([Uint8Array.of(part.length >>> 8, part.length & 0xff), part]);
}

/** The octets of attributes as a key: equal attributes in equal order have equal keys. */
export function attributesKey(attributes: readonly Attribute[], nextHop: string): string {
  const parts = attributes.map(
    ({ type, octets }) =>
      `${type}:${Buffer.from(octets.buffer, octets.byteOffset, octets.length).toString("latin1")}`,
  );
  return `${nextHop} ${parts.join(";")}`;
}

export function routeText(attributes: readonly Attribute[], nextHop: string): RouteText {
  const value = (type: number) => attributes.find((one) => one.type === type)?.octets;
  const number = (type: number) => {
    const octets = value(type);
    return octets === undefined ? null : four(octets, 0);
  };
  const hidden = attributes
    .filter(({ type }) => !SHOWN.has(type))
    .map(({ type, octets }) => `${type}:${Buffer.from(octets).toString("hex")}`);
  return {
    shown: shownText({
      origin: ORIGINS[value(ATTRIBUTE.ORIGIN)?.[0] ?? 2]!,
      asPath: asPathText(value(ATTRIBUTE.AS_PATH) ?? EMPTY),
      nextHop,
      med: number(ATTRIBUTE.MED),
      localPref: number(ATTRIBUTE.LOCAL_PREF),
      communities: numbers(value(ATTRIBUTE.COMMUNITIES), 2, [2, 2]),
      largeCommunities: numbers(value(ATTRIBUTE.LARGE_COMMUNITIES), 4, [4, 4, 4]),
    }),
    hidden: hidden.sort().join(" "),
  };
}

const SHOWN = new Set<number>([
  ATTRIBUTE.ORIGIN,
  ATTRIBUTE.AS_PATH,
  ATTRIBUTE.MED,
  ATTRIBUTE.LOCAL_PREF,
  ATTRIBUTE.COMMUNITIES,
  ATTRIBUTE.LARGE_COMMUNITIES,
]);

/** What `shown` is made of; the views of the labs' daemons have the same fields. */
export interface ShownRoute {
  readonly origin: Origin;
  readonly asPath: string;
  readonly nextHop: string;
  readonly med: number | null;
  readonly localPref: number | null;
  readonly communities: readonly string[];
  readonly largeCommunities: readonly string[];
}

export function shownText(route: ShownRoute): string {
  const { origin, asPath, nextHop, med, localPref } = route;
  const list = (words: readonly string[]) => [...new Set(words)].sort().join(",");
  return [
    `via ${nextHop} path ${asPath} origin ${origin} med ${med} pref ${localPref}`,
    `communities ${list(route.communities)} large ${list(route.largeCommunities)}`,
  ].join(" ");
}

function asPathText(octets: Uint8Array): string {
  const words: string[] = [];
  for (const { type, numbers: asNumbers } of segmentsOf(octets)) {
    words.push(type === AS_SET ? `{${asNumbers.join(",")}}` : asNumbers.join(" "));
  }
  return words.join(" ");
}

/** Segments of an AS_PATH with 4-octet numbers; what is cut is left out. */
export function segmentsOf(octets: Uint8Array): { type: number; numbers: number[] }[] {
  const segments: { type: number; numbers: number[] }[] = [];
  for (let at = 0; at + 2 <= octets.length; ) {
    const end = at + 2 + 4 * octets[at + 1]!;
    const asNumbers: number[] = [];
    for (let one = at + 2; one + 4 <= Math.min(end, octets.length); one += 4) {
      asNumbers.push(four(octets, one));
    }
    segments.push({ type: octets[at]!, numbers: asNumbers });
    at = end;
  }
  return segments;
}

/** Tuples of numbers of `size` octets, each as "1:2". */
function numbers(octets: Uint8Array = EMPTY, size: 2 | 4, tuple: readonly number[]): string[] {
  const texts: string[] = [];
  const step = size * tuple.length;
  const read = size === 2 ? two : four;
  for (let at = 0; at + step <= octets.length; at += step) {
    texts.push(tuple.map((_, i) => read(octets, at + size * i)).join(":"));
  }
  return texts;
}

export function two(octets: Uint8Array, at: number): number {
  return (octets[at]! << 8) | octets[at + 1]!;
}

export function four(octets: Uint8Array, at: number): number {
  return two(octets, at) * 0x1_0000 + two(octets, at + 2);
}
