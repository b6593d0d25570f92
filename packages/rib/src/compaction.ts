/**
 * Gives memory back after many prefixes have gone.
 *
 * Columns are as long as the highest row in use. A table that has used no more than a quarter of its
 * rows for a while gets its upper rows emptied, a few in each slice: what is in them moves to free
 * rows below, and whoever knows it by number is told. Then the columns are made shorter, one in each
 * slice. A table that grows meanwhile just goes on.
 */

import type { PathRow, PathTable } from "./path-table.ts";
import type { PrefixRow, PrefixTable } from "./prefix-table.ts";
import type { Rib } from "./rib.ts";

/** For so long rows are kept: what has just gone mostly comes back. */
export const SPARSE_MS = 10_000;
/** Rows that a step looks at, and those of them that it moves. */
const STEP_ROWS = 1 << 13;
const STEP_MOVES = 1 << 10;
/** Somebody who goes through the rows, page by page, may ask for moves for so long. */
const MOVES_KEPT_MS = 60_000;

export class Compaction {
  private readonly rib: Rib;
  /** Since when a table has been sparse; null when none is. */
  private sinceMs: number | null = null;
  /** Whose rows are being emptied. */
  private table: PrefixTable | PathTable | null = null;
  /** From here on they are empty; rows down to `kept` are to be. */
  private at = 0;
  private kept = 0;
  /** Prefixes that were moved, in all. */
  moves = 0;
  /** Rows that the newest of these had and have, in turn. */
  private recent: number[] = [];
  private movedMs = 0;

  constructor(rib: Rib) {
    this.rib = rib;
  }

  /** Does a bounded piece of work. @returns whether there is more */
  step(nowMs: number): boolean {
    if (this.recent.length > 0 && nowMs > this.movedMs + MOVES_KEPT_MS) this.recent = [];
    if (this.table === null) return this.begin(nowMs);
    const { table } = this;
    if (table.rows.mustAbort) {
      table.rows.abort((row) => table.isFree(row));
      this.table = null;
      return false;
    }
    if (!this.isSettled) return false;
    const end = Math.max(this.kept, this.at - STEP_ROWS);
    for (let moves = 0; this.at > end && moves < STEP_MOVES && !table.rows.mustAbort; ) {
      this.at--;
      if (table.isFree(this.at)) continue;
      if (table === this.rib.prefixes) {
        this.movePrefix(this.at);
        this.movedMs = nowMs;
      } else this.movePath(this.at);
      moves++;
    }
    if (this.at === this.kept) this.end(table);
    return true;
  }

  /**
   * For somebody who goes through the rows of prefixes while some are moved.
   *
   * @param moves - as `moves` was at the last look
   * @param row - the next one to be looked at
   * @returns rows below it of prefixes that were not below it then
   */
  movedBehind(moves: number, row: PrefixRow): PrefixRow[] {
    const { recent } = this;
    const rows: PrefixRow[] = [];
    for (let i = Math.max(0, recent.length - 2 * (this.moves - moves)); i < recent.length; i += 2) {
      if (recent[i]! >= row && recent[i + 1]! < row) rows.push(recent[i + 1]!);
    }
    return rows;
  }

  /** Whether `movedBehind` knows all that were moved since; not of what was a long time ago. */
  remembers(moves: number): boolean {
    return 2 * (this.moves - moves) <= this.recent.length;
  }

  /** Whether nobody goes through the tables row by row. */
  private get isSettled(): boolean {
    const { digest, rowHolders, pending } = this.rib;
    return !digest.isPartial && pending === 0 && rowHolders.every(({ isSettled }) => isSettled);
  }

  private begin(nowMs: number): boolean {
    const { prefixes, paths } = this.rib;
    const table = [prefixes, paths].find(({ rows, size }) => rows.isSparse(size));
    if (table === undefined) {
      this.sinceMs = null;
      return false;
    }
    this.sinceMs ??= nowMs;
    if (nowMs < this.sinceMs + SPARSE_MS || !this.isSettled) return false;
    this.table = table;
    this.at = table.rows.limit;
    this.kept = 2 * table.size + STEP_ROWS;
    table.rows.begin(this.kept, (row) => table.isFree(row));
    return true;
  }

  private end(table: PrefixTable | PathTable): void {
    const { log, prefixes } = this.rib;
    table.rows.end();
    table.shrink();
    if (table === prefixes) log.fit(prefixes.capacity);
    this.table = null;
  }

  private movePrefix(from: PrefixRow): void {
    const { prefixes, paths, log, rowHolders } = this.rib;
    const to = prefixes.rows.take();
    prefixes.columns.reserve(to);
    prefixes.move(from, to);
    this.moves++;
    this.recent.push(from, to);
    for (let path = prefixes.head[to]!; path !== 0; path = paths.next[path]!) {
      paths.prefix[path] = to;
    }
    log.move(from, to);
    for (const holder of rowHolders) holder.moveRow(from, to);
  }

  private movePath(from: PathRow): void {
    const { prefixes, paths } = this.rib;
    const to = paths.rows.take();
    paths.columns.reserve(to);
    const row = paths.prefix[from]!;
    if (prefixes.head[row] === from) prefixes.head[row] = to;
    else {
      let path = prefixes.head[row]!;
      while (paths.next[path] !== from) path = paths.next[path]!;
      paths.next[path] = to;
    }
    if (prefixes.best[row] === from) prefixes.best[row] = to;
    paths.move(from, to);
  }
}
