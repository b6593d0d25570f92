/** Sets of AS numbers, from a single one to the hundred thousands of a whole registry. */

import { type AsEntries, packedRanges } from "./packed-lists.ts";

const AS_MAX = 0xffffffff;

/**
 * Reads an entry `N` or `N-N` (both ends belong to the range).
 *
 * @returns first and last AS number, or what is wrong
 */
export function parseAsRange(text: string): [number, number] | string {
  const match = /^(\d{1,10})(?:-(\d{1,10}))?$/.exec(text);
  if (match === null) return `"${text}" is not an AS number or a range of them such as 64512-65534`;
  const first = Number(match[1]);
  const last = Number(match[2] ?? match[1]);
  if (last > AS_MAX || first > AS_MAX) return `AS number ${Math.max(first, last)} is too large`;
  if (first > last) return `range ${text} ends before it begins`;
  return [first, last];
}

/** An immutable set as sorted ranges that do not touch: 8 octets each, a binary search to ask. */
export class AsSet {
  private readonly ranges: Uint32Array;

  /** @param entries - packed, or as `parseAsRange` takes them; a wrong one is a programmer's mistake */
  constructor(entries: AsEntries) {
    this.ranges = entries instanceof Uint32Array ? entries : packedRanges(entries.flatMap(parsed));
  }

  has(as: number): boolean {
    const { ranges } = this;
    let low = 0;
    let high = ranges.length >>> 1;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (ranges[2 * middle]! <= as) low = middle + 1;
      else high = middle;
    }
    return low > 0 && as <= ranges[2 * low - 1]!;
  }
}

function parsed(entry: string): [number, number] {
  const range = parseAsRange(entry);
  if (typeof range === "string") throw new Error(range);
  return range;
}
