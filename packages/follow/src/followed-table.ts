/**
 * A table of prefixes and their next hops, as a server has it for those who follow, and each of these too.
 *
 * It is filled by a copy and by changes, in one stream: what the copy has not, once it is complete, is there no
 * more. So whoever begins anew, of the same source or another one, changes only what differs. Changes go to a
 * log that any number of readers follow, each at its own pace.
 */

import { ChangeLog, Columns, type PrefixRow, PrefixTable } from "@ts-bgp/rib";
import { FAMILY, type Family } from "@ts-bgp/wire-codec";
import { type HopId, Hops } from "./hops.ts";

export class FollowedTable {
  readonly family: Family;
  readonly prefixes: PrefixTable;
  readonly hops: Hops = new Hops();
  readonly log: ChangeLog = new ChangeLog();
  /** Next hop by row; 0 for a prefix without a route. */
  hop: Uint32Array = new Uint32Array(0);
  /** Routes. */
  size = 0;
  /** Copy in which a route was seen, by row. */
  private seen: Uint32Array = new Uint32Array(0);
  private readonly columns: Columns;
  private copy = 0;
  /** @returns whether a prefix without a route is needed still */
  private readonly needs: (row: PrefixRow) => boolean;

  /** @param seed - of hashes, so that nobody can aim at one chain */
  constructor(family: Family, seed: number, needs: (row: PrefixRow) => boolean = () => false) {
    this.family = family;
    this.prefixes = new PrefixTable(family === FAMILY.IPV4_UNICAST ? 32 : 128, seed);
    this.columns = new Columns(this, ["hop", "seen"]);
    this.needs = needs;
  }

  /** A copy begins. */
  beginCopy(): void {
    this.copy++;
  }

  /** It is complete: what it did not have goes. Linear in the rows. */
  endCopy(): void {
    for (let row = 1; row < this.prefixes.limit; row++) {
      if (this.hop[row] && this.seen[row] !== this.copy) this.put(row, 0);
    }
    this.trim();
  }

  /** @returns the row of a prefix, made when it was not there; it stays as long as it is needed */
  intern(w0: number, w1: number, w2: number, w3: number, bits: number): PrefixRow {
    const row = this.prefixes.intern(w0, w1, w2, w3, bits);
    this.columns.reserve(row);
    return row;
  }

  /** A route has this next hop now; 0: there is none. */
  set(w0: number, w1: number, w2: number, w3: number, bits: number, hop: HopId): void {
    const row =
      hop === 0 ? this.prefixes.find(w0, w1, w2, w3, bits) : this.intern(w0, w1, w2, w3, bits);
    if (row === 0) return;
    this.seen[row] = this.copy;
    if (this.hop[row] !== hop) this.put(row, hop);
  }

  /** Forgets what all readers have read. */
  trim(): void {
    const dropped = (row: PrefixRow) => this.freeIfUnused(row);
    for (let before = Infinity; this.log.length < before; ) {
      before = this.log.length;
      this.log.trim(dropped);
    }
  }

  freeIfUnused(row: PrefixRow): void {
    if (this.hop[row] === 0 && !this.log.has(row) && !this.needs(row)) this.prefixes.free(row);
  }

  /** @returns octets that the table takes */
  get octets(): number {
    const { index, columns } = this.prefixes.memory();
    return index + columns + this.columns.octets + this.log.octets;
  }

  private put(row: PrefixRow, hop: HopId): void {
    const before = this.hop[row]!;
    if (hop !== 0) this.hops.hold(hop);
    this.hops.release(before);
    this.hop[row] = hop;
    this.size += Number(hop !== 0) - Number(before !== 0);
    this.log.append(row, this.prefixes.capacity);
  }
}
