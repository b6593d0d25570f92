/**
 * Which routes a bracket is about that gives something else when it is replayed. Of what it gave there is a sum alone,
 * so this is what it gives now; where that is nothing, it is what was received last before.
 */

import type { ConnectionId, Output, Router } from "@ts-bgp/router";
import {
  AFI,
  type DecodedUpdate,
  decodeMessages,
  EXTENDED_MESSAGE_OCTETS_MAX,
  FAMILY,
  messageLength,
  type Route,
} from "@ts-bgp/wire-codec";
import { OctetReader } from "./octet-reader.ts";
import { KINDS } from "./records.ts";

const ALL_FAMILIES = FAMILY.IPV4_UNICAST | FAMILY.IPV6_UNICAST;
const NOTHING = new Uint8Array(0);

export interface DifferingRoute {
  /** The first one. */
  prefix: string;
  neighbor: string;
  /** `sent`: this program sends it, or withdraws it; `received`: it came, or was withdrawn. */
  way: "sent" | "received";
  /** How many others there are besides. */
  more: number;
}

/**
 * @param own - outputs of the bracket
 * @param calls - of this bracket and of some before, the last one last
 * @returns null where nothing of all this is about routes
 */
export function differingRoute(
  router: Router,
  own: readonly Output[],
  calls: readonly Uint8Array[],
): DifferingRoute | null {
  const sent = own.flatMap((output) => (output.do === "write" ? [output] : []));
  const found = routeIn(router, sent, "sent");
  if (found !== null) return found;
  for (const received of messagesIn(calls).toReversed()) {
    const route = routeIn(router, received, "received");
    if (route !== null) return route;
  }
  return null;
}

interface Octets {
  readonly connection: ConnectionId;
  readonly octets: Uint8Array;
}

/**
 * Connections are cut anywhere: a message comes with the call that has its end. One whose begin is in no call that
 * is there is left out.
 *
 * @returns messages of each bracket
 */
function messagesIn(calls: readonly Uint8Array[]): readonly (readonly Octets[])[] {
  const rests = new Map<ConnectionId, Uint8Array>();
  return calls.map((octetsOfCalls) => {
    const messages: Octets[] = [];
    for (const { connection, octets } of receivedIn(octetsOfCalls)) {
      const rest = rests.get(connection) ?? NOTHING;
      const all = new Uint8Array(rest.length + octets.length);
      all.set(rest);
      all.set(octets, rest.length);
      let at = 0;
      for (;;) {
        const length = messageLength(all, at, all.length, EXTENDED_MESSAGE_OCTETS_MAX);
        if (length === 0) break;
        // In the middle of a message: the next one begins with a marker.
        if (typeof length !== "number") at++;
        else {
          messages.push({ connection, octets: all.subarray(at, at + length) });
          at += length;
        }
      }
      rests.set(connection, all.subarray(at));
    }
    return messages;
  });
}

function* receivedIn(calls: Uint8Array): Generator<Octets> {
  const octets = new OctetReader(calls);
  const skipped = { records: 0, fields: 0 };
  for (let call = KINDS.read(octets, skipped); call !== null; call = KINDS.read(octets, skipped)) {
    if (call.record === "received") yield call;
  }
}

function routeIn(
  router: Router,
  all: readonly Octets[],
  way: DifferingRoute["way"],
): DifferingRoute | null {
  let first: Pick<DifferingRoute, "prefix" | "neighbor"> | null = null;
  const prefixes = new Set<string>();
  for (const { connection, octets } of all) {
    const neighbor = router.neighborOf(connection);
    // It may be gone by what the bracket has done.
    if (neighbor === undefined) continue;
    const { address: text } = neighbor.config;
    const negotiated = router.neighbors.get(text)?.session?.negotiated;
    const addPath = (way === "sent" ? negotiated?.addPathSend : negotiated?.addPathReceive) ?? 0;
    for (const prefix of prefixesIn(octets, addPath, negotiated?.fourOctetAs ?? true)) {
      first ??= { prefix, neighbor: text };
      prefixes.add(prefix);
    }
  }
  return first === null ? null : { ...first, way, more: prefixes.size - 1 };
}

/** @param addPath - families with path identifiers */
function* prefixesIn(octets: Uint8Array, addPath: number, fourOctetAs: boolean): Generator<string> {
  const without = ALL_FAMILIES & ~addPath;
  for (const [families, has] of [
    [addPath, true],
    [without, false],
  ] as const) {
    if (families === 0) continue;
    const options = { fourOctetAs, addPath: has, external: null };
    for (const message of decodeMessages(octets, options)) {
      if (message.type !== "UPDATE") continue;
      const routes = routesOf(message as DecodedUpdate, families);
      for (const route of routes) yield typeof route === "string" ? route : route.prefix;
    }
  }
}

function routesOf({ withdrawn, nlri, attributes }: DecodedUpdate, families: number): Route[] {
  const routes: Route[] = [];
  if ((families & FAMILY.IPV4_UNICAST) !== 0) routes.push(...nlri, ...withdrawn);
  for (const { value } of attributes) {
    const { nlri: more, afi } = (value ?? {}) as { nlri?: unknown; afi?: unknown };
    const family = afi === AFI.IPV4 ? FAMILY.IPV4_UNICAST : FAMILY.IPV6_UNICAST;
    if (Array.isArray(more) && (families & family) !== 0) routes.push(...more);
  }
  return routes;
}
