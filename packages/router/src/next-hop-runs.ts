/**
 * Telling those who forward packets which next hops a route has: those of its best path and of all equal ones. Behind
 * a link-local one stands the name of its interface, where the address of the neighbor says that.
 */

import { type Octets, type RunWriter, TABLE } from "@ts-bgp/feeds-codec";
import type { AttrId, PathRow, PeerRow, PrefixRow, Rib } from "@ts-bgp/rib";
import { ATTR, attributeValueAt, findAttribute, nextAttribute } from "@ts-bgp/wire-codec";
import type { NeighborDirectory } from "./neighbor-directory.ts";
import type { Wants } from "./observed.ts";

/** The kernel's names of interfaces are no longer. */
const INTERFACE_OCTETS_MAX = 15;
/** A NEXT_HOP attribute of 32 octets, with an interface. */
const ATTRIBUTE_OCTETS_MAX = 36 + INTERFACE_OCTETS_MAX;
const IPV6_OCTETS = 16;
const NO_NAME = new Uint8Array(0);

/** What of the tables is needed. */
export interface NextHopTables {
  readonly wants: Wants;
  readonly directory: NeighborDirectory;
}

/** Puts routes into runs that have NEXT_HOP for their only attribute, once for each of their next hops. */
export class NextHopRuns {
  private readonly rib: Rib;
  private readonly writer: RunWriter;
  private readonly max: number;
  /** Attributes of the run at hand, and of the route at hand. */
  private current: Uint8Array;
  private next: Uint8Array;
  private octets = -1;
  /** What addresses of neighbors say; null where nobody asks. */
  private readonly interfaces: Map<PeerRow, Uint8Array> | null;
  private readonly directory: NeighborDirectory;

  constructor(tables: NextHopTables, rib: Rib, writer: RunWriter) {
    const { paths: max = 1, interfaces = false } = tables.wants;
    this.rib = rib;
    this.writer = writer;
    this.max = max;
    this.interfaces = interfaces ? new Map() : null;
    this.directory = tables.directory;
    this.current = new Uint8Array(max * ATTRIBUTE_OCTETS_MAX);
    this.next = new Uint8Array(max * ATTRIBUTE_OCTETS_MAX);
  }

  /** Tells how a prefix is now; nothing else may be written between two that have the same. */
  add(row: PrefixRow): void {
    const { rib, writer } = this;
    const octets = this.collect(row);
    const { next, current } = this;
    if (octets !== this.octets || !isSame(next, 0, current, 0, octets)) {
      this.current = next;
      this.next = current;
      this.octets = octets;
      const attributes: Octets | null = octets === 0 ? null : { buf: next, at: 0, end: octets };
      writer.run(TABLE.NEXT_HOPS, rib.family, 0, false, attributes);
    }
    const { bitsMax, w0, w1, w2, w3, bits } = rib.prefixes;
    if (bitsMax === 32) writer.prefix(w0[row]!, 0, 0, 0, bits[row]!, 0);
    else writer.prefix(w0[row]!, w1[row]!, w2[row]!, w3[row]!, bits[row]!, 0);
  }

  /** Puts the next hops of a prefix into `next`, each once. @returns their octets */
  private collect(row: PrefixRow): number {
    const { rib, max } = this;
    const { prefixes, decision } = rib;
    const best = prefixes.best[row]!;
    if (best === 0) return 0;
    let end = 0;
    let count = 0;
    for (const path of max === 1 ? [best] : decision.equal(prefixes.head[row]!)) {
      if (count === max) break;
      const octets = this.copyNextHop(path, end);
      if (octets === 0 || this.isKnown(end, octets)) continue;
      end += octets;
      count++;
    }
    return end;
  }

  private copyNextHop(path: PathRow, to: number): number {
    const { attrs, paths } = this.rib;
    const attr: AttrId = paths.attr[path]!;
    const buf = attrs.bytesOf(attr);
    const at = attrs.offsetOf(attr);
    const found = findAttribute(buf, at, at + attrs.lengthOf(attr), ATTR.NEXT_HOP);
    if (found < 0) return 0;
    const end = nextAttribute(buf, found);
    const { next } = this;
    next.set(buf.subarray(found, end), to);
    const name = this.interfaceOf(paths.peer[path]!);
    const last = end - IPV6_OCTETS;
    if (name.length === 0 || last < attributeValueAt(buf, found) || !isLinkLocal(buf, last)) {
      return end - found;
    }
    next.set(name, to + end - found);
    // The octet behind flags and type, of an attribute that is as short as this one.
    next[to + 2]! += name.length;
    return end - found + name.length;
  }

  private interfaceOf(peer: PeerRow): Uint8Array {
    const { interfaces, directory } = this;
    if (interfaces === null) return NO_NAME;
    let name = interfaces.get(peer);
    if (name === undefined) {
      name = new TextEncoder()
        .encode(directory.interfaceOf(peer))
        .subarray(0, INTERFACE_OCTETS_MAX);
      interfaces.set(peer, name);
    }
    return name;
  }

  /** Whether the attribute at `at` stands before it as well. */
  private isKnown(at: number, octets: number): boolean {
    const { next } = this;
    for (let i = 0; i < at; i = nextAttribute(next, i)) {
      if (isSame(next, i, next, at, octets)) return true;
    }
    return false;
  }
}

function isLinkLocal(buf: Uint8Array, at: number): boolean {
  return buf[at] === 0xfe && (buf[at + 1]! & 0xc0) === 0x80;
}

function isSame(
  one: Uint8Array,
  from: number,
  other: Uint8Array,
  at: number,
  octets: number,
): boolean {
  for (let i = 0; i < octets; i++) if (one[from + i] !== other[at + i]) return false;
  return true;
}
