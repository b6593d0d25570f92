/**
 * Canonical records: type, length, value, where a value is fields of the same form; equal values have equal
 * octets, whoever writes them.
 *
 *     record = type varint, length varint, fields      field = type varint, length varint, octets
 *
 * A field is found by its number. One that the reader does not know is skipped and counted; one that
 * the writer left out has its default, which is also what a writer leaves out, so that equal records
 * have equal octets. Fields are written in the order of their numbers.
 */

import { FormatError, type OctetReader } from "./octet-reader.ts";
import type { OctetWriter } from "./octet-writer.ts";

/** What a field may hold. */
interface FieldTypes {
  /** Integer from 0 to 2^53 - 1; default 0. */
  uint: number;
  /** Default 0. */
  double: number;
  /** Default the empty text. */
  text: string;
  /** Default no octets. Read where they lie: they stay valid as long as the octets of the record. */
  octets: Uint8Array;
  /** JSON, as it is written; default null. */
  json: unknown;
}

/** Number and kind of a field. */
type Field = readonly [number, keyof FieldTypes];

/** Number of a record, and its fields by name, in the order of their numbers. */
export interface Schema {
  readonly type: number;
  readonly fields: Readonly<Record<string, Field>>;
}

/** The value of a record with a schema. */
export type ValueOf<S extends Schema> = {
  readonly [F in keyof S["fields"]]: FieldTypes[S["fields"][F][1]];
};

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true });
const NO_OCTETS = new Uint8Array(0);

/** Appends a record. */
export function writeRecord<S extends Schema>(
  out: OctetWriter,
  schema: S,
  value: ValueOf<S>,
): void {
  const fields: { number: number; kind: keyof FieldTypes; value: unknown; octets: number }[] = [];
  let length = 0;
  for (const name in schema.fields) {
    const [number, kind] = schema.fields[name]!;
    let field: unknown = value[name];
    if (kind === "text") field = encoder.encode(field as string);
    if (kind === "json") field = field === null ? NO_OCTETS : encoder.encode(JSON.stringify(field));
    const octets = octetsOf(kind, field);
    if (octets === 0) continue;
    fields.push({ number, kind, value: field, octets });
    length += varintOctets(number) + varintOctets(octets) + octets;
  }
  out.varint(schema.type);
  out.varint(length);
  for (const { number, kind, value: field, octets } of fields) {
    out.varint(number);
    out.varint(octets);
    if (kind === "uint") out.varint(field as number);
    else if (kind === "double") out.double(field as number);
    else out.shared(field as Uint8Array);
  }
}

/** @returns how many octets a field takes, 0 when it has its default */
function octetsOf(kind: keyof FieldTypes, value: unknown): number {
  if (kind === "uint") return value === 0 ? 0 : varintOctets(value as number);
  if (kind === "double") return value === 0 ? 0 : 8;
  return (value as Uint8Array).length;
}

export function varintOctets(value: number): number {
  let octets = 1;
  for (let rest = value; rest > 0x7f; rest = Math.floor(rest / 128)) octets++;
  return octets;
}

/**
 * Reads the fields of a record.
 *
 * @param octets - from behind the length of the record to its end
 * @param skipped - told the number of each unknown field
 */
export function readFields<S extends Schema>(
  octets: OctetReader,
  schema: S,
  skipped: (field: number) => void,
): ValueOf<S> {
  const value: Record<string, unknown> = {};
  const names = namesOf(schema);
  for (const name in schema.fields) value[name] = defaultOf(schema.fields[name]![1]);
  while (octets.left > 0) {
    const number = octets.varint();
    const length = octets.varint();
    const end = octets.at + length;
    const name = names.get(number);
    if (name === undefined) {
      octets.octets(length);
      skipped(number);
      continue;
    }
    value[name] = fieldOf(octets, schema.fields[name]![1], length);
    if (octets.at !== end) throw new FormatError(`field ${name} is not ${length} octets long`);
  }
  return value as ValueOf<S>;
}

function fieldOf(octets: OctetReader, kind: keyof FieldTypes, length: number): unknown {
  if (length > octets.left) throw new FormatError("a field is cut off");
  switch (kind) {
    case "uint":
      return octets.varint();
    case "double":
      return octets.double();
    case "octets":
      return octets.octets(length);
    case "text":
      return textOf(octets.octets(length));
    case "json":
      try {
        return JSON.parse(textOf(octets.octets(length)));
      } catch {
        throw new FormatError("a field is not JSON");
      }
  }
}

function textOf(octets: Uint8Array): string {
  try {
    return decoder.decode(octets);
  } catch {
    throw new FormatError("a field is not UTF-8");
  }
}

function defaultOf(kind: keyof FieldTypes): FieldTypes[keyof FieldTypes] {
  if (kind === "uint" || kind === "double") return 0;
  if (kind === "text") return "";
  return kind === "octets" ? NO_OCTETS : null;
}

const knownNames = new WeakMap<Schema, ReadonlyMap<number, string>>();

/** @returns the names of a schema's fields by number */
function namesOf(schema: Schema): ReadonlyMap<number, string> {
  let names = knownNames.get(schema);
  if (names === undefined) {
    names = new Map(Object.entries(schema.fields).map(([name, [number]]) => [number, name]));
    knownNames.set(schema, names);
  }
  return names;
}
