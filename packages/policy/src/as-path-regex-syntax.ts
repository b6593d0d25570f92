/** Reading regular expressions over AS_PATH into programs (after Thompson). */

import type { AsSet } from "./as-set.ts";

/** A mistake in an expression; `at` is the index of the character. */
export interface RegexMistake {
  readonly at: number;
  readonly message: string;
}

/**
 * One step of a program; execution goes on with the following one, save after `split` and `match`.
 * `start` and `end` go on only at that end of the path.
 */
export type Instruction =
  | { readonly op: "symbols" /** A bit for each symbol that will do. */; readonly set: number }
  /** Goes on with several at once; they are counted from this one. */
  | { readonly op: "split"; readonly to: readonly number[] }
  | { readonly op: "start" | "end" | "match" };

/** Part of a program; it can stand anywhere, as addresses are relative. */
type Fragment = readonly Instruction[];

/** Nesting and length of an expression are bounded so that a program stays small. */
const LENGTH_MAX = 1000;
const INSTRUCTIONS_MAX = 100_000;

/** What `_` takes besides the ends of the path. */
const DELIMITERS = " ,{}()[]";
const DIGITS = "0123456789";

/**
 * @param symbols - the characters of the text that will be matched
 * @param listOf - gives the AS list of a name
 * @returns the program, or the first mistake
 */
export function parseAsPathRegex(
  text: string,
  symbols: string,
  listOf: (name: string) => AsSet,
): readonly Instruction[] | RegexMistake {
  if (text === "") return { at: 0, message: "an empty expression" };
  if (text.length > LENGTH_MAX) return { at: LENGTH_MAX, message: "the expression is too long" };
  const reader = new Reader(text, symbols, listOf);
  try {
    const fragment = reader.alternatives();
    if (reader.at < text.length) reader.fail("a closing parenthesis that was not opened");
    return [...fragment, { op: "match" }];
  } catch (error) {
    if (error instanceof Mistake) return { at: error.at, message: error.message };
    throw error;
  }
}

/** Carries a mistake out of the recursion; never leaves this file. */
class Mistake extends Error {
  readonly at: number;

  constructor(at: number, message: string) {
    super(message);
    this.at = at;
  }
}

class Reader {
  at = 0;
  private readonly text: string;
  private readonly symbols: string;
  private readonly listOf: (name: string) => AsSet;

  constructor(text: string, symbols: string, listOf: (name: string) => AsSet) {
    this.text = text;
    this.symbols = symbols;
    this.listOf = listOf;
  }

  fail(message: string, at = this.at): never {
    throw new Mistake(at, message);
  }

  alternatives(): Fragment {
    let fragment = this.sequence();
    while (this.text[this.at] === "|") {
      this.at++;
      fragment = either(fragment, this.sequence());
    }
    return fragment;
  }

  private sequence(): Fragment {
    let fragment: Fragment = [];
    while (this.at < this.text.length && !"|)".includes(this.text[this.at]!)) {
      fragment = [...fragment, ...this.repeated()];
      if (fragment.length > INSTRUCTIONS_MAX) this.fail("the expression is too long");
    }
    return fragment;
  }

  private repeated(): Fragment {
    let fragment = this.single();
    for (;;) {
      const operator = this.text[this.at];
      const { length } = fragment;
      if (operator === "*") fragment = optional([...fragment, split(-length - 1)]);
      else if (operator === "+") fragment = [...fragment, split(-length, 1)];
      else if (operator === "?") fragment = optional(fragment);
      else if (/^\{\d+(,\d*)?\}/.test(this.text.slice(this.at))) {
        this.fail("a counted repeat, which is not supported; write \\{ for a literal brace");
      } else return fragment;
      this.at++;
    }
  }

  private single(): Fragment {
    const at = this.at++;
    const character = this.text[at]!;
    switch (character) {
      case "*":
      case "+":
      case "?":
        return this.fail(`"${character}" has nothing to repeat`, at);
      case "^":
        return [{ op: "start" }];
      case "$":
        return [{ op: "end" }];
      case "_":
        return either([this.anyOf(DELIMITERS)], either([{ op: "start" }], [{ op: "end" }]));
      case ".":
        return [this.anyOf(this.symbols)];
      case "[":
        return [this.bracket(at)];
      case "(":
        return this.group(at);
      case "<":
        return this.list(at);
      case "\\":
        return [this.literal(this.text[this.at++], at)];
      default:
        return [this.literal(character, at)];
    }
  }

  private group(at: number): Fragment {
    const fragment = this.alternatives();
    if (this.text[this.at] !== ")") this.fail("an opening parenthesis that is not closed", at);
    this.at++;
    return fragment;
  }

  private list(at: number): Fragment {
    const end = this.text.indexOf(">", at);
    const name = this.text.slice(at + 1, end);
    if (end < 0 || name === "") this.fail("not the name of a list between < and >", at);
    this.at = end + 1;
    return this.numbers(this.listOf(name));
  }

  /** The numbers of a list by their digits, so that few steps are open at once. */
  private numbers(list: AsSet): Fragment {
    const root = newDigits();
    for (const [first, last] of list.spans()) {
      for (const [digits, rest] of blocksOf(first, last)) {
        let node = root;
        for (const digit of digits) {
          const next = node.next.get(digit) ?? newDigits();
          node.next.set(digit, next);
          node = next;
        }
        node.rests.add(rest);
      }
    }
    return this.digitsOf(root);
  }

  private digitsOf({ rests, next }: Digits): Fragment {
    const any = this.anyOf(DIGITS);
    return oneOf([
      ...[...rests].map((rest) => new Array<Instruction>(rest).fill(any)),
      ...[...next].map(([digit, node]) => [this.anyOf(digit), ...this.digitsOf(node)]),
    ]);
  }

  private literal(character: string | undefined, at: number): Instruction {
    if (character === undefined) return this.fail("a backslash with nothing behind it", at);
    // A dot or star can be asked for, if only in vain.
    if (!this.symbols.includes(character) && !".*+?|[]^$_\\".includes(character)) {
      return this.fail(`"${character}" never stands in an AS path`, at);
    }
    return this.anyOf(character);
  }

  private bracket(at: number): Instruction {
    const end = this.text.indexOf("]", this.at + 1);
    if (end < 0) return this.fail("an opening bracket that is not closed", at);
    const negated = this.text[this.at] === "^";
    let characters = "";
    for (let i = negated ? this.at + 1 : this.at; i < end; i++) {
      const first = this.text[i]!;
      if (this.text[i + 1] === "-" && i + 2 < end) {
        characters += this.digits(first, this.text[i + 2]!, i);
        i += 2;
      } else {
        this.literal(first, i);
        characters += first === "_" ? DELIMITERS : first;
      }
    }
    this.at = end + 1;
    return this.anyOf(
      negated ? [...this.symbols].filter((c) => !characters.includes(c)).join("") : characters,
    );
  }

  private digits(first: string, last: string, at: number): string {
    const from = DIGITS.indexOf(first);
    const to = DIGITS.indexOf(last);
    if (from < 0 || to < from) this.fail(`"${first}-${last}" is not a range of digits`, at);
    return DIGITS.slice(from, to + 1);
  }

  private anyOf(characters: string): Instruction {
    let set = 0;
    for (const character of characters) {
      const symbol = this.symbols.indexOf(character);
      if (symbol >= 0) set |= 1 << symbol;
    }
    return { op: "symbols", set };
  }
}

/** Numbers that begin alike. */
interface Digits {
  readonly next: Map<string, Digits>;
  /** They end here, or go on with so many digits of any kind. */
  readonly rests: Set<number>;
}

function newDigits(): Digits {
  return { next: new Map(), rests: new Set() };
}

/** @returns a range as beginnings of numbers, each with how many digits of any kind follow it */
function* blocksOf(first: number, last: number): Generator<[digits: string, rest: number]> {
  for (let at = first; at <= last; ) {
    let rest = 0;
    let size = 1;
    while (at % (10 * size) === 0 && at >= 10 * size && at + 10 * size - 1 <= last) {
      rest++;
      size *= 10;
    }
    yield [String(at / size), rest];
    at += size;
  }
}

/** Nothing matches none of them. */
function oneOf(fragments: readonly Fragment[]): Fragment {
  if (fragments.length === 0) return [{ op: "symbols", set: 0 }];
  if (fragments.length === 1) return fragments[0]!;
  const starts: number[] = [];
  let at = 1;
  for (const { length } of fragments) {
    starts.push(at);
    at += length + 1;
  }
  const body = fragments.flatMap((fragment, k) => {
    return [...fragment, split(at - starts[k]! - fragment.length)];
  });
  return [split(...starts), ...body];
}

function split(...to: readonly number[]): Instruction {
  return { op: "split", to };
}

function optional(fragment: Fragment): Fragment {
  return [split(1, fragment.length + 1), ...fragment];
}

function either(a: Fragment, b: Fragment): Fragment {
  return [split(1, a.length + 2), ...a, split(b.length + 1), ...b];
}
