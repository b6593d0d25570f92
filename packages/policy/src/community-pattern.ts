/**
 * Patterns over communities: `65000:1`, `65500:*`, `1-99,200:*`, `0:$peer-as`, `$local-as:1:*`,
 * `rt:65000:*`, `0x4302:*`.
 *
 * A pattern fixes some bits of a community, and may bound some fields to ranges. The AS number of the
 * peer, or a value that it has under a name, may stand in one field, which is compared only when the
 * pattern meets a peer.
 */

import {
  formatCommunityNumbers,
  parseCommunityOf,
  readU16,
  readU32,
  WELL_KNOWN_COMMUNITIES,
  writeU32,
} from "@ts-bgp/wire-codec";
import { AsSet, parseAsRange } from "./as-set.ts";
import { type Vars, valuesOf, varOf } from "./vars.ts";

export type PatternKind = "standard" | "large" | "extended";

export interface CommunityPattern {
  /** The community in 32-bit words, 0 where anything will do. */
  readonly value: Int32Array;
  /** Bits that must be as in `value`. */
  readonly mask: Int32Array;
  /** Fields whose numbers must be in a set. */
  readonly bounds: readonly FieldBound[];
  /** Index of the octet where a number of the peer must stand, -1 when none need. */
  readonly peerAt: number;
  readonly peerOctets: 2 | 4;
  /** Name of the value that must stand there; null for the AS number. */
  readonly variable: string | null;
}

interface FieldBound {
  readonly at: number;
  readonly octets: 2 | 4;
  readonly set: AsSet;
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
  if (WELL_KNOWN_COMMUNITIES.has(text)) return false;
  return text.split(":").some((field) => field === "*" || isBound(field));
}

/** @returns whether a field is ranges of numbers */
function isBound(field: string): boolean {
  return /^[\d,-]*[,-][\d,-]*$/.test(field);
}

/** @returns whether the peer's AS number, or a value that it has, is part of the pattern */
export function mentionsPeer(text: string): boolean {
  return text.split(":").some(isOfPeer);
}

function isOfPeer(field: string): boolean {
  return field === PEER_AS || varOf(field) !== null;
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
  const own = named(withLocalAs(text, localAs));
  const octets = parseCommunityOf(kind, own);
  if (octets !== null) return [exactly(octets)];
  const fields = own.split(":");
  const ofPeer = fields.filter(isOfPeer);
  if (ofPeer.length > 1) {
    const twice = ofPeer.every((field) => field === PEER_AS);
    return `"${text}" has ${twice ? `${PEER_AS} twice` : "more than one value of the peer"}`;
  }
  const patterns = kind === "extended" ? extendedPatterns(fields) : fieldPatterns(kind, fields);
  return patterns ?? `"${text}" is not ${KIND_TEXT[kind]}${own === text ? "" : ` (${own})`}`;
}

/**
 * @param text - a community without wildcard
 * @returns the octets of one for each value that the peer has under the name in it; a number that does
 *   not fit into its field makes none
 */
export function communityOctets(
  kind: PatternKind,
  text: string,
  localAs: number,
  peer: { readonly as: number; readonly vars?: Vars },
): Uint8Array[] {
  const fields = named(withLocalAs(text, localAs)).replace(PEER_AS, String(peer.as)).split(":");
  const name = fields.map(varOf).find((each) => each !== null);
  const texts =
    name === undefined
      ? [fields.join(":")]
      : valuesOf(peer.vars, name).map((value) =>
          fields.map((field) => (varOf(field) === name ? value : field)).join(":"),
        );
  return texts.flatMap((each) => {
    const octets = parseCommunityOf(kind, each);
    if (octets !== null) return [octets];
    const [typed] = kind === "extended" ? (extendedPatterns(each.split(":")) ?? []) : [];
    return typed?.mask.every((word) => word === -1) ? [octetsOf(typed.value)] : [];
  });
}

/** @returns the one community that a text stands for, in its canonical text; null when it stands for none, or for more */
export function communityText(kind: PatternKind, text: string, localAs: number): string | null {
  if (mentionsPeer(text) || hasWildcard(text)) return null;
  const [octets] = communityOctets(kind, text, localAs, { as: 0 });
  return octets === undefined ? null : formatCommunityNumbers(kind, octets, 0);
}

/** The route origin community has a second name in the world: site of origin. */
function named(text: string): string {
  return text.startsWith("soo:") ? `ro:${text.slice(4)}` : text;
}

/** @returns whether the community at `at` has what is fixed, whatever the peer */
export function matchesFixed(pattern: CommunityPattern, buf: Uint8Array, at: number): boolean {
  const { value, mask, bounds } = pattern;
  for (let k = 0; k < value.length; k++) {
    if (((readU32(buf, at + 4 * k) ^ value[k]!) & mask[k]!) !== 0) return false;
  }
  return bounds.length === 0 || isWithin(bounds, buf, at);
}

function isWithin(bounds: readonly FieldBound[], buf: Uint8Array, at: number): boolean {
  for (const bound of bounds) {
    const place = at + bound.at;
    if (!bound.set.has(bound.octets === 2 ? readU16(buf, place) : readU32(buf, place)))
      return false;
  }
  return true;
}

/** @returns the number that the community at `at` has where the peer's must stand */
export function peerFieldOf(pattern: CommunityPattern, buf: Uint8Array, at: number): number {
  const place = at + pattern.peerAt;
  return pattern.peerOctets === 2 ? readU16(buf, place) : readU32(buf, place);
}

/** A pattern under construction. */
class Draft {
  readonly value: Uint8Array;
  readonly mask: Uint8Array;
  private readonly bounds: FieldBound[] = [];
  private peerAt = -1;
  private peerOctets: 2 | 4 = 4;
  private variable: string | null = null;

  constructor(octets: number) {
    this.value = new Uint8Array(octets);
    this.mask = new Uint8Array(octets);
  }

  /** Fixes the first octets. */
  begin(octets: Uint8Array): this {
    this.value.set(octets);
    this.mask.fill(255, 0, octets.length);
    return this;
  }

  /** @returns whether the text is good for a field of that many octets */
  put(text: string, at: number, octets: 2 | 4): boolean {
    if (text === "*") return true;
    if (isOfPeer(text)) {
      this.peerAt = at;
      this.peerOctets = octets;
      this.variable = varOf(text);
      return true;
    }
    if (isBound(text)) return this.bound(text.split(","), at, octets);
    return putNumber(text, this.value, this.mask, at, octets);
  }

  private bound(ranges: readonly string[], at: number, octets: 2 | 4): boolean {
    const fits = (text: string) => {
      const range = parseAsRange(text);
      return typeof range !== "string" && range[1] < 2 ** (8 * octets);
    };
    if (!ranges.every(fits)) return false;
    this.bounds.push({ at, octets, set: new AsSet(ranges) });
    return true;
  }

  get pattern(): CommunityPattern {
    const { value, mask, bounds, peerAt, peerOctets, variable } = this;
    return { value: words(value), mask: words(mask), bounds, peerAt, peerOctets, variable };
  }
}

function exactly(octets: Uint8Array): CommunityPattern {
  return new Draft(octets.length).begin(octets).pattern;
}

/** Standard and large communities: fields of equal size. */
function fieldPatterns(kind: PatternKind, fields: readonly string[]): CommunityPattern[] | null {
  const octets = kind === "standard" ? 2 : 4;
  if (fields.length * octets !== 4 * WORDS[kind]) return null;
  const draft = new Draft(4 * WORDS[kind]);
  const isGood = fields.every((field, k) => draft.put(field, octets * k, octets));
  return isGood ? [draft.pattern] : null;
}

/** Layouts of the six octets behind the type: those of administrator and of value. */
const TWO_OCTET_AS = { administrator: 2, local: 4 } as const;
const WIDE = { administrator: 4, local: 2 } as const;
/** By type octet, of route targets and origins. */
const LAYOUTS = [TWO_OCTET_AS, WIDE, WIDE] as const;
/** Bits of the type octet that do not say how the rest is laid out (RFC 4360 section 2). */
const TYPE_FLAGS = 0xc0;

function extendedPatterns(fields: readonly string[]): CommunityPattern[] | null {
  const [name = "", administrator = "", local = ""] = fields;
  if (/^0x[0-9a-fA-F]{4}$/.test(name)) return typedPatterns(Number(name), fields.slice(1));
  const sample = parseCommunityOf("extended", `${name}:0:0`);
  if (sample === null || fields.length !== 3 || !["rt", "ro"].includes(name)) return null;
  const open = administrator === "*" || isOfPeer(administrator) || isBound(administrator);
  const fixed = open ? null : parseCommunityOf("extended", `${name}:${administrator}:0`);
  if (!open && fixed === null) return null;
  const patterns: CommunityPattern[] = [];
  for (const [type, layout] of LAYOUTS.entries()) {
    if (fixed !== null && fixed[0] !== type) continue;
    // An AS number is none of an IPv4 address.
    if (type === 1 && (isOfPeer(administrator) || isBound(administrator))) continue;
    const draft = new Draft(8);
    if (fixed === null) draft.begin(Uint8Array.of(type, sample[1]!));
    else draft.begin(fixed.subarray(0, 2 + layout.administrator));
    const isGood =
      (fixed !== null || draft.put(administrator, 2, layout.administrator)) &&
      draft.put(local, 2 + layout.administrator, layout.local);
    if (isGood) patterns.push(draft.pattern);
  }
  return patterns.length === 0 ? null : patterns;
}

/** @param type - type and subtype */
function typedPatterns(type: number, fields: readonly string[]): CommunityPattern[] | null {
  const draft = new Draft(8).begin(Uint8Array.of(type >>> 8, type & 255));
  if (fields.length === 1 && fields[0] === "*") return [draft.pattern];
  const high = (type >>> 8) & ~TYPE_FLAGS;
  const layout = high === 1 || high === 2 ? WIDE : TWO_OCTET_AS;
  const isGood =
    fields.length === 2 &&
    draft.put(fields[0]!, 2, layout.administrator) &&
    draft.put(fields[1]!, 2 + layout.administrator, layout.local);
  return isGood ? [draft.pattern] : null;
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

function words(octets: Uint8Array): Int32Array {
  return Int32Array.from({ length: octets.length / 4 }, (_, k) => readU32(octets, 4 * k));
}

function octetsOf(value: Int32Array): Uint8Array {
  const octets = new Uint8Array(4 * value.length);
  for (const [k, word] of value.entries()) writeU32(octets, 4 * k, word);
  return octets;
}
