/** Reading regular expressions over AS_PATH into programs (after Thompson). */

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
const INSTRUCTIONS_MAX = 10_000;

/** What `_` takes besides the ends of the path. */
const DELIMITERS = " ,{}()[]";
const DIGITS = "0123456789";

/**
 * @param symbols - the characters of the text that will be matched
 * @returns the program, or the first mistake
 */
export function parseAsPathRegex(
  text: string,
  symbols: string,
): readonly Instruction[] | RegexMistake {
  if (text === "") return { at: 0, message: "an empty expression" };
  if (text.length > LENGTH_MAX) return { at: LENGTH_MAX, message: "the expression is too long" };
  const reader = new Reader(text, symbols);
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

  constructor(text: string, symbols: string) {
    this.text = text;
    this.symbols = symbols;
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

function split(...to: readonly number[]): Instruction {
  return { op: "split", to };
}

function optional(fragment: Fragment): Fragment {
  return [split(1, fragment.length + 1), ...fragment];
}

function either(a: Fragment, b: Fragment): Fragment {
  return [split(1, a.length + 2), ...a, split(b.length + 1), ...b];
}
