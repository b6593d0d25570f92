/** What servers and followers say: it comes as it was said, or not at all. */
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { runs } from "../../../test/mode.ts";
import { type AnyRecord, FrameReader, FrameWriter, RECORDS, recordOctets } from "../src/index.ts";

const ROUTES = Uint8Array.from({ length: 300 }, (_, k) => k);
const SAID: readonly Uint8Array[] = [
  recordOctets("welcome", { version: 1, software: "1.2.3", self: "" }),
  recordOctets("role", { active: 1, epoch: 3 }),
  recordOctets("bracket", { routes: ROUTES, more: 1, runs: new Uint8Array(0) }),
  recordOctets("bracket", { routes: ROUTES.slice(0, 7), more: 0, runs: new Uint8Array(0) }),
  recordOctets("complete", {}),
  recordOctets("alive", {}),
  recordOctets("bye", { reason: "enough" }),
];

function streamOf(records: readonly Uint8Array[]): Uint8Array[] {
  const writer = new FrameWriter();
  return records.map((record) => writer.frame(record));
}

function readAll(pieces: readonly Uint8Array[], reader = new FrameReader("server")): AnyRecord[] {
  const found: AnyRecord[] = [];
  for (const piece of pieces) {
    reader.push(piece);
    for (let next = reader.next(); next !== null; next = reader.next()) found.push(next);
  }
  return found;
}

const WHOLE = new Uint8Array(Buffer.concat(streamOf(SAID)));

test("numbers of records and fields are what other versions know", () => {
  const numbers = Object.entries(RECORDS).map(([name, { type, fields }]) => [
    name,
    type,
    Object.fromEntries(Object.entries(fields).map(([field, [number]]) => [field, number])),
  ]);
  expect(numbers).toEqual([
    [
      "hello",
      1,
      { version: 1, name: 2, follower: 3, families: 4, software: 5, several: 6, network: 7 },
    ],
    ["welcome", 2, { version: 1, software: 2, self: 3 }],
    ["role", 3, { active: 1, epoch: 2 }],
    ["activate", 4, {}],
    ["bracket", 5, { routes: 1, more: 2, runs: 3 }],
    ["complete", 6, {}],
    ["bye", 7, { reason: 1 }],
    ["peer", 9, { peer: 1, address: 2, identifier: 3 }],
    ["ask", 10, { number: 1, request: 2 }],
    ["answer", 11, { number: 1, more: 2, octets: 3 }],
    ["alive", 8, {}],
  ]);
});

test("records come as they were said, however the stream is cut", () => {
  const expected = readAll([WHOLE]);
  expect(expected.map(({ record }) => record)).toEqual([
    ...["welcome", "role", "bracket", "bracket", "complete", "alive", "bye"],
  ]);
  expect(expected[2]).toEqual({
    record: "bracket",
    routes: ROUTES,
    more: 1,
    runs: new Uint8Array(0),
  });
  fc.assert(
    fc.property(fc.array(fc.nat(WHOLE.length)), (cuts) => {
      const ends = [...cuts, WHOLE.length].sort((a, b) => a - b);
      const pieces = ends.map((end, k) => WHOLE.subarray(k === 0 ? 0 : ends[k - 1], end));
      expect(readAll(pieces)).toEqual(expected);
    }),
    { numRuns: runs(200) },
  );
});

test("an octet that was changed is found before its record counts", () => {
  const expected = readAll([WHOLE]);
  fc.assert(
    fc.property(fc.nat(WHOLE.length - 1), fc.integer({ min: 1, max: 255 }), (at, by) => {
      const octets = WHOLE.slice();
      octets[at]! ^= by;
      const found: AnyRecord[] = [];
      const reader = new FrameReader("server");
      reader.push(octets);
      try {
        for (let next = reader.next(); next !== null; next = reader.next()) found.push(next);
      } catch {
        // What came before it is right.
      }
      expect(found.length).toBeLessThan(expected.length);
      expect(found).toEqual(expected.slice(0, found.length));
    }),
    { numRuns: runs(500) },
  );
});

test.each([
  ["in another order", [0, 1, 3, 2]],
  ["played again", [0, 1, 1]],
  ["with one left out", [0, 2]],
])("frames %s are none of the stream", (_, order) => {
  const frames = streamOf(SAID);
  const said = order.map((k) => frames[k]!);
  expect(() => readAll(said)).toThrow("the checksum of a frame is wrong");
});

test("what does not come of a sender is refused", () => {
  const frames = streamOf([recordOctets("complete", {})]);
  expect(() => readAll(frames, new FrameReader("follower"))).toThrow(
    '"complete" is no record of a follower',
  );
});

test("of a frame that is too long nothing is kept", () => {
  const reader = new FrameReader("follower");
  reader.push(Uint8Array.of(0, 0, 0x10, 1, 0, 0, 0, 0));
  expect(() => reader.next()).toThrow("a frame of 4097 octets, at most 4096");
});

test("records and fields of a later version are skipped and counted", () => {
  const unknown = Uint8Array.of(99, 2, 1, 0);
  const more = Uint8Array.of(3, 9, 1, 1, 1, 2, 1, 7, 77, 1, 5);
  const reader = new FrameReader("server");
  expect(readAll(streamOf([unknown, more]), reader)).toEqual([
    { record: "role", active: 1, epoch: 7 },
  ]);
  expect(reader.skipped).toEqual({ records: 1, fields: 1 });
});
