/** What a standby makes of a recorded stream. */

import { type DigestValue, digestOf, FrameReader, Standby } from "../../src/index.ts";

export interface Summary {
  /** How many records of each name. */
  readonly records: Readonly<Record<string, number>>;
  readonly skipped: { readonly records: number; readonly fields: number };
  /** What differed from what the active had; empty when nothing did. */
  readonly differs: readonly string[];
  readonly brackets: number;
  readonly digest: DigestValue;
}

/** Throws a FormatError when the stream cannot be read. */
export function summaryOf(octets: Uint8Array): Summary {
  const reader = new FrameReader(null);
  reader.push(octets);
  const records: Record<string, number> = {};
  const differs: string[] = [];
  const standby = new Standby({
    send: () => {},
    differs: (number, what) => differs.push(`${what} at bracket ${number}`),
  });
  for (let next = reader.next(); next !== null; next = reader.next()) {
    records[next.record] = (records[next.record] ?? 0) + 1;
    standby.record(next);
  }
  const machine = standby.finish();
  const skipped = {
    records: reader.skipped.records + standby.skipped.records,
    fields: reader.skipped.fields + standby.skipped.fields,
  };
  const digest = machine === null ? {} : digestOf(machine);
  return { records, skipped, differs, brackets: standby.applied, digest };
}
