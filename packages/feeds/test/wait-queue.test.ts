/** What waits leaves in order, and its memory is counted for as long as it is held. */

import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { BmpBlock, TABLE } from "@ts-bgp/feeds-codec";
import { encodeUpdate } from "@ts-bgp/wire-codec";
import fc from "fast-check";
import { expect, test } from "vitest";
import { type BlockPart, type Waiting, WaitQueue } from "../src/wait-queue.ts";

const UPDATE = encodeUpdate({
  withdrawn: Array.from({ length: 900 }, (_, i) => `10.${i >> 8}.${i & 255}.0/24`),
});
const ADDRESS = Uint8Array.of(192, 0, 2, 1);
const MB = 2 ** 20;

function blockOf(messages: number): BmpBlock {
  const block = new BmpBlock(TABLE.ADJ_OUT_POST, 1);
  for (let i = 0; i < messages; i++) block.update(UPDATE, 0, UPDATE.length);
  return block;
}

/** As for a neighbor whose numbers are no small ones. */
function partOf(block: BmpBlock, number: number): BlockPart {
  const peer = { type: 0, address: ADDRESS, as: 4e9 + number, identifier: 3e9 + number } as const;
  return { peer, block, from: 0, to: block.length, twoOctetAs: false };
}

const steps = fc.array(
  fc.oneof(
    { weight: 4, arbitrary: fc.record({ part: fc.nat(3) }) },
    { weight: 4, arbitrary: fc.record({ octets: fc.nat(50) }) },
    { weight: 6, arbitrary: fc.constant("shift" as const) },
    { weight: 2, arbitrary: fc.constant("goOn" as const) },
    { weight: 1, arbitrary: fc.constant("clear" as const) },
  ),
  { maxLength: 2000, size: "max" },
);

test("in order, and a block counts until its last part has left", () => {
  fc.assert(
    fc.property(steps, (all) => {
      const blocks = [1, 2, 3, 9].map(blockOf);
      const queue = new WaitQueue();
      let expected: Waiting[] = [];
      const empty = new WaitQueue().heldOctets;
      for (const step of all) {
        const { first } = queue;
        if (step === "shift") {
          queue.shift();
          expected.shift();
        } else if (step === "clear") {
          queue.clear();
          expected = [];
        } else if (step === "goOn") {
          if (first === null || first instanceof Uint8Array) continue;
          queue.goOn(first, first.from);
          expected[0] = queue.first!;
        } else {
          const what = "part" in step ? partOf(blocks[step.part]!, 1) : new Uint8Array(step.octets);
          queue.push(what);
          expected.push(what);
        }
        expect(queue.first).toBe(expected[0] ?? null);
      }
      const anew = new WaitQueue();
      for (const one of expected) anew.push(one);
      expect(queue.heldOctets).toBe(anew.heldOctets);
      for (const one of expected) {
        expect(queue.first).toBe(one);
        queue.shift();
      }
      expect([queue.first, queue.heldOctets]).toEqual([null, empty]);
    }),
    { numRuns: 50 },
  );
});

test("places are left when nothing waits in them", () => {
  const queue = new WaitQueue();
  const places = () => (queue as unknown as { places: unknown[] }).places.length;
  for (let i = 0; i < 10_000; i++) queue.push(ADDRESS);
  for (let i = 0; i < 30_000; i++) {
    queue.push(ADDRESS);
    queue.shift();
    expect(places()).toBeLessThanOrEqual(20_001);
  }
  for (let left = 10_000; left > 0; left--) {
    queue.shift();
    expect(places()).toBeLessThan(2 * left + 256);
  }
});

/** What may wait, each with the most memory for what it counts. */
const KINDS: readonly [name: string, next: (number: number) => Waiting][] = [
  ["little octets", () => new Uint8Array(75).fill(1)],
  ["a little in large buffers", () => new Uint8Array(1 << 18).fill(1).subarray(0, 1 << 17)],
  ["blocks that have just grown", (number) => partOf(blockOf(35), number)],
  ["small blocks", (number) => partOf(blockOf(1), number)],
  [
    "many parts of a block",
    (
      (block) => (number) =>
        partOf(block, number)
    )(blockOf(1)),
  ],
];

test.each(KINDS)("what is counted is the memory that is taken: %s", (_, next) => {
  const collect = collector();
  const queue = new WaitQueue();
  const before = collect();
  for (let number = 0; queue.heldOctets < 32 * MB; number++) queue.push(next(number));
  const taken = collect() - before;
  // The allocator's own is not seen, and is counted.
  expect(taken).toBeLessThan(1.05 * queue.heldOctets);
  expect(taken).toBeGreaterThan(0.5 * queue.heldOctets);
});

/** @returns a function that collects garbage, and tells the octets that are in use then */
function collector(): () => number {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  setFlagsFromString("--no-expose-gc");
  return () => {
    for (let i = 0; i < 3; i++) collect();
    const { heapUsed, external } = process.memoryUsage();
    return heapUsed + external;
  };
}
