/** What is wrong with a configuration, for people. */

/** One mistake or warning and its place. */
export interface Mistake {
  readonly file: string;
  /** 1 is the first line. */
  readonly line: number;
  /** 1 is the first character. */
  readonly column: number;
  /** A sentence without a final full stop. */
  readonly message: string;
}

/** Mistakes printed at most unless asked otherwise. */
const PRINTED_MAX = 100;

/**
 * Lines `file:line:column: message`, as compilers print them.
 *
 * @param mistakes - sorted, as `loadConfig` returns them
 * @returns at most `max` lines, and one with the number of those left out
 */
export function formatMistakes(mistakes: readonly Mistake[], max: number = PRINTED_MAX): string[] {
  const lines = mistakes
    .slice(0, max)
    .map(({ file, line, column, message }) => `${file}:${line}:${column}: ${message}`);
  return mistakes.length > max ? [...lines, `and ${mistakes.length - max} more`] : lines;
}

/** @returns the mistakes in the order of files and lines, each once */
export function sortMistakes(mistakes: readonly Mistake[], mainFile: string): Mistake[] {
  const rank = (file: string) => (file === mainFile ? "" : file);
  const compareText = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0);
  const sorted = [...mistakes].sort(
    (a, b) =>
      compareText(rank(a.file), rank(b.file)) ||
      a.line - b.line ||
      a.column - b.column ||
      compareText(a.message, b.message),
  );
  return sorted.filter((mistake, k) => k === 0 || !isSame(mistake, sorted[k - 1]!));
}

function isSame(a: Mistake, b: Mistake): boolean {
  return a.file === b.file && a.line === b.line && a.column === b.column && a.message === b.message;
}

/** @returns ", did you mean ...?" with the nearest of the names, or nothing when none is near */
export function didYouMean(name: string, names: Iterable<string>): string {
  let best = "";
  let bestDistance = Math.max(1, Math.floor(name.length / 3)) + 1;
  for (const candidate of names) {
    const distance = continues(name, candidate) ? 1.5 : editDistance(name, candidate, bestDistance);
    if (distance >= bestDistance) continue;
    best = candidate;
    bestDistance = distance;
  }
  return best === "" ? "" : `, did you mean "${best}"?`;
}

/** Whether one of two words is the other with more words behind it, or most of both is equal. */
function continues(a: string, b: string): boolean {
  if (a.startsWith(`${b}-`) || b.startsWith(`${a}-`)) return true;
  let same = 0;
  while (same < a.length && a[same] === b[same]) same++;
  return same >= 4 && same >= 0.6 * Math.max(a.length, b.length);
}

/** Insertions, deletions, replacements and swaps between two short words; `limit` at most. */
function editDistance(a: string, b: string, limit: number): number {
  if (Math.abs(a.length - b.length) >= limit) return limit;
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, k) => k);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let k = 1; k <= b.length; k++) {
      const same = a[i - 1] === b[k - 1];
      let cost = Math.min(last[k]! + 1, row[k - 1]! + 1, last[k - 1]! + (same ? 0 : 1));
      if (i > 1 && k > 1 && a[i - 1] === b[k - 2] && a[i - 2] === b[k - 1]) {
        cost = Math.min(cost, beforeLast[k - 2]! + 1);
      }
      row.push(cost);
    }
    beforeLast = last;
    last = row;
  }
  return last[b.length]!;
}
