/** Removing repeated large communities, as a receiver has to (RFC 8092 section 5). */

import { LARGE_COMMUNITY_OCTETS } from "./community.ts";
import { copyOctets, readU32 } from "./octets.ts";

/** Up to so many, each is compared with each; beyond, a set is cheaper. */
const COMPARED_MAX = 32;

/** @returns false when all of `[at, end)` are surely distinct; allocates nothing */
export function mayRepeatLargeCommunity(buf: Uint8Array, at: number, end: number): boolean {
  if (end - at > COMPARED_MAX * LARGE_COMMUNITY_OCTETS) return true;
  for (let i = at + LARGE_COMMUNITY_OCTETS; i < end; i += LARGE_COMMUNITY_OCTETS) {
    if (standsIn(buf, i, buf, at, i)) return true;
  }
  return false;
}

/**
 * Writes the distinct ones of `[at, end)` in their order.
 *
 * @returns the index after what was written at `outAt`
 */
export function copyLargeCommunities(
  buf: Uint8Array,
  at: number,
  end: number,
  out: Uint8Array,
  outAt: number,
): number {
  const set = end - at > COMPARED_MAX * LARGE_COMMUNITY_OCTETS ? new Set<string>() : null;
  let o = outAt;
  for (let i = at; i < end; i += LARGE_COMMUNITY_OCTETS) {
    if (set === null) {
      if (standsIn(buf, i, out, outAt, o)) continue;
    } else {
      const key = `${readU32(buf, i)}:${readU32(buf, i + 4)}:${readU32(buf, i + 8)}`;
      if (set.has(key)) continue;
      set.add(key);
    }
    copyOctets(buf, i, i + LARGE_COMMUNITY_OCTETS, out, o);
    o += LARGE_COMMUNITY_OCTETS;
  }
  return o;
}

/** Whether the one at `i` is among those of `[at, end)` in `among`. */
function standsIn(buf: Uint8Array, i: number, among: Uint8Array, at: number, end: number): boolean {
  // The last field differs most often, the first one hardly ever.
  const last = readU32(buf, i + 8);
  for (let k = at; k < end; k += LARGE_COMMUNITY_OCTETS) {
    if (
      readU32(among, k + 8) === last &&
      readU32(among, k + 4) === readU32(buf, i + 4) &&
      readU32(among, k) === readU32(buf, i)
    ) {
      return true;
    }
  }
  return false;
}
