/** Worlds that wait for what can happen next in them, outside the heap: there are millions of them. */

import { deserialize, serialize } from "node:v8";
import type { World } from "./world.ts";

const CHUNK_OCTETS = 1 << 24;

export class Frontier {
  private readonly chunks: Buffer[] = [];
  /** Of the last chunk. */
  private used = CHUNK_OCTETS;
  /** By world: its number, its chunk, where it begins there, and its length. */
  private readonly entries: number[] = [];

  get isEmpty(): boolean {
    return this.entries.length === 0;
  }

  push(world: World, number: number): void {
    const octets = serialize(world);
    if (this.used + octets.length > CHUNK_OCTETS) {
      this.chunks.push(Buffer.allocUnsafeSlow(CHUNK_OCTETS));
      this.used = 0;
    }
    const chunk = this.chunks.length - 1;
    octets.copy(this.chunks[chunk]!, this.used);
    this.entries.push(number, chunk, this.used, octets.length);
    this.used += octets.length;
  }

  /** Hands out all of them in the order in which they came, and keeps none. */
  *take(): Generator<[World, number]> {
    const { chunks, entries } = this;
    let first = 0;
    for (let at = 0; at < entries.length; at += 4) {
      const [number, chunk, from, length] = entries.slice(at, at + 4) as [
        number,
        number,
        number,
        number,
      ];
      // Nothing else lies in the chunks before.
      while (first < chunk) chunks[first++] = Buffer.alloc(0);
      yield [deserialize(chunks[chunk]!.subarray(from, from + length)) as World, number];
    }
  }
}
