/** Addresses that were looked up in the followed table: whether a route that changes in it may change what was found. */

import type { PrefixKey } from "@ts-bgp/rib";

/** With more than these, of which many may be of routes that are there no more, all are looked up again. */
const ADDRESSES_MAX = 1 << 17;

type Words = readonly [number, number, number, number];

export class WatchedAddresses {
  /** A route that has changed since the last `clear` may change what was found. */
  isTouched = false;
  private readonly addresses: Map<string, Words> = new Map();
  /** By their first words, lowest first; null when some have been added since. */
  private sorted: readonly Words[] | null = null;

  /** Whether there is something to be known of routes that change. */
  get isWaiting(): boolean {
    return !this.isTouched && this.addresses.size > 0;
  }

  add(address: Uint8Array): void {
    const key = address.join();
    if (this.addresses.has(key)) return;
    this.addresses.set(key, wordsOf(address));
    this.sorted = null;
    if (this.addresses.size > ADDRESSES_MAX) this.isTouched = true;
  }

  clear(): void {
    this.isTouched = false;
    this.addresses.clear();
    this.sorted = null;
  }

  /** Whether one of them is in a prefix that may resolve it, which a default route does not; takes the logarithm of their number, and those in its first 32 bits. */
  touches({ words, bits }: PrefixKey): boolean {
    if (bits === 0) return false;
    this.sorted ??= [...this.addresses.values()].sort(([one], [other]) => one - other);
    const { sorted } = this;
    const last = words[0] + (bits < 32 ? 2 ** (32 - bits) - 1 : 0);
    for (let i = firstFrom(sorted, words[0]); i < sorted.length && sorted[i]![0] <= last; i++) {
      if (isIn(sorted[i]!, words, bits)) return true;
    }
    return false;
  }
}

/** @returns the words of an address, high first; of IPv4 the first alone */
export function wordsOf(address: Uint8Array): [number, number, number, number] {
  const view = new DataView(address.buffer, address.byteOffset);
  const word = (i: number) => (4 * i < address.length ? view.getUint32(4 * i) : 0);
  return [word(0), word(1), word(2), word(3)];
}

function firstFrom(sorted: readonly Words[], word: number): number {
  let low = 0;
  for (let high = sorted.length; low < high; ) {
    const middle = (low + high) >> 1;
    if (sorted[middle]![0] < word) low = middle + 1;
    else high = middle;
  }
  return low;
}

function isIn(address: Words, prefix: Words, bits: number): boolean {
  return address.every((word, i) => {
    const own = Math.min(32, bits - 32 * i);
    return own <= 0 || ((word ^ prefix[i]!) & (-1 << (32 - own))) === 0;
  });
}
