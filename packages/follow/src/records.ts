/**
 * The records between a server, which has a table, and those that follow it: types and numbers, in the form of
 * `replication`. What a reader does not know it skips, fields as well as records.
 *
 *     follower                                        server
 *       hello: who, which families          --->
 *                                           <---       welcome, role
 *       activate                            --->
 *                                           <---       bracket, bracket, ..., complete, bracket, ...
 *
 * A server of a pair that is not active has nothing to tell but its role. One that is tells nothing until it is
 * asked to: a follower of both sides asks one of them.
 */

import {
  FormatError,
  joined,
  OctetReader,
  OctetWriter,
  readFields,
  type Schema,
  type ValueOf,
  writeRecord,
} from "@ts-bgp/replication/canonical";

/** Of the protocol: others are not understood. */
export const FOLLOW_VERSION = 1;

/** Numbers of records and fields never change their meaning. */
export const RECORDS = {
  /** The first word of a follower. */
  hello: {
    type: 1,
    fields: {
      version: [1, "uint"],
      /** Of the server, or the pair, that it means. */
      name: [2, "text"],
      /** Its own name, for people. */
      follower: [3, "text"],
      /** FAMILY bits of the routes that it wants. */
      families: [4, "uint"],
      software: [5, "text"],
    },
  },
  /** The first word of a server. */
  welcome: { type: 2, fields: { version: [1, "uint"], software: [2, "text"] } },
  /** Whether the server is active, 1, and in which epoch of its pair, 0 when it runs alone. */
  role: { type: 3, fields: { active: [1, "uint"], epoch: [2, "uint"] } },
  /** The follower wants to be told from now on: first all that there is. */
  activate: { type: 4, fields: {} },
  /** Routes that are other ones now, see `route-octets.ts`. Applied as a whole. `more` 1: others wait already. */
  bracket: { type: 5, fields: { routes: [1, "octets"], more: [2, "uint"] } },
  /** All that there was has been told: what the follower has beside it is there no more. */
  complete: { type: 6, fields: {} },
  /** The end, and why. */
  bye: { type: 7, fields: { reason: [1, "text"] } },
  /** Nothing; said when there is nothing to say, so that silence means something. */
  alive: { type: 8, fields: {} },
} as const satisfies Readonly<Record<string, Schema>>;

export type RecordName = keyof typeof RECORDS;

export type AnyRecord = {
  [N in RecordName]: { readonly record: N } & ValueOf<(typeof RECORDS)[N]>;
}[RecordName];

export type RecordOf<N extends RecordName> = Extract<AnyRecord, { record: N }>;

const BY_TYPE: ReadonlyMap<number, RecordName> = new Map(
  (Object.keys(RECORDS) as RecordName[]).map((name) => [RECORDS[name].type, name]),
);

/** @returns the name of a type of record, undefined for one that is not known */
export function nameOf(type: number): RecordName | undefined {
  return BY_TYPE.get(type);
}

/** Unknown records and fields that were skipped. */
export interface Skipped {
  records: number;
  fields: number;
}

/** @returns the octets of a record */
export function recordOctets<N extends RecordName>(
  record: N,
  value: ValueOf<(typeof RECORDS)[N]>,
): Uint8Array {
  const out = new OctetWriter();
  writeRecord(out, RECORDS[record] as Schema, value as ValueOf<Schema>);
  return joined(out.take());
}

/** @returns the record that octets are, null for an unknown one; throws a FormatError when they are none */
export function readRecord(octets: Uint8Array, skipped: Skipped): AnyRecord | null {
  const reader = new OctetReader(octets);
  const name = BY_TYPE.get(reader.varint());
  const value = reader.octets(reader.varint());
  if (reader.left > 0) throw new FormatError("octets behind a record");
  if (name === undefined) {
    skipped.records++;
    return null;
  }
  const fields = readFields(new OctetReader(value), RECORDS[name] as Schema, () => {
    skipped.fields++;
  });
  return { record: name, ...fields } as unknown as AnyRecord;
}
