/**
 * Communities of all kinds as people write them.
 *
 * | kind          | octets | text                                                             |
 * | ------------- | ------ | ---------------------------------------------------------------- |
 * | standard      | 4      | `65000:1`, or a name such as `no-export`                         |
 * | large         | 12     | `65000:1:2`                                                      |
 * | extended      | 8      | `rt:65000:1`, `ro:192.0.2.1:1`, `rt:65000L:1`, `lb:65000:125000`, |
 * |               |        | `ov:valid`, else `0x` and 16 digits                              |
 * | ipv6-extended | 20     | `rt:[2001:db8::1]:1`, `ro:...`, else `0x` and 40 digits          |
 *
 * JSON has numbers alone (`65535:65281`, `0x4300000000000000`), and names in a field of their own.
 *
 * `L` marks an AS number below 65536 in the four-octet form (RFC 5668). Formatting then parsing
 * gives the same octets.
 */

import { readU16, readU32, writeU16, writeU32 } from "./octets.ts";
import { formatHex, formatIpv4, formatIpv6, parseHex, parseIpv4, parseIpv6 } from "./text.ts";

export type CommunityKind = "standard" | "large" | "extended" | "ipv6-extended";

export const LARGE_COMMUNITY_OCTETS = 12;

export const COMMUNITY_OCTETS: Readonly<Record<CommunityKind, number>> = {
  standard: 4,
  large: LARGE_COMMUNITY_OCTETS,
  extended: 8,
  "ipv6-extended": 20,
};

/** Names of IANA's well-known communities, in lower case as routers print them. */
export const WELL_KNOWN_COMMUNITIES: ReadonlyMap<string, number> = new Map([
  ["graceful-shutdown", 0xffff0000],
  ["accept-own", 0xffff0001],
  ["route-filter-translated-v4", 0xffff0002],
  ["route-filter-v4", 0xffff0003],
  ["route-filter-translated-v6", 0xffff0004],
  ["route-filter-v6", 0xffff0005],
  ["llgr-stale", 0xffff0006],
  ["no-llgr", 0xffff0007],
  ["accept-own-nexthop", 0xffff0008],
  ["standby-pe", 0xffff0009],
  ["blackhole", 0xffff029a],
  ["no-export", 0xffffff01],
  ["no-advertise", 0xffffff02],
  ["no-export-subconfed", 0xffffff03],
  ["no-peer", 0xffffff04],
]);

const WELL_KNOWN_NAMES: ReadonlyMap<number, string> = new Map(
  [...WELL_KNOWN_COMMUNITIES].map(([name, value]) => [value, name]),
);

/** Extended community types (RFC 4360, RFC 5668); the high octet of what IANA lists. */
const TWO_OCTET_AS = 0x00;
const IPV4_ADDRESS = 0x01;
const FOUR_OCTET_AS = 0x02;
/** Type and subtype of the two that are not route targets or origins. */
const LINK_BANDWIDTH = 0x4004;
const ORIGIN_VALIDATION = 0x4300;

const SUBTYPE_NAMES: Readonly<Record<number, string>> = { 2: "rt", 3: "ro" };
const SUBTYPES: Readonly<Record<string, number>> = { rt: 2, ro: 3 };
/** RFC 8097 section 2. */
const VALIDATION_STATES = ["valid", "not-found", "invalid"];

/**
 * @returns the community whose first octet is at `at`, by its name where it has one; bounds are the
 *   caller's
 */
export function formatCommunity(kind: CommunityKind, buf: Uint8Array, at: number): string {
  return communityName(kind, buf, at) ?? formatCommunityNumbers(kind, buf, at);
}

/** @returns the name of a community that stands for a fixed number, null for any other */
export function communityName(kind: CommunityKind, buf: Uint8Array, at: number): string | null {
  if (kind === "standard") return WELL_KNOWN_NAMES.get(readU32(buf, at)) ?? null;
  return kind === "extended" ? validationState(buf, at) : null;
}

/** @returns the same without names: each community has one form, for programs */
export function formatCommunityNumbers(kind: CommunityKind, buf: Uint8Array, at: number): string {
  switch (kind) {
    case "standard":
      return `${readU16(buf, at)}:${readU16(buf, at + 2)}`;
    case "large":
      return `${readU32(buf, at)}:${readU32(buf, at + 4)}:${readU32(buf, at + 8)}`;
    case "extended":
      return formatExtended(buf, at) ?? `0x${formatHex(buf, at, at + 8)}`;
    case "ipv6-extended": {
      const name = buf[at] === 0 ? SUBTYPE_NAMES[buf[at + 1]!] : undefined;
      if (name === undefined) return `0x${formatHex(buf, at, at + 20)}`;
      return `${name}:[${formatIpv6(buf, at + 2)}]:${readU16(buf, at + 18)}`;
    }
  }
}

/** @returns `ov:valid` and its kin (RFC 8097), null for any other */
function validationState(buf: Uint8Array, at: number): string | null {
  if (readU16(buf, at) !== ORIGIN_VALIDATION) return null;
  const state = VALIDATION_STATES[buf[at + 7]!];
  const reserved = readU32(buf, at + 2) | buf[at + 6]!;
  return state === undefined || reserved !== 0 ? null : `ov:${state}`;
}

function formatExtended(buf: Uint8Array, at: number): string | null {
  const typeAndSubtype = readU16(buf, at);
  if (typeAndSubtype === LINK_BANDWIDTH) {
    const octetsPerSecond = new DataView(buf.buffer, buf.byteOffset + at + 4).getFloat32(0);
    if (!Number.isFinite(octetsPerSecond) || Object.is(octetsPerSecond, -0)) return null;
    return `lb:${readU16(buf, at + 2)}:${octetsPerSecond}`;
  }
  const name = SUBTYPE_NAMES[buf[at + 1]!];
  if (name === undefined) return null;
  const as = readU32(buf, at + 2);
  switch (buf[at]) {
    case TWO_OCTET_AS:
      return `${name}:${readU16(buf, at + 2)}:${readU32(buf, at + 4)}`;
    case IPV4_ADDRESS:
      return `${name}:${formatIpv4(as)}:${readU16(buf, at + 6)}`;
    case FOUR_OCTET_AS:
      return `${name}:${as}${as < 65536 ? "L" : ""}:${readU16(buf, at + 6)}`;
    default:
      return null;
  }
}

/** @returns the octets of a community of that kind, or null when the text is not one */
export function parseCommunityOf(kind: CommunityKind, text: string): Uint8Array | null {
  switch (kind) {
    case "standard": {
      const wellKnown = WELL_KNOWN_COMMUNITIES.get(text);
      if (wellKnown !== undefined) return octets(4, (out) => writeU32(out, 0, wellKnown));
      const fields = numbers(text, [0xffff, 0xffff]);
      return fields && octets(4, (out) => writeU32(out, 0, fields[0]! * 65536 + fields[1]!));
    }
    case "large": {
      const fields = numbers(text, [0xffffffff, 0xffffffff, 0xffffffff]);
      return (
        fields &&
        octets(12, (out) => {
          for (const [k, field] of fields.entries()) writeU32(out, 4 * k, field);
        })
      );
    }
    case "extended":
      return parseRaw(text, 8) ?? parseExtended(text);
    case "ipv6-extended":
      return parseRaw(text, 20) ?? parseIpv6Extended(text);
  }
}

function parseRaw(text: string, length: number): Uint8Array | null {
  return text.startsWith("0x") && text.length === 2 + 2 * length ? parseHex(text.slice(2)) : null;
}

function parseExtended(text: string): Uint8Array | null {
  const [name = "", administrator = "", value = "", ...rest] = text.split(":");
  if (rest.length > 0) return null;
  if (name === "ov") {
    const state = VALIDATION_STATES.indexOf(administrator);
    if (state < 0 || text !== `ov:${administrator}`) return null;
    return octets(8, (out) => {
      writeU16(out, 0, ORIGIN_VALIDATION);
      out[7] = state;
    });
  }
  if (name === "lb") {
    const as = number(administrator, 0xffff);
    const octetsPerSecond = /^-?\d+(\.\d+)?(e[+-]?\d+)?$/.test(value) ? Number(value) : null;
    if (as === null || octetsPerSecond === null || !Number.isFinite(Math.fround(octetsPerSecond))) {
      return null;
    }
    return octets(8, (out) => {
      writeU32(out, 0, LINK_BANDWIDTH * 65536 + as);
      new DataView(out.buffer).setFloat32(4, octetsPerSecond);
    });
  }
  const subtype = SUBTYPES[name];
  return subtype === undefined ? null : parseTarget(subtype, administrator, value);
}

/** A route target or origin: its first field says which of the three layouts it has. */
function parseTarget(subtype: number, administrator: string, value: string): Uint8Array | null {
  const address = parseIpv4(administrator);
  const fourOctet = administrator.endsWith("L");
  const as = number(fourOctet ? administrator.slice(0, -1) : administrator, 0xffffffff);
  const administratorNumber = address ?? as;
  if (administratorNumber === null) return null;
  const wide = address !== null || fourOctet || administratorNumber > 0xffff;
  const local = number(value, wide ? 0xffff : 0xffffffff);
  if (local === null) return null;
  return octets(8, (out) => {
    out[1] = subtype;
    if (!wide) {
      writeU16(out, 2, administratorNumber);
      writeU32(out, 4, local);
      return;
    }
    out[0] = address !== null ? IPV4_ADDRESS : FOUR_OCTET_AS;
    writeU32(out, 2, administratorNumber);
    writeU16(out, 6, local);
  });
}

function parseIpv6Extended(text: string): Uint8Array | null {
  const match = /^(rt|ro):\[([^\]]*)\]:(\d+)$/.exec(text);
  const address = match && parseIpv6(match[2]!);
  const local = match && number(match[3]!, 0xffff);
  if (!address || local === null) return null;
  return octets(20, (out) => {
    out[1] = SUBTYPES[match[1]!]!;
    out.set(address, 2);
    writeU16(out, 18, local);
  });
}

function octets(length: number, fill: (out: Uint8Array<ArrayBuffer>) => void): Uint8Array {
  const out = new Uint8Array(length);
  fill(out);
  return out;
}

/** Decimal numbers with colons between, each at most as large as its place allows. */
function numbers(text: string, max: readonly number[]): number[] | null {
  const fields = text.split(":");
  if (fields.length !== max.length) return null;
  const found = fields.map((field, k) => number(field, max[k]!));
  return found.every((value) => value !== null) ? found : null;
}

function number(text: string, max: number): number | null {
  if (!/^(0|[1-9]\d{0,9})$/.test(text)) return null;
  const value = Number(text);
  return value <= max ? value : null;
}
