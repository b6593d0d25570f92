/**
 * Network layer reachability information of unicast families: a length in bits and as many octets
 * as that needs, per route, with a path identifier in front under ADD-PATH (RFC 4271 section 4.3,
 * RFC 7911 section 3).
 */

import { AFI } from "./constants.ts";
import { readU32, writeU32 } from "./octets.ts";
import { formatPrefix, parsePrefix } from "./text.ts";

/** A prefix as text, with its path identifier where the session has ADD-PATH. */
export type Route = string | { path_id: number; prefix: string };

/** @returns the longest prefix length of a routed family */
export function prefixBitsMax(afi: number): number {
  return afi === AFI.IPV4 ? 32 : 128;
}

/**
 * Where NLRI is wrong (RFC 7606 section 5.3). Linear in the routes; allocates nothing.
 *
 * @returns the index of the first octet of the route that is too long for the family or overruns
 *   `end`, or -1 when all is well
 */
export function badRouteAt(
  buf: Uint8Array,
  at: number,
  end: number,
  bitsMax: number,
  addPath: boolean,
): number {
  const lengthAt = addPath ? 4 : 0;
  for (let i = at; i < end; ) {
    if (i + lengthAt >= end) return i;
    const bits = buf[i + lengthAt]!;
    const next = i + lengthAt + 1 + ((bits + 7) >> 3);
    if (bits > bitsMax || next > end) return i;
    i = next;
  }
  return -1;
}

/** @returns what is wrong with the route at `at`, which `badRouteAt` found */
export function describeBadRoute(
  buf: Uint8Array,
  at: number,
  end: number,
  bitsMax: number,
  addPath: boolean,
): string {
  const lengthAt = at + (addPath ? 4 : 0);
  if (lengthAt >= end) return `a route of ${end - at} octets has no room for its path identifier`;
  const bits = buf[lengthAt]!;
  if (bits > bitsMax) return `prefix length ${bits} is more than ${bitsMax}`;
  return `a prefix of ${bits} bits overruns the field, ${end - lengthAt - 1} octets left`;
}

/** @returns the routes of `[at, end)`, up to the first bad one */
export function decodeRoutes(
  afi: number,
  buf: Uint8Array,
  at: number,
  end: number,
  addPath: boolean,
): Route[] {
  const bad = badRouteAt(buf, at, end, prefixBitsMax(afi), addPath);
  const stop = bad < 0 ? end : bad;
  const routes: Route[] = [];
  const lengthAt = addPath ? 4 : 0;
  for (let i = at; i < stop; i += lengthAt + 1 + ((buf[i + lengthAt]! + 7) >> 3)) {
    const prefix = formatPrefix(afi, buf, i + lengthAt);
    routes.push(addPath ? { path_id: readU32(buf, i), prefix } : prefix);
  }
  return routes;
}

/**
 * The inverse of `decodeRoutes`; bits beyond the prefix length become 0.
 *
 * @returns a new array; throws when a prefix is not one, or not of the family
 */
export function encodeRoutes(afi: number, routes: readonly Route[]): Uint8Array {
  const parts: number[] = [];
  for (const route of routes) {
    const text = typeof route === "string" ? route : route.prefix;
    const prefix = parsePrefix(text);
    if (prefix === null || prefix.afi !== afi) throw new RangeError(`${text} is no such prefix`);
    if (typeof route !== "string") {
      const id = new Uint8Array(4);
      writeU32(id, 0, route.path_id);
      parts.push(...id);
    }
    const octets = (prefix.bits + 7) >> 3;
    parts.push(prefix.bits, ...prefix.address.subarray(0, octets));
    if ((prefix.bits & 7) !== 0)
      parts[parts.length - 1]! &= (0xff << (8 - (prefix.bits & 7))) & 255;
  }
  return Uint8Array.from(parts);
}
