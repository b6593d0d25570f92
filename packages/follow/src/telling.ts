/**
 * What one follower has still to be told of tables: all that there is, and beside it what changes, always as it
 * is now. A follower that is slow is told less often, and keeps nothing but its places.
 */

import { joined, OctetWriter } from "@ts-bgp/replication/canonical";
import { type Cursor, keyOf, type PrefixRow } from "@ts-bgp/rib";
import type { FollowedTable } from "./followed-table.ts";
import { addressesOctets, type HopId, type NextHops } from "./hops.ts";
import { writePrefix, writeRun } from "./route-octets.ts";

/** Routes in a bracket, half of them of the copy. */
const ROUTES_MAX = 8192;

/** A place in one table. */
interface Reader {
  readonly table: FollowedTable;
  readonly cursor: Cursor;
  /** The next row of the copy. */
  at: PrefixRow;
}

export interface Told {
  /** See `route-octets.ts`. */
  readonly routes: Uint8Array;
  readonly count: number;
  /** There is more to be told. */
  readonly more: boolean;
}

export class Telling {
  private readonly readers: readonly Reader[];
  private readonly takesSeveral: boolean;
  private readonly takesInterfaces: boolean;

  /**
   * @param takesSeveral - the follower takes several next hops of a route, and such of 32 octets
   * @param takesInterfaces - and names of interfaces
   */
  constructor(tables: readonly FollowedTable[], takesSeveral: boolean, takesInterfaces: boolean) {
    this.takesSeveral = takesSeveral;
    this.takesInterfaces = takesInterfaces;
    this.readers = tables.map((table) => ({ table, cursor: table.log.open(), at: 1 }));
  }

  /** Whether the copy is over and no change is left to tell. */
  get isUpToDate(): boolean {
    return this.readers.every(
      ({ table, cursor, at }) => at >= table.prefixes.limit && table.log.lag(cursor) === 0,
    );
  }

  /** Changes that are to be told, superseded ones included. */
  get lag(): number {
    return this.readers.reduce((sum, { table, cursor }) => sum + table.log.lag(cursor), 0);
  }

  /** @returns the next routes to tell, which may be none */
  next(): Told {
    const out = new OctetWriter();
    let count = 0;
    for (const reader of this.readers) {
      if (count < ROUTES_MAX) count += this.tell(out, reader, ROUTES_MAX - count);
      reader.table.trim();
    }
    return { routes: joined(out.take()), count, more: !this.isUpToDate };
  }

  /** Nothing more is to be told. */
  close(): void {
    for (const { table, cursor } of this.readers) {
      table.log.close(cursor);
      table.trim();
    }
  }

  private tell(out: OctetWriter, reader: Reader, max: number): number {
    const { table, cursor } = reader;
    const byHop = new Map<HopId, PrefixRow[]>();
    let count = 0;
    const take = (row: PrefixRow) => {
      const rows = byHop.get(table.hop[row]!);
      if (rows === undefined) byHop.set(table.hop[row]!, [row]);
      else rows.push(row);
      count++;
    };
    const { limit } = table.prefixes;
    // While there is a copy to tell, changes have half of the room.
    const changes = reader.at < limit ? max >> 1 : max;
    for (let row = 0; count < changes; take(row)) {
      row = table.log.next(cursor);
      if (row === 0) break;
    }
    for (; reader.at < limit && count < max; reader.at++) {
      if (table.hop[reader.at] !== 0) take(reader.at);
    }
    for (const [hop, rows] of byHop) {
      writeRun(out, table.family, this.toldOf(table.hops.get(hop)), rows.length);
      for (const row of rows) {
        const { words, bits } = keyOf(table.prefixes, row);
        writePrefix(out, words[0], words[1], words[2], words[3], bits);
      }
    }
    return count;
  }

  private toldOf(hops: NextHops): NextHops {
    if (!this.takesSeveral) return hops.slice(0, 1).map((one) => one.subarray(0, 16));
    if (this.takesInterfaces) return hops;
    return hops.map((one) => one.subarray(0, addressesOctets(one)));
  }
}
