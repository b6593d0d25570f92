/** What was written to peers is told as it was written, however the buffers are shared. */

import { BmpWriter, type OctetSink } from "@ts-bgp/feeds-codec";
import { encodeUpdate, KEEPALIVE_OCTETS } from "@ts-bgp/wire-codec";
import fc from "fast-check";
import { expect, test } from "vitest";
import { toldWrites } from "../src/told-writes.ts";
import { WriteBatch } from "../src/write-batch.ts";

const UPDATES = ["10.0.0.0/8", "10.1.0.0/16", "10.1.1.0/24"].map((prefix) =>
  encodeUpdate({ withdrawn: [prefix] }),
);
const PEER = { type: 0, address: Uint8Array.of(192, 0, 2, 1), as: 65001, identifier: 7 } as const;

/** Messages in one buffer, of which each peer is written a part. */
const shared = fc.record({
  kinds: fc.array(fc.integer({ min: 0, max: UPDATES.length }), { minLength: 1, maxLength: 12 }),
  cuts: fc.array(fc.tuple(fc.nat(), fc.nat()), { minLength: 1, maxLength: 4 }),
  /** Octets that are no messages stand in front, behind, and between. */
  gap: fc.constantFrom(0, 3, 40),
});

test("in order, to each peer that anybody is told of", () => {
  fc.assert(
    fc.property(fc.array(shared, { maxLength: 4 }), fc.constantFrom(-1, 0, 1), (all, other) => {
      const isTold = (peer: number) => peer !== other;
      const batch = new WriteBatch();
      const expected: { peer: number; updates: string[] }[] = [];
      for (const { kinds, cuts, gap } of all) {
        const messages = kinds.map((kind) => UPDATES[kind] ?? KEEPALIVE_OCTETS);
        const half = messages.length >> 1;
        const filler = new Uint8Array(gap).fill(gap === 40 ? 0 : 0xff);
        const parts = [filler, ...messages.slice(0, half), filler, ...messages.slice(half)];
        const buf = Uint8Array.from(parts.flatMap((part) => [...part]));
        const places = messages.map((_, i) => {
          const before = messages.slice(0, i).reduce((sum, { length }) => sum + length, 0);
          return before + gap * (i < half ? 1 : 2);
        });
        cuts.forEach(([a, b], peer) => {
          // No part goes across what stands between.
          const [low, high] = a % 2 === 0 && half > 0 ? [0, half] : [half, messages.length];
          const from = low + (a % (high - low));
          const to = from + 1 + (b % (high - from));
          const end = places[to - 1]! + messages[to - 1]!.length;
          batch.add(peer, buf.subarray(places[from]!, end));
          const own = messages.slice(from, to).filter((message) => message !== KEEPALIVE_OCTETS);
          if (isTold(peer))
            expected.push({ peer, updates: own.map((one) => Buffer.from(one).toString("hex")) });
        });
      }
      const told = [...toldWrites(batch.take(), isTold)].map(({ peer, block, from, to }) => {
        const writer = new BmpWriter();
        for (let next = from; next < to; ) next = writer.block(PEER, block, next, to, 1 << 20);
        return { peer, updates: updatesIn(writer.sink) };
      });
      expect(told).toEqual(expected);
    }),
  );
});

test("what several were sent is one block", () => {
  const batch = new WriteBatch();
  for (const peer of [1, 2, 3]) batch.add(peer, UPDATES[0]!);
  batch.add(1, UPDATES[1]!);
  const blocks = [...toldWrites(batch.take(), () => true)].map(({ block }) => block);
  expect(blocks).toHaveLength(4);
  expect(new Set(blocks.slice(0, 3)).size).toBe(1);
  expect(blocks[3]).not.toBe(blocks[0]);
});

/** Bodies of Route Monitoring. */
function updatesIn(sink: OctetSink): string[] {
  const octets = Buffer.from(sink.take());
  const found: string[] = [];
  for (let at = 0; at < octets.length; at += octets.readUInt32BE(at + 1)) {
    found.push(octets.toString("hex", at + 48, at + octets.readUInt32BE(at + 1)));
  }
  return found;
}
