/**
 * The route that a filter is looking at: its attributes as they are after the modifications so far,
 * its prefix, and the peers it goes between. One object is reused for all routes.
 *
 * Two things are written down while conditions are asked. Each prefix test with its outcome, so
 * that the verdict can be found again for other prefixes of the same set without another run. And,
 * when the peer stands for a group, each AS number for which a condition would have come out
 * otherwise.
 */

import {
  type AsPathFacts,
  ATTR,
  ATTR_FLAG,
  attributeValueAt,
  attributeValueOctets,
  copyOctets,
  EXTENDED_MESSAGE_OCTETS_MAX,
  FAMILY,
  type Family,
  findAttribute,
  formatPrefix,
  LOCAL_PREF_DEFAULT,
  readAsPathFacts,
  readU32,
  writeU16,
  writeU32,
} from "@ts-bgp/wire-codec";
import type { AttrId, AttributeSets, Origins, PeerFacts } from "./types.ts";

/** A condition on the prefix alone. */
export interface PrefixTest {
  /** Number of the test in its filter, from 0. */
  readonly index: number;
  matches(route: Route): boolean;
}

const TYPES = 256;
const UNKNOWN = 2;
/** State of a route when nothing is known (RFC 6811). */
const NOT_FOUND = 1;
/** State of a path when nothing is known, or not what this speaker is to the peer. */
const UNKNOWN_PATH = 1;

export class Route {
  /** Canonical octets of the attribute set, `[at, end)`. */
  buf: Uint8Array = new Uint8Array(0);
  at = 0;
  end = 0;
  /** The octets are no longer those of the set that the route came with. */
  changed = false;
  /** The modifications made a set that no message can carry. */
  tooLong = false;
  /** A rule asked for an own or the peer's address that the session does not have. */
  nextHopUnavailable = false;
  nextHopFixed = false;
  source!: PeerFacts;
  peer!: PeerFacts;
  family: Family = FAMILY.IPV4_UNICAST;
  /** The prefix in 32-bit words, signed, so that storing them allocates nothing. */
  w0 = 0;
  w1 = 0;
  w2 = 0;
  w3 = 0;
  bits = 0;
  /** Prefix tests asked in this run, in order. */
  readonly asked: PrefixTest[] = [];
  /** Outcome by test index: 0, 1 or UNKNOWN. */
  outcomes: Uint8Array = new Uint8Array(0);
  readonly exceptions: number[] = [];
  readonly path: AsPathFacts = { length: 0, firstAs: 0, originAs: 0 };
  /** The AS that originated the route, as it came; see `originOf`. */
  origin = 0;

  /** Index of each attribute's header by type, -1 when absent. */
  private readonly headers: Int32Array = new Int32Array(TYPES).fill(-1);
  private readonly present: Uint8Array = new Uint8Array(TYPES);
  private presentCount = 0;
  /** Rewritten sets go into these in turn. */
  private readonly scratch: readonly [Uint8Array, Uint8Array] = [
    new Uint8Array(EXTENDED_MESSAGE_OCTETS_MAX),
    new Uint8Array(EXTENDED_MESSAGE_OCTETS_MAX),
  ];
  /** Room for a new attribute value. */
  readonly value: Uint8Array = new Uint8Array(2 * EXTENDED_MESSAGE_OCTETS_MAX);

  private readonly origins: Origins | null;
  /** What origin validation says of prefix and origin, -1 while it was not asked. */
  private originState = -1;

  /** Set that the route came with, and from whom; what ASPAs say of it, -1 while they were not asked. */
  private cameWith: AttrId = 0;
  private cameFrom!: PeerFacts;
  private pathState = -1;
  private readonly sets: AttributeSets;

  constructor(origins: Origins | null, sets: AttributeSets) {
    this.origins = origins;
    this.sets = sets;
  }

  /** What validation is asked about, behind `setPrefix`; not needed where nobody asks. */
  cameAs(attr: AttrId, peer: PeerFacts, origin: number): void {
    this.cameWith = attr;
    this.cameFrom = peer;
    this.origin = origin;
    this.originState = -1;
    this.pathState = -1;
  }

  /** What ASPAs say of the path as it came: 0 valid, 1 unknown, 2 invalid. */
  get pathValidity(): number {
    if (this.pathState >= 0) return this.pathState;
    this.pathState =
      this.origins === null
        ? UNKNOWN_PATH
        : pathStateOf(this.origins, this.sets, this.cameWith, this.cameFrom);
    return this.pathState;
  }

  /** What origin validation says of the route as it came: 0 valid, 1 not found, 2 invalid. */
  get validity(): number {
    if (this.originState >= 0) return this.originState;
    const { family, w0, w1, w2, w3, bits, origin } = this;
    const isWide = family === FAMILY.IPV6_UNICAST;
    this.originState = this.origins?.stateOf(isWide, w0, w1, w2, w3, bits, origin) ?? NOT_FOUND;
    return this.originState;
  }

  setPrefix(family: Family, w0: number, w1: number, w2: number, w3: number, bits: number): void {
    this.family = family;
    this.w0 = w0 | 0;
    this.w1 = w1 | 0;
    this.w2 = w2 | 0;
    this.w3 = w3 | 0;
    this.bits = bits;
  }

  /** Begins a run through the rules of a filter with `testCount` prefix tests. */
  begin(
    sets: AttributeSets,
    attr: AttrId,
    source: PeerFacts,
    peer: PeerFacts,
    testCount: number,
  ): void {
    this.source = source;
    this.peer = peer;
    this.changed = false;
    this.tooLong = false;
    this.nextHopUnavailable = false;
    this.nextHopFixed = false;
    this.exceptions.length = 0;
    this.asked.length = 0;
    if (this.outcomes.length < testCount) this.outcomes = new Uint8Array(testCount);
    this.outcomes.fill(UNKNOWN, 0, testCount);
    const at = sets.offsetOf(attr);
    this.load(sets.bytesOf(attr), at, at + sets.lengthOf(attr));
  }

  /** @returns a copy of the attributes when modifications have changed them, else null */
  changedOctets(): Uint8Array | null {
    return this.changed ? this.buf.slice(this.at, this.end) : null;
  }

  /** @returns the outcome of a prefix test; it is tried at most once in a run */
  ask(test: PrefixTest): boolean {
    const known = this.outcomes[test.index]!;
    if (known !== UNKNOWN) return known === 1;
    const outcome = test.matches(this);
    this.outcomes[test.index] = outcome ? 1 : 0;
    this.asked.push(test);
    return outcome;
  }

  /** @returns whether `as` is the peer's; for a group, that it may be is an exception */
  isPeerAs(as: number): boolean {
    if (!this.peer.anyPeer) return as === this.peer.as;
    if (!this.exceptions.includes(as)) this.exceptions.push(as);
    return false;
  }

  has(type: number): boolean {
    return this.headers[type]! >= 0;
  }

  /** @returns index of the first value octet of an attribute, or -1 when it is absent */
  valueAt(type: number): number {
    const header = this.headers[type]!;
    return header < 0 ? -1 : attributeValueAt(this.buf, header);
  }

  /** @returns number of value octets of an attribute, 0 when it is absent */
  valueOctets(type: number): number {
    const header = this.headers[type]!;
    return header < 0 ? 0 : attributeValueOctets(this.buf, header);
  }

  /** @returns flags of an attribute, 0 when it is absent */
  flagsOf(type: number): number {
    const header = this.headers[type]!;
    return header < 0 ? 0 : this.buf[header]!;
  }

  /** Fills `path`. */
  readPath(): AsPathFacts {
    const at = this.valueAt(ATTR.AS_PATH);
    readAsPathFacts(this.buf, at, at + this.valueOctets(ATTR.AS_PATH), this.path);
    return this.path;
  }

  get localPref(): number {
    const at = this.valueAt(ATTR.LOCAL_PREF);
    return at < 0 ? LOCAL_PREF_DEFAULT : readU32(this.buf, at);
  }

  /** The prefix as text. */
  get prefixText(): string {
    const nlri = new Uint8Array(17);
    nlri[0] = this.bits;
    for (const [k, word] of [this.w0, this.w1, this.w2, this.w3].entries()) {
      writeU32(nlri, 1 + 4 * k, word);
    }
    return formatPrefix(this.family === FAMILY.IPV4_UNICAST ? 1 : 2, nlri, 0);
  }

  /** Takes an attribute out, if it is there. */
  remove(type: number): void {
    if (this.has(type)) this.write(0, type, this.buf, -1);
  }

  /**
   * Puts an attribute in, in place of the one of its type.
   *
   * @param flags - without EXTENDED_LENGTH
   * @param value - `[0, octets)`; may be `this.value`, and is not kept
   */
  put(flags: number, type: number, value: Uint8Array, octets: number): void {
    this.write(flags, type, value, octets);
  }

  /** @param octets - of the new value, -1 for no attribute */
  private write(flags: number, type: number, value: Uint8Array, octets: number): void {
    const { buf, at, end } = this;
    const head = octets < 0 ? 0 : octets > 255 ? 4 : 3;
    const old = this.headers[type]!;
    const oldEnd = old < 0 ? 0 : attributeValueAt(buf, old) + attributeValueOctets(buf, old);
    const place = old >= 0 ? old : this.placeOf(type);
    const rest = old >= 0 ? oldEnd : place;
    const length = place - at + head + Math.max(0, octets) + end - rest;
    if (length > EXTENDED_MESSAGE_OCTETS_MAX) {
      this.tooLong = true;
      return;
    }
    const out = this.scratch[buf === this.scratch[0] ? 1 : 0];
    copyOctets(buf, at, place, out, 0);
    let o = place - at;
    if (octets >= 0) {
      out[o + 1] = type;
      if (octets > 255) {
        out[o] = flags | ATTR_FLAG.EXTENDED_LENGTH;
        writeU16(out, o + 2, octets);
      } else {
        out[o] = flags;
        out[o + 2] = octets;
      }
      copyOctets(value, 0, octets, out, o + head);
      o += head + octets;
    }
    copyOctets(buf, rest, end, out, o);
    this.changed = true;
    this.load(out, 0, length);
  }

  /** @returns where the header of an absent attribute belongs: types ascend */
  private placeOf(type: number): number {
    for (let k = 0; k < this.presentCount; k++) {
      if (this.present[k]! > type) return this.headers[this.present[k]!]!;
    }
    return this.end;
  }

  private load(buf: Uint8Array, at: number, end: number): void {
    const { headers, present } = this;
    for (let k = 0; k < this.presentCount; k++) headers[present[k]!] = -1;
    let count = 0;
    for (let i = at; i < end; ) {
      const type = buf[i + 1]!;
      headers[type] = i;
      present[count++] = type;
      i = attributeValueAt(buf, i) + attributeValueOctets(buf, i);
    }
    this.presentCount = count;
    this.buf = buf;
    this.at = at;
    this.end = end;
  }
}

/**
 * The origin AS of a route (RFC 6811 section 2).
 *
 * @param localAs - what an empty path stands for
 * @returns 0 when the path ends with a set
 */
export function originOf(
  sets: Pick<AttributeSets, "bytesOf" | "offsetOf" | "lengthOf">,
  attr: AttrId,
  localAs: number,
): number {
  const buf = sets.bytesOf(attr);
  const at = sets.offsetOf(attr);
  const header = findAttribute(buf, at, at + sets.lengthOf(attr), ATTR.AS_PATH);
  if (header < 0) return localAs;
  const valueAt = attributeValueAt(buf, header);
  const octets = attributeValueOctets(buf, header);
  if (octets === 0) return localAs;
  const path = { length: 0, firstAs: 0, originAs: 0 };
  readAsPathFacts(buf, valueAt, valueAt + octets, path);
  return path.originAs;
}

/**
 * What ASPAs say of the path of a route (draft-ietf-sidrops-aspa-verification section 6).
 *
 * @param peer - whom it came from: a path from a provider may go down again, any other goes up only
 */
export function pathStateOf(
  origins: Pick<Origins, "pathStateOf">,
  sets: Pick<AttributeSets, "bytesOf" | "offsetOf" | "lengthOf">,
  attr: AttrId,
  { role, as }: Pick<PeerFacts, "role" | "as">,
): number {
  if (role === null) return UNKNOWN_PATH;
  const buf = sets.bytesOf(attr);
  const at = sets.offsetOf(attr);
  const header = findAttribute(buf, at, at + sets.lengthOf(attr), ATTR.AS_PATH);
  const valueAt = header < 0 ? 0 : attributeValueAt(buf, header);
  const end = header < 0 ? 0 : valueAt + attributeValueOctets(buf, header);
  // A transparent route server does not put itself into the path.
  const neighborAs = role === "rs-client" ? 0 : as;
  return origins.pathStateOf(buf, valueAt, end, role === "customer", neighborAs);
}
