/**
 * Rows of the attribute table: the attributes of RFC 4271 and of route reflection, communities,
 * AS4_*, AIGP and OTC. Section numbers without more are those of RFC 7606.
 */

import { type AsPathValue, asPathProblem, decodeAsPath, encodeAsPath } from "./as-path.ts";
import {
  type AttributeRow,
  badLength,
  badValue,
  checkLength,
  checkMultiple,
  OPTIONAL,
  OPTIONAL_TRANSITIVE,
  type UpdateContext,
  updateFault,
  WELL_KNOWN,
} from "./attribute.ts";
import {
  COMMUNITY_OCTETS,
  type CommunityKind,
  communityName,
  formatCommunityNumbers,
  parseCommunityOf,
} from "./community.ts";
import { ATTR, UPDATE_ERROR } from "./constants.ts";
import type { Fault } from "./fault.ts";
import { readU16, readU32, writeU16, writeU32 } from "./octets.ts";
import { formatIpv4, formatNextHop, parseIpv4, parseNextHop } from "./text.ts";

const ORIGINS = ["IGP", "EGP", "INCOMPLETE"] as const;
export type OriginName = (typeof ORIGINS)[number];

/** Section 7.1. */
export const ORIGIN: AttributeRow<OriginName> = {
  type: ATTR.ORIGIN,
  name: "ORIGIN",
  flags: WELL_KNOWN,
  malformed: "treat-as-withdraw",
  kept: "always",
  check(buf, at, octets) {
    if (octets !== 1) return badLength(this, octets, "1");
    if (buf[at]! <= 2) return null;
    return badValue(this, UPDATE_ERROR.INVALID_ORIGIN, `value ${buf[at]} is not 0, 1 or 2`);
  },
  decode: (buf, at) => ORIGINS[buf[at]!]!,
  encode: (value) => Uint8Array.of(ORIGINS.indexOf(value)),
};

/** Section 7.2, with RFC 7607 and RFC 9774. */
export const AS_PATH: AttributeRow<AsPathValue> = {
  type: ATTR.AS_PATH,
  name: "AS_PATH",
  flags: WELL_KNOWN,
  malformed: "treat-as-withdraw",
  kept: "always",
  check(buf, at, octets, context) {
    const { allowAsSet, allowConfed } = context;
    const end = at + octets;
    const problem = asPathProblem(buf, at, end, asOctets(context), allowAsSet, allowConfed);
    return problem === null ? null : badValue(this, UPDATE_ERROR.MALFORMED_AS_PATH, problem);
  },
  decode: (buf, at, octets, context) => decodeAsPath(buf, at, at + octets, asOctets(context)),
  encode: (value, context) => encodeAsPath(value.segments, asOctets(context)),
};

/**
 * A malformed one is discarded, and the route goes by its AS_PATH with AS_TRANS in it (RFC 6793
 * section 6); one that is well-formed but has a set is treated as AS_PATH would be (RFC 9774 section
 * 3). Confederation segments are no fault here; they are left out when the paths are put together.
 */
export const AS4_PATH: AttributeRow<AsPathValue> = {
  type: ATTR.AS4_PATH,
  name: "AS4_PATH",
  flags: OPTIONAL_TRANSITIVE,
  malformed: "attribute-discard",
  kept: "as4",
  check(buf, at, octets, context) {
    if (octets < 6) return badLength(this, octets, "at least 6");
    const malformed = asPathProblem(buf, at, at + octets, 4, true, true);
    if (malformed !== null) return badValue(this, UPDATE_ERROR.MALFORMED_AS_PATH, malformed);
    const problem = asPathProblem(buf, at, at + octets, 4, context.allowAsSet, true);
    if (problem === null) return null;
    const reason = `${this.name} ${problem}`;
    return updateFault("treat-as-withdraw", UPDATE_ERROR.MALFORMED_AS_PATH, reason, this.type);
  },
  decode: (buf, at, octets) => decodeAsPath(buf, at, at + octets, 4),
  encode: (value) => encodeAsPath(value.segments, 4),
};

/**
 * Section 7.3. Whether the address can be a next hop is checked by the reader, since it matters
 * only to routes of the NLRI field (RFC 4760 section 3). Stored sets keep the next hop of
 * MP_REACH_NLRI here too, hence the longer values.
 */
export const NEXT_HOP: AttributeRow<string> = {
  type: ATTR.NEXT_HOP,
  name: "NEXT_HOP",
  flags: WELL_KNOWN,
  malformed: "treat-as-withdraw",
  kept: "always",
  check(_buf, _at, octets, { anyNextHop }) {
    if (anyNextHop && (octets === 16 || octets === 32)) return null;
    return checkLength(this, octets, 4);
  },
  decode: formatNextHop,
  encode: parseNextHop,
};

/** Sections 7.8, 7.14 and 7.15, RFC 8092 section 6. */
function communities(type: number, name: string, kind: CommunityKind): AttributeRow<string[]> {
  const octetsEach = COMMUNITY_OCTETS[kind];
  const row: AttributeRow<string[]> = {
    type,
    name,
    flags: OPTIONAL_TRANSITIVE,
    malformed: "treat-as-withdraw",
    kept: "always",
    check: (_buf, _at, octets): Fault | null => checkMultiple(row, octets, octetsEach),
    decode: (buf, at, octets) =>
      Array.from({ length: octets / octetsEach }, (_, k) =>
        formatCommunityNumbers(kind, buf, at + octetsEach * k),
      ),
    names(buf, at, octets) {
      let names: Record<string, string> | null = null;
      for (let i = at; i < at + octets; i += octetsEach) {
        const name = communityName(kind, buf, i);
        if (name === null) continue;
        names ??= {};
        names[formatCommunityNumbers(kind, buf, i)] = name;
      }
      return names;
    },
    encode(value) {
      const out = new Uint8Array(octetsEach * value.length);
      for (const [k, text] of value.entries()) {
        const octets = parseCommunityOf(kind, text);
        if (octets === null) throw new RangeError(`${text} is not a community of kind ${kind}`);
        out.set(octets, octetsEach * k);
      }
      return out;
    },
  };
  return row;
}

export const COMMUNITIES: AttributeRow<string[]> = communities(
  ATTR.COMMUNITIES,
  "COMMUNITIES",
  "standard",
);

export const EXTENDED_COMMUNITIES: AttributeRow<string[]> = communities(
  ATTR.EXTENDED_COMMUNITIES,
  "EXTENDED_COMMUNITIES",
  "extended",
);

export const IPV6_EXTENDED_COMMUNITIES: AttributeRow<string[]> = communities(
  ATTR.IPV6_EXTENDED_COMMUNITIES,
  "IPV6_EXTENDED_COMMUNITIES",
  "ipv6-extended",
);

export const LARGE_COMMUNITIES: AttributeRow<string[]> = communities(
  ATTR.LARGE_COMMUNITIES,
  "LARGE_COMMUNITIES",
  "large",
);

function asOctets(context: UpdateContext): number {
  return context.fourOctetAs ? 4 : 2;
}

type Numeric = Pick<AttributeRow, "type" | "name" | "flags" | "kept">;

/** Attributes of four octets, whose malformed ones are withdrawn. */
function number32<T>(head: Numeric, format: (value: number) => T, parse: (value: T) => number) {
  const row: AttributeRow<T> = {
    ...head,
    malformed: "treat-as-withdraw",
    check: (_buf, _at, octets): Fault | null => checkLength(row, octets, 4),
    decode: (buf, at) => format(readU32(buf, at)),
    encode: (value) => u32(parse(value)),
  };
  return row;
}

const plain = (value: number): number => value;

/** Section 7.4. */
export const MULTI_EXIT_DISC: AttributeRow<number> = number32(
  { type: ATTR.MULTI_EXIT_DISC, name: "MULTI_EXIT_DISC", flags: OPTIONAL, kept: "always" },
  plain,
  plain,
);

/** Section 7.5. */
export const LOCAL_PREF: AttributeRow<number> = number32(
  { type: ATTR.LOCAL_PREF, name: "LOCAL_PREF", flags: WELL_KNOWN, kept: "internal" },
  plain,
  plain,
);

/** Section 7.9. */
export const ORIGINATOR_ID: AttributeRow<string> = number32(
  { type: ATTR.ORIGINATOR_ID, name: "ORIGINATOR_ID", flags: OPTIONAL, kept: "internal" },
  formatIpv4,
  addressNumber,
);

/** RFC 9234 section 5: four octets; AS 0 stands for no AS, as FRR reads it. */
export const OTC: AttributeRow<number> = {
  ...number32(
    { type: ATTR.OTC, name: "OTC", flags: OPTIONAL_TRANSITIVE, kept: "always" },
    plain,
    plain,
  ),
  check(buf, at, octets) {
    const length = checkLength(this, octets, 4);
    if (length !== null || readU32(buf, at) !== 0) return length;
    return badValue(this, UPDATE_ERROR.OPTIONAL_ATTRIBUTE, "has AS number 0");
  },
};

/** Section 7.6. */
export const ATOMIC_AGGREGATE: AttributeRow<true> = {
  type: ATTR.ATOMIC_AGGREGATE,
  name: "ATOMIC_AGGREGATE",
  flags: WELL_KNOWN,
  malformed: "attribute-discard",
  kept: "always",
  check(_buf, _at, octets) {
    return checkLength(this, octets, 0);
  },
  decode: () => true,
  encode: () => new Uint8Array(0),
};

export interface AggregatorValue {
  as: number;
  address: string;
}

/** Section 7.7; AS 0 is malformed (RFC 7607 section 2). */
export const AGGREGATOR: AttributeRow<AggregatorValue> = {
  type: ATTR.AGGREGATOR,
  name: "AGGREGATOR",
  flags: OPTIONAL_TRANSITIVE,
  malformed: "attribute-discard",
  kept: "always",
  check(buf, at, octets, context) {
    return checkAggregator(this, buf, at, octets, asOctets(context));
  },
  decode: (buf, at, _octets, context) => decodeAggregator(buf, at, asOctets(context)),
  encode: (value, context) => encodeAggregator(value, asOctets(context)),
};

/** RFC 6793 section 6. */
export const AS4_AGGREGATOR: AttributeRow<AggregatorValue> = {
  type: ATTR.AS4_AGGREGATOR,
  name: "AS4_AGGREGATOR",
  flags: OPTIONAL_TRANSITIVE,
  malformed: "attribute-discard",
  kept: "as4",
  check(buf, at, octets) {
    return checkAggregator(this, buf, at, octets, 4);
  },
  decode: (buf, at) => decodeAggregator(buf, at, 4),
  encode: (value) => encodeAggregator(value, 4),
};

function checkAggregator(
  row: Pick<AttributeRow, "type" | "name" | "malformed">,
  buf: Uint8Array,
  at: number,
  octets: number,
  asOctets: number,
): Fault | null {
  if (octets !== asOctets + 4) return badLength(row, octets, `${asOctets + 4}`);
  if ((asOctets === 2 ? readU16(buf, at) : readU32(buf, at)) !== 0) return null;
  return badValue(row, UPDATE_ERROR.OPTIONAL_ATTRIBUTE, "has AS number 0");
}

function decodeAggregator(buf: Uint8Array, at: number, asOctets: number): AggregatorValue {
  const as = asOctets === 2 ? readU16(buf, at) : readU32(buf, at);
  return { as, address: formatIpv4(readU32(buf, at + asOctets)) };
}

function encodeAggregator(value: AggregatorValue, asOctets: number): Uint8Array {
  const out = new Uint8Array(asOctets + 4);
  if (asOctets === 2) writeU16(out, 0, value.as);
  else writeU32(out, 0, value.as);
  writeU32(out, asOctets, addressNumber(value.address));
  return out;
}

/** Section 7.10. */
export const CLUSTER_LIST: AttributeRow<string[]> = {
  type: ATTR.CLUSTER_LIST,
  name: "CLUSTER_LIST",
  flags: OPTIONAL,
  malformed: "treat-as-withdraw",
  kept: "internal",
  check(_buf, _at, octets) {
    return checkMultiple(this, octets, 4);
  },
  decode: (buf, at, octets) =>
    Array.from({ length: octets / 4 }, (_, k) => formatIpv4(readU32(buf, at + 4 * k))),
  encode(value) {
    const out = new Uint8Array(4 * value.length);
    value.forEach((id, k) => void writeU32(out, 4 * k, addressNumber(id)));
    return out;
  },
};

function addressNumber(text: string): number {
  const address = parseIpv4(text);
  if (address === null) throw new RangeError(`${text} is not an IPv4 address`);
  return address;
}

function u32(value: number): Uint8Array {
  const out = new Uint8Array(4);
  writeU32(out, 0, value);
  return out;
}
