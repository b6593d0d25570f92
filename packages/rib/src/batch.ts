/**
 * Changes that an update group will send together, sorted by audience and attribute set, so that
 * prefixes with the same attributes share UPDATE messages and each audience's octets are adjacent.
 */

import type { UpdateWriter } from "@ts-bgp/wire-codec";
import type { AttrId, AttrStore } from "./attr-store.ts";
import type { AudienceId, AudienceTable } from "./audience.ts";
import type { Chunk, Run } from "./chunk.ts";
import { grown } from "./columns.ts";
import type { PrefixRow, PrefixTable } from "./prefix-table.ts";

/** A bucket's place in the hash is looked for among this many slots; a power of two. */
const SLOTS_INITIAL = 1 << 12;

export class Batch {
  /** Octets that the batch will roughly take, and a few more, see `members`. */
  octetsEstimate = 0;
  /**
   * How many will look at each audience's octets, which takes about as long as to write an octet
   * for each of them. To be set before routes are added.
   */
  members = 0;
  /** Routes in the batch. */
  size = 0;

  private rows: Uint32Array = new Uint32Array(1 << 12);
  private pathIds: Uint16Array = new Uint16Array(1 << 12);
  /** Next item of the same bucket plus one. */
  private nextItem: Uint32Array = new Uint32Array(1 << 12);

  private buckets = 0;
  private attr: Uint32Array = new Uint32Array(1 << 10);
  private audience: Uint32Array = new Uint32Array(1 << 10);
  /** First and last item of the bucket plus one. */
  private first: Uint32Array = new Uint32Array(1 << 10);
  private last: Uint32Array = new Uint32Array(1 << 10);
  /** Next bucket of the same audience plus one. */
  private nextBucket: Uint32Array = new Uint32Array(1 << 10);

  /** Hash of (attr, audience) to bucket plus one; emptied after use. */
  private slots: Uint32Array = new Uint32Array(SLOTS_INITIAL);
  /** Bucket that the last item went to: neighbours in the input mostly share it. */
  private recent = -1;

  private readonly audiences: AudienceId[] = [];
  /** By audience id: first and last bucket plus one. */
  private audienceFirst: Uint32Array = new Uint32Array(64);
  private audienceLast: Uint32Array = new Uint32Array(64);

  /**
   * Adds a route.
   *
   * @param attr - set to announce, which must stay held until `encode`; 0 withdraws
   */
  add(
    row: PrefixRow,
    pathId: number,
    attr: AttrId,
    attrOctets: number,
    audience: AudienceId,
  ): void {
    const item = this.size++;
    if (item === this.rows.length) this.growItems();
    this.rows[item] = row;
    this.pathIds[item] = pathId;
    this.nextItem[item] = 0;
    let b = this.recent;
    if (b < 0 || this.attr[b] !== attr || this.audience[b] !== audience) {
      b = this.bucketOf(attr, attrOctets, audience);
      this.recent = b;
    }
    if (this.first[b] === 0) this.first[b] = item + 1;
    else this.nextItem[this.last[b]! - 1] = item + 1;
    this.last[b] = item + 1;
    this.octetsEstimate += 5;
  }

  /**
   * Writes the messages and empties the batch. What is for few comes first: the rest of the chunk is
   * then in one piece for nearly all, or in two.
   *
   * @param writer - in the group's form; its buffer is copied from
   * @returns the chunk, or null when the batch was empty
   */
  encode(
    writer: UpdateWriter,
    attrs: AttrStore,
    prefixes: PrefixTable,
    table: AudienceTable,
  ): Chunk | null {
    if (this.size === 0) return null;
    writer.reset();
    const runs: Run[] = [];
    for (const audience of fewFirst(this.audiences, table)) {
      const at = writer.length;
      const messages = writer.messages;
      for (let b = this.audienceFirst[audience]!; b !== 0; b = this.nextBucket[b - 1]!) {
        this.writeBucket(b - 1, writer, attrs, prefixes);
      }
      writer.finish();
      const own = writer.messages - messages;
      runs.push({ audience: table.get(audience), at, end: writer.length, messages: own });
    }
    this.clear();
    table.tidy();
    return { octets: writer.out.slice(0, writer.length), runs };
  }

  private writeBucket(
    bucket: number,
    writer: UpdateWriter,
    attrs: AttrStore,
    prefixes: PrefixTable,
  ): void {
    const attr = this.attr[bucket]!;
    if (attr === 0) writer.withdraw();
    else {
      const at = attrs.offsetOf(attr);
      const end = at + attrs.lengthOf(attr);
      writer.announce(attrs.bytesOf(attr), at, end);
    }
    const { w0, w1, w2, w3, bits } = prefixes;
    const wide = prefixes.bitsMax === 128;
    for (let i = this.first[bucket]!; i !== 0; i = this.nextItem[i - 1]!) {
      const row = this.rows[i - 1]!;
      const pathId = this.pathIds[i - 1]!;
      if (wide) writer.prefix(w0[row]!, w1[row]!, w2[row]!, w3[row]!, bits[row]!, pathId);
      else writer.prefix(w0[row]!, 0, 0, 0, bits[row]!, pathId);
    }
  }

  private bucketOf(attr: AttrId, attrOctets: number, audience: AudienceId): number {
    if (2 * this.buckets >= this.slots.length) this.growSlots();
    const mask = this.slots.length - 1;
    let slot = slotOf(attr, audience) & mask;
    for (; this.slots[slot] !== 0; slot = (slot + 1) & mask) {
      const b = this.slots[slot]! - 1;
      if (this.attr[b] === attr && this.audience[b] === audience) return b;
    }
    const b = this.buckets++;
    if (b === this.attr.length) this.growBuckets();
    this.slots[slot] = b + 1;
    this.attr[b] = attr;
    this.audience[b] = audience;
    this.first[b] = 0;
    this.nextBucket[b] = 0;
    this.appendToAudience(audience, b, attr === 0);
    this.octetsEstimate += 23 + attrOctets;
    return b;
  }

  /** Withdrawals go in front: they free space at the peer and are what it should hear first. */
  private appendToAudience(audience: AudienceId, bucket: number, inFront: boolean): void {
    if (audience >= this.audienceFirst.length) {
      const length = Math.max(audience + 1, 2 * this.audienceFirst.length);
      this.audienceFirst = grown(this.audienceFirst, length);
      this.audienceLast = grown(this.audienceLast, length);
    }
    const first = this.audienceFirst[audience]!;
    if (first === 0) {
      this.octetsEstimate += this.members;
      this.audiences.push(audience);
      this.audienceFirst[audience] = bucket + 1;
      this.audienceLast[audience] = bucket + 1;
    } else if (inFront) {
      this.nextBucket[bucket] = first;
      this.audienceFirst[audience] = bucket + 1;
    } else {
      this.nextBucket[this.audienceLast[audience]! - 1] = bucket + 1;
      this.audienceLast[audience] = bucket + 1;
    }
  }

  private clear(): void {
    for (const audience of this.audiences) this.audienceFirst[audience] = 0;
    this.audiences.length = 0;
    if (this.buckets > this.slots.length >> 4) this.slots.fill(0);
    else for (let b = 0; b < this.buckets; b++) this.clearSlots(b);
    this.buckets = 0;
    this.size = 0;
    this.recent = -1;
    this.octetsEstimate = 0;
  }

  /** Empties the chain of slots that a bucket may stand in. */
  private clearSlots(b: number): void {
    const mask = this.slots.length - 1;
    let slot = slotOf(this.attr[b]!, this.audience[b]!) & mask;
    for (; this.slots[slot] !== 0; slot = (slot + 1) & mask) this.slots[slot] = 0;
  }

  private growItems(): void {
    const length = 2 * this.rows.length;
    this.rows = grown(this.rows, length);
    this.pathIds = grown(this.pathIds, length);
    this.nextItem = grown(this.nextItem, length);
  }

  private growBuckets(): void {
    const length = 2 * this.attr.length;
    this.attr = grown(this.attr, length);
    this.audience = grown(this.audience, length);
    this.first = grown(this.first, length);
    this.last = grown(this.last, length);
    this.nextBucket = grown(this.nextBucket, length);
  }

  private growSlots(): void {
    this.slots = new Uint32Array(2 * this.slots.length);
    const mask = this.slots.length - 1;
    for (let b = 0; b < this.buckets; b++) {
      let slot = slotOf(this.attr[b]!, this.audience[b]!) & mask;
      while (this.slots[slot] !== 0) slot = (slot + 1) & mask;
      this.slots[slot] = b + 1;
    }
  }
}

function fewFirst(audiences: readonly AudienceId[], table: AudienceTable): AudienceId[] {
  const few = (id: AudienceId) => table.get(id).only;
  return [...audiences.filter(few), ...audiences.filter((id) => !few(id))];
}

function slotOf(attr: number, audience: number): number {
  const h = Math.imul(attr, 0x9e3779b1) ^ Math.imul(audience, 0x85ebca6b);
  return h ^ (h >>> 15);
}
