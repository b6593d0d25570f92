/** Runs of routes, as they are handed on and as UPDATE messages. */

import {
  ATTR,
  encodeAttributes,
  FAMILY,
  type Family,
  MESSAGE_OCTETS_MAX,
  readU16,
  UpdateReader,
} from "@ts-bgp/wire-codec";
import fc from "fast-check";
import { expect, test } from "vitest";
import {
  BMP,
  BmpWriter,
  OctetSink,
  prefixesOf,
  RibWriter,
  RunWriter,
  runsOf,
  TABLE,
  writeUpdates,
} from "../src/index.ts";

const CONTEXT = {
  fourOctetAs: true,
  external: false,
  addPath: 0,
  families: 3,
  allowAsSet: true,
  allowConfed: false,
  aigp: false,
  extendedNextHop: 1,
  rpkiState: true,
};

const word = fc.nat(0xffffffff);
const route = fc.record({ words: fc.tuple(word, word, word, word), bits: fc.nat(128), id: word });
const runs = fc.array(
  fc.record({
    family: fc.constantFrom<Family>(FAMILY.IPV4_UNICAST, FAMILY.IPV6_UNICAST),
    addPath: fc.boolean(),
    path: fc.option(
      fc.array(fc.integer({ min: 1, max: 65_000 }), { minLength: 1, maxLength: 120 }),
    ),
    nextHop: fc.constantFrom("192.0.2.1", "2001:db8::1"),
    routes: fc.array(route, { maxLength: 900 }),
  }),
  { maxLength: 4 },
);

/** Canonical octets: a next hop of 16 octets stands where one of 4 does. */
function attributesOf(path: readonly number[], nextHop: string): Uint8Array {
  const before = encodeAttributes([
    { type: ATTR.ORIGIN, value: "IGP" },
    { type: ATTR.AS_PATH, value: { segments: [{ type: "AS_SEQUENCE", as: [...path] }] } },
  ]);
  const octets = nextHop.includes(":")
    ? [0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]
    : [192, 0, 2, 1];
  const localPref = [0x40, ATTR.LOCAL_PREF, 4, 0, 0, 0, 100];
  return Uint8Array.from([...before, 0x40, ATTR.NEXT_HOP, octets.length, ...octets, ...localPref]);
}

const cut = (value: number, bits: number) =>
  bits >= 32 ? value : bits <= 0 ? 0 : (value & (-1 << (32 - bits))) >>> 0;

test("are read as they were written, and say the same as UPDATE messages", () => {
  fc.assert(
    fc.property(runs, (all) => {
      const writer = new RunWriter();
      const written = all.map(({ family, addPath, path, nextHop, routes }, peer) => {
        const buf = path === null ? null : attributesOf(path, family === 2 ? "::" : nextHop);
        const attributes = buf === null ? null : { buf, at: 0, end: buf.length };
        writer.run(TABLE.ADJ_IN_PRE, family, peer, addPath, attributes);
        for (const { words, bits, id } of routes) {
          const length = family === FAMILY.IPV4_UNICAST ? bits % 33 : bits;
          const [w0, w1, w2, w3] = words.map((each, i) => cut(each, length - 32 * i));
          writer.prefix(w0!, w1!, w2!, w3!, length, id);
        }
        return { family, addPath, buf, count: routes.length };
      });
      const octets = writer.take();
      const read = [...runsOf(octets)];
      const present = written.filter(({ count }) => count > 0);
      expect(read.map(({ family, addPath }) => [family, addPath])).toEqual(
        present.map(({ family, addPath }) => [family, addPath]),
      );
      for (const [k, run] of read.entries()) {
        const { buf } = present[k]!;
        const hex = (part: typeof run.attributes) =>
          part === null ? null : Buffer.from(part.buf.subarray(part.at, part.end)).toString("hex");
        expect(hex(run.attributes)).toBe(buf === null ? null : Buffer.from(buf).toString("hex"));
        const sink = new OctetSink();
        const told: string[] = [];
        const reader = new UpdateReader();
        const messages = writeUpdates(
          run,
          sink,
          () => {},
          () => {
            const message = sink.take();
            expect(message.length).toBeLessThanOrEqual(MESSAGE_OCTETS_MAX);
            reader.read(message, 0, message.length, {
              ...CONTEXT,
              addPath: run.addPath ? run.family : 0,
            });
            expect(reader.faults).toEqual([]);
            const { withdrawn, unreachable, announced, reachable } = reader;
            const sections = buf === null ? [withdrawn, unreachable] : [announced, reachable];
            for (const { at, end } of sections) {
              told.push(Buffer.from(message.subarray(at, end)).toString("hex"));
            }
            if (buf === null) return;
            reader.canonical(announced.end > announced.at ? "field" : "mp");
            expect(hex({ buf: reader.attrs, at: reader.attrsAt, end: reader.attrsEnd })).toBe(
              hex(run.attributes),
            );
          },
        );
        expect(messages).toBeGreaterThan(0);
        expect(told.join("")).toBe(hex(run.routes));
      }
    }),
    { numRuns: 100 },
  );
});

test("a BMP message has its length, its peer and its time", () => {
  const writer = new BmpWriter();
  const peer = { type: 0, address: Uint8Array.of(192, 0, 2, 1), as: 65001, identifier: 7 } as const;
  writer.peerDown(peer, 1_000_500.25, { reason: 4 });
  const octets = Buffer.from(writer.take());
  expect([octets[0], octets.readUInt32BE(1), octets[5]]).toEqual([3, 49, BMP.PEER_DOWN]);
  expect(octets.subarray(28, 32)).toEqual(Buffer.from([192, 0, 2, 1]));
  expect([octets.readUInt32BE(40), octets.readUInt32BE(44)]).toEqual([1000, 500_250]);
  expect([octets[48], octets.length]).toEqual([4, 49]);
});

test("prefixes with their paths are read as they were written; those without paths are left out", () => {
  const writer = new RibWriter();
  const buf = attributesOf([65001], "192.0.2.1");
  const attributes = { buf, at: 0, end: buf.length };
  writer.prefix(FAMILY.IPV4_UNICAST, [0x0a010000], 16);
  writer.path(3, 9, 1000, attributes);
  writer.path(4, 0, 1001, attributes);
  writer.prefix(FAMILY.IPV4_UNICAST, [0x0a020000], 16);
  writer.prefix(FAMILY.IPV6_UNICAST, [0x20010db8, 0x00010000, 0, 0], 48);
  writer.path(5, 0, 1002, attributes);
  const read = [...prefixesOf(writer.take())];
  expect(read.map(({ family, bits }) => [family, bits])).toEqual([
    [FAMILY.IPV4_UNICAST, 16],
    [FAMILY.IPV6_UNICAST, 48],
  ]);
  expect(read.map(({ paths }) => paths.map(({ peer }) => peer))).toEqual([[3, 4], [5]]);
  const { prefix } = read[1]!;
  expect(readU16(prefix.buf, prefix.at)).toBe(0x2001);
  expect(prefix.end - prefix.at).toBe(6);
});
