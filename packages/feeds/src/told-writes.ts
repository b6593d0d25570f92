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

/** Octets `[at, end)` of a buffer, which one neighbor was sent. */
interface Part {
  readonly peer: number;
  /** Of the buffer. */
  readonly number: number;
  readonly at: number;
  readonly end: number;
}

/** Of a buffer: where the first of its parts begins, where the last one ends, and how many are left. */
interface Range {
  at: number;
  end: number;
  left: number;
}

/**
 * What nobody is told of is not read.
 *
 * @param isTold - whether anybody is told what a neighbor, by its row, was sent; the answer may change meanwhile
 * @returns each part that is told, in order
 */
export function* toldWrites(
  { buffers, parts, atMs }: Writes,
  isTold: (peer: number) => boolean,
): Generator<ToldWrite> {
  const told = partsOf(parts, isTold);
  const ranges = rangesOf(told);
  /** By number of the buffer, of those that have parts left. */
  const blocks: Map<number, WrittenBlock> = new Map();
  for (const { peer, number, at, end } of told) {
    const make = (from: number, to: number) =>
      new WrittenBlock(TABLE.ADJ_OUT_POST, buffers[number]!, from, to, atMs);
    const range = ranges.get(number)!;
    let written = blocks.get(number) ?? make(range.at, range.end);
    if (--range.left > 0) blocks.set(number, written);
    else blocks.delete(number);
    // Where parts do not follow on each other there may be anything between them.
    if (written.updatesBefore(at) < 0 || written.updatesBefore(end) < 0) written = make(at, end);
    const [from, to] = [written.updatesBefore(at), written.updatesBefore(end)];
    yield { peer, block: written.block, from, to };
  }
}

function partsOf(numbers: readonly number[], isTold: (peer: number) => boolean): Part[] {
  const parts: Part[] = [];
  for (let i = 0; i < numbers.length; i += NUMBERS) {
    const [peer, at] = [numbers[i]!, numbers[i + 2]!];
    if (isTold(peer)) parts.push({ peer, number: numbers[i + 1]!, at, end: at + numbers[i + 3]! });
  }
  return parts;
}

function rangesOf(parts: readonly Part[]): Map<number, Range> {
  const ranges: Map<number, Range> = new Map();
  for (const { number, at, end } of parts) {
    const range = ranges.get(number);
    if (range === undefined) ranges.set(number, { at, end, left: 1 });
    else {
      range.at = Math.min(range.at, at);
      range.end = Math.max(range.end, end);
      range.left++;
    }
  }
  return ranges;
}
