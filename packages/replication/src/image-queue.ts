/** A state on its way to a standby, with what came up behind it: frames that are made when there is room. */

import { frameOf } from "./frames.ts";
import { joined } from "./octet-writer.ts";

/** The image goes in pieces of this size, so that acknowledgements and heartbeats get through. */
const PIECE_OCTETS = 1 << 18;

export class ImageQueue {
  private readonly before: number;
  /** Null when all of them were handed out. */
  private pieces: Iterator<Uint8Array> | null;
  private octets = 0;
  private readonly behind: (Uint8Array | null)[] = [];
  /** So many of those were handed out. */
  private done = 0;
  private readonly hasOutputs: boolean;

  /**
   * @param before - number of the bracket that the standby is to have next
   * @param hasOutputs - brackets have the outputs as well
   */
  constructor(image: Iterable<Uint8Array>, before: number, hasOutputs: boolean) {
    this.hasOutputs = hasOutputs;
    this.pieces = piecesOf(image);
    this.before = before;
  }

  /** The queue of a standby that goes on with what it has, and lacks these frames. */
  static goingOn(frames: readonly Uint8Array[], before: number): ImageQueue {
    const queue = new ImageQueue([], before, false);
    queue.pieces = null;
    for (const frame of frames) queue.add(frame);
    return queue;
  }

  /** All of the image was handed out, and that it is complete. */
  get isImageOver(): boolean {
    return this.pieces === null;
  }

  /** Has a frame wait for the image and all that wait already. */
  add(frame: Uint8Array): void {
    this.behind.push(frame);
  }

  /** @returns the frame that is to be sent next, null when there is no other */
  next(): Uint8Array | null {
    const { before, pieces } = this;
    if (pieces === null) return this.nextBehind();
    const next = pieces.next();
    if (next.done === true) {
      this.pieces = null;
      const hasOutputs = Number(this.hasOutputs);
      return frameOf("imageEnd", { before, octets: this.octets, hasOutputs });
    }
    this.octets += next.value.length;
    return frameOf("image", { before, octets: next.value });
  }

  private nextBehind(): Uint8Array | null {
    const { behind } = this;
    const frame = behind[this.done] ?? null;
    if (frame !== null) behind[this.done++] = null;
    return frame;
  }
}

/** @returns the same octets in pieces of one size, but for the last */
function* piecesOf(octets: Iterable<Uint8Array>): Generator<Uint8Array> {
  let found: Uint8Array[] = [];
  let room = PIECE_OCTETS;
  for (const more of octets) {
    for (let at = 0; at < more.length; ) {
      const piece = more.subarray(at, at + room);
      found.push(piece);
      room -= piece.length;
      at += piece.length;
      if (room > 0) continue;
      yield joined(found);
      found = [];
      room = PIECE_OCTETS;
    }
  }
  if (found.length > 0) yield joined(found);
}
