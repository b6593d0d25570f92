/** The texts that a configuration is made of, and the way from an index back to file, line and column. */

import type { Mistake } from "./mistakes.ts";

interface Text {
  readonly file: string;
  /** Index of its first character. */
  readonly base: number;
  readonly text: string;
  /** Where lines begin in it; made when somebody asks. */
  lines: readonly number[] | null;
}

/** Texts behind each other: an index says which one, and where in it. */
export class Texts {
  private readonly all: Text[] = [];
  private end = 0;

  /** @returns index of the first character of the text */
  add(file: string, text: string): number {
    const base = this.end;
    this.all.push({ file, base, text, lines: null });
    this.end += text.length + 1;
    return base;
  }

  placeOf(at: number): Pick<Mistake, "file" | "line" | "column"> {
    const text = this.all.findLast(({ base }) => base <= at) ?? this.all[0]!;
    text.lines ??= linesOf(text.text);
    const index = Math.min(Math.max(0, at - text.base), text.text.length);
    const line = lastAtMost(text.lines, index);
    return { file: text.file, line: line + 1, column: index - text.lines[line]! + 1 };
  }
}

function linesOf(text: string): number[] {
  const lines = [0];
  for (let at = text.indexOf("\n"); at >= 0; at = text.indexOf("\n", at + 1)) lines.push(at + 1);
  return lines;
}

/** @returns index of the last of sorted numbers that is not above another one; the first is not */
export function lastAtMost(sorted: readonly number[], most: number): number {
  let low = 0;
  let high = sorted.length;
  while (high - low > 1) {
    const middle = (low + high) >>> 1;
    if (sorted[middle]! <= most) low = middle;
    else high = middle;
  }
  return low;
}
