/**
 * Regular expressions over AS_PATH in the notation of router command lines.
 *
 * They are matched on the usual text of a path, for example `65001 65002 {65003,65004}`, without
 * ever making that text: the digits go into an automaton as they are worked out. The automaton is a
 * deterministic one that is built as paths need it (a set of positions in the expression is one of
 * its states), so the time is linear in the length of the path, whatever the expression.
 */

import { readU32, SEGMENT } from "@ts-bgp/wire-codec";
import { type Instruction, parseAsPathRegex, type RegexMistake } from "./as-path-regex-syntax.ts";
import { AsSet } from "./as-set.ts";

/** The symbols of a path's text; a symbol is its index. */
const SYMBOLS = "0123456789 ,{}()[]";
const SPACE = SYMBOLS.indexOf(" ");
/** By segment type (none, AS_SET, AS_SEQUENCE, and their confederation kin of RFC 5065). */
const OPENING = symbolsOf(" { ([");
const CLOSING = symbolsOf(" } )]");
const BETWEEN = symbolsOf(" ,  ,");
const NO_LIST = new AsSet([]);
/** States kept before all are forgotten; expressions of operators have a few dozen. */
const STATES_MAX = 2000;

/** A compiled expression. */
export interface AsPathRegex {
  /** @returns whether it matches anywhere in the AS_PATH value `[at, end)`, 4-octet AS numbers */
  test(buf: Uint8Array, at: number, end: number): boolean;
}

/**
 * Compiles an expression.
 *
 * Literal digits, spaces, commas and brackets; `.` any character; `[0-9]`, `[^0-9]`; `*`, `+`, `?`;
 * `(` `)` `|`; `^` and `$` for the ends of the path; `_` for a space, comma, bracket or an end of
 * the path; `<name>` for the digits of any AS in a list; a backslash before any of these makes it
 * literal. Braces are literal. It matches anywhere in the path unless anchored.
 *
 * @param listOf - gives the AS list of a name
 * @returns the expression, or the first mistake in it
 */
export function compileAsPathRegex(
  text: string,
  listOf: (name: string) => AsSet = () => NO_LIST,
): AsPathRegex | RegexMistake {
  const program = parseAsPathRegex(text, SYMBOLS, listOf);
  return "message" in program ? program : new LazyAutomaton(program);
}

/** A state: instructions that wait for a symbol or for the end of the path. */
interface State {
  readonly waiting: readonly number[];
  /** The expression has matched, whatever follows. */
  readonly matched: boolean;
  /** It matches if the path ends here. */
  readonly matchesAtEnd: boolean;
  readonly next: (State | undefined)[];
}

class LazyAutomaton implements AsPathRegex {
  private readonly program: readonly Instruction[];
  private states: Map<string, State> = new Map();
  private start: State;
  private current: State;

  constructor(program: readonly Instruction[]) {
    this.program = program;
    this.start = this.stateOf([0], true);
    this.current = this.start;
  }

  test(buf: Uint8Array, at: number, end: number): boolean {
    if (this.states.size > STATES_MAX) {
      this.states = new Map();
      this.start = this.stateOf([0], true);
    }
    this.current = this.start;
    for (let i = at; i < end && !this.current.matched; ) {
      const type = buf[i]!;
      const next = i + 2 + 4 * buf[i + 1]!;
      if (i > at) this.feed(SPACE);
      if (type !== SEGMENT.AS_SEQUENCE) this.feed(OPENING[type]!);
      for (let k = i + 2; k < next; k += 4) {
        if (k > i + 2) this.feed(BETWEEN[type]!);
        this.feedNumber(readU32(buf, k));
      }
      if (type !== SEGMENT.AS_SEQUENCE) this.feed(CLOSING[type]!);
      i = next;
    }
    return this.current.matched || this.current.matchesAtEnd;
  }

  private feedNumber(as: number): void {
    let unit = 1;
    while (unit * 10 <= as) unit *= 10;
    for (; unit >= 1; unit /= 10) this.feed(Math.floor(as / unit) % 10);
  }

  private feed(symbol: number): void {
    const state = this.current;
    this.current = state.next[symbol] ?? this.advance(state, symbol);
  }

  private advance(state: State, symbol: number): State {
    if (state.matched) return state;
    const to: number[] = [];
    for (const at of state.waiting) {
      const instruction = this.program[at]!;
      if (instruction.op === "symbols" && (instruction.set & (1 << symbol)) !== 0) to.push(at + 1);
    }
    const next = this.stateOf(to, false);
    state.next[symbol] = next;
    return next;
  }

  /** @param from - instructions to go on with; the expression may begin anew at each symbol */
  private stateOf(from: readonly number[], atStart: boolean): State {
    const reached = this.closure([...from, 0], atStart, false);
    const matched = [...reached].some((at) => this.program[at]!.op === "match");
    const waiting = [...reached]
      .filter((at) => this.program[at]!.op === "symbols" || this.program[at]!.op === "end")
      .sort((a, b) => a - b);
    const key = `${atStart} ${matched} ${waiting.join(" ")}`;
    let state = this.states.get(key);
    if (state === undefined) {
      const atEnd = this.closure(waiting, atStart, true);
      const matchesAtEnd = [...atEnd].some((at) => this.program[at]!.op === "match");
      state = { waiting, matched, matchesAtEnd, next: new Array(SYMBOLS.length) };
      this.states.set(key, state);
    }
    return state;
  }

  /** @returns the instructions that can be reached without a symbol */
  private closure(from: readonly number[], atStart: boolean, atEnd: boolean): Set<number> {
    const reached = new Set<number>();
    const open = [...from];
    while (open.length > 0) {
      const at = open.pop()!;
      if (reached.has(at)) continue;
      reached.add(at);
      const instruction = this.program[at]!;
      if (instruction.op === "split") {
        for (const step of instruction.to) open.push(at + step);
      } else if (instruction.op === "start" && atStart) open.push(at + 1);
      else if (instruction.op === "end" && atEnd) open.push(at + 1);
    }
    return reached;
  }
}

function symbolsOf(text: string): readonly number[] {
  return [...text].map((character) => SYMBOLS.indexOf(character));
}
