/** Records: what is written is read, by this version and by others. */

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { FormatError, OctetReader } from "../src/octet-reader.ts";
import { joined, OctetWriter } from "../src/octet-writer.ts";
import { KINDS, RECORDS, type RecordName } from "../src/records.ts";
import { readFields, type Schema, varintOctets, writeRecord } from "../src/tlv.ts";

const names = Object.keys(RECORDS) as RecordName[];

const json = fc
  .jsonValue()
  // JSON has no way to write -0.
  .map((value) => JSON.parse(JSON.stringify(value)))
  .filter((value) => !hasProto(value));

/** JSON.parse gives it as a field, where toEqual looks at the prototype. */
function hasProto(value: unknown): boolean {
  return JSON.stringify(value).includes("__proto__");
}

const VALUES: Record<string, fc.Arbitrary<unknown>> = {
  uint: fc.oneof(fc.nat(300), fc.maxSafeInteger().map(Math.abs)),
  double: fc.double({ noNaN: true }).filter((value) => !Object.is(value, -0)),
  text: fc.string({ unit: "grapheme" }),
  octets: fc.uint8Array({ maxLength: 40 }),
  json,
};

/** Any record with any value. */
const anyRecord = fc.constantFrom(...names).chain((name) => {
  const { fields } = RECORDS[name] as Schema;
  const values = Object.fromEntries(
    Object.entries(fields).map(([key, [, kind]]) => [key, VALUES[kind]!]),
  );
  return fc.record(values).map((value) => ({ name, value }));
});

function octetsOf({ name, value }: { name: RecordName; value: object }): Uint8Array {
  const out = new OctetWriter();
  KINDS.write(out, name, value as never);
  return joined(out.take());
}

const skipped = () => ({ records: 0, fields: 0 });

describe("numbers of records and fields", () => {
  test("are each given once, fields in order", () => {
    const types = names.map((name) => RECORDS[name].type);
    expect(new Set(types).size).toBe(types.length);
    for (const name of names) {
      const numbers = Object.values((RECORDS[name] as Schema).fields).map(([number]) => number);
      expect(numbers, name).toEqual([...new Set(numbers)].sort((a, b) => a - b));
    }
  });
});

describe("a record", () => {
  test("is read as it was written, and takes the same octets again", () => {
    fc.assert(
      fc.property(anyRecord, (record) => {
        const octets = octetsOf(record);
        const back = KINDS.readOnly(octets, skipped())!;
        expect(back).toEqual({ record: record.name, ...record.value });
        expect(octetsOf({ name: record.name, value: back })).toEqual(octets);
      }),
      { numRuns: 500 },
    );
  });

  test("with nothing but defaults has a number and a length alone, and is read with them", () => {
    for (const name of names) {
      const { type } = RECORDS[name];
      const number = type < 0x80 ? [type] : [0x80 | (type & 0x7f), type >> 7];
      const octets = Uint8Array.from([...number, 0]);
      expect(octetsOf({ name, value: KINDS.readOnly(octets, skipped())! })).toEqual(octets);
    }
  });

  test("among unknown ones is found, and they are counted", () => {
    fc.assert(
      fc.property(fc.array(anyRecord, { maxLength: 5 }), fc.nat(5), (records, at) => {
        const out: number[][] = records.map((record) => [...octetsOf(record)]);
        out.splice(at, 0, [0xc8, 0x01, 3, 1, 2, 3]);
        const octets = new OctetReader(Uint8Array.from(out.flat()));
        const counts = skipped();
        const found: string[] = [];
        for (
          let next = KINDS.read(octets, counts);
          next !== null;
          next = KINDS.read(octets, counts)
        ) {
          found.push(next.record);
        }
        expect(found).toEqual(records.map(({ name }) => name));
        expect(counts).toEqual({ records: 1, fields: 0 });
      }),
    );
  });

  test("with unknown fields, at any place, is read without them, and they are counted", () => {
    fc.assert(
      fc.property(fc.boolean(), fc.uint8Array({ maxLength: 5 }), (isFirst, value) => {
        const unknown = [90, value.length, ...value];
        const known = [1, 1, 7];
        const fields = isFirst ? [...unknown, ...known] : [...known, ...unknown];
        const counts = skipped();
        const octets = new Uint8Array([RECORDS.ack.type, fields.length, ...fields]);
        expect(KINDS.readOnly(octets, counts)).toEqual({
          record: "ack",
          number: 7,
          applied: 0,
          window: 0,
        });
        expect(counts).toEqual({ records: 0, fields: 1 });
      }),
    );
  });

  test("that is cut anywhere is refused", () => {
    fc.assert(
      fc.property(anyRecord, fc.nat(), (record, at) => {
        const octets = octetsOf(record);
        const end = at % octets.length;
        expect(() => KINDS.readOnly(octets.slice(0, end), skipped())).toThrow(FormatError);
      }),
    );
  });

  test("of which octets were changed is read as something or refused", () => {
    fc.assert(
      fc.property(anyRecord, fc.nat(), fc.nat(255), (record, at, octet) => {
        const octets = octetsOf(record).slice();
        octets[at % octets.length] = octet;
        try {
          KINDS.read(new OctetReader(octets), skipped());
        } catch (error) {
          expect(error).toBeInstanceOf(FormatError);
        }
      }),
      { numRuns: 1000 },
    );
  });

  test.each([
    ["a number that is longer than its field says", [7, 4, 1, 1, 0x80, 1]],
    ["a number that is shorter than its field says", [7, 4, 1, 2, 1, 0]],
    ["a field that is longer than the record", [7, 2, 1, 5]],
    ["a double of four octets", [32, 6, 1, 4, 0, 0, 0, 0]],
    ["text that is not UTF-8", [2, 3, 1, 1, 0xff]],
    ["JSON that is none", [44, 3, 1, 1, 0x7b]],
    ["a number beyond 2^53", [7, 10, 1, 8, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f]],
  ])("with %s is refused", (_title, octets) => {
    expect(() => KINDS.readOnly(new Uint8Array(octets), skipped())).toThrow(FormatError);
  });

  test("does not set what an object inherits", () => {
    const octets = octetsOf({ name: "explain", value: { question: null } });
    const text = new TextEncoder().encode('{"__proto__":{"polluted":1}}');
    const record = KINDS.readOnly(
      new Uint8Array([...octets.slice(0, 1), text.length + 2, 1, text.length, ...text]),
      skipped(),
    );
    expect(record).toMatchObject({ record: "explain" });
    expect(({} as { polluted?: number }).polluted).toBeUndefined();
  });
});

describe("a writer", () => {
  const pieces = fc.array(
    fc.oneof(
      fc.record({ varint: fc.maxSafeInteger().map(Math.abs) }),
      fc.record({ double: fc.double() }),
      fc.record({ text: fc.string({ unit: "grapheme", maxLength: 300 }) }),
      fc.record({ octets: fc.uint8Array({ maxLength: 700 }) }),
      fc.record({ shared: fc.nat(20_000).map((length) => new Uint8Array(length).fill(length)) }),
    ),
    { maxLength: 30 },
  );

  test("writes what a reader reads, in as many octets as it says, also when it is used again", () => {
    fc.assert(
      fc.property(fc.array(pieces, { maxLength: 3 }), (rounds) => {
        const out = new OctetWriter();
        const taken = rounds.map((round) => {
          for (const piece of round) {
            if ("varint" in piece) out.varint(piece.varint);
            else if ("double" in piece) out.double(piece.double);
            else if ("text" in piece) out.text(piece.text);
            else if ("octets" in piece) out.octets(piece.octets);
            else out.shared(piece.shared);
          }
          const { length } = out;
          const octets = out.take();
          expect(joined(octets).length).toBe(length);
          return octets;
        });
        // What was taken before must not change by what is written after it.
        for (const [i, round] of rounds.entries()) {
          const octets = new OctetReader(joined(taken[i]!));
          for (const piece of round) {
            if ("varint" in piece) expect(octets.varint()).toBe(piece.varint);
            else if ("double" in piece) expect(octets.double()).toBe(piece.double);
            else if ("text" in piece) expect(octets.text()).toBe(piece.text);
            else {
              const written = "octets" in piece ? piece.octets : piece.shared;
              expect(octets.octets(written.length)).toEqual(written);
            }
          }
          expect(octets.left).toBe(0);
        }
      }),
    );
  });

  test("knows how long a number gets", () => {
    fc.assert(
      fc.property(fc.maxSafeInteger().map(Math.abs), (value) => {
        const out = new OctetWriter();
        out.varint(value);
        return out.length === varintOctets(value);
      }),
    );
  });
});

test("a schema that lacks fields of the writer's skips them, and one that has more has defaults", () => {
  const older = { type: 1, fields: { a: [1, "uint"] } } as const satisfies Schema;
  const newer = { type: 1, fields: { a: [1, "uint"], b: [2, "text"] } } as const satisfies Schema;
  const fieldsOf = (schema: Schema, value: object) => {
    const out = new OctetWriter();
    writeRecord(out, schema, value as never);
    const reader = new OctetReader(joined(out.take()));
    reader.varint();
    reader.varint();
    return reader;
  };
  const unknown: number[] = [];
  const note = (field: number) => unknown.push(field);
  expect(readFields(fieldsOf(newer, { a: 1, b: "x" }), older, note)).toEqual({ a: 1 });
  expect(unknown).toEqual([2]);
  expect(readFields(fieldsOf(older, { a: 1 }), newer, note)).toEqual({ a: 1, b: "" });
});
