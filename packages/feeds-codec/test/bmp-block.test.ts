/** Messages that many peers are told of say what they would say alone. */

import { encodeUpdate, FAMILY, KEEPALIVE_OCTETS } from "@ts-bgp/wire-codec";
import fc from "fast-check";
import { expect, test } from "vitest";
import {
  BMP_FLAG,
  BmpBlock,
  type BmpPeer,
  BmpWriter,
  OctetSink,
  RunWriter,
  runsOf,
  TABLE,
  WrittenBlock,
} from "../src/index.ts";

const AT_MS = 1_700_000_000_123.25;

const octets = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
const peers: fc.Arbitrary<BmpPeer> = fc.record({
  type: fc.constant(0 as const),
  address: fc.oneof(octets(4), octets(16)),
  as: fc.nat(0xffffffff),
  identifier: fc.nat(0xffffffff),
});

/** Runs whose messages have many lengths. */
const runs = fc.array(
  fc.record({
    isIpv6: fc.boolean(),
    addPath: fc.boolean(),
    attributes: fc.option(fc.uint8Array({ maxLength: 0 })),
    routes: fc.array(fc.nat(0xffffff), { minLength: 1, maxLength: 1200 }),
  }),
  { minLength: 1, maxLength: 5 },
);

test("a block is copied for a peer as its messages are written for that peer", () => {
  fc.assert(
    fc.property(runs, peers, peers, fc.integer({ min: 1, max: 20_000 }), (all, one, two, room) => {
      const writer = new RunWriter();
      for (const { isIpv6, addPath, attributes, routes } of all) {
        const family = isIpv6 ? FAMILY.IPV6_UNICAST : FAMILY.IPV4_UNICAST;
        const buf = attributes === null ? null : { buf: attributes, at: 0, end: 0 };
        writer.run(TABLE.ADJ_OUT_PRE, family, 1, addPath, buf);
        for (const route of routes) writer.prefix(route << 8, 0, 0, 0, 24, route);
      }
      const block = new BmpBlock(TABLE.ADJ_OUT_PRE, AT_MS);
      const told = [...runsOf(writer.take())];
      for (const run of told) block.routes(run);
      for (const peer of [one, two]) {
        const alone = new BmpWriter();
        let messages = 0;
        for (const run of told) messages += alone.routes(peer, AT_MS, run);
        expect(block.length).toBe(messages);
        const together = new BmpWriter();
        const pieces: Uint8Array[] = [];
        for (let next = 0; next < block.length; ) {
          next = together.block(peer, block, next, block.length, room);
          pieces.push(together.take());
        }
        expect(Buffer.concat(pieces).equals(alone.take())).toBe(true);
        for (const piece of pieces) expect(piece.length).toBeLessThanOrEqual(Math.max(room, 4200));
      }
    }),
    { numRuns: 50 },
  );
});

test("a block goes into what is there, and no further than there is room", () => {
  const block = new BmpBlock(TABLE.ADJ_OUT_POST, AT_MS);
  const update = encodeUpdate({});
  for (let i = 0; i < 3; i++) block.update(update, 0, update.length);
  const peer = { type: 0, address: Uint8Array.of(192, 0, 2, 1), as: 65001, identifier: 7 } as const;
  const octetsOfOne = 48 + update.length;
  const sink = new OctetSink();
  sink.zeros(10);
  expect(block.copy(0, 3, peer, BMP_FLAG.TWO_OCTET_AS, sink, 10 + 2 * octetsOfOne)).toBe(2);
  expect(sink.length).toBe(10 + 2 * octetsOfOne);
  // One is taken in any case.
  expect(block.copy(2, 3, peer, BMP_FLAG.TWO_OCTET_AS, sink, 0)).toBe(3);
  expect(sink.out[10 + 7]).toBe(BMP_FLAG.TWO_OCTET_AS | BMP_FLAG.ADJ_OUT | BMP_FLAG.POST_POLICY);
  expect(block.copy(3, 3, peer, 0, sink, 1000)).toBe(3);
});

test("of what was written, UPDATEs are told, and each message has its place", () => {
  const update = encodeUpdate({});
  const messages = [update, KEEPALIVE_OCTETS, update, update];
  const before = 5;
  const buf = Buffer.concat([Buffer.alloc(before), ...messages, Buffer.alloc(30)]);
  const written = new WrittenBlock(TABLE.ADJ_OUT_POST, buf, before, buf.length, AT_MS);
  const places = [before];
  for (const message of messages) places.push(places.at(-1)! + message.length);
  expect(places.map((at) => written.updatesBefore(at))).toEqual([0, 1, 1, 2, 3]);
  expect(written.block.length).toBe(3);
  // Behind them stands something that is no message.
  expect([0, before + 1, buf.length].map((at) => written.updatesBefore(at))).toEqual([-1, -1, -1]);
});
