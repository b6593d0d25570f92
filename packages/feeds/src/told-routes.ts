/** Routes that have changed, or a piece of the tables: what all stations that are told of them share. */

import { BmpBlock, type RouteRun, runsOf, TABLE } from "@ts-bgp/feeds-codec";
import type { Family } from "@ts-bgp/wire-codec";
import { withPathIds } from "./path-ids.ts";

/** What is used, as messages for those who could be sent it. */
export interface ExportedRuns {
  readonly block: BmpBlock;
  readonly runs: readonly RouteRun[];
  /** By run, the number of its first message; at the end, that of messages. */
  readonly firsts: readonly number[];
  /** By neighbor, numbers of the runs that come from it. */
  readonly byPeer: ReadonlyMap<number, readonly number[]>;
}

export class ToldRoutes {
  readonly runs: readonly RouteRun[];
  readonly atMs: number;
  private readonly exported: Map<string, ExportedRuns> = new Map();

  /** @param octets - runs of `feeds-codec` */
  constructor(octets: Uint8Array, atMs: number) {
    this.runs = [...runsOf(octets)];
    this.atMs = atMs;
  }

  /** What of it is used, before export policy; made once for all neighbors that are told of in one form. */
  exportedRuns(family: Family, addPath: boolean): ExportedRuns {
    const key = `${family} ${addPath}`;
    let found = this.exported.get(key);
    if (found === undefined) {
      found = this.export(family, addPath);
      this.exported.set(key, found);
    }
    return found;
  }

  private export(family: Family, addPath: boolean): ExportedRuns {
    const block = new BmpBlock(TABLE.ADJ_OUT_PRE, this.atMs);
    const used = this.runs.filter((run) => run.table === TABLE.LOC_RIB && run.family === family);
    const runs = addPath ? used.map(withPathIds) : used;
    const firsts = [0];
    const byPeer = new Map<number, number[]>();
    for (const [number, run] of runs.entries()) {
      block.routes(run);
      firsts.push(block.length);
      const own = byPeer.get(run.peer);
      if (own === undefined) byPeer.set(run.peer, [number]);
      else own.push(number);
    }
    return { block, runs, firsts, byPeer };
  }
}
