/** What waits to be sent to a station: whole messages, in no more memory than a bound. */

import type { Socket } from "node:net";
import { BmpWriter, toVersion4 } from "@ts-bgp/feeds-codec";
import { type BlockPart, type Waiting, WaitQueue } from "./wait-queue.ts";

/** So much is with the socket at most; the rest can still be given up. */
const SOCKET_OCTETS_MAX = 1 << 18;
/** Of the buffers that are lent. */
export const BUFFER_OCTETS = 1 << 18;
/** So many of them are kept for the next ones. */
const SPARE_MAX = 8;

/** Of fewer octets a copy is cheaper than what there is to remember. */
const PART_OCTETS_MIN = 1 << 12;
const NO_OCTETS = new Uint8Array(0);

/**
 * A part that waits keeps all of its block, so only one that is half of it may: of less a copy takes less memory.
 *
 * @returns whether a part may wait as it is, and is copied when the socket takes it
 */
export function mayWait({ block, from, to }: BlockPart): boolean {
  const octets = block.octetsOf(from, to);
  return octets >= PART_OCTETS_MIN && 2 * octets >= block.octetsOf(0, block.length);
}

export class Outbox {
  private readonly socket: Socket;
  private readonly heldOctetsMax: number;
  private readonly version: 3 | 4;
  private readonly waiting: WaitQueue = new WaitQueue();
  private readonly writer: BmpWriter = new BmpWriter();
  private waitingOctets = 0;
  /** There was room when that was begun of which more follows. */
  private isBegun = false;
  /** Buffers that have left. */
  private readonly spare: Uint8Array[] = [];
  /** Octets that the socket was given. */
  octetsSent = 0;

  /**
   * @param heldOctetsMax - memory that what waits may take
   * @param version - of BMP, in which all is sent; what is pushed is of version 3
   */
  constructor(socket: Socket, heldOctetsMax: number, version: 3 | 4 = 3) {
    this.socket = socket;
    this.heldOctetsMax = heldOctetsMax;
    this.version = version;
    socket.on("drain", () => this.flush());
  }

  /** Octets that have not left. */
  get octets(): number {
    return this.waitingOctets + this.socket.writableLength;
  }

  /** Memory that they take, which is less where many peers are told of one block. */
  get heldOctets(): number {
    return this.waiting.heldOctets + this.socket.writableLength;
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
    this.waiting.clear();
    this.waitingOctets = 0;
    this.socket.end(this.version === 4 ? toVersion4(last) : last);
    return lost;
  }

  private add(what: Waiting, octets: number, hasMore: boolean): boolean {
    const { isBegun } = this;
    this.isBegun = hasMore;
    if (octets > 0) {
      if (!isBegun && this.heldOctets > this.heldOctetsMax) return false;
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
    if (waiting.first === null || !socket.writable) return;
    if (socket.writableLength >= SOCKET_OCTETS_MAX) return;
    socket.cork();
    for (let { first } = waiting; first !== null; { first } = waiting) {
      if (socket.writableLength >= SOCKET_OCTETS_MAX) break;
      let octets: Uint8Array;
      if (first instanceof Uint8Array) {
        octets = first;
        waiting.shift();
      } else octets = this.copy();
      this.waitingOctets -= octets.length;
      this.write(octets);
    }
    socket.uncork();
  }

  private write(octets: Uint8Array): void {
    const { socket, version } = this;
    const told = version === 4 ? toVersion4(octets) : octets;
    this.octetsSent += told.length;
    if (told !== octets) this.keep(octets.buffer);
    socket.write(told, () => this.keep(told.buffer));
  }

  /** @returns a copy of what waits, a part and what follows on it, as far as a buffer has room */
  private copy(): Uint8Array {
    const { waiting, writer } = this;
    writer.sink.swap(this.buffer());
    for (let { first } = waiting; first !== null; { first } = waiting) {
      if (writer.sink.length >= BUFFER_OCTETS / 2) break;
      if (first instanceof Uint8Array) {
        // Little octets between parts, which would have a buffer each.
        const isLent = first.buffer.byteLength === BUFFER_OCTETS;
        if (isLent || writer.sink.length + first.length > BUFFER_OCTETS) break;
        writer.sink.octets(first);
      } else {
        const { peer, block, from, to, twoOctetAs } = first;
        const done = writer.block(peer, block, from, to, BUFFER_OCTETS, twoOctetAs);
        if (done < to) {
          waiting.goOn(first, done);
          break;
        }
      }
      waiting.shift();
    }
    return writer.sink.swap(NO_OCTETS);
  }

  private keep(buffer: ArrayBufferLike): void {
    const isLent = buffer.byteLength === BUFFER_OCTETS;
    if (isLent && this.spare.length < SPARE_MAX) this.spare.push(new Uint8Array(buffer));
  }
}
