/** Sets of AS numbers, from a single one to the hundred thousands of a whole registry. */

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
  private readonly firsts: Uint32Array;
  private readonly lasts: Uint32Array;

  /** @param entries - as `parseAsRange` takes them; a wrong one is a programmer's mistake */
  constructor(entries: readonly string[]) {
    const ranges = entries.map(parsed).sort((a, b) => a[0] - b[0]);
    const merged: [number, number][] = [];
    for (const [first, last] of ranges) {
      const previous = merged.at(-1);
      if (previous !== undefined && first <= previous[1] + 1) {
        previous[1] = Math.max(previous[1], last);
      } else {
        merged.push([first, last]);
      }
    }
    this.firsts = Uint32Array.from(merged, (range) => range[0]);
    this.lasts = Uint32Array.from(merged, (range) => range[1]);
  }

  /** Ranges that do not touch, ascending; both ends belong to them. */
  *ranges(): Generator<readonly [number, number]> {
    for (const [k, first] of this.firsts.entries()) yield [first, this.lasts[k]!];
  }

  has(as: number): boolean {
    const firsts = this.firsts;
    let low = 0;
    let high = firsts.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (firsts[middle]! <= as) low = middle + 1;
      else high = middle;
    }
    return low > 0 && as <= this.lasts[low - 1]!;
  }
}

function parsed(entry: string): [number, number] {
  const range = parseAsRange(entry);
  if (typeof range === "string") throw new Error(range);
  return range;
}
