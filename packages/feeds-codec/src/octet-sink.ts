/** Octets that are appended to a buffer which grows. */

import { copyOctets, writeU16, writeU32 } from "@ts-bgp/wire-codec";

const OCTETS_INITIAL = 1 << 12;

export class OctetSink {
  /** Written octets are `[0, length)`; the buffer is replaced when it grows. */
  out: Uint8Array = new Uint8Array(OCTETS_INITIAL);
  length = 0;

  /** @returns what was written, as a buffer of its own; nothing is written any more */
  take(): Uint8Array<ArrayBuffer> {
    const taken = new Uint8Array(this.length);
    copyOctets(this.out, 0, this.length, taken, 0);
    this.length = 0;
    return taken;
  }

  /** @param next - what is written to from now on. @returns what was written, in the buffer that it was written to */
  swap(next: Uint8Array): Uint8Array {
    const written = this.out.subarray(0, this.length);
    this.out = next;
    this.length = 0;
    return written;
  }

  u8(value: number): void {
    this.reserve(1);
    this.out[this.length++] = value;
  }

  u16(value: number): void {
    this.reserve(2);
    this.length = writeU16(this.out, this.length, value);
  }

  u32(value: number): void {
    this.reserve(4);
    this.length = writeU32(this.out, this.length, value);
  }

  /** Appends `[at, end)` of a buffer. */
  octets(buf: Uint8Array, at = 0, end: number = buf.length): void {
    this.reserve(end - at);
    copyOctets(buf, at, end, this.out, this.length);
    this.length += end - at;
  }

  zeros(count: number): void {
    this.reserve(count);
    this.out.fill(0, this.length, this.length + count);
    this.length += count;
  }

  text(text: string): void {
    this.octets(new TextEncoder().encode(text));
  }

  /** Makes room, so that up to `count` octets may be written at `length` directly. */
  reserve(count: number): void {
    if (this.length + count <= this.out.length) return;
    const grown = new Uint8Array(Math.max(this.length + count, 2 * this.out.length));
    copyOctets(this.out, 0, this.length, grown, 0);
    this.out = grown;
  }
}
