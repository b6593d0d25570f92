/** Finding a command by the words that people type, each cut short as long as it is unique. */

/** What a word, or the words of a command, lead to. */
export type Resolved =
  | { readonly kind: "command"; readonly name: string; readonly rest: readonly string[] }
  | { readonly kind: "unknown"; readonly word: string; readonly candidates: readonly string[] }
  | { readonly kind: "ambiguous"; readonly word: string; readonly candidates: readonly string[] }
  | {
      readonly kind: "incomplete";
      /** The words so far, in full, and a space. */
      readonly found: string;
      readonly candidates: readonly string[];
    };

/**
 * Resolves the leading words of `words` to one of `names`, whose words are joined by spaces.
 *
 * A word may be cut short: `sh r` is `show routes`. An exact word wins over longer ones, so
 * `show neighbor` is not ambiguous.
 */
export function resolveVerb(names: readonly string[], words: readonly string[]): Resolved {
  let found = "";
  for (let depth = 0; ; depth++) {
    const next = wordsAfter(names, found);
    if (next.length === 0) return { kind: "command", name: found, rest: words.slice(depth) };
    const word = words[depth];
    const isCommand = names.includes(found);
    if (word === undefined || (isCommand && word.startsWith("-"))) {
      if (isCommand) return { kind: "command", name: found, rest: words.slice(depth) };
      return { kind: "incomplete", found: `${found} `, candidates: next };
    }
    const matches = completions(next, word);
    if (matches.length === 0) {
      if (isCommand) return { kind: "command", name: found, rest: words.slice(depth) };
      return { kind: "unknown", word, candidates: next };
    }
    if (matches.length > 1) return { kind: "ambiguous", word, candidates: matches };
    found = found === "" ? matches[0]! : `${found} ${matches[0]}`;
  }
}

/** @returns the words that begin with `word`, or the word alone when it is one of them; none for an empty one */
export function completions(candidates: readonly string[], word: string): string[] {
  if (word === "") return [];
  if (candidates.includes(word)) return [word];
  return candidates.filter((candidate) => candidate.startsWith(word)).sort();
}

/** Words that may follow `prefix` in the names. */
function wordsAfter(names: readonly string[], prefix: string): string[] {
  const start = prefix === "" ? "" : `${prefix} `;
  const next = names
    .filter((name) => name.startsWith(start) && name !== prefix)
    .map((name) => name.slice(start.length).split(" ")[0]!);
  return [...new Set(next)].sort();
}
