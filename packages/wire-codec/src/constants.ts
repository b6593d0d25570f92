/** Numbers that BGP gives to things on the wire. Names are the RFCs' own. */

/** Octets of the fixed message header (RFC 4271 section 4.1). */
export const HEADER_OCTETS = 19;
/** Longest message without the extended message capability (RFC 4271 section 4). */
export const MESSAGE_OCTETS_MAX = 4096;
/** Longest message with it (RFC 8654 section 4). */
export const EXTENDED_MESSAGE_OCTETS_MAX = 65535;

/** Message types (RFC 4271 section 4.1, RFC 2918). */
export const MESSAGE = {
  OPEN: 1,
  UPDATE: 2,
  NOTIFICATION: 3,
  KEEPALIVE: 4,
  ROUTE_REFRESH: 5,
} as const;

/** Address family identifiers (RFC 4760). */
export const AFI = { IPV4: 1, IPV6: 2 } as const;

/** Subsequent address family identifiers (RFC 4760). */
export const SAFI = { UNICAST: 1, MULTICAST: 2 } as const;

/**
 * The two address families that this speaker routes, as a bit each, so that a set of them is a
 * number. Other (AFI, SAFI) pairs are read and shown, never routed.
 */
export const FAMILY = { IPV4_UNICAST: 1, IPV6_UNICAST: 2 } as const;
export type Family = (typeof FAMILY)[keyof typeof FAMILY];

/** Path attribute types (RFC 4271 and the registry's later rows that this codec knows). */
export const ATTR = {
  ORIGIN: 1,
  AS_PATH: 2,
  NEXT_HOP: 3,
  MULTI_EXIT_DISC: 4,
  LOCAL_PREF: 5,
  ATOMIC_AGGREGATE: 6,
  AGGREGATOR: 7,
  COMMUNITIES: 8,
  ORIGINATOR_ID: 9,
  CLUSTER_LIST: 10,
  MP_REACH_NLRI: 14,
  MP_UNREACH_NLRI: 15,
  EXTENDED_COMMUNITIES: 16,
  AS4_PATH: 17,
  AS4_AGGREGATOR: 18,
  PMSI_TUNNEL: 22,
  TUNNEL_ENCAPSULATION: 23,
  IPV6_EXTENDED_COMMUNITIES: 25,
  AIGP: 26,
  BGP_LS: 29,
  LARGE_COMMUNITIES: 32,
  OTC: 35,
  NEXT_HOP_CHARACTERISTICS: 39,
  PREFIX_SID: 40,
} as const;

/** Subcodes of UPDATE Message Error, NOTIFICATION code 3 (RFC 4271 section 6.3). */
export const UPDATE_ERROR = {
  MALFORMED_ATTRIBUTE_LIST: 1,
  UNRECOGNIZED_WELL_KNOWN: 2,
  MISSING_WELL_KNOWN: 3,
  ATTRIBUTE_FLAGS: 4,
  ATTRIBUTE_LENGTH: 5,
  INVALID_ORIGIN: 6,
  INVALID_NEXT_HOP: 8,
  OPTIONAL_ATTRIBUTE: 9,
  INVALID_NETWORK_FIELD: 10,
  MALFORMED_AS_PATH: 11,
} as const;

/** Path attribute flag bits (RFC 4271 section 4.3). */
export const ATTR_FLAG = {
  OPTIONAL: 0x80,
  TRANSITIVE: 0x40,
  PARTIAL: 0x20,
  EXTENDED_LENGTH: 0x10,
} as const;

/** AS_PATH segment types (RFC 4271 section 4.3, RFC 5065 section 3). */
export const SEGMENT = {
  AS_SET: 1,
  AS_SEQUENCE: 2,
  AS_CONFED_SEQUENCE: 3,
  AS_CONFED_SET: 4,
} as const;

/** The AS number that stands for a 4-octet one in a 2-octet field (RFC 6793). */
export const AS_TRANS = 23456;
