/** Routes of one family that the kernel has, and those that were told of it: what differs is told. */

import { RunWriter, TABLE } from "@ts-bgp/feeds-codec";
import type { KernelRoute, RouteSocket } from "@ts-bgp/forward";
import { PrefixTable } from "@ts-bgp/rib";
import { ATTR, encodeAttributes, FAMILY, type Family, readU32 } from "@ts-bgp/wire-codec";

/** Routes in one piece. */
const PIECE = 512;
const TOLD = 1;
const FOUND = 2;
/** RTN_UNICAST, RTN_BLACKHOLE, RTN_UNREACHABLE, RTN_PROHIBIT: whoever has the prefix may be anybody. */
const TYPES: readonly number[] = [1, 6, 7, 8];
const LOCAL_PREF = 100;

/** What of a socket is needed. */
export type RouteReader = Pick<RouteSocket, "read">;

export class KernelTable {
  private readonly family: Family;
  private readonly prefixes: PrefixTable;
  private readonly attributes: Uint8Array;
  private readonly writer: RunWriter = new RunWriter();
  /** By row: whether it was told, and whether it was found when the kernel was read last. */
  private marks: Uint8Array = new Uint8Array(1);

  constructor(family: Family) {
    this.family = family;
    const [seed = 0] = crypto.getRandomValues(new Uint32Array(1));
    this.prefixes = new PrefixTable(family === FAMILY.IPV4_UNICAST ? 32 : 128, seed);
    const attributes = [
      { type: ATTR.ORIGIN, value: "INCOMPLETE" },
      { type: ATTR.AS_PATH, value: { segments: [] } },
      // This speaker.
      { type: ATTR.NEXT_HOP, value: family === FAMILY.IPV4_UNICAST ? "0.0.0.0" : "::" },
      { type: ATTR.LOCAL_PREF, value: LOCAL_PREF },
    ];
    this.attributes = encodeAttributes(attributes);
  }

  /** Prefixes that were told, or are about to be. */
  get size(): number {
    return this.prefixes.size;
  }

  /**
   * Reads what there is; `changes` is to follow.
   *
   * @throws KernelError
   */
  read(socket: RouteReader, table: number, protocols: readonly number[]): void {
    for (let row = 0; row < this.marks.length; row++) this.marks[row]! &= ~FOUND;
    for (const protocol of protocols) {
      // All that was found of one counts, or nothing: it may be read again from its beginning.
      let found: number[] = [];
      const begin = () => {
        found = [];
      };
      socket.read(this.family, table, protocol, begin, (route) => {
        if (!route.isDead && TYPES.includes(route.type)) found.push(this.rowOf(route));
      });
      this.reserve();
      for (const row of found) this.marks[row]! |= FOUND;
    }
    this.reserve();
  }

  /** @returns what has changed since it was told last: runs of `feeds-codec`, each in pieces */
  *changes(): Generator<Uint8Array> {
    const { prefixes, marks } = this;
    const gone: number[] = [];
    const come: number[] = [];
    for (let row = 1; row < prefixes.limit; row++) {
      if (prefixes.isFree(row)) continue;
      if (marks[row] === FOUND) come.push(row);
      else if (marks[row] === TOLD) gone.push(row);
      // It was there when the kernel was read for the first time, and not for the second.
      else if (marks[row] === 0) prefixes.free(row);
    }
    for (let at = 0; at < gone.length; at += PIECE) {
      const rows = gone.slice(at, at + PIECE);
      yield this.piece(rows, true);
      for (const row of rows) {
        marks[row] = 0;
        prefixes.free(row);
      }
    }
    for (let at = 0; at < come.length; at += PIECE) {
      const rows = come.slice(at, at + PIECE);
      yield this.piece(rows, false);
      for (const row of rows) marks[row]! |= TOLD;
    }
  }

  private piece(rows: readonly number[], areGone: boolean): Uint8Array {
    const { writer, attributes, prefixes, family } = this;
    const { w0, w1, w2, w3, bits } = prefixes;
    const octets = { buf: attributes, at: 0, end: attributes.length };
    writer.run(TABLE.ADJ_IN_POST, family, 0, false, areGone ? null : octets);
    for (const row of rows) {
      if (family === FAMILY.IPV4_UNICAST) writer.prefix(w0[row]!, 0, 0, 0, bits[row]!, 0);
      else writer.prefix(w0[row]!, w1[row]!, w2[row]!, w3[row]!, bits[row]!, 0);
    }
    return writer.take();
  }

  private rowOf({ prefix, bits }: KernelRoute): number {
    const word = (i: number) => (4 * i < prefix.length ? readU32(prefix, 4 * i) : 0);
    return this.prefixes.intern(word(0), word(1), word(2), word(3), bits);
  }

  /** Marks for all rows that there are. */
  private reserve(): void {
    const { limit, capacity } = this.prefixes;
    if (limit <= this.marks.length) return;
    const longer = new Uint8Array(Math.max(limit, capacity));
    longer.set(this.marks);
    this.marks = longer;
  }
}
