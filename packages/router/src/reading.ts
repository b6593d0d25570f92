/**
 * Whose messages are at work at this moment, for whoever finds out later why a process has died or
 * what it hangs in: a message that ends this process ends the next one as well that reads it.
 *
 * It is written into memory that others can look at, and that may outlive the process; no part of the
 * router reads it, and it belongs to the process and not to its state. Costs a copy of each message.
 *
 *     0  32-bit word: 1 in a slice, 2 while a message is being read in it, else 0
 *     4  word: number of the slot that has that message
 *     8  word: neighbors that UPDATEs were read from since all that was read was passed on
 *    64  slots: the first for messages that are no UPDATEs, the others for the newest UPDATE of each of the
 *        neighbors that were read from last
 *
 * A slot:
 *
 *     0  word: octets of the address       4  word: octets of the message
 *    16  address of the neighbor, as text
 *    64  message
 */

import { EXTENDED_MESSAGE_OCTETS_MAX, MESSAGE } from "@ts-bgp/wire-codec";

/** Offset of the type in a message (RFC 4271 section 4.1). */
const TYPE_AT = 18;
/** Neighbors that are remembered; those that were read from longest ago are forgotten first. */
export const READERS_MAX = 16;
const HEAD_OCTETS = 64;
const ADDRESS_AT = 16;
const MESSAGE_AT = 64;
/** A multiple of the size of a word. */
const SLOT_OCTETS = MESSAGE_AT + 4 * Math.ceil(EXTENDED_MESSAGE_OCTETS_MAX / 4);
/** Octets of the memory. */
export const READING_OCTETS = HEAD_OCTETS + (1 + READERS_MAX) * SLOT_OCTETS;

const AT = 0;
const HAND = 1;
const READERS = 2;
const ADDRESS_OCTETS = 0;
const MESSAGE_OCTETS = 1;

const IN_SLICE = 1;
const IN_MESSAGE = 2;

/** What memory said of a process that is no more, or does nothing more. */
export interface LastRead {
  /** Of the neighbor, as text. */
  readonly address: string;
  readonly message: Uint8Array;
}

const encoder = new TextEncoder();
let octets: Uint8Array | null = null;
let words: Int32Array = new Int32Array(HEAD_OCTETS / 4);
/** Whose connection is at hand. */
let reader = "";
/** The slot of its UPDATEs; 0 for none yet. */
let slot = 0;
/** By slot from the second one on, whose UPDATE it has. */
let readers: string[] = [];
/** By slot, when that was read: the number of UPDATEs that were read before. */
const readAt = new Float64Array(1 + READERS_MAX);
let updates = 0;

/** @param memory - `READING_OCTETS` of it, at a multiple of 4; null: it is noted no more */
export function noteReadingIn(memory: Uint8Array | null): void {
  octets = memory;
  readers = [];
  if (memory !== null) words = new Int32Array(memory.buffer, memory.byteOffset, READING_OCTETS / 4);
}

/** A slice begins: what happens in it may come of what was read in it, or before it and not yet passed on. */
export function beginSlice(): void {
  words[AT] = IN_SLICE;
}

/** It has come to its end. @param isPassedOn - whether nothing is left to do of all that was read; asked if need be */
export function endSlice(isPassedOn: () => boolean): void {
  words[AT] = 0;
  if (words[READERS] === 0 || !isPassedOn()) return;
  words[READERS] = 0;
  readers = [];
}

/** Messages of a connection are about to be read. @param address - of its neighbor */
export function readingFrom(address: string): void {
  reader = address;
  slot = readers.indexOf(address) + 1;
}

/** A message is about to be read: `[at, end)` of `buf`. */
export function readingMessage(buf: Uint8Array, at: number, end: number): void {
  if (octets === null) return;
  const isUpdate = buf[at + TYPE_AT] === MESSAGE.UPDATE;
  if (isUpdate) {
    if (slot === 0) {
      slot = freeSlot();
      readers[slot - 1] = reader;
      noteReader(octets, slot);
    }
    readAt[slot] = updates++;
  } else noteReader(octets, 0);
  const hand = isUpdate ? slot : 0;
  const start = startOf(hand);
  octets.set(buf.subarray(at, end), start + MESSAGE_AT);
  words[start / 4 + MESSAGE_OCTETS] = end - at;
  words[HAND] = hand;
  words[AT] = IN_MESSAGE;
}

/** It was read. */
export function readMessage(): void {
  words[AT] = IN_SLICE;
}

/** @returns a slot that has none, or the UPDATE that was read before all others */
function freeSlot(): number {
  if (words[READERS]! < READERS_MAX) return ++words[READERS]!;
  const times = readAt.subarray(1);
  return 1 + times.indexOf(Math.min(...times));
}

function noteReader(memory: Uint8Array, index: number): void {
  const start = startOf(index);
  const room = memory.subarray(start + ADDRESS_AT, start + MESSAGE_AT);
  words[start / 4 + ADDRESS_OCTETS] = encoder.encodeInto(reader, room).written;
}

function startOf(index: number): number {
  return HEAD_OCTETS + index * SLOT_OCTETS;
}

/**
 * Whose messages a process may have stopped at, by its memory: that which it was reading; in a slice, and
 * not while it was reading, the newest one of each neighbor of which not all was passed on.
 *
 * @returns none where it stopped at something else
 */
export function lastReadIn(memory: Uint8Array): readonly LastRead[] {
  if (memory.length < READING_OCTETS) return [];
  const view = new DataView(memory.buffer, memory.byteOffset, memory.byteLength);
  const word = (index: number) => view.getInt32(4 * index, true);
  const hand = word(HAND);
  const isSlot = hand >= 0 && hand <= READERS_MAX;
  let slots: number[] = [];
  if (word(AT) === IN_MESSAGE && isSlot) slots = [hand];
  else if (word(AT) === IN_SLICE) {
    const count = Math.min(READERS_MAX, Math.max(0, word(READERS)));
    slots = Array.from({ length: count }, (_, index) => index + 1);
  }
  return slots.flatMap((index) => readIn(memory, view, startOf(index)) ?? []);
}

function readIn(memory: Uint8Array, view: DataView, start: number): LastRead | null {
  const addressOctets = view.getInt32(start + 4 * ADDRESS_OCTETS, true);
  const messageOctets = view.getInt32(start + 4 * MESSAGE_OCTETS, true);
  const isSound =
    addressOctets > 0 &&
    addressOctets <= MESSAGE_AT - ADDRESS_AT &&
    messageOctets > 0 &&
    messageOctets <= EXTENDED_MESSAGE_OCTETS_MAX;
  if (!isSound) return null;
  const address = memory.subarray(start + ADDRESS_AT, start + ADDRESS_AT + addressOctets);
  const message = memory.slice(start + MESSAGE_AT, start + MESSAGE_AT + messageOctets);
  return { address: new TextDecoder().decode(address), message };
}
