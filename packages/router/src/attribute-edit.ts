/**
 * The few edits of attribute sets that the speaker makes itself; policy makes its own.
 *
 * Each gives another set with one reference counted for the caller, or 0 when it would be longer
 * than any message.
 */

import type { AttrId, AttrStore } from "@ts-bgp/rib";
import {
  ATTR,
  ATTR_FLAG,
  attributeValueAt,
  attributeValueOctets,
  copyOctets,
  EXTENDED_MESSAGE_OCTETS_MAX,
  findAttribute,
  nextAttribute,
  readU32,
  SEGMENT,
  writeU16,
  writeU32,
} from "@ts-bgp/wire-codec";

/** Well-known communities that the speaker adds (RFC 9494 section 3.2, RFC 1997). */
export const LLGR_STALE = 0xffff0006;
const NO_EXPORT = 0xffffff01;
/** RFC 8326 section 5. */
const GRACEFUL_SHUTDOWN = 0xffff0000;

/** By attribute. */
const COMMUNITY_OCTETS_OF: ReadonlyMap<number, number> = new Map([
  [ATTR.COMMUNITIES, 4],
  [ATTR.EXTENDED_COMMUNITIES, 8],
  [ATTR.IPV6_EXTENDED_COMMUNITIES, 20],
  [ATTR.LARGE_COMMUNITIES, 12],
]);

const scratch = new Uint8Array(2 * EXTENDED_MESSAGE_OCTETS_MAX);
/** A new attribute value: a number, or a next hop. */
const value = new Uint8Array(32);
const OPTIONAL_TRANSITIVE = ATTR_FLAG.OPTIONAL | ATTR_FLAG.TRANSITIVE;

/** Adds OTC (RFC 9234 section 5). */
export function withOtc(attrs: AttrStore, id: AttrId, as: number): AttrId {
  writeU32(value, 0, as);
  return replaced(attrs, id, OPTIONAL_TRANSITIVE, ATTR.OTC, 4);
}

export function withNextHop(attrs: AttrStore, id: AttrId, nextHop: Uint8Array): AttrId {
  value.set(nextHop);
  return replaced(attrs, id, ATTR_FLAG.TRANSITIVE, ATTR.NEXT_HOP, nextHop.length);
}

/** Whether the next hop of a set is 0.0.0.0 or ::. */
export function isNextHopUnspecified(attrs: AttrStore, id: AttrId): boolean {
  const buf = attrs.bytesOf(id);
  const from = attrs.offsetOf(id);
  const i = findAttribute(buf, from, from + attrs.lengthOf(id), ATTR.NEXT_HOP);
  if (i < 0) return false;
  const at = attributeValueAt(buf, i);
  return buf.subarray(at, at + attributeValueOctets(buf, i)).every((octet) => octet === 0);
}

/** For who does not know what LLGR_STALE means: NO_EXPORT, and a LOCAL_PREF of 0 (RFC 9494 section 4.6). */
export function asLastResort(attrs: AttrStore, id: AttrId): AttrId {
  const kept = withCommunity(attrs, id, NO_EXPORT);
  if (kept === 0) return 0;
  const last = withLowestPreference(attrs, kept);
  attrs.release(kept);
  return last;
}

/** Adds a community (RFC 1997) behind those that are there, unless it is among them. */
export function withCommunity(attrs: AttrStore, id: AttrId, community: number): AttrId {
  const buf = attrs.bytesOf(id);
  const at = attrs.offsetOf(id);
  const end = at + attrs.lengthOf(id);
  const before = placeOf(buf, at, end, ATTR.COMMUNITIES);
  const isKnown = hasType(buf, before, end, ATTR.COMMUNITIES);
  const valueAt = isKnown ? attributeValueAt(buf, before) : before;
  const after = isKnown ? nextAttribute(buf, before) : before;
  for (let i = valueAt; i < after; i += 4) {
    if (readU32(buf, i) !== community) continue;
    attrs.hold(id);
    return id;
  }
  const flags = OPTIONAL_TRANSITIVE | (isKnown ? buf[before]! & ATTR_FLAG.PARTIAL : 0);
  copyOctets(buf, at, before, scratch, 0);
  let o = writeHead(before - at, flags, ATTR.COMMUNITIES, after - valueAt + 4);
  copyOctets(buf, valueAt, after, scratch, o);
  o = writeU32(scratch, o + after - valueAt, community);
  copyOctets(buf, after, end, scratch, o);
  return intern(attrs, o + end - after);
}

/** Whether a set has GRACEFUL_SHUTDOWN (RFC 8326). */
export function isShuttingDown(attrs: AttrStore, id: AttrId): boolean {
  const buf = attrs.bytesOf(id);
  const at = attrs.offsetOf(id);
  const end = at + attrs.lengthOf(id);
  const i = placeOf(buf, at, end, ATTR.COMMUNITIES);
  if (!hasType(buf, i, end, ATTR.COMMUNITIES)) return false;
  const after = nextAttribute(buf, i);
  let k = attributeValueAt(buf, i);
  while (k < after && readU32(buf, k) !== GRACEFUL_SHUTDOWN) k += 4;
  return k < after;
}

/** @returns how many communities a set has, of all kinds together */
export function countCommunities(attrs: AttrStore, id: AttrId): number {
  const buf = attrs.bytesOf(id);
  const at = attrs.offsetOf(id);
  const end = at + attrs.lengthOf(id);
  let count = 0;
  for (let i = at; i < end; i = nextAttribute(buf, i)) {
    const octets = COMMUNITY_OCTETS_OF.get(buf[i + 1]!);
    if (octets !== undefined) count += attributeValueOctets(buf, i) / octets;
  }
  return count;
}

/** Less preferred than any other one: LOCAL_PREF is 0. */
export function withLowestPreference(attrs: AttrStore, id: AttrId): AttrId {
  writeU32(value, 0, 0);
  return replaced(attrs, id, ATTR_FLAG.TRANSITIVE, ATTR.LOCAL_PREF, 4);
}

/**
 * What a speaker sends that is about to shut down: with GRACEFUL_SHUTDOWN (RFC 8326 section 4.2), and to
 * internal peers with the lowest LOCAL_PREF as well.
 */
export function asShuttingDown(attrs: AttrStore, id: AttrId, internal: boolean): AttrId {
  const marked = withCommunity(attrs, id, GRACEFUL_SHUTDOWN);
  if (marked === 0 || !internal) return marked;
  const last = withLowestPreference(attrs, marked);
  attrs.release(marked);
  return last;
}

/** Puts an AS number in front of AS_PATH (RFC 4271 section 5.1.2). */
export function withAsInFront(attrs: AttrStore, id: AttrId, as: number): AttrId {
  const buf = attrs.bytesOf(id);
  const at = attrs.offsetOf(id);
  const end = at + attrs.lengthOf(id);
  const before = placeOf(buf, at, end, ATTR.AS_PATH);
  const valueAt = attributeValueAt(buf, before);
  const isSequence = attributeValueOctets(buf, before) > 0 && buf[valueAt] === SEGMENT.AS_SEQUENCE;
  const count = isSequence && buf[valueAt + 1]! < 255 ? buf[valueAt + 1]! : 0;
  const rest = count === 0 ? valueAt : valueAt + 2;
  const octets = 6 + nextAttribute(buf, before) - rest;
  copyOctets(buf, at, before, scratch, 0);
  const o = writeHead(before - at, ATTR_FLAG.TRANSITIVE, ATTR.AS_PATH, octets);
  scratch[o] = SEGMENT.AS_SEQUENCE;
  scratch[o + 1] = count + 1;
  writeU32(scratch, o + 2, as);
  copyOctets(buf, rest, end, scratch, o + 6);
  return intern(attrs, o + 6 + end - rest);
}

/** Takes MULTI_EXIT_DISC out. */
export function withoutMed(attrs: AttrStore, id: AttrId): AttrId {
  return replaced(attrs, id, 0, ATTR.MULTI_EXIT_DISC, -1);
}

/**
 * What a route reflector adds (RFC 4456 section 8): ORIGINATOR_ID unless it is there, and its
 * cluster in front of CLUSTER_LIST.
 *
 * @param originator - BGP Identifier of the peer that the route came from
 */
export function reflected(
  attrs: AttrStore,
  id: AttrId,
  originator: number,
  clusterId: number,
): AttrId {
  const buf = attrs.bytesOf(id);
  const at = attrs.offsetOf(id);
  const end = at + attrs.lengthOf(id);
  const before = placeOf(buf, at, end, ATTR.ORIGINATOR_ID);
  let i = before;
  copyOctets(buf, at, before, scratch, 0);
  let o = before - at;
  if (hasType(buf, i, end, ATTR.ORIGINATOR_ID)) {
    const next = nextAttribute(buf, i);
    copyOctets(buf, i, next, scratch, o);
    o += next - i;
    i = next;
  } else {
    o = writeHead(o, ATTR_FLAG.OPTIONAL, ATTR.ORIGINATOR_ID, 4);
    o = writeU32(scratch, o, originator);
  }
  // CLUSTER_LIST is the next type after ORIGINATOR_ID.
  const known = hasType(buf, i, end, ATTR.CLUSTER_LIST);
  const valueAt = known ? attributeValueAt(buf, i) : i;
  const valueEnd = known ? valueAt + attributeValueOctets(buf, i) : i;
  o = writeHead(o, ATTR_FLAG.OPTIONAL, ATTR.CLUSTER_LIST, 4 + valueEnd - valueAt);
  o = writeU32(scratch, o, clusterId);
  copyOctets(buf, valueAt, end, scratch, o);
  return intern(attrs, o + end - valueAt);
}

/** Puts `value` in the place of the one of its type; -1 octets take that out. */
function replaced(
  attrs: AttrStore,
  id: AttrId,
  flags: number,
  type: number,
  octets: number,
): AttrId {
  const buf = attrs.bytesOf(id);
  const at = attrs.offsetOf(id);
  const end = at + attrs.lengthOf(id);
  const before = placeOf(buf, at, end, type);
  const after = hasType(buf, before, end, type) ? nextAttribute(buf, before) : before;
  copyOctets(buf, at, before, scratch, 0);
  let o = before - at;
  if (octets >= 0) {
    o = writeHead(o, flags, type, octets);
    copyOctets(value, 0, octets, scratch, o);
    o += octets;
  }
  copyOctets(buf, after, end, scratch, o);
  return intern(attrs, o + end - after);
}

/** @returns the index of the first attribute of that type or a higher one */
function placeOf(buf: Uint8Array, at: number, end: number, type: number): number {
  let i = at;
  while (i < end && buf[i + 1]! < type) i = nextAttribute(buf, i);
  return i;
}

function hasType(buf: Uint8Array, at: number, end: number, type: number): boolean {
  return at < end && buf[at + 1] === type;
}

function writeHead(at: number, flags: number, type: number, octets: number): number {
  scratch[at + 1] = type;
  if (octets > 255) {
    scratch[at] = flags | ATTR_FLAG.EXTENDED_LENGTH;
    return writeU16(scratch, at + 2, octets);
  }
  scratch[at] = flags;
  scratch[at + 2] = octets;
  return at + 3;
}

function intern(attrs: AttrStore, octets: number): AttrId {
  return octets > EXTENDED_MESSAGE_OCTETS_MAX ? 0 : attrs.intern(scratch, 0, octets);
}
