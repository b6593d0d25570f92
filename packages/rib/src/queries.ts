/**
 * Prefix queries for people: by hash where a prefix is named, by a pass over the columns where a
 * range is. Nothing that routes depends on them, so there is no tree to keep.
 */

import type { PrefixRow, PrefixTable } from "./prefix-table.ts";

/** A prefix as words, high first; IPv4 uses the first alone. */
export interface PrefixKey {
  readonly words: readonly [number, number, number, number];
  readonly bits: number;
}

/** @returns the row of a prefix as the table holds it, as a key */
export function keyOf(table: PrefixTable, row: PrefixRow): PrefixKey {
  const wide = table.bitsMax === 128;
  return {
    words: [
      table.w0[row]!,
      wide ? table.w1[row]! : 0,
      wide ? table.w2[row]! : 0,
      wide ? table.w3[row]! : 0,
    ],
    bits: table.bits[row]!,
  };
}

/** @returns the row of a prefix, or 0 */
export function exactMatch(table: PrefixTable, { words, bits }: PrefixKey): PrefixRow {
  return table.find(words[0], words[1], words[2], words[3], bits);
}

/**
 * The prefixes in the table that contain `key`, itself among them, most specific first; the first is
 * the longest match. One look-up for each length.
 */
export function covering(table: PrefixTable, key: PrefixKey): PrefixRow[] {
  const rows: PrefixRow[] = [];
  for (let bits = key.bits; bits >= 0; bits--) {
    const row = exactMatch(table, { words: maskedWords(key.words, bits), bits });
    if (row !== 0) rows.push(row);
  }
  return rows;
}

/** Whether the prefix of a row lies inside `key`. */
export function isCovered(table: PrefixTable, row: PrefixRow, key: PrefixKey): boolean {
  if (table.bits[row]! < key.bits) return false;
  const own = keyOf(table, row).words;
  const cut = maskedWords(own, key.bits);
  return cut.every((word, i) => word === key.words[i]);
}

/** @returns the words with all bits beyond the first `bits` cleared */
export function maskedWords(
  words: readonly [number, number, number, number],
  bits: number,
): [number, number, number, number] {
  return [
    maskedWord(words[0], bits),
    maskedWord(words[1], bits - 32),
    maskedWord(words[2], bits - 64),
    maskedWord(words[3], bits - 96),
  ];
}

function maskedWord(word: number, bits: number): number {
  if (bits >= 32) return word;
  return bits <= 0 ? 0 : (word & (-1 << (32 - bits))) >>> 0;
}
