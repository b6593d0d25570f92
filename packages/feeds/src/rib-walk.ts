/** A walk of all prefixes in pieces between slices: for a dump of a table. */

import { RibWriter } from "@ts-bgp/feeds-codec";
import { keyOf, type PrefixRow, type Rib } from "@ts-bgp/rib";
import { FAMILIES, type Router } from "@ts-bgp/router";

/** Rows and paths that are looked at between two looks at the time. */
const PATHS = 64;
const PIECE_OCTETS = 1 << 17;

/** Writes the paths of a prefix that are wanted, which may be none. @returns how many it has looked at */
export type WritePaths = (rib: Rib, row: PrefixRow, writer: RibWriter) => number;

export class RibWalk {
  private readonly router: Router;
  private readonly writePaths: WritePaths;
  private readonly writer: RibWriter = new RibWriter();
  private familyAt = 0;
  private row = 1;
  /** Since the last look at the time. */
  private looked = 0;
  private moves: number;
  private hasLost = false;

  constructor(router: Router, writePaths: WritePaths) {
    this.router = router;
    this.writePaths = writePaths;
    this.moves = this.rib.compaction.moves;
  }

  /** Prefixes were moved too long ago to be found: what is written lacks some. */
  get lacks(): boolean {
    return this.hasLost;
  }

  /** @returns prefixes of `feeds-codec`, which may be none; null at the end */
  next(mayGoOn: () => boolean): Uint8Array<ArrayBuffer> | null {
    if (this.familyAt === FAMILIES.length) return null;
    const { rib, writer } = this;
    this.hasLost ||= !rib.compaction.remembers(this.moves);
    const missed = rib.compaction.movedBehind(this.moves, this.row);
    this.moves = rib.compaction.moves;
    this.looked = 0;
    for (const row of missed) this.look(rib, row);
    while (this.row < rib.prefixes.limit) {
      this.look(rib, this.row++);
      if (writer.length >= PIECE_OCTETS) break;
      if (this.looked < PATHS) continue;
      this.looked = 0;
      if (!mayGoOn()) break;
    }
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
    const { prefixes } = rib;
    this.looked++;
    if (prefixes.isFree(row)) return;
    const { words, bits } = keyOf(prefixes, row);
    this.writer.prefix(rib.family, words, bits);
    this.looked += this.writePaths(rib, row, this.writer);
  }
}
