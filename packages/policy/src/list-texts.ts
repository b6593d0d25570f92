/** Packed lists as texts again, for a version that knows no others. */

import { formatIpv4, formatIpv6, writeU32 } from "@ts-bgp/wire-codec";
import { type AsEntries, forEachPrefix, type PrefixEntries } from "./packed-lists.ts";
import type { PrefixEntry } from "./prefix-entry.ts";

const octets = new Uint8Array(16);

/** @returns entries of a prefix list as `parsePrefixEntry` reads them, in their order */
export function prefixTexts(entries: PrefixEntries): readonly string[] {
  if (!(entries instanceof Uint32Array)) return entries;
  const texts: string[] = [];
  forEachPrefix(entries, (entry) => texts.push(textOf(entry)));
  return texts;
}

/** @returns entries of an AS list: numbers, and ranges with a hyphen */
export function asTexts(entries: AsEntries): readonly string[] {
  if (!(entries instanceof Uint32Array)) return entries;
  const texts: string[] = [];
  for (let at = 0; at < entries.length; at += 2) {
    const [first, last] = [entries[at]!, entries[at + 1]!];
    texts.push(first === last ? String(first) : `${first}-${last}`);
  }
  return texts;
}

function textOf({ bitsMax, w0, w1, w2, w3, bits, ge, le }: PrefixEntry): string {
  for (const [k, word] of [w0, w1, w2, w3].entries()) writeU32(octets, 4 * k, word >>> 0);
  const address = bitsMax === 32 ? formatIpv4(w0 >>> 0) : formatIpv6(octets, 0);
  if (ge === bits && le === bits) return `${address}/${bits}`;
  return `${address}/${bits}${ge === bits ? "" : ` ge ${ge}`} le ${le}`;
}
