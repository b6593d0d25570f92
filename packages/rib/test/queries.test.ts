import fc from "fast-check";
import RadixTrie from "radix-trie-js";
import { describe, expect, test } from "vitest";
import {
  covering,
  exactMatch,
  isCovered,
  maskedWords,
  type PrefixKey,
  PrefixTable,
} from "../src/index.ts";

type Words = readonly [number, number, number, number];

/** Prefixes of which many cover each other. */
function prefix(bitsMax: 32 | 128): fc.Arbitrary<PrefixKey> {
  const word = fc.constantFrom(0, 0x80000000, 0x00000001, 0xffffffff, 0xfffffffe);
  const words: fc.Arbitrary<Words> =
    bitsMax === 32 ? word.map((w0) => [w0, 0, 0, 0]) : fc.tuple(word, word, word, word);
  return fc
    .tuple(words, fc.nat(bitsMax))
    .map(([w, bits]) => ({ words: maskedWords(w, bits), bits }));
}

/** The bits of a prefix as text, behind a letter so that no key is empty. */
function bitString({ words, bits }: PrefixKey): string {
  return `p${words
    .map((word) => word.toString(2).padStart(32, "0"))
    .join("")
    .slice(0, bits)}`;
}

describe.each([[32], [128]] as const)("of prefixes of up to %i bits", (bitsMax) => {
  const stored = fc.array(prefix(bitsMax), { maxLength: 40 });

  /** Runs a property of a table and a radix trie that hold the same. */
  function check(
    property: (table: PrefixTable, trie: RadixTrie<number>, asked: PrefixKey) => void,
  ): void {
    fc.assert(
      fc.property(stored, prefix(bitsMax), (keys, asked) => {
        const table = new PrefixTable(bitsMax, 1);
        const trie = new RadixTrie<number>();
        for (const key of keys) trie.add(bitString(key), table.intern(...key.words, key.bits));
        for (const key of [asked, ...keys]) property(table, trie, key);
      }),
      { numRuns: 60 },
    );
  }

  test("an exact match is the prefix itself", () => {
    check((table, trie, asked) => {
      expect(exactMatch(table, asked)).toBe(trie.get(bitString(asked)) ?? 0);
    });
  });

  test("covering prefixes are all that begin a prefix, the longest match first", () => {
    check((table, trie, asked) => {
      const text = bitString(asked);
      const rows: number[] = [];
      for (let end = text.length; end > 0; end--) {
        const row = trie.get(text.slice(0, end));
        if (row !== null) rows.push(row);
      }
      expect(covering(table, asked)).toEqual(rows);
    });
  });

  test("covered prefixes are all that a prefix begins", () => {
    check((table, trie, asked) => {
      const text = bitString(asked);
      // Its own search by the beginning of a key leaves some out and finds others.
      const found = [...trie.entries()].filter(([key]) => key.startsWith(text));
      const rows = found.map(([, row]) => row).sort((a, b) => a - b);
      const own: number[] = [];
      for (let row = 1; row < table.limit; row++) if (isCovered(table, row, asked)) own.push(row);
      expect(own).toEqual(rows);
    });
  });
});

test.each([
  [0, "0:0:0:0"],
  [1, "80000000:0:0:0"],
  [31, "fffffffe:0:0:0"],
  [32, "ffffffff:0:0:0"],
  [33, "ffffffff:80000000:0:0"],
  [64, "ffffffff:ffffffff:0:0"],
  [95, "ffffffff:ffffffff:fffffffe:0"],
  [127, "ffffffff:ffffffff:ffffffff:fffffffe"],
  [128, "ffffffff:ffffffff:ffffffff:ffffffff"],
])("the first %i bits of a prefix of ones are %s", (bits, expected) => {
  const ones: Words = [0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff];
  expect(
    maskedWords(ones, bits)
      .map((word) => word.toString(16))
      .join(":"),
  ).toBe(expected);
});
