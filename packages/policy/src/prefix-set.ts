/** Prefix lists with ge and le. */

import { FAMILY, type Family } from "@ts-bgp/wire-codec";
import { forEachPrefix, type PrefixEntries, prefixCounts } from "./packed-lists.ts";
import { PrefixHash } from "./prefix-hash.ts";

/** An immutable set of ranges of prefixes. */
export class PrefixSet {
  private readonly ipv4: PrefixHash;
  private readonly ipv6: PrefixHash;

  /** @param entries - packed, or as `parsePrefixEntry` takes them; a wrong one is a programmer's mistake */
  constructor(entries: PrefixEntries) {
    // Texts are few, and tables grow.
    const isPacked = entries instanceof Uint32Array;
    const [ipv4, ipv6] = isPacked ? prefixCounts(entries) : [0, 0];
    this.ipv4 = new PrefixHash(1, ipv4);
    this.ipv6 = new PrefixHash(4, ipv6);
    forEachPrefix(entries, (entry) => (entry.bitsMax === 32 ? this.ipv4 : this.ipv6).add(entry));
  }

  /** Words may be signed or unsigned. Allocates nothing. */
  has(family: Family, w0: number, w1: number, w2: number, w3: number, bits: number): boolean {
    const hash = family === FAMILY.IPV4_UNICAST ? this.ipv4 : this.ipv6;
    return hash.find(w0, w1, w2, w3, bits) >= 0;
  }

  /** @returns an entry that takes the prefix, as text, or null when there is none */
  entryOf(
    family: Family,
    w0: number,
    w1: number,
    w2: number,
    w3: number,
    bits: number,
  ): string | null {
    const hash = family === FAMILY.IPV4_UNICAST ? this.ipv4 : this.ipv6;
    const slot = hash.find(w0, w1, w2, w3, bits);
    return slot < 0 ? null : hash.text(slot);
  }

  /** Memory in octets. */
  get octets(): number {
    return this.ipv4.octets + this.ipv6.octets;
  }
}
