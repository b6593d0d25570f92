/** Lists of routes as registries have them: prefixes, and the AS that may originate each of them. */

import { FAMILY, type Family } from "@ts-bgp/wire-codec";
import { newPrefixEntry, type PrefixEntry, parsePrefixEntry } from "./prefix-entry.ts";
import { PrefixHash } from "./prefix-hash.ts";

/**
 * Reads an entry `PREFIX [ge N] [le N] AS`, the number with or without "AS" in front.
 *
 * @param into - filled with the prefix; holds nothing of use when there is a mistake
 * @returns the AS number, or what is wrong
 */
export function parseRouteEntry(text: string, into: PrefixEntry): number | string {
  const cut = text.lastIndexOf(" ");
  const match = /^(?:AS)?(\d{1,10})$/.exec(cut < 0 ? "" : text.slice(cut + 1));
  const as = match === null ? 0 : Number(match[1]);
  if (as === 0 || as > 0xffffffff) {
    return `"${text}" is not a prefix with its origin AS behind it, such as 192.0.2.0/24 64501`;
  }
  return parsePrefixEntry(text.slice(0, cut), into) ?? as;
}

/** An immutable set of pairs. A million exact IPv4 entries take 24 MB, and a question one probe. */
export class RouteSet {
  private readonly ipv4: PrefixHash = new PrefixHash(1, 0, true);
  private readonly ipv6: PrefixHash = new PrefixHash(4, 0, true);

  /** @param entries - as `parseRouteEntry` takes them; a wrong one is a programmer's mistake */
  constructor(entries: readonly string[]) {
    const entry = newPrefixEntry();
    for (const text of entries) {
      const as = parseRouteEntry(text, entry);
      if (typeof as === "string") throw new Error(as);
      (entry.bitsMax === 32 ? this.ipv4 : this.ipv6).add(entry, as);
    }
  }

  /** Words may be signed or unsigned. Allocates nothing. */
  has(
    family: Family,
    w0: number,
    w1: number,
    w2: number,
    w3: number,
    bits: number,
    origin: number,
  ): boolean {
    const hash = family === FAMILY.IPV4_UNICAST ? this.ipv4 : this.ipv6;
    return origin !== 0 && hash.find(w0, w1, w2, w3, bits, origin) >= 0;
  }
}
