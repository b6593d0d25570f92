/**
 * BMP version 4 (draft-ietf-grow-bmp-tlv): messages of version 3 with what a body has in a TLV, where that is not so
 * already. In Route Monitoring it is the UPDATE, in a Statistics Report all counters:
 *
 *     type (2) | length (2) | index (2), of Route Monitoring alone: 0, for all of its routes | value
 *
 * TLVs that may follow are left out: stations read the UPDATE by the OPENs in Peer Up, as those of version 3 do.
 */

import { copyOctets, readU32, writeU16, writeU32 } from "@ts-bgp/wire-codec";
import { BMP } from "./bmp-head.ts";

const VERSION = 4;
const LENGTH_AT = 1;
const TYPE_AT = 5;
/** With the peer's. */
const HEAD_OCTETS = 48;
const BGP_MESSAGE_TLV = 4;
const STATISTICS_TLV = 1;

/** @param octets - whole messages of version 3 @returns the same as version 4, in memory of their own */
export function toVersion4(octets: Uint8Array): Uint8Array<ArrayBuffer> {
  let length = octets.length;
  for (let at = 0; at < octets.length; at += readU32(octets, at + LENGTH_AT)) {
    length += tlvOctets(octets[at + TYPE_AT]!);
  }
  const out = new Uint8Array(length);
  for (let at = 0, to = 0; at < octets.length; ) {
    const type = octets[at + TYPE_AT]!;
    const end = at + readU32(octets, at + LENGTH_AT);
    const more = tlvOctets(type);
    const bodyAt = more === 0 ? end : at + HEAD_OCTETS;
    copyOctets(octets, at, bodyAt, out, to);
    out[to] = VERSION;
    writeU32(out, to + LENGTH_AT, end - at + more);
    to += bodyAt - at;
    if (more > 0) {
      const isRoutes = type === BMP.ROUTE_MONITORING;
      writeU16(out, to, isRoutes ? BGP_MESSAGE_TLV : STATISTICS_TLV);
      // The index, where there is one, is 0, as all memory is.
      writeU16(out, to + 2, end - bodyAt);
      copyOctets(octets, bodyAt, end, out, to + more);
      to += more + end - bodyAt;
    }
    at = end;
  }
  return out;
}

/** @returns octets of the head of the TLV that a type of message gets */
function tlvOctets(type: number): number {
  if (type === BMP.ROUTE_MONITORING) return 6;
  return type === BMP.STATISTICS_REPORT ? 4 : 0;
}
