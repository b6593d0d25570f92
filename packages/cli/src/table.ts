/** Tables, durations and sizes for people. */

/** A column: its title, its text for a row, and which side it leans to. */
export interface Column<T> {
  readonly title: string;
  readonly text: (row: T) => string;
  readonly right?: boolean;
}

/** Rows that are looked at before the widths of the columns are fixed. */
const SAMPLE_ROWS = 500;

/**
 * Writes rows as lines with aligned columns, the first ones once there are enough to see how wide
 * the columns are, so that a table of any length can be written as it comes.
 */
export class TableWriter<T> {
  private readonly columns: readonly Column<T>[];
  private readonly write: (line: string) => void;
  private sample: string[][] | null = [];
  private widths: number[] = [];
  /** Rows written, the title not counted. */
  count = 0;

  constructor(columns: readonly Column<T>[], write: (line: string) => void) {
    this.columns = columns;
    this.write = write;
  }

  add(row: T): void {
    this.count++;
    const cells = this.columns.map((column) => column.text(row));
    if (this.sample === null) this.writeCells(cells);
    else if (this.sample.push(cells) === SAMPLE_ROWS) this.end();
  }

  /** Writes what is still held back; the title too, when there was a row. */
  end(): void {
    const { sample } = this;
    this.sample = null;
    if (sample === null || sample.length === 0) return;
    const lines = [this.columns.map(({ title }) => title), ...sample];
    this.widths = this.columns.map((_, i) => Math.max(...lines.map((line) => line[i]!.length)));
    for (const line of lines) this.writeCells(line);
  }

  private writeCells(cells: readonly string[]): void {
    const padded = cells.map((cell, i) => {
      const width = this.widths[i]!;
      return this.columns[i]!.right === true ? cell.padStart(width) : cell.padEnd(width);
    });
    this.write(padded.join("  ").trimEnd());
  }
}

/** @returns lines of names and values, the names aligned */
export function renderFields(
  fields: readonly (readonly [name: string, value: string])[],
): string[] {
  const width = Math.max(...fields.map(([name]) => name.length));
  return fields.map(([name, value]) => `${`${name}:`.padEnd(width + 1)} ${value}`.trimEnd());
}

/** @returns "04:05:06", "3d04h05m", "5w2d04h" */
export function duration(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  const two = (n: number) => String(n).padStart(2, "0");
  const days = Math.floor(seconds / 86_400);
  const hours = Math.floor(seconds / 3600) % 24;
  const minutes = Math.floor(seconds / 60) % 60;
  if (days >= 7) return `${Math.floor(days / 7)}w${days % 7}d${two(hours)}h`;
  if (days > 0) return `${days}d${two(hours)}h${two(minutes)}m`;
  return `${two(hours)}:${two(minutes)}:${two(seconds % 60)}`;
}

/** @returns "1.5 MB" */
export function size(octets: number): string {
  const units = ["B", "kB", "MB", "GB", "TB"];
  const unit = octets < 1000 ? 0 : Math.min(4, Math.floor(Math.log10(octets) / 3));
  return unit === 0 ? `${octets} B` : `${(octets / 1000 ** unit).toFixed(1)} ${units[unit]}`;
}
