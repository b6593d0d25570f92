/**
 * A run of routes as UPDATE messages: the attributes as they are in the table, AS numbers with 4 octets
 * (RFC 7854 section 4.2, flag A not set), and next hops of other lengths than 4 in MP_REACH_NLRI.
 */

import {
  AFI,
  ATTR,
  ATTR_FLAG,
  attributeValueAt,
  EXTENDED_MESSAGE_OCTETS_MAX,
  FAMILY,
  type Family,
  findAttribute,
  HEADER_OCTETS,
  MESSAGE,
  MESSAGE_OCTETS_MAX,
  nextAttribute,
  SAFI,
} from "@ts-bgp/wire-codec";
import type { OctetSink } from "./octet-sink.ts";
import { type Octets, overwriteU16, type RouteRun, routeOctets } from "./table-routes.ts";

const MARKER = new Uint8Array(16).fill(0xff);
/** Header, and the lengths of withdrawn routes and of attributes. */
const FRAME_OCTETS = HEADER_OCTETS + 4;
/** Flags, type and length of a multiprotocol attribute, and its AFI and SAFI. */
const MP_OCTETS = 4 + 3;

/** The attributes of a run, taken apart. */
interface Parts {
  readonly buf: Uint8Array;
  /** Where NEXT_HOP begins and ends; equal when the rest is all. */
  readonly cutAt: number;
  readonly cutEnd: number;
  readonly at: number;
  readonly end: number;
  /** The next hop for MP_REACH_NLRI; null when NEXT_HOP stays an attribute. */
  readonly nextHop: Octets | null;
}

/**
 * Appends UPDATE messages that say what a run says, each of at most 4,096 octets where one route fits into
 * that with its attributes, else 65,535.
 *
 * @param begin - called before each message, for what is to stand in front of it
 * @param end - called after it
 * @returns how many messages these are
 */
export function writeUpdates(
  run: RouteRun,
  sink: OctetSink,
  begin: () => void,
  end: () => void,
): number {
  const { family, addPath, routes, attributes } = run;
  const parts = attributes === null ? null : partsOf(attributes, family);
  const isMp = parts === null ? family !== FAMILY.IPV4_UNICAST : parts.nextHop !== null;
  const fixed = FRAME_OCTETS + fixedOctets(parts, isMp);
  const fits = fixed + 21 <= MESSAGE_OCTETS_MAX;
  const room = (fits ? MESSAGE_OCTETS_MAX : EXTENDED_MESSAGE_OCTETS_MAX) - fixed;
  let messages = 0;
  for (let at = routes.at; at < routes.end; messages++) {
    let next = at;
    do {
      const octets = routeOctets(routes.buf, next, addPath);
      if (next > at && next + octets - at > room) break;
      next += octets;
    } while (next < routes.end);
    begin();
    writeUpdate(sink, parts, isMp, family, { buf: routes.buf, at, end: next });
    end();
    at = next;
  }
  return messages;
}

/** Appends the End-of-RIB marker of a family (RFC 4724 section 2). */
export function writeEndOfRib(sink: OctetSink, family: Family): void {
  writeUpdate(sink, null, family !== FAMILY.IPV4_UNICAST, family, { buf: MARKER, at: 0, end: 0 });
}

function writeUpdate(
  sink: OctetSink,
  parts: Parts | null,
  isMp: boolean,
  family: Family,
  routes: Octets,
): void {
  const start = sink.length;
  const octets = routes.end - routes.at;
  sink.octets(MARKER);
  sink.u16(0);
  sink.u8(MESSAGE.UPDATE);
  const isWithdrawn = parts === null && !isMp;
  sink.u16(isWithdrawn ? octets : 0);
  if (isWithdrawn) sink.octets(routes.buf, routes.at, routes.end);
  const attributesAt = sink.length;
  sink.u16(0);
  if (isMp) writeMp(sink, parts?.nextHop ?? null, family, routes);
  if (parts !== null) {
    sink.octets(parts.buf, parts.at, parts.cutAt);
    sink.octets(parts.buf, parts.cutEnd, parts.end);
  }
  overwriteU16(sink, attributesAt, sink.length - attributesAt - 2);
  if (parts !== null && !isMp) sink.octets(routes.buf, routes.at, routes.end);
  overwriteU16(sink, start + 16, sink.length - start);
}

/** @param nextHop - null for routes that are withdrawn */
function writeMp(sink: OctetSink, nextHop: Octets | null, family: Family, routes: Octets): void {
  sink.u8(ATTR_FLAG.OPTIONAL | ATTR_FLAG.EXTENDED_LENGTH);
  sink.u8(nextHop === null ? ATTR.MP_UNREACH_NLRI : ATTR.MP_REACH_NLRI);
  const lengthAt = sink.length;
  sink.u16(0);
  sink.u16(family === FAMILY.IPV4_UNICAST ? AFI.IPV4 : AFI.IPV6);
  sink.u8(SAFI.UNICAST);
  if (nextHop !== null) {
    sink.u8(nextHop.end - nextHop.at);
    sink.octets(nextHop.buf, nextHop.at, nextHop.end);
    sink.u8(0);
  }
  sink.octets(routes.buf, routes.at, routes.end);
  overwriteU16(sink, lengthAt, sink.length - lengthAt - 2);
}

function partsOf({ buf, at, end }: Octets, family: Family): Parts {
  const i = findAttribute(buf, at, end, ATTR.NEXT_HOP);
  if (i < 0) return { buf, at, end, cutAt: at, cutEnd: at, nextHop: null };
  const nextHop = { buf, at: attributeValueAt(buf, i), end: nextAttribute(buf, i) };
  if (family === FAMILY.IPV4_UNICAST && nextHop.end - nextHop.at === 4) {
    return { buf, at, end, cutAt: at, cutEnd: at, nextHop: null };
  }
  return { buf, at, end, cutAt: i, cutEnd: nextHop.end, nextHop };
}

/** @returns the octets that a message has beside its frame and its routes */
function fixedOctets(parts: Parts | null, isMp: boolean): number {
  const mp = isMp ? MP_OCTETS : 0;
  if (parts === null) return mp;
  const { at, cutAt, cutEnd, end, nextHop } = parts;
  return mp + (cutAt - at) + (end - cutEnd) + (nextHop === null ? 0 : 2 + nextHop.end - nextHop.at);
}
