/**
 * Whose message is being read at this moment, for whoever finds out later why a process has died or
 * what it hangs in: a message that ends this process ends the next one as well that reads it.
 *
 * It is written into memory that others can look at, and that may outlive the process; no part of the
 * router reads it, and it belongs to the process and not to its state. Costs a copy of each message.
 *
 *     0  32-bit word: 1 while a message is being read
 *     4  word: connections that the slice at hand has read UPDATEs from
 *     8  word: octets of the address       12  word: octets of the message
 *    16  address of the neighbor, as text
 *    64  the message that was read last
 */

import { EXTENDED_MESSAGE_OCTETS_MAX, MESSAGE } from "@ts-bgp/wire-codec";

/** Offset of the type in a message (RFC 4271 section 4.1). Only UPDATEs count: others say a few words. */
const TYPE_AT = 18;
const ADDRESS_AT = 16;
const MESSAGE_AT = 64;
/** Octets of the memory. */
export const READING_OCTETS = MESSAGE_AT + EXTENDED_MESSAGE_OCTETS_MAX;

const IS_READING = 0;
const CONNECTIONS = 1;
const ADDRESS_OCTETS = 2;
const MESSAGE_OCTETS = 3;
const WORDS = 4;

/** What memory said of a process that is no more, or does nothing more. */
export interface LastRead {
  /** Of the neighbor, as text. */
  readonly address: string;
  readonly message: Uint8Array;
}

const encoder = new TextEncoder();
let octets: Uint8Array | null = null;
/** The connection at hand is among those that count. */
let isCounted = false;
let words: Int32Array = new Int32Array(WORDS);

/** @param memory - `READING_OCTETS` of it, at a multiple of 4; null: it is noted no more */
export function noteReadingIn(memory: Uint8Array | null): void {
  octets = memory;
  words = memory === null ? words : new Int32Array(memory.buffer, memory.byteOffset, WORDS);
}

/** A slice has come to its end: what happens from now on is nobody's fault. */
export function endReading(): void {
  words[CONNECTIONS] = 0;
  words[IS_READING] = 0;
}

/** Messages of a connection are about to be read. @param address - of its neighbor */
export function readingFrom(address: string): void {
  if (octets === null) return;
  isCounted = false;
  words[MESSAGE_OCTETS] = 0;
  const room = octets.subarray(ADDRESS_AT, MESSAGE_AT);
  words[ADDRESS_OCTETS] = encoder.encodeInto(address, room).written;
}

/** A message is about to be read: `[at, end)` of `buf`. */
export function readingMessage(buf: Uint8Array, at: number, end: number): void {
  if (octets === null) return;
  octets.set(buf.subarray(at, end), MESSAGE_AT);
  words[MESSAGE_OCTETS] = end - at;
  if (!isCounted && buf[at + TYPE_AT] === MESSAGE.UPDATE) {
    isCounted = true;
    words[CONNECTIONS]!++;
  }
  words[IS_READING] = 1;
}

/** It was read. */
export function readMessage(): void {
  words[IS_READING] = 0;
}

/**
 * Whose message it was that a process stopped at, by its memory: the one that it was reading, or the
 * only one whose messages the slice had read.
 *
 * @returns null when it was none, or one of several
 */
export function lastReadIn(memory: Uint8Array): LastRead | null {
  if (memory.length < READING_OCTETS) return null;
  const view = new DataView(memory.buffer, memory.byteOffset, memory.byteLength);
  const word = (index: number) => view.getInt32(4 * index, true);
  const isKnown = word(IS_READING) === 1 || word(CONNECTIONS) === 1;
  const addressOctets = word(ADDRESS_OCTETS);
  const messageOctets = word(MESSAGE_OCTETS);
  const isSound =
    addressOctets > 0 &&
    addressOctets <= MESSAGE_AT - ADDRESS_AT &&
    messageOctets > 0 &&
    messageOctets <= EXTENDED_MESSAGE_OCTETS_MAX;
  if (!isKnown || !isSound) return null;
  return {
    address: new TextDecoder().decode(memory.subarray(ADDRESS_AT, ADDRESS_AT + addressOctets)),
    message: memory.slice(MESSAGE_AT, MESSAGE_AT + messageOctets),
  };
}
