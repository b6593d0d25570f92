/**
 * Octets that a connection received and nobody has read yet, and the cutting of them into messages.
 *
 * A message that lies inside one chunk is read where it lies; only one that straddles chunks is
 * copied together.
 */

import {
  EXTENDED_MESSAGE_OCTETS_MAX,
  type Fault,
  HEADER_OCTETS,
  messageLength,
  readU16,
} from "@ts-bgp/wire-codec";

const NO_OCTETS = new Uint8Array(0);
/** More chunks than this of one message are put into one. */
const CHUNKS_MAX = 32;
/** Messages that straddle chunks, of all queues: each is done with before the next is looked for. */
const assembly = new Uint8Array(EXTENDED_MESSAGE_OCTETS_MAX);

export class InputQueue {
  /**
   * The message that `next` found is `[at, end)` of `buf`, valid until the next call of any queue's
   * `next`.
   */
  buf: Uint8Array = NO_OCTETS;
  at = 0;
  end = 0;
  /** Octets not read yet. */
  octets = 0;

  private chunks: Uint8Array[] = [];
  /** Where the first chunk has been read to. */
  private from = 0;

  /** Adds received octets, which must not change any more. */
  push(chunk: Uint8Array): void {
    if (chunk.length === 0) return;
    this.chunks.push(chunk);
    this.octets += chunk.length;
  }

  /**
   * Finds the next message and counts it as read.
   *
   * @returns its length in octets, 0 when none is complete, or the fault of its header, after which
   *   the connection is of no use
   */
  next(octetsMax: number): number | Fault {
    const chunk = this.chunks[0];
    if (chunk === undefined) return 0;
    const length = messageLength(chunk, this.from, chunk.length, octetsMax);
    if (typeof length !== "number") return length;
    if (length === 0) return this.chunks.length > 1 ? this.assemble(octetsMax) : this.keepTail();
    this.buf = chunk;
    this.at = this.from;
    this.end = this.from + length;
    this.skip(length);
    return length;
  }

  /** What is not read yet, in one piece; for a standby, and for tests. */
  unread(): Uint8Array {
    const out = new Uint8Array(this.octets);
    this.copyTo(out, this.octets);
    return out;
  }

  clear(): void {
    this.chunks = [];
    this.from = 0;
    this.octets = 0;
  }

  private assemble(octetsMax: number): number | Fault {
    if (this.octets < HEADER_OCTETS) return this.wait();
    this.copyTo(assembly, HEADER_OCTETS);
    const have = Math.min(Math.max(readU16(assembly, 16), HEADER_OCTETS), this.octets);
    this.copyTo(assembly, have);
    const length = messageLength(assembly, 0, have, octetsMax);
    if (typeof length !== "number") return length;
    if (length === 0) return this.wait();
    this.buf = assembly;
    this.at = 0;
    this.end = length;
    this.skip(length);
    return length;
  }

  /** A peer that sends octet by octet must not make each look at the message dearer. */
  private wait(): 0 {
    if (this.chunks.length > CHUNKS_MAX) {
      this.chunks = [this.unread()];
      this.from = 0;
    }
    return 0;
  }

  /** Copies the first `count` unread octets. */
  private copyTo(out: Uint8Array, count: number): void {
    let from = this.from;
    let to = 0;
    for (let i = 0; to < count; i++) {
      const chunk = this.chunks[i]!;
      const n = Math.min(count - to, chunk.length - from);
      out.set(chunk.subarray(from, from + n), to);
      to += n;
      from = 0;
    }
  }

  private skip(count: number): void {
    this.octets -= count;
    let left = count;
    while (left > 0) {
      const n = Math.min(left, this.chunks[0]!.length - this.from);
      this.from += n;
      left -= n;
      if (this.from < this.chunks[0]!.length) break;
      this.chunks.shift();
      this.from = 0;
    }
  }

  /** Lets go of a large chunk for the sake of a few octets at its end. */
  private keepTail(): 0 {
    const chunk = this.chunks[0]!;
    if (this.from > 0) this.chunks[0] = chunk.slice(this.from);
    this.from = 0;
    return 0;
  }
}
