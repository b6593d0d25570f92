/**
 * From recorded routes and messages to canonical attribute octets, with the checks of a session.
 *
 * Both ways lead through the `UpdateReader` of the codec: an entry of a table dump is put into an
 * UPDATE first, since what stands in dumps are path attributes as they were received.
 */

import {
  ACTION_WEIGHT,
  AFI,
  ATTR,
  ATTR_FLAG,
  FAMILY,
  type Family,
  HEADER_OCTETS,
  parseAddress,
  readU16,
  SAFI,
  type UpdateContext,
  UpdateReader,
  writeU16,
} from "@ts-bgp/wire-codec";
import type { Announcer } from "./announcer.ts";
import type { Warn } from "./batch.ts";
import type { MrtRoute } from "./mrt.ts";

const FAMILIES = FAMILY.IPV4_UNICAST | FAMILY.IPV6_UNICAST;
const MP_FLAGS = ATTR_FLAG.OPTIONAL | ATTR_FLAG.EXTENDED_LENGTH;
const ATTRIBUTES_AT = HEADER_OCTETS + 4;
const ATTRIBUTES_OCTETS_MAX = 65535;
/** Room for a route beside the attributes of an entry. */
const ENTRY_OCTETS_MAX = ATTRIBUTES_OCTETS_MAX + 512;

/** What was left out, since a session would not take it either. */
export class Rejects {
  count = 0;
  /** Of the first one; empty when there is none. */
  reason = "";

  add(reason: string): void {
    this.count++;
    if (this.count === 1) this.reason = reason;
  }
}

export function warnOfRejects(rejects: Rejects, what: string, warn: Warn): void {
  if (rejects.count === 0) return;
  warn(`${rejects.count} malformed ${what} left out, the first because ${rejects.reason}`);
}

/** Reads recorded routes. Reused for any number of them. */
export class CanonicalRoutes {
  readonly rejects: Rejects = new Rejects();
  private readonly reader: UpdateReader = new UpdateReader();
  private readonly scratch: Uint8Array = new Uint8Array(ENTRY_OCTETS_MAX);

  /** The attribute set of the route read last: canonical octets `[attrsAt, attrsEnd)`. */
  get attrs(): Uint8Array {
    return this.reader.attrs;
  }

  get attrsAt(): number {
    return this.reader.attrsAt;
  }

  get attrsEnd(): number {
    return this.reader.attrsEnd;
  }

  /**
   * Reads a route of a table dump. Its attributes are then in `attrs`.
   *
   * @param peer - address of the peer: the next hop of dumps that have none
   * @returns whether it is one that a session would accept
   */
  readRoute(route: MrtRoute, peer: string): boolean {
    const { reader, scratch } = this;
    const end = this.writeMessage(route, peer);
    if (end < 0) {
      this.rejects.add("path attributes are malformed");
      return false;
    }
    reader.read(scratch, 0, end, contextOf(scratch, 0, end, route.fourOctetAs, false));
    const which = reader.announced.at < reader.announced.end ? "field" : "mp";
    const { reachable } = reader;
    const hasRoutes = which === "field" || reachable.at < reachable.end;
    if (!hasRoutes || reader.action > ACTION_WEIGHT["attribute-discard"]) {
      this.rejects.add(reader.faults.at(-1)?.reason ?? "there is no next hop");
      return false;
    }
    reader.canonical(which);
    return true;
  }

  /**
   * Reads an UPDATE and writes what it says for another session; a malformed one is left out.
   *
   * @param buf - holds the whole message `[at, end)`, as `messageLength` found it
   */
  copyUpdate(
    buf: Uint8Array,
    at: number,
    end: number,
    fourOctetAs: boolean,
    addPath: boolean,
    to: Announcer,
  ): void {
    const { reader } = this;
    reader.read(buf, at, end, contextOf(buf, at, end, fourOctetAs, addPath));
    if (reader.action > ACTION_WEIGHT["attribute-discard"]) {
      this.rejects.add(reader.faults.at(-1)!.reason);
      return;
    }
    for (const section of [reader.withdrawn, reader.unreachable]) {
      if (section.at === section.end || section.family === 0) continue;
      to.withdraw(section.family as Family);
      to.routes(buf, section.at, section.end, section.addPath);
    }
    const { announced, reachable } = reader;
    for (const which of ["field", "mp"] as const) {
      const section = which === "field" ? announced : reachable;
      if (section.at === section.end || section.family === 0) continue;
      reader.canonical(which);
      to.announce(section.family as Family, reader.attrs, reader.attrsAt, reader.attrsEnd);
      to.routes(buf, section.at, section.end, section.addPath);
    }
  }

  /**
   * Puts a route into an UPDATE in `scratch`.
   *
   * MP_REACH_NLRI of a dump holds the next hop alone (RFC 6396 section 4.3.4); some collectors
   * write the whole attribute. The first octet tells: a next hop is never 0 octets long.
   *
   * @returns the end of the message, -1 when the attributes overrun the entry
   */
  private writeMessage(route: MrtRoute, peer: string): number {
    const { scratch } = this;
    const { buf, nlri } = route;
    writeU16(scratch, HEADER_OCTETS, 0);
    let out = ATTRIBUTES_AT;
    let nextHop: "none" | "field" | "mp" = "none";
    for (let i = route.at; i < route.end; ) {
      const extended = (buf[i]! & ATTR_FLAG.EXTENDED_LENGTH) !== 0;
      const type = buf[i + 1]!;
      const valueAt = i + (extended ? 4 : 3);
      const next = valueAt + (extended ? readU16(buf, i + 2) : buf[i + 2]!);
      if (valueAt > route.end || next > route.end) return -1;
      if (type === ATTR.MP_REACH_NLRI && nextHop !== "mp") {
        const lengthAt = buf[valueAt] === 0 ? valueAt + 3 : valueAt;
        const end = lengthAt + 1 + buf[lengthAt]!;
        if (lengthAt >= next || end > next) return -1;
        out = this.writeMpReach(out, route, buf.subarray(lengthAt + 1, end));
        nextHop = "mp";
      } else if (type !== ATTR.MP_UNREACH_NLRI) {
        scratch.set(buf.subarray(i, next), out);
        out += next - i;
        if (type === ATTR.NEXT_HOP && nextHop === "none") nextHop = "field";
      }
      i = next;
    }
    const usesField = nextHop !== "mp" && route.afi === AFI.IPV4;
    if (nextHop !== "mp" && !(usesField && nextHop === "field")) {
      out = this.writePeerAsNextHop(out, route, peer);
    }
    if (out - ATTRIBUTES_AT > ATTRIBUTES_OCTETS_MAX) return -1;
    writeU16(scratch, HEADER_OCTETS + 2, out - ATTRIBUTES_AT);
    if (!usesField) return out;
    const nlriOctets = 1 + ((nlri[0]! + 7) >> 3);
    scratch.set(nlri.subarray(0, nlriOctets), out);
    return out + nlriOctets;
  }

  /** BIRD has written dumps without next hops. @returns the index after the attribute */
  private writePeerAsNextHop(at: number, route: MrtRoute, peer: string): number {
    const address = parseAddress(peer);
    if (address?.length === 16 && route.afi === AFI.IPV6) {
      return this.writeMpReach(at, route, address);
    }
    if (address?.length !== 4 || route.afi !== AFI.IPV4) return at;
    const { scratch } = this;
    scratch.set([ATTR_FLAG.TRANSITIVE, ATTR.NEXT_HOP, 4, ...address], at);
    return at + 7;
  }

  /** @returns the index after the attribute */
  private writeMpReach(at: number, { afi, nlri }: MrtRoute, nextHop: Uint8Array): number {
    const { scratch } = this;
    const nlriOctets = 1 + ((nlri[0]! + 7) >> 3);
    let i = writeU16(scratch, at, (MP_FLAGS << 8) | ATTR.MP_REACH_NLRI);
    i = writeU16(scratch, i, 5 + nextHop.length + nlriOctets);
    i = writeU16(scratch, i, afi);
    scratch[i++] = SAFI.UNICAST;
    scratch[i++] = nextHop.length;
    scratch.set(nextHop, i);
    i += nextHop.length;
    scratch[i++] = 0;
    scratch.set(nlri.subarray(0, nlriOctets), i);
    return i + nlriOctets;
  }
}

/**
 * Whether the peer of the record was internal shows in LOCAL_PREF, which is then mandatory and
 * nowhere else accepted (RFC 4271 section 5.1.5).
 */
function contextOf(
  buf: Uint8Array,
  at: number,
  end: number,
  fourOctetAs: boolean,
  addPath: boolean,
): UpdateContext {
  const number = (fourOctetAs ? 1 : 0) | (addPath ? 2 : 0) | (hasLocalPref(buf, at, end) ? 0 : 4);
  return CONTEXTS[number]!;
}

const CONTEXTS: readonly UpdateContext[] = Array.from({ length: 8 }, (_, number) => ({
  fourOctetAs: (number & 1) !== 0,
  external: (number & 4) !== 0,
  addPath: (number & 2) !== 0 ? FAMILIES : 0,
  families: FAMILIES,
  allowAsSet: true,
  allowConfed: false,
  aigp: false,
  extendedNextHop: FAMILIES,
  rpkiState: false,
}));

function hasLocalPref(buf: Uint8Array, at: number, end: number): boolean {
  const listLengthAt = at + HEADER_OCTETS + 2 + readU16(buf, at + HEADER_OCTETS);
  if (listLengthAt + 2 > end) return false;
  const listEnd = Math.min(end, listLengthAt + 2 + readU16(buf, listLengthAt));
  for (let i = listLengthAt + 2; i + 3 < listEnd; ) {
    if (buf[i + 1] === ATTR.LOCAL_PREF) return true;
    const extended = (buf[i]! & ATTR_FLAG.EXTENDED_LENGTH) !== 0;
    i += extended ? 4 + readU16(buf, i + 2) : 3 + buf[i + 2]!;
  }
  return false;
}
