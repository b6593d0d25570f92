/**
 * A sum over the entries of a table, kept up to date by each change: equal for equal contents,
 * whatever the rows they stand in and the order they came in. It finds differences, it does not
 * prove equality: two tables that differ have equal sums once in 2^32 times or so.
 *
 * Nobody pays for a digest that nobody asks for: at first no row counts. The table counts its rows
 * piece by piece, and from then on every change of a row that counts.
 */
export class Digest {
  /** Rows below this count; row 0 is none in every table. */
  frontier = 1;
  private low = 0;
  private high = 0;

  /** Whether all rows count; the sum says nothing before. */
  get isComplete(): boolean {
    return this.frontier === Infinity;
  }

  /** Whether some rows count and others do not, so that it matters which row something stands in. */
  get isPartial(): boolean {
    return this.frontier !== 1 && !this.isComplete;
  }

  /**
   * Adds an entry, or takes it out.
   *
   * @param entry - any 32-bit number that depends on all of the entry
   */
  count(entry: number, sign: 1 | -1): void {
    this.low = (this.low + sign * entry) | 0;
    this.high = (this.high + sign * Math.imul(entry ^ (entry >>> 15), 0x9e3779b1)) | 0;
  }

  /**
   * Has more rows count.
   *
   * @param max - so many
   * @param limit - rows of the table are below this
   * @param countRow - adds the entries of a row, if it has any
   * @returns whether there are more
   */
  advance(max: number, limit: number, countRow: (row: number) => void): boolean {
    const end = Math.min(limit, this.frontier + max);
    for (let row = this.frontier; row < end; row++) countRow(row);
    this.frontier = end === limit ? Infinity : end;
    return !this.isComplete;
  }

  /** Sixteen hexadecimal digits, all 0 for an empty table. */
  toString(): string {
    const word = (n: number) => (n >>> 0).toString(16).padStart(8, "0");
    return word(this.high) + word(this.low);
  }
}

/** @returns a number that depends on both; chained, on all that came before and on their order */
export function mixIn(h: number, value: number): number {
  const x = Math.imul(h ^ value, 0x9e3779b1);
  return x ^ (x >>> 15);
}
