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

/** As `grown`, or shorter: then elements at the end are lost. */
export function resized<T extends Column>(column: T, length: number): T {
  if (length >= column.length) return grown(column, length);
  const next = column.slice(0, length) as T;
  (column.buffer as ArrayBuffer).transfer(0);
  return next;
}

/** Doubled again and again, this leaves room for a million rows, and then some. */
const LENGTH_MIN = 1280;

/** How long columns become when `needed` rows do not fit. */
export function grownLength(current: number, needed: number): number {
  return Math.max(needed, 2 * current, LENGTH_MIN);
}

/** A table of fewer rows is not made smaller. */
const ROWS_MANY = 1 << 16;

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
  /** Length that columns are being given, and how many of them do not have it. */
  private target = 0;
  private left = 0;

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
    if (row >= this.target || this.left === 0) this.begin(grownLength(this.capacity, row + 1));
    while (this.left > 0) this.resizeOne();
  }

  /**
   * Grows one column when it is about time, or shortens one when that was asked for.
   *
   * @param used - rows in use are below this
   */
  advance(used: number): void {
    if (this.left === 0) {
      if (AHEAD_DENOMINATOR * used < AHEAD_NUMERATOR * this.capacity || used === 0) return;
      this.begin(grownLength(this.capacity, used));
    }
    this.resizeOne();
  }

  /**
   * Has columns made shorter by `advance` if that gives at least half of them back.
   *
   * @param used - rows in use are below this
   */
  shrink(used: number): void {
    const length = Math.max(used + (used >>> 2), LENGTH_MIN);
    if (2 * length > this.capacity) return;
    this.begin(length);
    this.capacity = length;
  }

  /** Copies what all columns have of a row to another one that there is room for. */
  copy(from: number, to: number): void {
    for (const name of this.names) this.fields[name]![to] = this.fields[name]![from]!;
  }

  private begin(target: number): void {
    this.target = target;
    this.left = this.names.length;
  }

  private resizeOne(): void {
    // An image may have counted columns that are not known here.
    const name = this.names[Math.max(0, this.names.length - this.left)]!;
    this.fields[name] = resized(this.fields[name]!, this.target);
    this.left--;
    if (this.left === 0) this.capacity = this.target;
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

  /** Gives back the memory of a stack that was long. */
  reset(): void {
    this.length = 0;
    this.items = new Uint32Array(64);
  }
}

/** What is taken by somebody who gives it back. */
interface Look {
  /** How short the stack of free rows became. */
  lowest: number;
  /** Rows that stood there above that, the one on top first. */
  readonly popped: number[];
}

/** The rows of a table: which of them are free, and those that are being given up. */
export class Rows {
  /** Rows in use are below this. */
  limit = 1;
  private readonly free: NumberStack = new NumberStack();
  /** Rows from here on are being given up. */
  private kept = Infinity;
  private hasGrown = false;
  /** Null unless `looking` is under way. */
  private look: Look | null = null;

  /** @returns a row that is free, and no longer is */
  take(): number {
    const { free, look } = this;
    const row = free.pop();
    // The state of an older program has no such field.
    if (look && row !== 0 && free.length < look.lowest) {
      look.lowest = free.length;
      look.popped.push(row);
    }
    if (row !== 0) return row;
    this.hasGrown = true;
    return this.limit++;
  }

  /**
   * Does something that takes rows and gives them back. Afterwards rows come free in the order in which they
   * would have come without it, unless it has kept some.
   */
  looking<T>(body: () => T): T {
    const { limit, hasGrown } = this;
    const look: Look = { lowest: this.free.length, popped: [] };
    this.look = look;
    try {
      return body();
    } finally {
      this.look = null;
      this.undo(look, limit, hasGrown);
    }
  }

  private undo({ lowest, popped }: Look, limit: number, hadGrown: boolean): void {
    const { free } = this;
    const given = new Set<number>();
    for (let at = lowest; at < free.length; at++) given.add(free.at(at));
    const isBack = (row: number) => given.delete(row);
    const areBack = popped.every((row) => given.has(row));
    for (let row = limit; row < this.limit; row++) if (!given.has(row)) return;
    if (!areBack) return;
    for (; this.limit > limit; this.limit--) isBack(this.limit - 1);
    this.hasGrown = hadGrown;
    free.length = lowest;
    for (const row of popped.toReversed()) if (isBack(row)) free.push(row);
    // Of those that were in use before.
    for (const row of given) free.push(row);
  }

  /** A row is free. */
  give(row: number): void {
    if (row < this.kept) this.free.push(row);
  }

  /** Whether no more than a quarter of many rows is in use. */
  isSparse(used: number): boolean {
    return this.limit > ROWS_MANY && 4 * used < this.limit;
  }

  /**
   * Begins to give up rows: the caller moves what is in rows from `kept` on to rows that it takes.
   * Linear in `kept`.
   */
  begin(kept: number, isFree: (row: number) => boolean): void {
    this.kept = kept;
    this.hasGrown = false;
    this.free.reset();
    for (let row = kept - 1; row > 0; row--) if (isFree(row)) this.free.push(row);
  }

  /** Whether there are no more rows, below those being given up, to move anything to. */
  get mustAbort(): boolean {
    return this.hasGrown || this.free.length === 0;
  }

  /** Undoes `begin`. Linear in the rows. */
  abort(isFree: (row: number) => boolean): void {
    for (let row = this.limit - 1; row >= this.kept; row--) if (isFree(row)) this.free.push(row);
    this.kept = Infinity;
  }

  /** The rows that were being given up are free, and no more. */
  end(): void {
    this.limit = this.kept;
    this.kept = Infinity;
  }
}
