/** What was written to peers, for another thread: octets that many are sent parts of are there once. */

import type { Writes } from "./orders.ts";

export class WriteBatch {
  /** Octets of the buffers, and a few for each part. */
  octets = 0;
  private buffers: Map<ArrayBufferLike, number> = new Map();
  private parts: number[] = [];

  /** @param row - of the neighbor */
  add(row: number, { buffer, byteOffset, length }: Uint8Array): void {
    let number = this.buffers.get(buffer);
    if (number === undefined) {
      number = this.buffers.size;
      this.buffers.set(buffer, number);
      this.octets += buffer.byteLength;
    }
    this.parts.push(row, number, byteOffset, length);
    this.octets += 32;
  }

  take(): Writes {
    const { buffers, parts } = this;
    this.clear();
    const atMs = performance.timeOrigin + performance.now();
    return { buffers: [...buffers.keys()].map((buffer) => new Uint8Array(buffer)), parts, atMs };
  }

  clear(): void {
    this.buffers = new Map();
    this.parts = [];
    this.octets = 0;
  }
}
