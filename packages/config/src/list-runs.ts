/**
 * Long lists of prefixes or AS numbers in YAML, an item a line, which are read without a parser of YAML: it
 * takes ten times as long, and a hundred times the memory.
 *
 * A run of such lines is taken out of the text, and an item that names it stands in its place.
 */

import { lastAtMost } from "./texts.ts";

/** Shorter ones stay. */
const LINES_MIN = 16;
/** Begins the item that stands for a run; no text has it that runs are taken out of. */
const MARK = "\uE000";
/** A line with one item that means the same in YAML as it does here. */
const ITEM =
  /( *)- (["']?)([0-9a-fA-F:][0-9a-fA-F.:]*\/\d{1,3}(?: [gl]e \d{1,3}){0,2}|[1-9]\d{0,9}(?:-\d{1,10})?)\2[ \t]*(?: #.*)?\r?(?:\n|$)/y;

interface Run {
  /** Of its lines, in the text. */
  readonly start: number;
  readonly end: number;
}

/** A text without its runs. */
export class ShortText {
  readonly text: string;
  private readonly whole: string;
  private readonly runs: Run[] = [];
  /** Indexes of the short text from which on it is behind the whole one, and by how much. */
  private readonly cuts: number[] = [0];
  private readonly behind: number[] = [0];

  /** @param withRuns - leave them in */
  constructor(whole: string, withRuns = false) {
    this.whole = whole;
    this.text = withRuns || whole.includes(MARK) ? whole : this.shortened();
  }

  get count(): number {
    return this.runs.length;
  }

  /** @returns the index in the whole text */
  indexOf(at: number): number {
    return at + this.behind[lastAtMost(this.cuts, at)]!;
  }

  /** @returns number of the run that an item stands for; -1 when it is one like others */
  runOf(item: unknown): number {
    return typeof item === "string" && item.startsWith(MARK) ? Number(item.slice(1)) : -1;
  }

  /** Gives a function all items of a run, and where they begin in the whole text. */
  forEach(run: number, visit: (item: string | number, at: number) => void): void {
    const { start, end } = this.runs[run]!;
    ITEM.lastIndex = start;
    for (let at = start; at < end; at = ITEM.lastIndex) {
      const [, indent, quote, item] = ITEM.exec(this.whole)!;
      const isNumber = quote === "" && /^\d+$/.test(item!);
      visit(isNumber ? Number(item) : item!, at + indent!.length + 2);
    }
  }

  private shortened(): string {
    const { whole, runs, cuts, behind } = this;
    const parts: string[] = [];
    let length = 0;
    let done = 0;
    const add = (part: string) => {
      parts.push(part);
      length += part.length;
    };
    for (let at = 0; at < whole.length; ) {
      const run = runAt(whole, at);
      if (run.lines >= LINES_MIN) {
        add(whole.slice(done, at));
        add(`${" ".repeat(run.indent)}- ${MARK}${runs.length}\n`);
        runs.push({ start: at, end: run.end });
        done = run.end;
        cuts.push(length);
        behind.push(done - length);
      }
      at = run.lines > 0 ? run.end : nextLine(whole, at);
    }
    add(whole.slice(done));
    return parts.join("");
  }
}

/** @returns the lines with items that begin at an index, as long as they are indented alike */
function runAt(text: string, start: number): { lines: number; indent: number; end: number } {
  let lines = 0;
  let indent = 0;
  let end = start;
  for (ITEM.lastIndex = start; end < text.length; lines++) {
    const found = ITEM.exec(text);
    if (found === null || (lines > 0 && found[1]!.length !== indent)) break;
    indent = found[1]!.length;
    end = ITEM.lastIndex;
  }
  return { lines, indent, end };
}

function nextLine(text: string, at: number): number {
  const newline = text.indexOf("\n", at);
  return newline < 0 ? text.length : newline + 1;
}
