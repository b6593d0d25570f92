/**
 * Patterns over communities: `65000:1`, `65500:*`, `0:$peer-as`, `$local-as:1:*`, `rt:65000:*`.
 *
 * A pattern fixes some bits of a community; the AS number of the peer may stand in one field, which
 * is compared only when the pattern meets a peer.
 */

import { parseCommunityOf, readU16, readU32, writeU32 } from "@ts-bgp/wire-codec";

export type PatternKind = "standard" | "large" | "extended";

export interface CommunityPattern {
  /** The community in 32-bit words, 0 where anything will do. */
  readonly value: Int32Array;
  /** Bits that must be as in `value`. */
  readonly mask: Int32Array;
  /** Index of the octet where the peer's AS number must stand, -1 when it need not. */
  readonly peerAsAt: number;
  readonly peerAsOctets: 2 | 4;
}

/** Octets of a community of each kind. */
const WORDS: Readonly<Record<PatternKind, number>> = { standard: 1, large: 3, extended: 2 };
const KIND_TEXT: Readonly<Record<PatternKind, string>> = {
  standard: "a community such as 65000:1",
  large: "a large community such as 65000:1:2",
  extended: "an extended community such as rt:65000:1",
};

const PEER_AS = "$peer-as";
const LOCAL_AS = "$local-as";

/** @returns the text with the own AS number in its places */
export function withLocalAs(text: string, localAs: number): string {
  return text.replaceAll(LOCAL_AS, String(localAs));
}

/** @returns whether a pattern stands for more than one community, whatever the peer */
export function hasWildcard(text: string): boolean {
  return text.split(":").includes("*");
}

/** @returns whether the peer's AS number is part of the pattern */
export function mentionsPeerAs(text: string): boolean {
  return text.split(":").includes(PEER_AS);
}

/**
 * Reads a pattern. An extended community with an open administrator has a pattern for each of the
 * layouts of RFC 4360 and RFC 5668.
 *
 * @returns the patterns, one of which must match, or what is wrong
 */
export function parseCommunityPattern(
  kind: PatternKind,
  text: string,
  localAs: number,
): CommunityPattern[] | string {
  const own = withLocalAs(text, localAs);
  const octets = parseCommunityOf(kind, own);
  if (octets !== null) return [pattern(octets, new Uint8Array(octets.length).fill(255), -1, 4)];
  const fields = own.split(":");
  if (fields.filter((field) => field === PEER_AS).length > 1) {
    return `"${text}" has ${PEER_AS} twice`;
  }
  const patterns = kind === "extended" ? extendedPatterns(fields) : fieldPatterns(kind, fields);
  return patterns ?? `"${text}" is not ${KIND_TEXT[kind]}${own === text ? "" : ` (${own})`}`;
}

/**
 * @param text - a community without wildcard
 * @returns its octets, or null when the AS number does not fit into its field
 */
export function communityOctets(
  kind: PatternKind,
  text: string,
  localAs: number,
  peerAs: number,
): Uint8Array | null {
  return parseCommunityOf(kind, withLocalAs(text, localAs).replace(PEER_AS, String(peerAs)));
}

/** @returns whether the community at `at` has the fixed bits, whatever the peer's AS number */
export function matchesFixed(pattern: CommunityPattern, buf: Uint8Array, at: number): boolean {
  const { value, mask } = pattern;
  for (let k = 0; k < value.length; k++) {
    if (((readU32(buf, at + 4 * k) ^ value[k]!) & mask[k]!) !== 0) return false;
  }
  return true;
}

/** @returns the AS number that the community at `at` has where the peer's must stand */
export function peerAsOf(pattern: CommunityPattern, buf: Uint8Array, at: number): number {
  const place = at + pattern.peerAsAt;
  return pattern.peerAsOctets === 2 ? readU16(buf, place) : readU32(buf, place);
}

/** Standard and large communities: fields of equal size. */
function fieldPatterns(kind: PatternKind, fields: readonly string[]): CommunityPattern[] | null {
  const octets = kind === "standard" ? 2 : 4;
  if (fields.length * octets !== 4 * WORDS[kind]) return null;
  const value = new Uint8Array(4 * WORDS[kind]);
  const mask = new Uint8Array(value.length);
  let peerAsAt = -1;
  for (const [k, field] of fields.entries()) {
    if (field === PEER_AS) peerAsAt = octets * k;
    else if (field !== "*" && !putNumber(field, value, mask, octets * k, octets)) return null;
  }
  return [pattern(value, mask, peerAsAt, octets)];
}

/** Layouts of route targets and origins: type octet, octets of administrator and of value. */
const LAYOUTS = [
  { type: 0, administrator: 2, local: 4 },
  { type: 1, administrator: 4, local: 2 },
  { type: 2, administrator: 4, local: 2 },
] as const;

function extendedPatterns(fields: readonly string[]): CommunityPattern[] | null {
  const [name = "", administrator = "", local = ""] = fields;
  const sample = parseCommunityOf("extended", `${name}:0:0`);
  if (sample === null || fields.length !== 3 || !["rt", "ro"].includes(name)) return null;
  const open = administrator === "*" || administrator === PEER_AS;
  const fixed = open ? null : parseCommunityOf("extended", `${name}:${administrator}:0`);
  if (!open && fixed === null) return null;
  const patterns: CommunityPattern[] = [];
  for (const layout of LAYOUTS) {
    if (fixed !== null && fixed[0] !== layout.type) continue;
    if (administrator === PEER_AS && layout.type === 1) continue;
    const value = fixed ?? Uint8Array.of(layout.type, sample[1]!, 0, 0, 0, 0, 0, 0);
    const mask = new Uint8Array(8).fill(255, 0, open ? 2 : 2 + layout.administrator);
    const localAt = 2 + layout.administrator;
    let peerAsAt = administrator === PEER_AS ? 2 : -1;
    if (local === PEER_AS) peerAsAt = localAt;
    else if (local !== "*" && !putNumber(local, value, mask, localAt, layout.local)) continue;
    const octets = peerAsAt === 2 ? layout.administrator : layout.local;
    patterns.push(pattern(value, mask, peerAsAt, octets));
  }
  return patterns.length === 0 ? null : patterns;
}

/** Writes a decimal number of 2 or 4 octets and marks its bits as fixed. */
function putNumber(
  text: string,
  value: Uint8Array,
  mask: Uint8Array,
  at: number,
  octets: 2 | 4,
): boolean {
  if (!/^(0|[1-9]\d{0,9})$/.test(text)) return false;
  const number = Number(text);
  if (number >= 2 ** (8 * octets)) return false;
  const word = new Uint8Array(4);
  writeU32(word, 0, number);
  value.set(word.subarray(4 - octets), at);
  mask.fill(255, at, at + octets);
  return true;
}

function pattern(
  octets: Uint8Array,
  mask: Uint8Array,
  peerAsAt: number,
  peerAsOctets: 2 | 4,
): CommunityPattern {
  return { value: words(octets), mask: words(mask), peerAsAt, peerAsOctets };
}

function words(octets: Uint8Array): Int32Array {
  return Int32Array.from({ length: octets.length / 4 }, (_, k) => readU32(octets, 4 * k));
}
