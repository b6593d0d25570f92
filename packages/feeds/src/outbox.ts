/** What waits to be sent to a station: whole messages, no more than a bound. */

import type { Socket } from "node:net";

/** So much is with the socket at most; the rest can still be given up. */
const SOCKET_OCTETS_MAX = 1 << 18;
/** Of the buffers that are lent. */
export const BUFFER_OCTETS = 1 << 18;
/** So many of them are kept for the next ones. */
const SPARE_MAX = 8;

export class Outbox {
  private readonly socket: Socket;
  private readonly octetsMax: number;
  private readonly waiting: Uint8Array[] = [];
  private waitingOctets = 0;
  /** There was room when that was begun of which more follows. */
  private isBegun = false;
  /** Buffers that have left. */
  private readonly spare: Uint8Array[] = [];
  /** Octets that the socket was given. */
  octetsSent = 0;

  constructor(socket: Socket, octetsMax: number) {
    this.socket = socket;
    this.octetsMax = octetsMax;
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
    const { isBegun } = this;
    this.isBegun = hasMore;
    if (octets.length === 0) return true;
    if (!isBegun && this.octets > this.octetsMax) return false;
    this.waiting.push(octets);
    this.waitingOctets += octets.length;
    this.flush();
    return true;
  }

  /** Gives up what waits, and ends the connection with a last message. @returns octets given up */
  end(last: Uint8Array): number {
    const lost = this.waitingOctets;
    this.waiting.length = 0;
    this.waitingOctets = 0;
    this.socket.end(last);
    return lost;
  }

  private flush(): void {
    const { socket, waiting } = this;
    if (waiting.length === 0 || socket.writableLength >= SOCKET_OCTETS_MAX) return;
    socket.cork();
    let sent = 0;
    while (sent < waiting.length && socket.writableLength < SOCKET_OCTETS_MAX) {
      const octets = waiting[sent++]!;
      this.waitingOctets -= octets.length;
      this.octetsSent += octets.length;
      socket.write(octets, () => this.keep(octets.buffer));
    }
    waiting.splice(0, sent);
    socket.uncork();
  }

  private keep(buffer: ArrayBufferLike): void {
    const isLent = buffer.byteLength === BUFFER_OCTETS;
    if (isLent && this.spare.length < SPARE_MAX) this.spare.push(new Uint8Array(buffer));
  }
}
