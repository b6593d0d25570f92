/**
 * Which routes a bracket is about that gives something else when it is replayed. Of what it gave there is a sum alone,
 * so this is what it gives now; where that is nothing, it is what was received last before.
 */

import type { ConnectionId, Output, Router } from "@ts-bgp/router";
import { type DecodedUpdate, decodeMessages, type Route } from "@ts-bgp/wire-codec";
import { OctetReader } from "./octet-reader.ts";
import { KINDS } from "./records.ts";

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
  for (const octets of calls.toReversed()) {
    const received = routeIn(router, [...receivedIn(octets)], "received");
    if (received !== null) return received;
  }
  return null;
}

interface Octets {
  readonly connection: ConnectionId;
  readonly octets: Uint8Array;
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
    const families = (way === "sent" ? negotiated?.addPathSend : negotiated?.addPathReceive) ?? 0;
    for (const prefix of prefixesIn(octets, families !== 0)) {
      first ??= { prefix, neighbor: text };
      prefixes.add(prefix);
    }
  }
  return first === null ? null : { ...first, way, more: prefixes.size - 1 };
}

function* prefixesIn(octets: Uint8Array, addPath: boolean): Generator<string> {
  const options = { fourOctetAs: true, addPath, external: null };
  for (const message of decodeMessages(octets, options)) {
    if (message.type !== "UPDATE") continue;
    const { withdrawn, nlri, attributes } = message as DecodedUpdate;
    const routes: Route[] = [...nlri, ...withdrawn];
    for (const { value } of attributes) {
      const { nlri: more } = (value ?? {}) as { nlri?: unknown };
      if (Array.isArray(more)) routes.push(...more);
    }
    for (const route of routes) yield typeof route === "string" ? route : route.prefix;
  }
}
