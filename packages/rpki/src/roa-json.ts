/**
 * The JSON of rpki-client and Routinator: `{ "roas": [ { "prefix": "192.0.2.0/24", "maxLength": 24,
 * "asn": 64496 } ], "aspas": [ { "customer": 64496, "providers": [ 64497 ] } ] }`, with AS numbers or texts
 * like `"AS64496"`, and `customer_asid` for the customer as well; what else it says is read over.
 *
 * A file may have fifty megabytes, so it is read as it comes: one ROA after the other is cut out of it.
 */

import { newVrp, PayloadWriter, PROVIDERS_MAX, type Vrp } from "./payload-octets.ts";
import { asOf, parsedRoaPrefix } from "./roa-prefix.ts";
import { STAGED_OCTETS_MAX } from "./validation.ts";

/** Payloads are handed over in pieces of about this size. */
const PIECE_OCTETS = 1 << 15;
/** Nothing in such a file is nested deeper. */
const DEPTH_MAX = 64;
/** A ROA is no longer than this. */
const ROA_CHARACTERS_MAX = 1 << 16;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const NEWLINE = 0x0a;
const COMMA = 0x2c;
const OPEN_LIST = 0x5b;
const CLOSE_LIST = 0x5d;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;

/** All payloads of a file, as octets (see payload-octets.ts). */
export interface RoaFile {
  readonly pieces: readonly Uint8Array[];
  /** ROAs, and ASPAs. */
  readonly count: number;
  readonly aspas: number;
}

/** Depth of ROAs and ASPAs: inside of the list of the file. */
const ROA_DEPTH = 3;

export class RoaReader {
  private count = 0;
  private aspas = 0;
  private readonly octetsMax: number;
  private pieces: Uint8Array[] = [];
  private octets = 0;
  private readonly writer: PayloadWriter = new PayloadWriter(2 * PIECE_OCTETS);
  private readonly vrp: Vrp = newVrp();
  /** What is not read whole yet: a ROA, or a text. */
  private rest = "";
  /** Brackets that are open, from the outside in. */
  private readonly brackets: number[] = [];
  /** The object has ended. */
  private isOver = false;
  private line = 1;
  private isInText = false;
  private isEscaped = false;
  /** The text read last among the names of the file. */
  private name = "";
  /** The list that this is inside of, and whether there was one of ROAs. */
  private list: "roas" | "aspas" | null = null;
  private hasList = false;
  private problem: string | null = null;

  /** @param octetsMax - of all payloads */
  constructor(octetsMax = STAGED_OCTETS_MAX) {
    this.octetsMax = octetsMax;
  }

  /** The file goes on. */
  push(text: string): void {
    if (this.problem !== null) return;
    const from = this.rest.length;
    const all = this.rest + text;
    let start = from > 0 ? 0 : -1;
    for (let i = from; i < all.length && this.problem === null; i++) {
      const code = all.charCodeAt(i);
      if (this.isInText) {
        if (this.isEscaped) this.isEscaped = false;
        else if (code === BACKSLASH) this.isEscaped = true;
        else if (code === QUOTE) {
          this.isInText = false;
          if (this.depth === 1) {
            this.name = all.slice(start + 1, i);
            start = -1;
          }
        }
        continue;
      }
      switch (code) {
        case QUOTE:
          this.other(code);
          this.isInText = true;
          if (this.depth === 1) start = i;
          break;
        case NEWLINE:
          this.line++;
          break;
        case OPEN_OBJECT:
        case OPEN_LIST:
          this.open(code);
          if (this.list !== null && this.depth === ROA_DEPTH) start = i;
          break;
        case CLOSE_OBJECT:
        case CLOSE_LIST:
          if (this.list !== null && this.depth === ROA_DEPTH) {
            this.entry(all.slice(start, i + 1));
            start = -1;
          }
          this.close(code);
          break;
        default:
          if (code > 0x20 && code !== 0xfeff) this.other(code);
      }
    }
    this.rest = start < 0 ? "" : all.slice(start);
    if (this.rest.length > ROA_CHARACTERS_MAX) this.fail("a ROA that does not end");
  }

  /** @returns what the file says; or what is wrong with it, as a sentence without a full stop */
  end(): RoaFile | string {
    if (this.depth > 0 || this.isInText) this.fail("the file is cut off");
    if (!this.hasList) this.fail('there is no list "roas"');
    if (this.problem !== null) return this.problem;
    this.handOn();
    if (this.problem !== null) return this.problem;
    return { pieces: this.pieces, count: this.count, aspas: this.aspas };
  }

  private open(code: number): void {
    if (this.depth === 0 && code === OPEN_LIST) this.fail("this is a list and no JSON object");
    if (code === OPEN_LIST || this.depth === 0) this.other(code);
    if (this.depth === DEPTH_MAX) this.fail(`more than ${DEPTH_MAX} brackets inside of each other`);
    this.brackets.push(code);
    if (code !== OPEN_LIST || this.depth !== 2) return;
    const { name } = this;
    this.list = name === "roas" || name === "aspas" ? name : null;
    this.hasList ||= name === "roas";
  }

  private close(code: number): void {
    const opened = this.brackets.pop();
    if (opened === undefined) this.fail("a bracket too many");
    else if ((opened === OPEN_LIST) !== (code === CLOSE_LIST))
      this.fail("a bracket of another kind");
    if (this.depth < 2) this.list = null;
    this.isOver ||= this.depth === 0;
  }

  private get depth(): number {
    return this.brackets.length;
  }

  /** Neither white space nor an object: must not stand in a list of ROAs, nor outside of everything. */
  private other(code: number): void {
    if (this.depth === 0) {
      if (this.isOver) this.fail("something stands behind the end of the object");
      else if (code !== OPEN_OBJECT) this.fail("this is no JSON object");
    } else if (this.list !== null && this.depth === ROA_DEPTH - 1 && code !== COMMA) {
      this.fail(`"${this.list}" must be a list of objects`);
    }
  }

  private entry(text: string): void {
    let json: unknown;
    try {
      json = JSON.parse(text);
    } catch (error) {
      this.fail((error as Error).message);
      return;
    }
    const entry = json as Record<string, unknown>;
    const problem = this.list === "roas" ? this.readRoa(this.vrp, entry) : this.readAspa(entry);
    if (problem !== null) {
      this.fail(problem);
      return;
    }
    if (this.writer.octets >= PIECE_OCTETS) this.handOn();
  }

  private handOn(): void {
    const piece = this.writer.take();
    this.octets += piece.length;
    if (this.octets > this.octetsMax) this.fail(`more than ${this.octetsMax} octets of payloads`);
    else if (piece.length > 0) this.pieces.push(piece);
  }

  /** @returns what is wrong with an ASPA, null when nothing is */
  private readAspa(entry: Record<string, unknown>): string | null {
    const customer = asOf(entry["customer"] ?? entry["customer_asid"]);
    if (customer === null) return '"customer" must be an AS number';
    const { providers } = entry;
    if (!Array.isArray(providers)) return '"providers" must be a list of AS numbers';
    const numbers = providers.map(asOf);
    if (numbers.includes(null)) return '"providers" must be a list of AS numbers';
    if (numbers.length > PROVIDERS_MAX) return `more than ${PROVIDERS_MAX} providers`;
    const list = Uint32Array.from(numbers as number[]);
    this.writer.writeAspa({ isAnnounced: true, customer, providers: list });
    this.aspas++;
    return null;
  }

  /** @returns what is wrong with a ROA, null when nothing is */
  private readRoa(vrp: Vrp, { prefix, asn, maxLength }: Record<string, unknown>): string | null {
    const parsed = parsedRoaPrefix(prefix);
    if (typeof parsed === "string") return parsed;
    const as = asOf(asn);
    if (as === null) return '"asn" must be an AS number';
    const { isWide, bits, words } = parsed;
    const longest = maxLength ?? bits;
    if (!Number.isInteger(longest) || (longest as number) < bits) {
      return '"maxLength" must be a number not below the length of the prefix';
    }
    if ((longest as number) > (isWide ? 128 : 32)) return '"maxLength" is too long';
    [vrp.w0, vrp.w1, vrp.w2, vrp.w3] = words;
    vrp.isWide = isWide;
    vrp.bits = bits;
    vrp.maxLength = longest as number;
    vrp.as = as;
    this.writer.write(vrp);
    this.count++;
    return null;
  }

  private fail(problem: string): void {
    this.problem ??= `line ${this.line}: ${problem}`;
    this.pieces = [];
  }
}
