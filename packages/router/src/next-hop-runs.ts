/** Telling those who forward packets which next hops a route has: those of its best path and of all equal ones. */

import { type Octets, type RunWriter, TABLE } from "@ts-bgp/feeds-codec";
import type { AttrId, PrefixRow, Rib } from "@ts-bgp/rib";
import { ATTR, findAttribute, nextAttribute } from "@ts-bgp/wire-codec";

/** A NEXT_HOP attribute of 32 octets. */
const ATTRIBUTE_OCTETS_MAX = 36;

/** Puts routes into runs that have NEXT_HOP for their only attribute, once for each of their next hops. */
export class NextHopRuns {
  private readonly rib: Rib;
  private readonly writer: RunWriter;
  private readonly max: number;
  /** Attributes of the run at hand, and of the route at hand. */
  private current: Uint8Array;
  private next: Uint8Array;
  private octets = -1;

  /** @param max - next hops of a route */
  constructor(rib: Rib, writer: RunWriter, max: number) {
    this.rib = rib;
    this.writer = writer;
    this.max = max;
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
    const { paths, prefixes, decision } = rib;
    let end = 0;
    let count = 0;
    for (const path of decision.equal(prefixes.head[row]!)) {
      if (count === max) break;
      const octets = this.copyNextHop(paths.attr[path]!, end);
      if (octets === 0 || this.isKnown(end, octets)) continue;
      end += octets;
      count++;
    }
    return count === 0 ? 0 : end;
  }

  private copyNextHop(attr: AttrId, to: number): number {
    const { attrs } = this.rib;
    const buf = attrs.bytesOf(attr);
    const at = attrs.offsetOf(attr);
    const found = findAttribute(buf, at, at + attrs.lengthOf(attr), ATTR.NEXT_HOP);
    if (found < 0) return 0;
    const end = nextAttribute(buf, found);
    this.next.set(buf.subarray(found, end), to);
    return end - found;
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
