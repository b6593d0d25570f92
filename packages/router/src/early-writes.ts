/**
 * What another router has written to peers, in this one's place, before this one had their sessions up: how
 * it is to be read was agreed on in OPENs that are not read here yet.
 */

import { MESSAGE, readU16 } from "@ts-bgp/wire-codec";
import type { ConnectionId } from "./outputs.ts";

/** So many octets may wait to be read. */
export const EARLY_LIMITS = { octets: 1 << 26 };

export class EarlyWrites {
  private readonly written: Map<ConnectionId, Uint8Array[]> = new Map();
  private octets = 0;

  /** @param octets - whole messages; those that say nothing of routes are not kept */
  add(id: ConnectionId, octets: Uint8Array): void {
    if (!speaksOfRoutes(octets)) return;
    const before = this.written.get(id);
    // They may be a small part of a buffer that would stay for them.
    const own = octets.slice();
    this.octets += own.length;
    if (before === undefined) this.written.set(id, [own]);
    else before.push(own);
  }

  /** Connections of which something waits. */
  get whom(): readonly ConnectionId[] {
    return [...this.written.keys()];
  }

  get isFull(): boolean {
    return this.octets > EARLY_LIMITS.octets;
  }

  /** Hands over what waits of a connection, in order: it does so no longer. */
  take(id: ConnectionId): readonly Uint8Array[] {
    const all = this.written.get(id) ?? [];
    this.written.delete(id);
    for (const { length } of all) this.octets -= length;
    return all;
  }
}

function speaksOfRoutes(octets: Uint8Array): boolean {
  for (let at = 0; at < octets.length; at += readU16(octets, at + 16)) {
    const type = octets[at + 18];
    if (type === MESSAGE.UPDATE || type === MESSAGE.ROUTE_REFRESH) return true;
  }
  return false;
}
