/** The kinds of records of one protocol, by name and by number: what stands in a frame, or one behind the other. */

import { FormatError, OctetReader } from "./octet-reader.ts";
import type { OctetWriter } from "./octet-writer.ts";
import { readFields, type Schema, type ValueOf, writeRecord } from "./tlv.ts";

/** From here on a number says whether a record may be skipped: one that is odd must be understood. */
const FIRST_MARKED = 128;

export type Schemas = Readonly<Record<string, Schema>>;

/** Any record of a protocol, with its name. */
export type RecordIn<T extends Schemas> = {
  [N in keyof T]: { readonly record: N } & ValueOf<T[N]>;
}[keyof T];

/** Unknown records and fields that were skipped, for the log. */
export interface Skipped {
  records: number;
  fields: number;
}

export class RecordKinds<T extends Schemas> {
  private readonly schemas: T;
  private readonly byType: ReadonlyMap<number, keyof T>;

  constructor(schemas: T) {
    this.schemas = schemas;
    const names: (keyof T)[] = Object.keys(schemas);
    this.byType = new Map(names.map((name) => [schemas[name]!.type, name]));
  }

  /** @returns the record of a type, undefined for one that is not known */
  nameOf(type: number): keyof T | undefined {
    return this.byType.get(type);
  }

  write<N extends keyof T>(out: OctetWriter, record: N, value: ValueOf<T[N]>): void {
    writeRecord(out, this.schemas[record]!, value);
  }

  /**
   * Reads the next record; unknown ones are skipped and counted.
   *
   * @returns null at the end; throws a FormatError for octets that are no record
   */
  read(octets: OctetReader, skipped: Skipped): RecordIn<T> | null {
    while (octets.left > 0) {
      const record = this.readNext(octets, skipped);
      if (record !== null) return record;
    }
    return null;
  }

  /** @returns the one record that octets are; null when it is an unknown one; throws as `read` does */
  readOnly(octets: Uint8Array, skipped: Skipped): RecordIn<T> | null {
    const reader = new OctetReader(octets);
    const record = this.readNext(reader, skipped);
    if (reader.left > 0) throw new FormatError("octets behind a record");
    return record;
  }

  private readNext(octets: OctetReader, skipped: Skipped): RecordIn<T> | null {
    const type = octets.varint();
    const name = this.byType.get(type);
    const value = octets.octets(octets.varint());
    if (name === undefined) {
      skipped.records++;
      if (type >= FIRST_MARKED && type % 2 === 1) {
        throw new FormatError(`record ${type} must be understood, and is not known here`);
      }
      return null;
    }
    const fields = readFields(new OctetReader(value), this.schemas[name] as Schema, () => {
      skipped.fields++;
    });
    return { record: name, ...fields } as unknown as RecordIn<T>;
  }
}
