import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { HashIndex, hashOctets, hashWords, mixHash } from "../src/hash-index.ts";

/** Looks a row up as tables do. */
function has(index: HashIndex, hash: number, row: number): boolean {
  const segment = index.segments[hash >>> 24]!;
  const mask = (segment.length >>> 1) - 1;
  for (let i = hash & mask; segment[2 * i + 1] !== 0; i = (i + 1) & mask) {
    if (segment[2 * i] === hash && segment[2 * i + 1] === row) return true;
  }
  return false;
}

/** Few hashes of one segment: equal ones, ones of one slot, and ones at its end. */
const colliding = fc.constantFrom(
  0x07000000,
  0x07000001,
  0x07000002,
  0x07000008,
  0x07000010,
  0x07fffffe,
  0x07ffffff,
);
const hash = fc.oneof(colliding, fc.nat(0xffffffff));

describe("a hash index", () => {
  test("holds the rows that were inserted and not removed, whatever their hashes", () => {
    const event = fc.oneof(
      { weight: 3, arbitrary: fc.tuple(fc.constant("insert" as const), hash) },
      { weight: 2, arbitrary: fc.tuple(fc.constant("remove" as const), fc.nat()) },
    );
    fc.assert(
      fc.property(fc.array(event, { maxLength: 200, size: "max" }), (events) => {
        const index = new HashIndex();
        const model = new Map<number, number>();
        const removed: [hash: number, row: number][] = [];
        for (const [kind, number] of events) {
          if (kind === "insert") {
            const row = model.size + removed.length + 1;
            index.insert(number, row);
            model.set(row, number);
          } else if (model.size > 0) {
            const [row, own] = [...model][number % model.size]!;
            index.remove(own, row);
            model.delete(row);
            removed.push([own, row]);
          }
        }
        expect(index.size).toBe(model.size);
        for (const [row, own] of model) expect(has(index, own, row)).toBe(true);
        for (const [own, row] of removed) expect(has(index, own, row)).toBe(false);
      }),
      { numRuns: 200 },
    );
  });

  test("keeps a quarter of each segment free, so that a search ends", () => {
    const index = new HashIndex();
    for (let row = 1; row <= 5000; row++) index.insert((0x42 << 24) + row, row);
    for (const segment of index.segments) {
      const rows = segment.filter((value, i) => i % 2 === 1 && value !== 0).length;
      expect(4 * rows).toBeLessThanOrEqual(3 * (segment.length / 2));
    }
  });

  test("throws when a row is removed that it does not hold", () => {
    const index = new HashIndex();
    index.insert(7, 1);
    expect(() => index.remove(7, 2)).toThrow("row 2 is not in the index");
    expect(() => index.remove(8, 1)).toThrow("row 1 is not in the index");
  });
});

describe("the hash of octets", () => {
  test("depends on the octets and the seed alone, not on where they stand", () => {
    const octets = fc.uint8Array({ maxLength: 80 });
    fc.assert(
      fc.property(fc.nat(0xffffffff), octets, octets, octets, (seed, before, own, after) => {
        const alone = hashOctets(seed, own, 0, own.length);
        const inside = Uint8Array.from([...before, ...own, ...after]);
        const at = before.length;
        expect(hashOctets(seed, inside, at, at + own.length)).toBe(alone);
        expect(alone).toBe(alone >>> 0);
      }),
    );
  });

  test("tells strings apart that differ in one bit, one octet more or the seed", () => {
    const seen = new Set<number>();
    let strings = 0;
    const add = (octets: Uint8Array, seed = 1) => {
      seen.add(hashOctets(seed, octets, 0, octets.length));
      strings++;
    };
    for (let length = 0; length < 40; length++) {
      const octets = new Uint8Array(length);
      add(octets);
      add(octets, 2);
      for (let bit = 0; bit < 8 * length; bit++) {
        octets[bit >> 3]! ^= 1 << (bit & 7);
        add(octets);
        octets[bit >> 3]! ^= 1 << (bit & 7);
      }
    }
    expect(seen.size).toBe(strings);
  });
});

describe("the hash of words", () => {
  test("tells prefixes apart that differ in one bit, the length or the seed", () => {
    const seen = new Set<number>();
    let prefixes = 0;
    const add = (seed: number, words: readonly number[], bits: number) => {
      const [w0, w1, w2, w3] = words as [number, number, number, number];
      const own = hashWords(seed, w0, w1, w2, w3, bits);
      expect(own).toBe(own >>> 0);
      seen.add(own);
      prefixes++;
    };
    for (let bits = 0; bits <= 128; bits++) add(1, [0, 0, 0, 0], bits);
    add(2, [0, 0, 0, 0], 0);
    for (let bit = 0; bit < 128; bit++) {
      const words = [0, 0, 0, 0];
      words[bit >> 5] = (1 << (bit & 31)) >>> 0;
      add(1, words, 128);
    }
    expect(seen.size).toBe(prefixes);
  });

  test.each([
    ["IPv4 networks in a row", (n: number) => mixHash(Math.imul((n << 8) >>> 0, 0x9e3779b1) ^ 24)],
    ["IPv6 networks in a row", (n: number) => hashWords(3, 0x20010db8, n << 16, 0, 0, 48)],
  ])("spreads %s over all segments", (_, hashOf) => {
    const counts = new Uint32Array(256);
    for (let n = 0; n < 25_600; n++) counts[hashOf(n) >>> 24]!++;
    expect(Math.max(...counts)).toBeLessThan(200);
    expect(Math.min(...counts)).toBeGreaterThan(30);
  });
});
