/** What an update group writes once for many members, and how a member finds its part of it. */

import type { Audience } from "./audience.ts";
import type { Member } from "./member.ts";

/** UPDATE messages for the members of a group, written once. */
export interface Chunk {
  readonly octets: Uint8Array;
  readonly runs: readonly Run[];
}

/** Whole messages `[at, end)` of a chunk, for one audience. */
export interface Run {
  readonly audience: Audience;
  readonly at: number;
  readonly end: number;
  /** How many. */
  readonly messages: number;
}

/** More pieces than this are copied into one, which is cheaper than to write each. */
const PIECES_MAX = 8;

/** Part of a chunk that is for one member. */
export interface Share {
  /** In the order of the chunk; they are the chunk's own octets unless there were many. */
  readonly pieces: readonly Uint8Array[];
  readonly messages: number;
}

/** @returns what of a chunk a member is sent; linear in the runs */
export function shareOf(chunk: Chunk, { cls, peer }: Pick<Member, "cls" | "peer">): Share {
  const ranges: number[] = [];
  let messages = 0;
  for (const run of chunk.runs) {
    if (!run.audience.includes(cls, peer)) continue;
    messages += run.messages;
    if (ranges.length > 0 && ranges.at(-1) === run.at) ranges[ranges.length - 1] = run.end;
    else ranges.push(run.at, run.end);
  }
  const pieces: Uint8Array[] = [];
  for (let i = 0; i < ranges.length; i += 2) {
    pieces.push(chunk.octets.subarray(ranges[i]!, ranges[i + 1]!));
  }
  return { pieces: pieces.length > PIECES_MAX ? [joined(pieces)] : pieces, messages };
}

function joined(pieces: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    out.set(piece, at);
    at += piece.length;
  }
  return out;
}
