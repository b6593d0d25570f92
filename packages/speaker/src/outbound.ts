/**
 * What is on its way out on one connection. Octets wait here, and the kernel is given as many as it has room
 * for when it is the connection's turn. The stream of Node.js is given next to nothing: what waits there is
 * written for all connections at once when their peers have read, however many these are and however long
 * that takes.
 */

import { writeSync, writevSync } from "node:fs";
import type net from "node:net";
import { descriptorOf } from "@ts-bgp/takeover";

/** Given to the stream while the kernel has no room, so that it tells when it has. */
const NOTICE_OCTETS = 1 << 12;
/** So many buffers go into one call of the kernel; it takes up to 1,024. */
const BUFFERS_MAX = 64;

export class Outbound {
  private readonly socket: net.Socket;
  /** Called when the stream has let out what it was given: there is room. */
  private readonly roomMade: () => void;
  private readonly waiting: Uint8Array[] = [];
  /** Octets of the first that have left. */
  private firstSent = 0;
  /** Octets to be written that the router was told to be sent already, on another socket. */
  private toldSent: number;
  /** Octets that have left, and that the router has not been told of. */
  private untold = 0;

  constructor(socket: net.Socket, toldSent: number, roomMade: () => void) {
    this.socket = socket;
    this.toldSent = toldSent;
    this.roomMade = roomMade;
  }

  add(octets: Uint8Array): void {
    if (octets.length > 0) this.waiting.push(octets);
  }

  /** Whether something can leave now. Of what waits for room, `roomMade` tells. */
  get isReady(): boolean {
    return this.waiting.length > 0 && !this.isBlocked && !this.socket.destroyed;
  }

  /** Gives the kernel what it has room for, up to about so many octets. */
  feed(octetsMax: number): void {
    const { socket } = this;
    for (let left = octetsMax; left > 0 && this.isReady; ) {
      const pieces = this.next(left);
      const octets = octetsOf(pieces);
      const taken = writeNow(descriptorOf(socket), pieces);
      this.took(taken);
      left -= octets;
      if (taken < octets) this.hand(Math.min(NOTICE_OCTETS, octets - taken));
    }
  }

  /** Leaves the rest to the stream, which may be ended then. */
  handAll(): void {
    while (this.waiting.length > 0 && !this.socket.destroyed) this.hand(Number.POSITIVE_INFINITY);
  }

  /** @returns octets that have left since the last question */
  takeUntold(): number {
    const octets = this.untold;
    this.untold = 0;
    return octets;
  }

  /** The kernel had no room, and has not told of any. */
  private get isBlocked(): boolean {
    return this.socket.writableLength > 0;
  }

  /** @returns the first that waits, up to so many octets */
  private next(octetsMax: number): Uint8Array[] {
    const pieces: Uint8Array[] = [];
    for (let octets = 0; octets < octetsMax && pieces.length < BUFFERS_MAX; ) {
      const piece = this.waiting[pieces.length];
      if (piece === undefined) break;
      const from = pieces.length === 0 ? this.firstSent : 0;
      pieces.push(piece.subarray(from, from + octetsMax - octets));
      octets += pieces.at(-1)!.length;
    }
    return pieces;
  }

  /** So many octets wait here no longer. */
  private forget(octets: number): void {
    this.firstSent += octets;
    let gone = 0;
    for (const { length } of this.waiting) {
      if (length > this.firstSent) break;
      this.firstSent -= length;
      gone++;
    }
    this.waiting.splice(0, gone);
  }

  private took(octets: number): void {
    this.forget(octets);
    this.count(octets);
  }

  /** Leaves the first octets to the stream. */
  private hand(octetsMax: number): void {
    const pieces = this.next(octetsMax);
    const octets = octetsOf(pieces);
    this.forget(octets);
    const sent = (error?: Error | null) => {
      if (error != null) return;
      this.count(octets);
      this.roomMade();
    };
    this.socket.cork();
    for (const [i, piece] of pieces.entries()) {
      if (i < pieces.length - 1) this.socket.write(piece);
      else this.socket.write(piece, sent);
    }
    this.socket.uncork();
  }

  private count(octets: number): void {
    const told = Math.min(octets, this.toldSent);
    this.toldSent -= told;
    this.untold += octets - told;
  }
}

/** @returns how many octets the kernel has taken; none where it fails, which the stream then finds as well */
function writeNow(fd: number, pieces: readonly Uint8Array[]): number {
  try {
    return pieces.length === 1 ? writeSync(fd, pieces[0]!) : writevSync(fd, pieces);
  } catch {
    return 0;
  }
}

function octetsOf(pieces: readonly Uint8Array[]): number {
  let octets = 0;
  for (const { length } of pieces) octets += length;
  return octets;
}
