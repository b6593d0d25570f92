/**
 * Who has connected and has not yet said who it is: few, not for long, and nothing is kept of what they send
 * but a start.
 *
 *     silent     costs a descriptor; up to `SILENT_MAX`
 *     speaking   has sent something, and waits for its handshake, or is at it, or at its hello;
 *                up to `SPEAKING_MAX`
 *
 * Where there is no room the oldest goes, so that those who stay and say nothing keep nobody out, and one that
 * has an address of the other side goes last. Handshakes cost the thread time: they begin one after the other,
 * the newest first, as those before it may have waited in vain already.
 */

import type { Socket } from "node:net";
import { plainAddress } from "@ts-bgp/speaker/accept-more";
import { ConnectionRate } from "@ts-bgp/speaker/turned-away";
import type { Refusal, RefusalReason } from "./refusals.ts";

export const SILENT_MAX = 256;
export const SPEAKING_MAX = 16;
/** Whoever has not said who it is by then has to go. */
export const UNKNOWN_MS = 3000;
/** Time between two handshakes: at about a millisecond each they take a tenth of the thread. */
const HANDSHAKE_EVERY_MS = 10;

const STRANGERS = "strangers";
const SPEECHLESS = "it closed without a word";
const crowdedBy = (others: number) => `${others} others wait that have not said who they are`;

interface Guest {
  readonly socket: Socket;
  /** Address, for people; a socket that is closed has none. */
  readonly from: string;
  readonly isExpected: boolean;
  readonly timer: NodeJS.Timeout;
  isSpeaking: boolean;
  /** Null once it is at its handshake, or needs none. */
  begin: (() => void) | null;
}

export class Lobby {
  /** In the order in which they came. */
  private readonly guests: Map<Socket, Guest> = new Map();
  /** Addresses that the other side is known to have. */
  private readonly expected: ReadonlySet<string>;
  private readonly refused: (refusal: Refusal) => void;
  /** All have one rate: some have many addresses. */
  private readonly strangers: ConnectionRate = new ConnectionRate();
  private beganMs = 0;
  private timer: NodeJS.Timeout | null = null;

  constructor(expected: ReadonlySet<string>, refused: (refusal: Refusal) => void) {
    this.expected = expected;
    this.refused = refused;
  }

  get size(): number {
    return this.guests.size;
  }

  /**
   * Of one of many that come at once. There is always room for the other side; of strangers, who cost more
   * to let in and to take leave of than to refuse, for some in a second, and while a place is free.
   *
   * @param from - for people
   */
  hasRoomFor(address: string, from: string): boolean {
    if (this.expected.has(address)) return true;
    const isFull = this.guests.size >= SILENT_MAX;
    if (!isFull && this.strangers.take(STRANGERS, performance.now())) return true;
    const text = isFull ? crowdedBy(this.guests.size) : "too many others come at once";
    this.refused({ reason: "crowded", from, text });
    return false;
  }

  /** @param begin - begins the handshake, once its turn has come; null where none is needed */
  enter(socket: Socket, from: string, begin: (() => void) | null): void {
    const timer = setTimeout(() => {
      this.turnAway(socket, "slow", `it has not said who it is in ${UNKNOWN_MS} ms`);
    }, UNKNOWN_MS).unref();
    const isExpected = this.expected.has(plainAddress(socket.remoteAddress));
    const isSpeaking = begin === null;
    this.guests.set(socket, { socket, from, isExpected, timer, isSpeaking, begin });
    // What was wrong with its handshake may be told right after its end.
    socket.on("close", () => setImmediate(() => this.gone(socket)));
    this.makeRoom(isSpeaking);
    // Without a look at it: what was sent stays in the stream, of which no more is read than it holds.
    if (!isSpeaking) socket.once("readable", () => this.spoken(socket));
  }

  /** It has said who it is, or is gone. */
  leave(socket: Socket): void {
    clearTimeout(this.guests.get(socket)?.timer);
    this.guests.delete(socket);
  }

  /** Ends a stream; a second reason for it is none. */
  turnAway(socket: Socket, reason: RefusalReason, text: string): void {
    if (!this.guests.has(socket)) return;
    this.refuse(socket, reason, text);
    socket.destroy();
  }

  /** Of one that said something else than who it is: counts it, and leaves it to its end. */
  refuse(socket: Socket, reason: RefusalReason, text: string): void {
    const guest = this.guests.get(socket);
    if (guest === undefined) return;
    this.leave(socket);
    this.refused({ reason, from: guest.from, text });
  }

  /** Ends all. */
  close(): void {
    if (this.timer !== null) clearTimeout(this.timer);
    for (const socket of [...this.guests.keys()]) {
      this.leave(socket);
      socket.destroy();
    }
  }

  private spoken(socket: Socket): void {
    const guest = this.guests.get(socket);
    if (guest === undefined) return;
    if (socket.readableLength === 0) {
      this.turnAway(socket, "handshake", SPEECHLESS);
      return;
    }
    guest.isSpeaking = true;
    this.makeRoom(true);
    this.beginNext();
  }

  /** One that has begun its handshake is judged by that. */
  private gone(socket: Socket): void {
    const guest = this.guests.get(socket);
    if (guest === undefined) return;
    const text = guest.isSpeaking ? "it closed before its handshake" : SPEECHLESS;
    if (guest.begin === null) this.leave(socket);
    else this.refuse(socket, "handshake", text);
  }

  private makeRoom(isSpeaking: boolean): void {
    const rivals = [...this.guests.values()].filter((guest) => guest.isSpeaking === isSpeaking);
    if (rivals.length <= (isSpeaking ? SPEAKING_MAX : SILENT_MAX)) return;
    const { socket } = rivals.find((guest) => !guest.isExpected) ?? rivals[0]!;
    this.turnAway(socket, "crowded", crowdedBy(rivals.length));
  }

  private beginNext(): void {
    if (this.timer !== null) return;
    const waiting = [...this.guests.values()].filter((guest) => guest.isSpeaking && guest.begin);
    const next = waiting.findLast((guest) => guest.isExpected) ?? waiting.at(-1);
    if (next === undefined) return;
    const waitMs = this.beganMs + HANDSHAKE_EVERY_MS - performance.now();
    if (waitMs > 0) {
      this.timer = setTimeout(() => {
        this.timer = null;
        this.beginNext();
      }, waitMs).unref();
      return;
    }
    const { begin } = next;
    next.begin = null;
    this.beganMs = performance.now();
    begin!();
    this.beginNext();
  }
}
