/** Values as octets, in pages, so that what was written is never moved. */

const PAGE_OCTETS = 1 << 16;
/** Of the first page; each one is as long as all before it, so that small things cost little. */
const FIRST_PAGE_OCTETS = 1 << 8;
/** What is shorter is cheaper to copy than to refer to. */
const SHARED_OCTETS_MIN = 1 << 12;
/** Its length is one octet, also as a varint. */
const SHORT_TEXT_MAX = 0x7f;
/** Octets of the longest varint: a number below 2^53. */
const VARINT_OCTETS_MAX = 8;

const encoder = new TextEncoder();
const double = new DataView(new ArrayBuffer(8));

export class OctetWriter {
  /** Octets written. */
  length = 0;
  private readonly full: Uint8Array[] = [];
  private page: Uint8Array = new Uint8Array(0);
  private at = 0;

  /** A non-negative integer below 2^53, seven bits an octet, low ones first. */
  varint(value: number): void {
    if (this.page.length - this.at < VARINT_OCTETS_MAX) this.turn(VARINT_OCTETS_MAX);
    const start = this.at;
    let rest = value;
    while (rest > 0x7f) {
      this.page[this.at++] = (rest % 128) | 0x80;
      rest = Math.floor(rest / 128);
    }
    this.page[this.at++] = rest;
    this.length += this.at - start;
  }

  /** An IEEE 754 double, high octet first. */
  double(value: number): void {
    double.setFloat64(0, value);
    this.octets(new Uint8Array(double.buffer));
  }

  /** UTF-8 behind its length in octets. */
  text(value: string): void {
    if (value.length <= SHORT_TEXT_MAX && this.shortText(value)) return;
    const octets = encoder.encode(value);
    this.varint(octets.length);
    this.octets(octets);
  }

  /** @returns whether it was one of ASCII characters, and is written; most are, and need no encoder */
  private shortText(value: string): boolean {
    const { length } = value;
    if (this.page.length - this.at <= length) this.turn(length + 1);
    const { page, at } = this;
    for (let i = 0; i < length; i++) {
      const code = value.charCodeAt(i);
      if (code > 0x7f) return false;
      page[at + 1 + i] = code;
    }
    page[at] = length;
    this.at = at + 1 + length;
    this.length += 1 + length;
    return true;
  }

  /** Octets without a length; they are copied. */
  octets(octets: Uint8Array): void {
    this.length += octets.length;
    for (let from = 0; from < octets.length; ) {
      if (this.at === this.page.length) this.turn(octets.length - from);
      const n = Math.min(octets.length - from, this.page.length - this.at);
      this.page.set(octets.subarray(from, from + n), this.at);
      this.at += n;
      from += n;
    }
  }

  /** Octets without a length, which must not change any more: long ones are not copied. */
  shared(octets: Uint8Array): void {
    if (octets.length < SHARED_OCTETS_MIN) {
      this.octets(octets);
      return;
    }
    if (this.at > 0) this.full.push(this.page.subarray(0, this.at));
    this.full.push(octets);
    this.page = this.page.subarray(this.at);
    this.at = 0;
    this.length += octets.length;
  }

  /** Hands over what was written, in pieces, and starts anew. */
  take(): Uint8Array[] {
    this.turn(0);
    this.length = 0;
    return this.full.splice(0);
  }

  /** Begins another page, with room for so many octets at least; none for 0. */
  private turn(octets: number): void {
    const least = Math.min(PAGE_OCTETS, Math.max(FIRST_PAGE_OCTETS, this.length));
    if (this.at > 0) this.full.push(this.page.subarray(0, this.at));
    // What is left of a page is used for the next one, so that small takes cost small memory.
    const rest = this.page.subarray(this.at);
    const keeps = octets === 0 && rest.length >= VARINT_OCTETS_MAX;
    this.page = keeps ? rest : new Uint8Array(octets === 0 ? 0 : Math.max(least, octets));
    this.at = 0;
  }
}

/** @returns the pieces in one */
export function joined(pieces: readonly Uint8Array[]): Uint8Array {
  if (pieces.length === 1) return pieces[0]!;
  const out = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    out.set(piece, at);
    at += piece.length;
  }
  return out;
}
