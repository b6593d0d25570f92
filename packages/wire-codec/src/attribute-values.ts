/**
 * Path attributes as JSON values, to octets and back, by the rows of the attribute table.
 */

import { type AttributeRow, OPTIONAL_TRANSITIVE, type UpdateContext } from "./attribute.ts";
import { ATTRIBUTE_TABLE, attributeName } from "./attribute-table.ts";
import { ATTR, ATTR_FLAG } from "./constants.ts";
import { readU16, writeU16 } from "./octets.ts";
import { formatHex, parseHex } from "./text.ts";

export interface AttributeFlags {
  optional: boolean;
  transitive: boolean;
  partial: boolean;
  extended_length: boolean;
}

/** A path attribute as a value. */
export interface AttributeValue {
  type: number;
  /** By type: see the table in `decode.ts`. Of a type that is not known, hexadecimal octets. */
  value: unknown;
  /** Only `partial` is looked at when encoding; the type says the rest. */
  flags?: { partial?: boolean };
}

/** A path attribute as it came. */
export interface DecodedAttribute {
  type: number;
  name: string;
  flags: AttributeFlags;
  /** Absent when it could not be decoded. */
  value?: unknown;
  /** Of communities: the names of those in `value` that have one, by their numbers. */
  names?: Record<string, string>;
  /** The value octets in hexadecimal, in place of `value`. */
  raw?: string;
}

/** How canonical octets are to be read: everything that can stand in them is right. */
export const CANONICAL: UpdateContext = {
  fourOctetAs: true,
  external: false,
  addPath: 0,
  families: 3,
  allowAsSet: true,
  allowConfed: true,
  aigp: true,
  extendedNextHop: 3,
  rpkiState: true,
};

/**
 * Decodes canonical attribute octets `[at, end)`, which this codec made; nothing is checked.
 */
export function decodeAttributes(buf: Uint8Array, at: number, end: number): DecodedAttribute[] {
  return Array.from(attributesOf(buf, at, end), ({ flags, type, valueAt, octets }) => {
    const row = ATTRIBUTE_TABLE[type];
    if (row) return decodedBy(row, flags, buf, valueAt, octets, CANONICAL);
    return { ...decodedHead(type, flags), value: formatHex(buf, valueAt, valueAt + octets) };
  });
}

/** @returns an attribute decoded by the row of its type */
export function decodedBy(
  row: AttributeRow,
  flags: number,
  buf: Uint8Array,
  valueAt: number,
  octets: number,
  context: UpdateContext,
): DecodedAttribute {
  const value = row.decode(buf, valueAt, octets, context);
  const names = row.names?.(buf, valueAt, octets) ?? null;
  return { ...decodedHead(row.type, flags), value, ...(names === null ? {} : { names }) };
}

/** Where an attribute stands. */
export interface AttributePlace {
  flags: number;
  type: number;
  valueAt: number;
  octets: number;
}

/** The attributes of `[at, end)` in order, up to the first whose lengths do not fit. */
export function* attributesOf(
  buf: Uint8Array,
  at: number,
  end: number,
): Generator<AttributePlace, void, void> {
  for (let i = at; end - i >= 3; ) {
    const flags = buf[i]!;
    const extended = (flags & ATTR_FLAG.EXTENDED_LENGTH) !== 0;
    if (extended && end - i < 4) return;
    const valueAt = i + (extended ? 4 : 3);
    const octets = extended ? readU16(buf, i + 2) : buf[i + 2]!;
    if (valueAt + octets > end) return;
    yield { flags, type: buf[i + 1]!, valueAt, octets };
    i = valueAt + octets;
  }
}

/** @returns a decoded attribute that still lacks its value */
export function decodedHead(type: number, flags: number): DecodedAttribute {
  return {
    type,
    name: attributeName(type),
    flags: {
      optional: (flags & ATTR_FLAG.OPTIONAL) !== 0,
      transitive: (flags & ATTR_FLAG.TRANSITIVE) !== 0,
      partial: (flags & ATTR_FLAG.PARTIAL) !== 0,
      extended_length: (flags & ATTR_FLAG.EXTENDED_LENGTH) !== 0,
    },
  };
}

/**
 * Encodes attributes, each in canonical form.
 *
 * In ascending type, but those that hold routes come first, where a receiver that stumbles over a
 * later one has read them already (RFC 7606 section 5.1).
 *
 * @param context - `fourOctetAs` decides on AS_PATH and AGGREGATOR
 * @returns the octets; throws when a value is not of its attribute's shape
 */
export function encodeAttributes(
  attributes: readonly AttributeValue[],
  context: UpdateContext = CANONICAL,
): Uint8Array {
  const ordered = [...attributes].sort((a, b) => order(a.type) - order(b.type));
  const parts = ordered.map((attribute) => encodeAttribute(attribute, context));
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

function order(type: number): number {
  return type === ATTR.MP_REACH_NLRI || type === ATTR.MP_UNREACH_NLRI ? type - 256 : type;
}

function encodeAttribute(attribute: AttributeValue, context: UpdateContext): Uint8Array {
  const { type } = attribute;
  const row: AttributeRow | null = ATTRIBUTE_TABLE[type] ?? null;
  const value = row ? row.encode(attribute.value, context) : parseHex(String(attribute.value));
  if (value === null) throw new RangeError(`attribute ${type} is not hexadecimal`);
  const extended = value.length > 255;
  const out = new Uint8Array((extended ? 4 : 3) + value.length);
  const known = row?.flags ?? OPTIONAL_TRANSITIVE;
  const partial = attribute.flags?.partial === true || row === null;
  out[0] = known | (partial ? ATTR_FLAG.PARTIAL : 0) | (extended ? ATTR_FLAG.EXTENDED_LENGTH : 0);
  out[1] = type;
  if (extended) writeU16(out, 2, value.length);
  else out[2] = value.length;
  out.set(value, extended ? 4 : 3);
  return out;
}
