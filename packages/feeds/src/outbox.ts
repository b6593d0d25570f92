/** What waits to be sent to a station: whole messages, no more than a bound. */

import type { Socket } from "node:net";
import { type BmpBlock, type BmpPeer, BmpWriter, toVersion4 } from "@ts-bgp/feeds-codec";

/** So much is with the socket at most; the rest can still be given up. */
const SOCKET_OCTETS_MAX = 1 << 18;
/** Of the buffers that are lent. */
export const BUFFER_OCTETS = 1 << 18;
/** So many of them are kept for the next ones. */
const SPARE_MAX = 8;

/** Of fewer octets a copy is cheaper than what there is to remember. */
const PART_OCTETS_MIN = 1 << 12;
const NO_OCTETS = new Uint8Array(0);

/** Messages `[from, to)` of a block, as those of a peer. */
export interface BlockPart {
  readonly peer: BmpPeer;
  /** Nothing is added to it any more. */
  readonly block: BmpBlock;
  readonly from: number;
  readonly to: number;
  readonly twoOctetAs: boolean;
}

/**
 * A part that waits keeps all of its block, so only one that is half of it may: what waits has no more memory than
 * four times its octets, as a block may have room for as much again.
 *
 * @returns whether a part may wait as it is, and is copied when the socket takes it
 */
export function mayWait({ block, from, to }: BlockPart): boolean {
  const octets = block.octetsOf(from, to);
  return octets >= PART_OCTETS_MIN && 2 * octets >= block.octetsOf(0, block.length);
}

export class Outbox {
  private readonly socket: Socket;
  private readonly octetsMax: number;
  private readonly version: 3 | 4;
  private readonly waiting: (Uint8Array | BlockPart)[] = [];
  private readonly writer: BmpWriter = new BmpWriter();
  private waitingOctets = 0;
  /** There was room when that was begun of which more follows. */
  private isBegun = false;
  /** Buffers that have left. */
  private readonly spare: Uint8Array[] = [];
  /** Octets that the socket was given. */
  octetsSent = 0;

  /** @param version - of BMP, in which all is sent; what is pushed is of version 3 */
  constructor(socket: Socket, octetsMax: number, version: 3 | 4 = 3) {
    this.socket = socket;
    this.octetsMax = octetsMax;
    this.version = version;
    socket.on("drain", () => this.flush());
  }

  /** Octets that have not left. */
  get octets(): number {
    return this.waitingOctets + this.socket.writableLength;
  }

  /** @returns a buffer to write messages into, which is used again once they have been sent */
  buffer(): Uint8Array {
    return this.spare.pop() ?? new Uint8Array(BUFFER_OCTETS);
  }

  /**
   * Whether there is room depends on what waits from earlier turns: the socket takes nothing within one, so that
   * much at once says nothing about how fast the other side is.
   *
   * @param octets - whole messages
   * @param hasMore - more follows in this turn, for which there is room then
   * @returns false when there is no room for them
   */
  push(octets: Uint8Array, hasMore: boolean): boolean {
    return this.add(octets, octets.length, hasMore);
  }

  /**
   * As `push`, when more follows. Many peers are told of one block: their copies are made one after the other in the
   * same few buffers, as the socket takes them, and not all at once in new memory.
   */
  pushPart(part: BlockPart): boolean {
    return this.add(part, part.block.octetsOf(part.from, part.to), true);
  }

  /** Gives up what waits, and ends the connection with a last message. @returns octets given up */
  end(last: Uint8Array): number {
    const lost = this.waitingOctets;
    this.waiting.length = 0;
    this.waitingOctets = 0;
    this.socket.end(this.version === 4 ? toVersion4(last) : last);
    return lost;
  }

  private add(what: Uint8Array | BlockPart, octets: number, hasMore: boolean): boolean {
    const { isBegun } = this;
    this.isBegun = hasMore;
    if (octets > 0) {
      if (!isBegun && this.octets > this.octetsMax) return false;
      this.waiting.push(what);
      this.waitingOctets += octets;
    }
    // Buffers come back in turns of their own: as many as leave within one would be new ones.
    if (!hasMore) this.flush();
    return true;
  }

  private flush(): void {
    const { socket, waiting } = this;
    // One that ends takes all at once, and sends nothing: its length does not grow.
    if (waiting.length === 0 || !socket.writable) return;
    if (socket.writableLength >= SOCKET_OCTETS_MAX) return;
    socket.cork();
    let sent = 0;
    while (sent < waiting.length && socket.writableLength < SOCKET_OCTETS_MAX) {
      const first = waiting[sent]!;
      let octets: Uint8Array;
      if (first instanceof Uint8Array) {
        octets = first;
        sent++;
      } else [octets, sent] = this.copy(sent);
      this.waitingOctets -= octets.length;
      this.write(octets);
    }
    waiting.splice(0, sent);
    socket.uncork();
  }

  private write(octets: Uint8Array): void {
    const { socket, version } = this;
    const told = version === 4 ? toVersion4(octets) : octets;
    this.octetsSent += told.length;
    if (told !== octets) this.keep(octets.buffer);
    socket.write(told, () => this.keep(told.buffer));
  }

  /**
   * Copies what waits, a part and what follows on it, as far as a buffer has room.
   *
   * @returns the copy, and the number of the first that is not in it as a whole
   */
  private copy(first: number): [Uint8Array, number] {
    const { waiting, writer } = this;
    writer.sink.swap(this.buffer());
    let next = first;
    for (; next < waiting.length && writer.sink.length < BUFFER_OCTETS / 2; next++) {
      const part = waiting[next]!;
      if (part instanceof Uint8Array) {
        // Little octets between parts, which would have a buffer each.
        const isLent = part.buffer.byteLength === BUFFER_OCTETS;
        if (isLent || writer.sink.length + part.length > BUFFER_OCTETS) break;
        writer.sink.octets(part);
        continue;
      }
      const { peer, block, from, to, twoOctetAs } = part;
      const done = writer.block(peer, block, from, to, BUFFER_OCTETS, twoOctetAs);
      if (done === to) continue;
      waiting[next] = { ...part, from: done };
      break;
    }
    return [writer.sink.swap(NO_OCTETS), next];
  }

  private keep(buffer: ArrayBufferLike): void {
    const isLent = buffer.byteLength === BUFFER_OCTETS;
    if (isLent && this.spare.length < SPARE_MAX) this.spare.push(new Uint8Array(buffer));
  }
}
