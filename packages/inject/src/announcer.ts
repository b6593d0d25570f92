import {
  type AsPathFacts,
  ATTR,
  attributeValueAt,
  attributeValueOctets,
  FAMILY,
  type Family,
  findAttribute,
  readAsPathFacts,
  UpdateWriter,
  type WireForm,
} from "@ts-bgp/wire-codec";
import { BATCH_OCTETS, type Batch, type SessionForm, type Warn } from "./batch.ts";
import { PrefixWords } from "./prefix-words.ts";

/**
 * Writes routes as UPDATE messages for one session.
 *
 * Use: `announce` or `withdraw`, then `prefix` or `routes`; `take` when there is enough. The own AS
 * goes in front of a path on an external session unless the path begins with it already.
 */
export class Announcer {
  /** Routes that were left out. */
  private unsendable = 0;

  private readonly form: SessionForm;
  private readonly wireForms: ReadonlyMap<number, WireForm>;
  private readonly writer: UpdateWriter;
  private current: WireForm;
  private usable = false;
  /** The family that `withdraw` was called for last, 0 after `announce`. */
  private withdrawing = 0;
  private taken: Uint8Array[] = [];
  private takenOctets = 0;
  private messages = 0;
  private routesWritten = 0;
  private readonly facts: AsPathFacts = { length: 0, firstAs: 0, originAs: 0 };
  private readonly words: PrefixWords = new PrefixWords();

  constructor(form: SessionForm) {
    this.form = form;
    this.wireForms = new Map(
      [FAMILY.IPV4_UNICAST, FAMILY.IPV6_UNICAST].flatMap((family) => [
        [formKey(family, false), wireForm(form, family, false)],
        [formKey(family, true), wireForm(form, family, true)],
      ]),
    );
    this.current = this.wireForms.get(formKey(FAMILY.IPV4_UNICAST, false))!;
    this.writer = new UpdateWriter(this.current);
  }

  /** Whether `take` is due. */
  get isFull(): boolean {
    return this.takenOctets + this.writer.length >= BATCH_OCTETS;
  }

  /**
   * Routes from now on are announced with this attribute set.
   *
   * @param buf - canonical octets `[at, end)`; not kept
   */
  announce(family: Family, buf: Uint8Array, at: number, end: number): void {
    this.withdrawing = 0;
    this.usable = (this.form.families & family) !== 0;
    if (!this.usable) return;
    this.use(family, this.prepends(buf, at, end));
    this.usable = this.nextHopFits(family, buf, at, end);
    if (this.usable) this.writer.announce(buf, at, end);
  }

  /** Routes from now on are withdrawn. */
  withdraw(family: Family): void {
    // Withdrawals that follow each other share messages.
    if (this.withdrawing === family) return;
    this.usable = (this.form.families & family) !== 0;
    if (!this.usable) return;
    this.use(family, false);
    this.writer.withdraw();
    this.withdrawing = family;
  }

  /** Adds one route; see `UpdateWriter.prefix`. */
  prefix(w0: number, w1: number, w2: number, w3: number, bits: number, pathId: number): void {
    if (!this.usable || (this.withdrawing === 0 && !this.writer.fits(bits))) {
      this.unsendable++;
      return;
    }
    this.writer.prefix(w0, w1, w2, w3, bits, pathId);
    this.routesWritten++;
  }

  /** Adds the route whose well-formed NLRI, without path identifier, stands at `at`. */
  route(buf: Uint8Array, at: number, pathId: number): void {
    const { words } = this;
    words.read(buf, at, false);
    this.prefix(words.w0, words.w1, words.w2, words.w3, words.bits, pathId);
  }

  /**
   * Adds the routes of NLRI octets `[at, end)`, which are well-formed.
   *
   * @param addPath - they have path identifiers
   */
  routes(buf: Uint8Array, at: number, end: number, addPath: boolean): void {
    const { words } = this;
    for (let i = at; i < end; i = words.next) {
      words.read(buf, i, addPath);
      this.prefix(words.w0, words.w1, words.w2, words.w3, words.bits, words.pathId);
    }
  }

  /** Adds an End-of-RIB marker (RFC 4724 section 2). */
  endOfRib(family: Family): void {
    this.use(family, false);
    this.writer.endOfRib();
  }

  /** Closes the open message and hands everything over; `announce` or `withdraw` comes next. */
  take(done: number): Batch {
    this.collect();
    const [only] = this.taken;
    const octets = this.taken.length === 1 ? only! : joined(this.taken, this.takenOctets);
    const batch = { octets, messages: this.messages, routes: this.routesWritten, done };
    this.taken = [];
    this.takenOctets = 0;
    this.messages = 0;
    this.routesWritten = 0;
    return batch;
  }

  warnOfUnsendable(warn: Warn): void {
    if (this.unsendable === 0) return;
    warn(
      `${this.unsendable} routes not sent: the session does not carry their family, ` +
        "or has no room for their attributes or next hop",
    );
  }

  private use(family: Family, prepend: boolean): void {
    const wanted = this.wireForms.get(formKey(family, prepend))!;
    if (wanted === this.current) return;
    this.current = wanted;
    this.collect();
  }

  /** Copies what has been written and begins anew in the current form. */
  private collect(): void {
    const { writer } = this;
    writer.finish();
    if (writer.length > 0) {
      this.taken.push(writer.out.slice(0, writer.length));
      this.takenOctets += writer.length;
      this.messages += writer.messages;
    }
    writer.reset(this.current);
    this.withdrawing = 0;
  }

  private prepends(buf: Uint8Array, at: number, end: number): boolean {
    if (this.form.internal) return false;
    const path = findAttribute(buf, at, end, ATTR.AS_PATH);
    if (path < 0) return false;
    const valueAt = attributeValueAt(buf, path);
    const valueEnd = valueAt + attributeValueOctets(buf, path);
    readAsPathFacts(buf, valueAt, valueEnd, this.facts);
    return this.facts.firstAs !== this.form.localAs;
  }

  /** A next hop that is kept must be one that the family can carry. */
  private nextHopFits(family: Family, buf: Uint8Array, at: number, end: number): boolean {
    const ipv4 = family === FAMILY.IPV4_UNICAST;
    if ((ipv4 ? this.form.nextHop4 : this.form.nextHop6) !== null) return true;
    const nextHop = findAttribute(buf, at, end, ATTR.NEXT_HOP);
    return nextHop >= 0 && (attributeValueOctets(buf, nextHop) === 4) === ipv4;
  }
}

function formKey(family: Family, prepend: boolean): number {
  return 2 * family + (prepend ? 1 : 0);
}

function wireForm(form: SessionForm, family: Family, prepend: boolean): WireForm {
  return {
    family,
    fourOctetAs: form.fourOctetAs,
    addPath: (form.addPath & family) !== 0,
    octetsMax: form.octetsMax,
    prependAs: prepend ? form.localAs : 0,
    nextHop: family === FAMILY.IPV4_UNICAST ? form.nextHop4 : form.nextHop6,
    internal: form.internal,
    med: true,
    otcAs: 0,
    rpkiState: false,
  };
}

function joined(pieces: readonly Uint8Array[], octets: number): Uint8Array {
  const all = new Uint8Array(octets);
  let at = 0;
  for (const piece of pieces) {
    all.set(piece, at);
    at += piece.length;
  }
  return all;
}
