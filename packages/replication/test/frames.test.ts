/** Frames on a byte stream that is cut, changed or mixed up. */

import { hashOctets } from "@ts-bgp/rib";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type AnyRecord, FormatError, FrameReader, frameOf, type Sender } from "../src/index.ts";
import { RECORDS, type RecordName } from "../src/records.ts";
import { sealed } from "./sealed.ts";

const FRAMES = [
  frameOf("bye", { reason: "", slow: 0, to: "", again: 0 }),
  frameOf("ack", { number: 12, applied: 3, window: 1 << 20 }),
  frameOf("image", { before: 1, octets: new Uint8Array(300).map((_, i) => i) }),
  frameOf("declared", { ready: 1, reason: "" }),
];

function readAll(reader: FrameReader): AnyRecord[] {
  const records: AnyRecord[] = [];
  for (let next = reader.next(); next !== null; next = reader.next()) records.push(next);
  return records;
}

function recordsOf(octets: Uint8Array): AnyRecord[] {
  const reader = new FrameReader(null);
  reader.push(octets);
  return readAll(reader);
}

const WHOLE = FRAMES.flatMap((frame) => recordsOf(frame));
const STREAM = Uint8Array.from(FRAMES.flatMap((frame) => [...frame]));

/** The head of a frame of a length, and the first octet of its record. */
function headOf(length: number, type: number): Uint8Array {
  const frame = sealed([type]);
  const head = new DataView(frame.buffer);
  head.setUint32(0, length);
  head.setUint32(8, hashOctets(0, frame, 0, 8));
  return frame;
}

describe("a stream of frames", () => {
  test("is read as it was written, wherever it is cut into pieces", () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.nat(STREAM.length)), (cuts) => {
        const reader = new FrameReader(null);
        const records: AnyRecord[] = [];
        const ends = [...cuts.sort((a, b) => a - b), STREAM.length];
        for (const [i, end] of ends.entries()) {
          const piece = STREAM.slice(ends[i - 1] ?? 0, end);
          if (piece.length > 0) reader.push(piece);
          records.push(...readAll(reader));
        }
        expect(records).toEqual(WHOLE);
      }),
    );
  });

  test("that ends anywhere gives the frames that are whole, and waits for the rest", () => {
    const ends = FRAMES.map((_, i) => FRAMES.slice(0, i + 1).reduce((n, f) => n + f.length, 0));
    for (let end = 0; end < STREAM.length; end++) {
      const whole = ends.filter((each) => each <= end).length;
      expect(recordsOf(STREAM.slice(0, end))).toEqual(WHOLE.slice(0, whole));
    }
  });

  test.each(FRAMES.map((frame, i) => [i, frame] as const))(
    "with one bit changed in frame %i is refused as soon as that frame is there",
    (_i, frame) => {
      for (let bit = 0; bit < 8 * frame.length; bit++) {
        const copy = frame.slice();
        copy[bit >> 3]! ^= 1 << (bit & 7);
        expect(() => recordsOf(copy), `bit ${bit}`).toThrow(FormatError);
      }
    },
  );

  test("of any octets gives records or a FormatError", () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 12, maxLength: 64 }), (octets) => {
        expect(() => recordsOf(octets)).toThrow(FormatError);
      }),
    );
  });

  test.each([
    ["a record of more octets than there are", [2, 9, 1]],
    ["octets behind a record", [2, 0, 7]],
    ["a record behind one that is not known", [31, 0, 2, 0]],
    ["no record", []],
    ["a field that is cut off", [2, 3, 1, 9, 65]],
    ["text that is not UTF-8", [2, 3, 1, 1, 0xff]],
  ])("with %s inside of a sound frame is refused", (_title, record) => {
    expect(() => recordsOf(sealed(record))).toThrow(FormatError);
  });

  test("with a frame that is too long is refused before it is there", () => {
    const head = sealed([]);
    new DataView(head.buffer).setUint32(0, 2 ** 28 + 1);
    new DataView(head.buffer).setUint32(8, hashOctets(0, head, 0, 8));
    expect(() => recordsOf(head)).toThrow("a frame of 268435457 octets");
  });

  test("skips records that it does not know, and counts them", () => {
    const reader = new FrameReader(null);
    reader.push(sealed([31, 2, 9, 9]));
    reader.push(FRAMES[1]!);
    expect(readAll(reader)).toEqual([WHOLE[1]]);
    expect(reader.skipped).toEqual({ records: 1, fields: 0 });
  });
});

test("a record that must be understood, and is not, is refused", () => {
  const [skippable, vital] = [300, 301].map((type) => [(type & 0x7f) | 0x80, type >> 7, 1, 7]);
  const reader = new FrameReader(null);
  reader.push(sealed(skippable!));
  expect(readAll(reader)).toEqual([]);
  expect(reader.skipped.records).toBe(1);
  expect(() => recordsOf(sealed(vital!))).toThrow("record 301 must be understood");
});

describe("of a frame", () => {
  const read = (of: Sender, octets: Uint8Array) => {
    const reader = new FrameReader(of);
    reader.push(octets);
    return reader.next();
  };
  const SENDERS: readonly Sender[] = [
    ...(["stranger", "standby", "active", "heartbeats", "echoes", "log"] as const),
    ...(["mirror", "server", "record"] as const),
  ];
  /** Of each kind, from whom it is taken, and how long it may be. */
  const KINDS: readonly (readonly [RecordName, readonly Sender[], number])[] = [
    ["hello", ["stranger", "standby", "active", "mirror", "server"], 1 << 13],
    ["bye", ["stranger", "standby", "active", "mirror", "server"], 1 << 13],
    ["image", ["active", "log", "server", "record"], 1 << 20],
    ["imageEnd", ["active", "log", "server", "record"], 1 << 8],
    ["bracket", ["active", "standby", "log", "server", "record"], 1 << 28],
    ["logHead", ["log"], 1 << 13],
    ["ack", ["standby"], 1 << 8],
    ["declared", ["active"], 1 << 13],
    ["differs", ["standby"], 1 << 24],
    ["handover", ["active"], 1 << 28],
    ["handoverTaken", ["standby"], 1 << 24],
    ["heartbeat", ["heartbeats"], 1 << 8],
    ["echo", ["echoes"], 1 << 8],
    ["handingOver", ["active"], 1 << 8],
    ["suspect", ["heartbeats"], 1 << 17],
    ["look", ["mirror", "server"], 1 << 13],
    ["recordHead", ["record"], 1 << 13],
    ["recordTime", ["record"], 1 << 8],
  ];

  test("every kind that goes by itself is in this table", () => {
    const alone = (Object.keys(RECORDS) as RecordName[]).filter((name) => RECORDS[name].type < 32);
    expect(KINDS.map(([name]) => name).sort()).toEqual(alone.sort());
  });

  test.each(KINDS)("%s comes from %j alone, with at most %i octets", (name, senders, max) => {
    const { type } = RECORDS[name];
    for (const of of SENDERS) {
      if (senders.includes(of)) {
        expect(read(of, headOf(max, type))).toBeNull();
        expect(() => read(of, headOf(max + 1, type))).toThrow(FormatError);
      } else expect(() => read(of, headOf(10, type))).toThrow(FormatError);
    }
  });

  test("a call is no record, whoever sends it", () => {
    for (const of of SENDERS) {
      expect(() => read(of, headOf(10, RECORDS.received.type))).toThrow(FormatError);
    }
  });

  test.each<[Sender, number]>([
    ["stranger", 1 << 13],
    ["heartbeats", 1 << 13],
    ["echoes", 1 << 13],
    ["standby", 1 << 20],
    ["active", 1 << 20],
    ["mirror", 1 << 20],
    ["server", 1 << 20],
  ])("that is not known, from %s, at most %i octets are read", (of, max) => {
    expect(read(of, headOf(max, 31))).toBeNull();
    expect(() => read(of, headOf(max + 1, 31))).toThrow(FormatError);
    // With a type of more than one octet.
    expect(() => read(of, headOf(max + 1, 0xff))).toThrow(FormatError);
  });

  test("the octets take no room before they are there, whatever its length says", () => {
    const before = process.memoryUsage().arrayBuffers;
    const readers = Array.from({ length: 64 }, () => {
      const reader = new FrameReader("active");
      reader.push(headOf(1 << 28, RECORDS.bracket.type));
      expect(reader.next()).toBeNull();
      reader.push(new Uint8Array(1000));
      expect(reader.next()).toBeNull();
      return reader;
    });
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(1 << 22);
    expect(readers).toHaveLength(64);
  });

  test("the sender may be known from some record on", () => {
    const reader = new FrameReader("stranger");
    reader.push(FRAMES[1]!);
    reader.of = "standby";
    expect(reader.next()).toEqual(WHOLE[1]);
  });
});
