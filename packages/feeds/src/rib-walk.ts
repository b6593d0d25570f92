/** A walk of all routes, prefix by prefix, in pieces between slices: for a dump of a table. */

import { RibWriter } from "@ts-bgp/feeds-codec";
import { keyOf, type PrefixRow, type Rib } from "@ts-bgp/rib";
import { addressOctets, FAMILIES, type Router, receivedSet } from "@ts-bgp/router";
import { parseIpv4 } from "@ts-bgp/wire-codec";
import type { DumpedPeer } from "./orders.ts";

/** Rows that are looked at between two looks at the time. */
const ROWS = 64;
const PIECE_OCTETS = 1 << 17;

export class RibWalk {
  private readonly router: Router;
  private readonly isReceived: boolean;
  private readonly writer: RibWriter = new RibWriter();
  private familyAt = 0;
  private row = 1;
  private moves: number;

  /** @param isReceived - routes as neighbors sent them, or else as import policies leave them */
  constructor(router: Router, isReceived: boolean) {
    this.router = router;
    this.isReceived = isReceived;
    this.moves = this.rib.compaction.moves;
  }

  /** Whoever may have routes. */
  get peers(): DumpedPeer[] {
    const { neighbors, tables } = this.router;
    const peers = [...neighbors.values()].map(({ row, config, session }) => ({
      peer: row,
      address: addressOctets(config.address),
      as: config.as,
      identifier: session?.negotiated.peerIdentifier ?? 0,
    }));
    const { staticPeer, config } = tables;
    if (staticPeer === null) return peers;
    // This speaker itself.
    const { as, id } = config.router;
    const own = { as, address: new Uint8Array(4), identifier: parseIpv4(id)! };
    return [...peers, { peer: staticPeer.row, ...own }];
  }

  /** @returns prefixes of `feeds-codec`, which may be none; null at the end */
  next(mayGoOn: () => boolean): Uint8Array<ArrayBuffer> | null {
    if (this.familyAt === FAMILIES.length) return null;
    const { rib, writer } = this;
    const missed = rib.compaction.movedBehind(this.moves, this.row);
    this.moves = rib.compaction.moves;
    for (const row of missed) this.look(rib, row);
    do {
      const end = Math.min(this.row + ROWS, rib.prefixes.limit);
      for (; this.row < end; this.row++) this.look(rib, this.row);
    } while (this.row < rib.prefixes.limit && writer.length < PIECE_OCTETS && mayGoOn());
    if (this.row >= rib.prefixes.limit) {
      this.row = 1;
      this.familyAt++;
      if (this.familyAt < FAMILIES.length) this.moves = this.rib.compaction.moves;
    }
    return writer.take();
  }

  private get rib(): Rib {
    return this.router.tables.rib(FAMILIES[this.familyAt]!);
  }

  private look(rib: Rib, row: PrefixRow): void {
    const { prefixes, paths, attrs } = rib;
    if (prefixes.isFree(row)) return;
    const { words, bits } = keyOf(prefixes, row);
    this.writer.prefix(rib.family, words, bits);
    for (let path = prefixes.head[row]!; path !== 0; path = paths.next[path]!) {
      const isReceived = this.isReceived;
      const attr = isReceived ? receivedSet(attrs, paths.attrIn[path]!) : paths.attr[path]!;
      if (attr === 0) continue;
      const at = attrs.offsetOf(attr);
      this.writer.path(paths.peer[path]!, paths.pathId[path]!, paths.sinceSeconds[path]!, {
        buf: attrs.bytesOf(attr),
        at,
        end: at + attrs.lengthOf(attr),
      });
    }
  }
}
