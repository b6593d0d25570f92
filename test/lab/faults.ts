/**
 * Malformed UPDATE messages, and what RFC 7606 makes of them.
 *
 * All announce one prefix of a peer that announced it correctly before, so that each outcome can be
 * told from the others: the route stays, goes, or goes with the session.
 */
import { addressOctets, attribute, four, prefixOctets, type UpdateParts } from "./raw-peer.ts";

export const RAW_AS = 65009;
export const RAW_PREFIX = "10.9.0.0/16";

export interface Fault {
  readonly name: string;
  readonly outcome:
    | { readonly kind: "attribute-discard" | "treat-as-withdraw" }
    /** With NOTIFICATION code 3 and this subcode. */
    | { readonly kind: "session-reset"; readonly subcode: number };
  /** @param nextHop - the peer's address */
  parts(nextHop: string): UpdateParts;
}

const WELL_KNOWN = 0x40;
const OPTIONAL = 0x80;
const OPTIONAL_TRANSITIVE = 0xc0;
const ORIGIN = attribute(WELL_KNOWN, 1, [0]);
const AS_PATH = attribute(WELL_KNOWN, 2, [2, 1, ...four(RAW_AS)]);
const NLRI = prefixOctets(RAW_PREFIX);

/** A correct announcement of the prefix. */
export function goodRoute(nextHop: string): UpdateParts {
  return { attributes: [...ORIGIN, ...AS_PATH, ...nextHopAttribute(nextHop)], nlri: NLRI };
}

/** A correct announcement with one attribute more. */
function goodRouteWith(extra: readonly number[]): (nextHop: string) => UpdateParts {
  return (nextHop) => {
    const { attributes = [] } = goodRoute(nextHop);
    return { attributes: [...attributes, ...extra], nlri: NLRI };
  };
}

function nextHopAttribute(nextHop: string): number[] {
  return attribute(WELL_KNOWN, 3, addressOctets(nextHop));
}

export const FAULTS: readonly Fault[] = [
  {
    name: "AGGREGATOR of 5 octets (section 7.7)",
    outcome: { kind: "attribute-discard" },
    parts: goodRouteWith(attribute(OPTIONAL_TRANSITIVE, 7, [1, 2, 3, 4, 5])),
  },
  {
    name: "LOCAL_PREF from an external peer (section 7.5)",
    outcome: { kind: "attribute-discard" },
    parts: goodRouteWith(attribute(WELL_KNOWN, 5, four(200))),
  },
  {
    name: "ORIGIN of value 3 (section 7.1)",
    outcome: { kind: "treat-as-withdraw" },
    parts: (nextHop) => ({
      attributes: [...attribute(WELL_KNOWN, 1, [3]), ...AS_PATH, ...nextHopAttribute(nextHop)],
      nlri: NLRI,
    }),
  },
  {
    name: "AS_PATH with an unknown segment type (section 7.2)",
    outcome: { kind: "treat-as-withdraw" },
    parts: (nextHop) => {
      const path = attribute(WELL_KNOWN, 2, [9, 1, ...four(RAW_AS)]);
      return { attributes: [...ORIGIN, ...path, ...nextHopAttribute(nextHop)], nlri: NLRI };
    },
  },
  {
    name: "COMMUNITIES of 3 octets (section 7.8)",
    outcome: { kind: "treat-as-withdraw" },
    parts: goodRouteWith(attribute(OPTIONAL_TRANSITIVE, 8, [1, 2, 3])),
  },
  {
    name: "no NEXT_HOP (section 3 d)",
    outcome: { kind: "treat-as-withdraw" },
    parts: () => ({ attributes: [...ORIGIN, ...AS_PATH], nlri: NLRI }),
  },
  {
    name: "NLRI with a length of 33 (section 5.3)",
    outcome: { kind: "session-reset", subcode: 10 },
    parts: (nextHop) => ({ ...goodRoute(nextHop), nlri: [33, 10, 9, 0, 0, 0] }),
  },
  {
    name: "MP_REACH_NLRI twice (section 3 g)",
    outcome: { kind: "session-reset", subcode: 1 },
    parts: (nextHop) => {
      const hop = addressOctets(nextHop);
      const reach = attribute(OPTIONAL, 14, [0, 1, 1, hop.length, ...hop, 0, ...NLRI]);
      return { attributes: [...ORIGIN, ...AS_PATH, ...reach, ...reach] };
    },
  },
];
