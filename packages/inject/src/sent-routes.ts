/**
 * What has been sent, read again: to withdraw all of it, and to let single routes flap.
 */

import {
  ACTION_WEIGHT,
  type Family,
  type ReachableSection,
  readU16,
  type Section,
  type UpdateContext,
  UpdateReader,
} from "@ts-bgp/wire-codec";
import { Announcer } from "./announcer.ts";
import type { Batch, SessionForm } from "./batch.ts";
import { PrefixWords } from "./prefix-words.ts";
import { Prng } from "./prng.ts";

/** Withdraws every route that the batches announce. */
export async function* withdrawals(
  batches: Iterable<Batch> | AsyncIterable<Batch>,
  form: SessionForm,
): AsyncGenerator<Batch> {
  const announcer = new Announcer(form);
  const reader = new UpdateReader();
  const context = contextOf(form);
  for await (const { octets, done } of batches) {
    for (const [at, end] of messagesOf(octets)) {
      reader.read(octets, at, end, context);
      for (const section of announcedIn(reader)) {
        announcer.withdraw(section.family as Family);
        announcer.routes(octets, section.at, section.end, section.addPath);
      }
    }
    if (announcer.isFull) yield announcer.take(done);
  }
  yield announcer.take(1);
}

/**
 * Churn: routes of those that were sent are withdrawn and announced again, in an order that the
 * seed decides.
 */
export class Churn {
  private readonly prng: Prng;
  private readonly form: SessionForm;
  private readonly context: UpdateContext;
  private readonly reader: UpdateReader = new UpdateReader();
  private readonly words: PrefixWords = new PrefixWords();
  private readonly announcer: Announcer;
  private readonly batches: Uint8Array[] = [];
  /** By route: the batch it stands in, and there its message and its NLRI. */
  private readonly batchOf: number[] = [];
  private readonly messageAt: number[] = [];
  private readonly nlriAt: number[] = [];
  /** Withdrawn ones, oldest first. */
  private readonly down: number[] = [];
  private readonly isDown: Set<number> = new Set();
  private readonly downMax: number;

  /**
   * @param downMax - so many routes at most are withdrawn at a time, 1 or more
   */
  constructor(form: SessionForm, seed: number, downMax: number) {
    this.prng = new Prng(seed);
    // What was sent has its own AS and its next hop already.
    this.form = { ...form, nextHop4: null, nextHop6: null };
    this.context = contextOf(form);
    this.announcer = new Announcer(this.form);
    this.downMax = downMax;
  }

  /** How many routes there are to choose from. */
  get size(): number {
    return this.nlriAt.length;
  }

  /** Takes note of routes that were sent. */
  add({ octets }: Batch): void {
    const { reader, words, batches } = this;
    for (const [at, end] of messagesOf(octets)) {
      reader.read(octets, at, end, this.context);
      if (reader.action > ACTION_WEIGHT["attribute-discard"]) continue;
      for (const section of announcedIn(reader)) {
        for (let i = section.at; i < section.end; i = words.next) {
          words.read(octets, i, section.addPath);
          this.batchOf.push(batches.length);
          this.messageAt.push(at);
          this.nlriAt.push(i);
        }
      }
    }
    batches.push(octets);
  }

  /** @returns the next message: a withdrawal, or the announcement of a route that was withdrawn */
  next(): Batch {
    const [oldest] = this.down;
    if (oldest !== undefined && (this.down.length >= this.downMax || this.isAllDown)) {
      this.down.shift();
      this.isDown.delete(oldest);
      this.announce(oldest);
    } else {
      const route = this.drawRoute();
      this.down.push(route);
      this.isDown.add(route);
      this.withdraw(route);
    }
    return this.announcer.take(1);
  }

  private get isAllDown(): boolean {
    return this.isDown.size === this.size;
  }

  private drawRoute(): number {
    let route = this.prng.below(this.size);
    while (this.isDown.has(route)) route = (route + 1) % this.size;
    return route;
  }

  private withdraw(route: number): void {
    const section = this.sectionOf(route);
    this.announcer.withdraw(section.family as Family);
    this.write(route, section);
  }

  private announce(route: number): void {
    const { reader } = this;
    const section = this.sectionOf(route);
    reader.canonical(section === reader.reachable ? "mp" : "field");
    const { attrs, attrsAt, attrsEnd } = reader;
    this.announcer.announce(section.family as Family, attrs, attrsAt, attrsEnd);
    this.write(route, section);
  }

  private write(route: number, { addPath }: Section): void {
    const octets = this.batches[this.batchOf[route]!]!;
    const at = this.nlriAt[route]!;
    this.words.read(octets, at, addPath);
    this.announcer.routes(octets, at, this.words.next, addPath);
  }

  /** Reads the message of a route again. */
  private sectionOf(route: number): ReachableSection | Section {
    const octets = this.batches[this.batchOf[route]!]!;
    const at = this.messageAt[route]!;
    this.reader.read(octets, at, at + readU16(octets, at + 16), this.context);
    const nlriAt = this.nlriAt[route]!;
    return announcedIn(this.reader).find(({ at, end }) => at <= nlriAt && nlriAt < end)!;
  }
}

/** What a reader of our own messages goes by. */
function contextOf({ fourOctetAs, internal, addPath, families }: SessionForm): UpdateContext {
  const lenient = { allowAsSet: true, allowConfed: true, aigp: true, rpkiState: true };
  return {
    fourOctetAs,
    external: !internal,
    addPath,
    families,
    extendedNextHop: families,
    ...lenient,
  };
}

function announcedIn(reader: UpdateReader): Section[] {
  return [reader.announced, reader.reachable].filter(({ at, end }) => at < end);
}

function* messagesOf(octets: Uint8Array): Generator<readonly [at: number, end: number]> {
  for (let at = 0; at < octets.length; ) {
    const end = at + readU16(octets, at + 16);
    yield [at, end];
    at = end;
  }
}
