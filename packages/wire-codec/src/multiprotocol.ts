/**
 * MP_REACH_NLRI and MP_UNREACH_NLRI (RFC 4760), with the next hops of RFC 2545 and RFC 8950.
 *
 * A fault of form resets the session: where the form is wrong the routes cannot be found, and what
 * cannot be found cannot be withdrawn (RFC 7606 sections 3 j and 7.11).
 */

import { type AttributeRow, OPTIONAL, type UpdateContext, updateFault } from "./attribute.ts";
import { AFI, ATTR, SAFI, UPDATE_ERROR } from "./constants.ts";
import { familyBit, familyName } from "./family.ts";
import type { Fault } from "./fault.ts";
import { isLinkLocal, isUnspecified } from "./next-hop.ts";
import {
  badRouteAt,
  decodeRoutes,
  describeBadRoute,
  encodeRoutes,
  prefixBitsMax,
  type Route,
} from "./nlri.ts";
import { readU16, writeU16 } from "./octets.ts";
import { formatHex, formatNextHop, parseHex, parseNextHop } from "./text.ts";

/** Where routes stand in a message. */
export interface Section {
  afi: number;
  safi: number;
  /** FAMILY bit; 0 when the session does not route the family, and nothing inside is checked. */
  family: number;
  /** The routes are `[at, end)` of the message's buffer; equal when there are none. */
  at: number;
  end: number;
  /** Each route has a path identifier in front. */
  addPath: boolean;
}

/** The routes of MP_REACH_NLRI and the next hop they share. */
export interface ReachableSection extends Section {
  nextHopAt: number;
  /** 4, 16, or 32 for a global and a link-local address, where the family is routed. */
  nextHopOctets: number;
}

const IPV4_NEXT_HOP_OCTETS = 4;
const IPV6_NEXT_HOP_OCTETS = 16;
const IPV6_LINK_LOCAL_NEXT_HOP_OCTETS = 32;

/** @returns a section without routes */
export function noSection(): ReachableSection {
  return {
    afi: 0,
    safi: 0,
    family: 0,
    at: 0,
    end: 0,
    addPath: false,
    nextHopAt: 0,
    nextHopOctets: 0,
  };
}

/** Sets all of a section but its next hop. */
export function setSection(
  section: Section,
  afi: number,
  safi: number,
  at: number,
  end: number,
  context: UpdateContext,
): void {
  const family = familyBit(afi, safi) & context.families;
  section.afi = afi;
  section.safi = safi;
  section.family = family;
  section.at = at;
  section.end = end;
  section.addPath = (family & context.addPath) !== 0;
}

/** @returns what is wrong with the routes of a section, or null; allocates only then */
export function sectionProblem(buf: Uint8Array, section: Section): string | null {
  const { at, end, addPath } = section;
  if (section.family === 0) return null;
  const bitsMax = prefixBitsMax(section.afi);
  const bad = badRouteAt(buf, at, end, bitsMax, addPath);
  return bad < 0 ? null : describeBadRoute(buf, bad, end, bitsMax, addPath);
}

/**
 * Reads an MP_REACH_NLRI value into `section`, which stays without routes on a fault.
 *
 * A family that is not negotiated is no fault: its routes are ignored, as BIRD and FRR do.
 */
export function readMpReach(
  buf: Uint8Array,
  at: number,
  octets: number,
  context: UpdateContext,
  section: ReachableSection,
): Fault | null {
  const end = at + octets;
  if (octets < 5) return malformed(MP_REACH, `length ${octets} is less than 5`);
  const afi = readU16(buf, at);
  const safi = buf[at + 2]!;
  const nextHopOctets = buf[at + 3]!;
  const routesAt = at + 5 + nextHopOctets;
  if (routesAt > end) {
    return malformed(MP_REACH, `next hop length ${nextHopOctets} overruns the attribute`);
  }
  setSection(section, afi, safi, routesAt, end, context);
  section.nextHopAt = at + 4;
  section.nextHopOctets = nextHopOctets;
  let problem: string | null = null;
  if (section.family !== 0 && !isNextHopLength(afi, nextHopOctets)) {
    problem = `next hop length ${nextHopOctets} is not one of ${familyName(afi, safi)}`;
  } else {
    problem = sectionProblem(buf, section);
  }
  if (problem !== null) {
    section.end = section.at;
    return malformed(MP_REACH, problem);
  }
  if (nextHopOctets === IPV6_LINK_LOCAL_NEXT_HOP_OCTETS) settleNextHop(buf, section);
  return null;
}

/**
 * Of two addresses, leaves out the one that says nothing: a second one that is not link-local
 * (RFC 2545 section 3), or "::" in the place of the global one, which is what BIRD writes on a
 * session between link-local addresses.
 */
function settleNextHop(buf: Uint8Array, section: ReachableSection): void {
  const { nextHopAt } = section;
  const secondAt = nextHopAt + IPV6_NEXT_HOP_OCTETS;
  if (!isLinkLocal(buf, secondAt)) section.nextHopOctets = IPV6_NEXT_HOP_OCTETS;
  else if (isUnspecified(buf, nextHopAt)) {
    section.nextHopAt = secondAt;
    section.nextHopOctets = IPV6_NEXT_HOP_OCTETS;
  }
}

/** IPv4 routes may have an IPv6 next hop (RFC 8950 section 3), not the other way round. */
function isNextHopLength(afi: number, octets: number): boolean {
  return (
    octets === IPV6_NEXT_HOP_OCTETS ||
    octets === IPV6_LINK_LOCAL_NEXT_HOP_OCTETS ||
    (octets === IPV4_NEXT_HOP_OCTETS && afi === AFI.IPV4)
  );
}

/** Reads an MP_UNREACH_NLRI value into `section`, which stays without routes on a fault. */
export function readMpUnreach(
  buf: Uint8Array,
  at: number,
  octets: number,
  context: UpdateContext,
  section: Section,
): Fault | null {
  if (octets < 3) return malformed(MP_UNREACH, `length ${octets} is less than 3`);
  setSection(section, readU16(buf, at), buf[at + 2]!, at + 3, at + octets, context);
  const problem = sectionProblem(buf, section);
  if (problem === null) return null;
  section.end = section.at;
  return malformed(MP_UNREACH, problem);
}

/** RFC 4760 section 7 names the subcode. */
function malformed(row: Pick<AttributeRow, "type" | "name">, problem: string): Fault {
  const subcode = UPDATE_ERROR.OPTIONAL_ATTRIBUTE;
  return updateFault("session-reset", subcode, `${row.name} ${problem}`, row.type);
}

/** JSON value of MP_UNREACH_NLRI. */
export interface MpUnreachValue {
  afi: number;
  safi: number;
  /** Name of the two, for example "ipv6-unicast". */
  family: string;
  /** Routes of unicast and multicast families, hexadecimal octets of others. */
  nlri: Route[] | string;
}

/** JSON value of MP_REACH_NLRI. */
export interface MpReachValue extends MpUnreachValue {
  /** An address, two with a space between (RFC 2545), or hexadecimal octets of other lengths. */
  next_hop: string;
}

const SCRATCH = noSection();

export const MP_REACH: AttributeRow<MpReachValue> = {
  type: ATTR.MP_REACH_NLRI,
  name: "MP_REACH_NLRI",
  flags: OPTIONAL,
  malformed: "session-reset",
  kept: "never",
  check: (buf, at, octets, context) => readMpReach(buf, at, octets, context, SCRATCH),
  decode(buf, at, octets, context) {
    const afi = readU16(buf, at);
    const safi = buf[at + 2]!;
    const nextHopOctets = buf[at + 3]!;
    const routesAt = at + 5 + nextHopOctets;
    return {
      afi,
      safi,
      family: familyName(afi, safi),
      next_hop: formatNextHop(buf, at + 4, nextHopOctets),
      nlri: decodeNlri(afi, safi, buf, routesAt, at + octets, context),
    };
  },
  encode(value) {
    const nextHop = parseNextHop(value.next_hop);
    const nlri = encodeNlri(value);
    const out = new Uint8Array(5 + nextHop.length + nlri.length);
    writeU16(out, 0, value.afi);
    out[2] = value.safi;
    out[3] = nextHop.length;
    out.set(nextHop, 4);
    out.set(nlri, 5 + nextHop.length);
    return out;
  },
};

export const MP_UNREACH: AttributeRow<MpUnreachValue> = {
  type: ATTR.MP_UNREACH_NLRI,
  name: "MP_UNREACH_NLRI",
  flags: OPTIONAL,
  malformed: "session-reset",
  kept: "never",
  check: (buf, at, octets, context) => readMpUnreach(buf, at, octets, context, SCRATCH),
  decode(buf, at, octets, context) {
    const afi = readU16(buf, at);
    const safi = buf[at + 2]!;
    const nlri = decodeNlri(afi, safi, buf, at + 3, at + octets, context);
    return { afi, safi, family: familyName(afi, safi), nlri };
  },
  encode(value) {
    const nlri = encodeNlri(value);
    const out = new Uint8Array(3 + nlri.length);
    writeU16(out, 0, value.afi);
    out[2] = value.safi;
    out.set(nlri, 3);
    return out;
  },
};

/** Multicast routes look like unicast ones (RFC 4760 section 5); those of other SAFIs do not. */
function decodeNlri(
  afi: number,
  safi: number,
  buf: Uint8Array,
  at: number,
  end: number,
  context: UpdateContext,
): Route[] | string {
  const family = safi === SAFI.MULTICAST ? familyBit(afi, SAFI.UNICAST) : familyBit(afi, safi);
  const addPath = (context.addPath & family) !== 0;
  if (family === 0 || badRouteAt(buf, at, end, prefixBitsMax(afi), addPath) >= 0) {
    return formatHex(buf, at, end);
  }
  return decodeRoutes(afi, buf, at, end, addPath);
}

function encodeNlri({ afi, nlri }: MpUnreachValue): Uint8Array {
  if (typeof nlri !== "string") return encodeRoutes(afi, nlri);
  const octets = parseHex(nlri);
  if (octets === null) throw new RangeError(`${nlri} is not hexadecimal`);
  return octets;
}
