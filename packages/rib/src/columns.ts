/** Growing typed arrays, and the rows in them that are free for reuse. */

export type Column = Uint8Array | Uint16Array | Uint32Array | Int32Array;

/**
 * Makes an array longer: the old one is of no use afterwards, its memory is free at once.
 *
 * @returns an array of the same kind with `length` elements that starts with the old ones; the new
 *   elements are 0. Costs one copy; memory of the new part is not touched.
 */
export function grown<T extends Column>(column: T, length: number): T {
  const next = new (column.constructor as new (length: number) => T)(length);
  next.set(column);
  (column.buffer as ArrayBuffer).transfer(0);
  return next;
}

/** Doubled again and again, this leaves room for a million rows, and then some. */
const LENGTH_MIN = 1280;

/** How long columns become when `needed` rows do not fit. */
export function grownLength(current: number, needed: number): number {
  return Math.max(needed, 2 * current, LENGTH_MIN);
}

/** Columns ahead of need are grown from this part of their length on. */
const AHEAD_NUMERATOR = 7;
const AHEAD_DENOMINATOR = 8;

/**
 * The columns of one table: fields of it that have an entry for each row.
 *
 * To copy all columns of a million rows takes several times as long as a slice may. So `advance`,
 * called once a slice, copies one of them when the table is nearly full; `reserve` copies what is
 * left when a row does not fit.
 */
export class Columns {
  /** Rows that every column has room for. */
  capacity = 0;
  private readonly fields: Record<string, Column>;
  private readonly names: readonly string[];
  /** Length that columns are being grown to, and how many of them have it. */
  private target = 0;
  private done = 0;

  /** @param names - the fields of `table` that are columns, of length 0 each */
  constructor(table: object, names: readonly string[]) {
    this.fields = table as Record<string, Column>;
    this.names = [...names];
    // Row 0 stands for none: whoever asks for it finds nothing, and not `undefined`.
    for (const name of names) this.fields[name] = grown(this.fields[name]!, 1);
    this.capacity = 1;
    this.target = 1;
  }

  /** Octets of all columns. */
  get octets(): number {
    return this.names.reduce((sum, name) => sum + this.fields[name]!.byteLength, 0);
  }

  /** Makes room for a row. */
  reserve(row: number): void {
    if (row < this.capacity) return;
    if (row >= this.target) {
      this.target = grownLength(this.capacity, row + 1);
      this.done = 0;
    }
    while (this.capacity < this.target) this.growOne();
  }

  /**
   * Grows one column when it is about time.
   *
   * @param used - rows in use are below this
   */
  advance(used: number): void {
    if (AHEAD_DENOMINATOR * used < AHEAD_NUMERATOR * this.capacity || used === 0) return;
    if (this.target === this.capacity) this.target = grownLength(this.capacity, used);
    this.growOne();
  }

  private growOne(): void {
    const name = this.names[this.done++]!;
    this.fields[name] = grown(this.fields[name]!, this.target);
    if (this.done < this.names.length) return;
    this.capacity = this.target;
    this.done = 0;
  }
}

/** A stack of numbers in a typed array. */
export class NumberStack {
  private items: Uint32Array = new Uint32Array(64);
  length = 0;

  push(item: number): void {
    if (this.length === this.items.length) this.items = grown(this.items, 2 * this.length);
    this.items[this.length++] = item;
  }

  /** @returns the item pushed last, or 0 when there is none */
  pop(): number {
    return this.length === 0 ? 0 : this.items[--this.length]!;
  }

  at(index: number): number {
    return this.items[index]!;
  }

  clear(): void {
    this.length = 0;
  }
}
