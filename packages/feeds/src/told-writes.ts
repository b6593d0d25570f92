/** What was written to peers, as messages that stations are told: each buffer once, whoever was sent parts of it. */

import { type BmpBlock, TABLE, WrittenBlock } from "@ts-bgp/feeds-codec";
import type { Writes } from "./orders.ts";

/** Numbers of a part, see `Writes`. */
const NUMBERS = 4;

/** What one neighbor was sent: messages `[from, to)` of a block. */
export interface ToldWrite {
  /** Row of the neighbor. */
  readonly peer: number;
  readonly block: BmpBlock;
  readonly from: number;
  readonly to: number;
}

/** @returns each part, in order */
export function* toldWrites({ buffers, parts, atMs }: Writes): Generator<ToldWrite> {
  const ranges = rangesOf(buffers.length, parts);
  const blocks: WrittenBlock[] = [];
  for (let i = 0; i < parts.length; i += NUMBERS) {
    const [peer, number, at, octets] = parts.slice(i, i + NUMBERS) as [
      number,
      number,
      number,
      number,
    ];
    const end = at + octets;
    const make = (from: number, to: number) =>
      new WrittenBlock(TABLE.ADJ_OUT_POST, buffers[number]!, from, to, atMs);
    blocks[number] ??= make(ranges[2 * number]!, ranges[2 * number + 1]!);
    let written = blocks[number];
    // Where parts do not follow on each other there may be anything between them.
    if (written.updatesBefore(at) < 0 || written.updatesBefore(end) < 0) written = make(at, end);
    const [from, to] = [written.updatesBefore(at), written.updatesBefore(end)];
    yield { peer, block: written.block, from, to };
  }
}

/** @returns two numbers for each buffer: where the first of its parts begins, and where the last one ends */
function rangesOf(buffers: number, parts: readonly number[]): number[] {
  const ranges: number[] = [];
  for (let i = 0; i < buffers; i++) ranges.push(Number.POSITIVE_INFINITY, 0);
  for (let i = 0; i < parts.length; i += NUMBERS) {
    const [number, at, octets] = [2 * parts[i + 1]!, parts[i + 2]!, parts[i + 3]!];
    ranges[number] = Math.min(ranges[number]!, at);
    ranges[number + 1] = Math.max(ranges[number + 1]!, at + octets);
  }
  return ranges;
}
