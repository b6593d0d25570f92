/** What waits for a station, in order, and the memory that it takes. */

import type { BmpBlock, BmpPeer } from "@ts-bgp/feeds-codec";

/** Messages `[from, to)` of a block, as those of a peer. */
export interface BlockPart {
  readonly peer: BmpPeer;
  /** Nothing is added to it any more. */
  readonly block: BmpBlock;
  readonly from: number;
  readonly to: number;
  readonly twoOctetAs: boolean;
}

/** Messages that are encoded, or what they will be copied of. */
export type Waiting = Uint8Array | BlockPart;

/** Memory that the engine takes for a buffer beside its octets, or for a block; and for a part. */
const BUFFER_HEAD_OCTETS = 400;
const PART_OCTETS = 256;
/** So many places that have been left are no waste. */
const LEFT_MAX = 256;

export class WaitQueue {
  /**
   * Memory that is not free as long as this waits. A block counts once with all that it has room for, however many
   * parts of it wait and however small they are.
   */
  heldOctets = 0;
  /** Places before `first` were left. */
  private places: (Waiting | null)[] = [];
  private at = 0;
  /** How many parts of each block wait. */
  private readonly blocks: Map<BmpBlock, number> = new Map();

  /** @returns what has waited longest; null when nothing waits */
  get first(): Waiting | null {
    return this.places[this.at] ?? null;
  }

  push(what: Waiting): void {
    this.places.push(what);
    if (what instanceof Uint8Array) {
      this.heldOctets += heldByBuffer(what);
      return;
    }
    const { blocks } = this;
    const parts = blocks.get(what.block) ?? 0;
    blocks.set(what.block, parts + 1);
    this.heldOctets += PART_OCTETS + (parts === 0 ? heldByBlock(what.block) : 0);
  }

  /** The first does not wait any more. */
  shift(): void {
    const { first } = this;
    if (first === null) return;
    this.leave();
    if (first instanceof Uint8Array) {
      this.heldOctets -= heldByBuffer(first);
      return;
    }
    const { blocks } = this;
    const parts = blocks.get(first.block)! - 1;
    if (parts > 0) blocks.set(first.block, parts);
    else blocks.delete(first.block);
    this.heldOctets -= PART_OCTETS + (parts === 0 ? heldByBlock(first.block) : 0);
  }

  /** Messages before `from` of the first, which is a part, do not wait any more. */
  goOn(part: BlockPart, from: number): void {
    this.places[this.at] = { ...part, from };
  }

  clear(): void {
    this.places = [];
    this.at = 0;
    this.blocks.clear();
    this.heldOctets = 0;
  }

  /** Those that stay move up once as many have left, so that each moves about once, however many wait. */
  private leave(): void {
    const { places } = this;
    places[this.at++] = null;
    if (this.at < places.length && (this.at < LEFT_MAX || 2 * this.at < places.length)) return;
    this.places = places.slice(this.at);
    this.at = 0;
  }
}

function heldByBuffer({ buffer }: Uint8Array): number {
  return BUFFER_HEAD_OCTETS + buffer.byteLength;
}

function heldByBlock(block: BmpBlock): number {
  return BUFFER_HEAD_OCTETS + block.heldOctets;
}
