/** Attributes of a route as a neighbor was sent them. */

import { OctetSink, type Octets } from "@ts-bgp/feeds-codec";
import type { AttrId, AttrStore } from "@ts-bgp/rib";
import type { SessionMember } from "@ts-bgp/router";
import { ATTR, ATTR_FLAG, AttributeRewriter, nextAttribute } from "@ts-bgp/wire-codec";

const rewriter = new AttributeRewriter();

/** @returns them with AS numbers of 4 octets, and the next hop among them, whatever its family */
export function sentAttributes(attrs: AttrStore, attr: AttrId, member: SessionMember): Octets {
  const at = attrs.offsetOf(attr);
  const form = { ...member.entry.settings.form, fourOctetAs: true };
  rewriter.rewrite(form, attrs.bytesOf(attr), at, at + attrs.lengthOf(attr));
  const { out, octets, nextHop, nextHopOctets } = rewriter;
  if (nextHopOctets === 4) return { buf: out, at: 0, end: octets };
  // What UPDATEs have in MP_REACH_NLRI stands where attributes of 4 octets do, in the order of types.
  let cut = 0;
  while (cut < octets && out[cut + 1]! < ATTR.NEXT_HOP) cut = nextAttribute(out, cut);
  const sink = new OctetSink();
  sink.octets(out, 0, cut);
  sink.u8(ATTR_FLAG.TRANSITIVE);
  sink.u8(ATTR.NEXT_HOP);
  sink.u8(nextHopOctets);
  sink.octets(nextHop, 0, nextHopOctets);
  sink.octets(out, cut, octets);
  const all = sink.take();
  return { buf: all, at: 0, end: all.length };
}
