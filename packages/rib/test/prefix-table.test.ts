import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { keyOf, maskedWords, type PrefixKey, PrefixTable } from "../src/index.ts";
import { NlriReader } from "../src/nlri-reader.ts";

type Words = readonly [number, number, number, number];

const word = fc.oneof(fc.constantFrom(0, 0x80000000, 0xffffffff, 0x0a000000), fc.nat(0xffffffff));

/** Prefixes that often have the same bits and another length. */
function prefix(bitsMax: 32 | 128): fc.Arbitrary<PrefixKey> {
  const words: fc.Arbitrary<Words> =
    bitsMax === 32
      ? word.map((w0) => [w0, 0, 0, 0])
      : fc.oneof(fc.tuple(word, word, word, word), fc.constant<Words>([0x20010db8, 0, 0, 0]));
  const bits = fc.oneof(
    fc.nat(bitsMax),
    fc.constantFrom(...[0, 1, 31, 32, 33, 64, 65, 96, 97, 127, 128].filter((n) => n <= bitsMax)),
  );
  return fc.tuple(words, bits).map(([w, n]) => ({ words: maskedWords(w, n), bits: n }));
}

function textOf({ words, bits }: PrefixKey): string {
  return `${words.join(":")}/${bits}`;
}

const BOTH = [[32], [128]] as const;

test.each([[0], [1], [2], [3]])(
  "prefixes with one hash are told apart when they differ in word %i alone",
  (word) => {
    const table = new PrefixTable(128, 5);
    const count = 200_000;
    const hashes = new Set<number>();
    const keyAt = (n: number): Words => {
      const words: [number, number, number, number] = [1, 2, 3, 4];
      words[word] = n;
      return words;
    };
    for (let n = 0; n < count; n++) hashes.add(table.hashOfRow(table.intern(...keyAt(n), 128)));
    expect(hashes.size).toBeLessThan(count);
    expect(table.size).toBe(count);
    for (let n = 0; n < count; n++) {
      if (table[`w${word as 0 | 1 | 2 | 3}`][table.find(...keyAt(n), 128)] !== n) {
        throw new Error(`another prefix was found in place of number ${n}`);
      }
    }
  },
);

describe.each(BOTH)("a table of prefixes of up to %i bits", (bitsMax) => {
  test("has a row for each prefix that was interned and not freed", () => {
    const event = fc.oneof(
      { weight: 3, arbitrary: fc.tuple(fc.constant("intern" as const), prefix(bitsMax)) },
      { weight: 1, arbitrary: fc.tuple(fc.constant("find" as const), prefix(bitsMax)) },
      { weight: 2, arbitrary: fc.tuple(fc.constant("free" as const), fc.nat()) },
    );
    fc.assert(
      fc.property(fc.nat(0xffffffff), fc.array(event, { maxLength: 120 }), (seed, events) => {
        const table = new PrefixTable(bitsMax, seed);
        const model = new Map<string, { row: number; key: PrefixKey }>();
        let sizeMax = 0;
        for (const [kind, what] of events) {
          if (kind === "free") {
            if (model.size === 0) continue;
            const [text, { row, key }] = [...model][what % model.size]!;
            table.free(row);
            model.delete(text);
            expect(table.find(...key.words, key.bits)).toBe(0);
            continue;
          }
          const known = model.get(textOf(what))?.row ?? 0;
          const row = table[kind](...what.words, what.bits);
          if (kind === "find" || known !== 0) expect(row).toBe(known);
          else model.set(textOf(what), { row, key: what });
          sizeMax = Math.max(sizeMax, model.size);
        }
        expect(table.size).toBe(model.size);
        expect(table.limit).toBe(sizeMax + 1);
        expect(new Set([...model.values()].map(({ row }) => row)).size).toBe(model.size);
        for (const { row, key } of model.values()) {
          expect(keyOf(table, row)).toEqual(key);
          expect(table.find(...key.words, key.bits)).toBe(row);
          expect(table.best[row]).toBe(0);
        }
      }),
      { numRuns: 200 },
    );
  });

  test("keeps many prefixes apart while it grows", () => {
    const table = new PrefixTable(bitsMax, 5);
    const words = (n: number): Words =>
      bitsMax === 32 ? [(n << 8) >>> 0, 0, 0, 0] : [0x20010db8, 0, 0, (n << 8) >>> 0];
    const rows = Array.from({ length: 20_000 }, (_, n) => {
      if (n % 500 === 0) table.advance();
      return table.intern(...words(n), bitsMax - 8);
    });
    expect(new Set(rows).size).toBe(rows.length);
    for (const [n, row] of rows.entries()) {
      expect(table.find(...words(n), bitsMax - 8)).toBe(row);
    }
    expect(table.capacity).toBeGreaterThanOrEqual(table.limit);
  });

  test("has the hash of a prefix whatever its row, in every table with the same seed", () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(prefix(bitsMax), { minLength: 2, selector: textOf }),
        fc.nat(0xffffffff),
        (keys, seed) => {
          const one = new PrefixTable(bitsMax, seed);
          const other = new PrefixTable(bitsMax, seed);
          for (const { words, bits } of keys) one.intern(...words, bits);
          for (const { words, bits } of keys.toReversed()) other.intern(...words, bits);
          for (const { words, bits } of keys) {
            const hash = one.hashOfRow(one.find(...words, bits));
            expect(other.hashOfRow(other.find(...words, bits))).toBe(hash);
          }
        },
      ),
    );
  });

  test("is filled with what NLRI says, bits beyond a prefix's length left out", () => {
    const route = fc.tuple(prefix(bitsMax), fc.nat(0xffffffff), fc.nat(0xff));
    fc.assert(
      fc.property(fc.array(route), fc.boolean(), fc.nat(3), (routes, addPath, before) => {
        const octets = routes.flatMap(([{ words, bits }, pathId, noise]) => {
          const all = words.flatMap((w) => [w >>> 24, (w >>> 16) & 255, (w >>> 8) & 255, w & 255]);
          const own = all.slice(0, (bits + 7) >> 3);
          if (bits % 8 !== 0) own[own.length - 1]! |= noise & (0xff >> (bits % 8));
          const id = [pathId >>> 24, (pathId >>> 16) & 255, (pathId >>> 8) & 255, pathId & 255];
          return [...(addPath ? id : []), bits, ...own];
        });
        const buf = Uint8Array.from([...new Uint8Array(before).fill(255), ...octets, 255, 255]);
        const reader = new NlriReader(bitsMax);
        let at = before;
        for (const [{ words, bits }, pathId] of routes) {
          at = reader.read(buf, at, addPath);
          const { w0, w1, w2, w3 } = reader;
          expect({ words: [w0, w1, w2, w3], bits: reader.bits }).toEqual({ words, bits });
          expect(reader.pathId).toBe(addPath ? pathId : 0);
        }
        expect(at).toBe(before + octets.length);
      }),
    );
  });
});
