/** The condition on the next hop. */

import { ATTR, FAMILY, formatAddress, readU32 } from "@ts-bgp/wire-codec";
import type { Compilation, Condition } from "./condition.ts";
import { PrefixSet } from "./prefix-set.ts";
import type { Route } from "./route.ts";
import { isListName } from "./terms.ts";

export function nextHopCondition(terms: readonly string[], to: Compilation): Condition {
  const own = terms.includes("peer-address");
  const sameAs = terms.includes("same-as");
  if (own || sameAs) {
    to.dependsOnPeer = true;
    to.groupKeys.push((peer) => peer.address);
  }
  const lists = terms.filter(isListName.nextHop);
  const words = new Set([...lists, "peer-address", "same-as"]);
  const addresses = terms.filter((term) => !words.has(term));
  const sets = [
    ...to.terms.prefixSetsOf(lists).map(({ set }) => set),
    new PrefixSet(addresses.map(asPrefix)),
  ];
  return {
    text: `next-hop: ${terms.join(", ")}`,
    holds: (route) =>
      (own && isNextHop(route, route.peer.addressOctets)) ||
      (sameAs && route.peer.sameAsAddresses.some((address) => isNextHop(route, address))) ||
      sets.some((set) => nextHopIn(route, set)),
    found: nextHopText,
  };
}

/** A bare address is a prefix of full length. */
function asPrefix(term: string): string {
  if (term.includes("/")) return /[ ]/.test(term) ? term : `${term} le ${fullLength(term)}`;
  return `${term}/${fullLength(term)}`;
}

function fullLength(term: string): number {
  return term.includes(":") ? 128 : 32;
}

/** Compares the address, the global one when a link-local one follows it (RFC 2545 section 3). */
function isNextHop(route: Route, address: Uint8Array): boolean {
  const at = route.valueAt(ATTR.NEXT_HOP);
  const octets = Math.min(16, route.valueOctets(ATTR.NEXT_HOP));
  if (octets !== address.length) return false;
  for (let i = 0; i < octets; i++) if (route.buf[at + i] !== address[i]) return false;
  return true;
}

function nextHopIn(route: Route, set: PrefixSet): boolean {
  const at = route.valueAt(ATTR.NEXT_HOP);
  const { buf } = route;
  switch (route.valueOctets(ATTR.NEXT_HOP)) {
    case 0:
      return false;
    case 4:
      return set.has(FAMILY.IPV4_UNICAST, readU32(buf, at), 0, 0, 0, 32);
    default: {
      const w1 = readU32(buf, at + 4);
      const w2 = readU32(buf, at + 8);
      return set.has(FAMILY.IPV6_UNICAST, readU32(buf, at), w1, w2, readU32(buf, at + 12), 128);
    }
  }
}

function nextHopText(route: Route): string {
  const octets = route.valueOctets(ATTR.NEXT_HOP);
  if (octets === 0) return "none";
  return formatAddress(octets === 4 ? 1 : 2, route.buf, route.valueAt(ATTR.NEXT_HOP));
}
