/** Prefix lists with ge and le. */

import { FAMILY, type Family } from "@ts-bgp/wire-codec";
import { newPrefixEntry, parsePrefixEntry } from "./prefix-entry.ts";
import { PrefixHash } from "./prefix-hash.ts";

/** An immutable set of ranges of prefixes. */
export class PrefixSet {
  private readonly ipv4: PrefixHash = new PrefixHash(1);
  private readonly ipv6: PrefixHash = new PrefixHash(4);

  /** @param entries - as `parsePrefixEntry` takes them; a wrong one is a programmer's mistake */
  constructor(entries: readonly string[]) {
    const entry = newPrefixEntry();
    for (const text of entries) {
      const mistake = parsePrefixEntry(text, entry);
      if (mistake !== null) throw new Error(mistake);
      (entry.bitsMax === 32 ? this.ipv4 : this.ipv6).add(entry);
    }
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
