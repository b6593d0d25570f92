/**
 * The flows that a gate protects, in memory that two threads share: the main thread writes, the
 * gate's worker reads.
 *
 *     header words | counters | slot, slot, slot ...        a hash table with linear probing
 *     slot: state, released, key (9 words), spare
 *
 * A slot's key is written before its state, and the state atomically, so the worker sees whole
 * flows only.
 */

import { KEY_WORDS } from "./gate-packet.ts";
import { addressOctets, type SocketAddress } from "./socket-address.ts";

/** Words of the header. */
export const WORD_QUEUE = 0;
export const WORD_OPEN = 1;
export const WORD_STOP = 2;
export const WORD_HELD = 3;
/** The worker has let go of the queue: only the main thread closes it. */
export const WORD_IDLE = 5;
const HEADER_WORDS = 16;

/** Counters, in the order of their numbers; only the worker writes them. */
export const COUNTERS = [
  "passed",
  "held",
  "guarded",
  "overflowed",
  "overruns",
  "unparsed",
  "fenced",
] as const;
export const PASSED = 0;
export const HELD = 1;
export const GUARDED = 2;
export const OVERFLOWED = 3;
export const OVERRUNS = 4;
export const UNPARSED = 5;
export const FENCED = 6;
const COUNTERS_MAX = 8;

const SLOTS_AT = HEADER_WORDS + 2 * COUNTERS_MAX;
const SLOT_WORDS = 12;
const RELEASED = 1;
const KEY = 2;

const EMPTY = 0;
const REMOVED = 1;
/** A live slot's state is an even number that no earlier flow of the slot had. */
const STATE_STEP = 2;
const STATE_MAX = 0x7fff_fff0;

export interface FlowTable {
  readonly memory: SharedArrayBuffer;
  readonly words: Int32Array;
  readonly counters: Float64Array;
  readonly slots: number;
}

/** Number of a flow in its table. */
export type FlowSlot = number;
export const NO_SLOT: FlowSlot = -1;

/** @param flowsMax - the table is at most half full */
export function createFlowTable(flowsMax: number): FlowTable {
  const slots = 2 ** Math.ceil(Math.log2(Math.max(2, 2 * flowsMax)));
  return flowTableOf(new SharedArrayBuffer(4 * (SLOTS_AT + SLOT_WORDS * slots)));
}

export function flowTableOf(memory: SharedArrayBuffer): FlowTable {
  const words = new Int32Array(memory);
  const counters = new Float64Array(memory, 4 * HEADER_WORDS, COUNTERS_MAX);
  return { memory, words, counters, slots: (words.length - SLOTS_AT) / SLOT_WORDS };
}

/** @returns the key that packets of a flow from `local` to `remote` have */
export function flowKey(local: SocketAddress, remote: SocketAddress): Int32Array {
  const octets = Buffer.alloc(4 * KEY_WORDS);
  octets.set(mapped(local.address), 0);
  octets.set(mapped(remote.address), 16);
  octets.writeUInt16BE(local.port, 32);
  octets.writeUInt16BE(remote.port, 34);
  return Int32Array.from({ length: KEY_WORDS }, (_, word) => octets.readInt32BE(4 * word));
}

/** @returns the flow's slot, or `NO_SLOT`. Allocates nothing. */
export function findFlow(table: FlowTable, key: Int32Array): FlowSlot {
  const { words, slots } = table;
  for (let slot = homeOf(key, slots), seen = 0; seen < slots; seen++, slot = (slot + 1) % slots) {
    const at = SLOTS_AT + slot * SLOT_WORDS;
    const state = Atomics.load(words, at);
    if (state === EMPTY) return NO_SLOT;
    if (state !== REMOVED && hasKey(words, at + KEY, key)) return slot;
  }
  return NO_SLOT;
}

/**
 * Adds a flow, or moves the one with this key to `released`.
 *
 * @throws Error when the table is full
 */
export function addFlow(table: FlowTable, key: Int32Array, released: number): FlowSlot {
  const known = findFlow(table, key);
  if (known !== NO_SLOT) {
    releaseFlow(table, known, released);
    return known;
  }
  const { words, slots } = table;
  for (let slot = homeOf(key, slots), seen = 0; seen < slots; seen++, slot = (slot + 1) % slots) {
    const at = SLOTS_AT + slot * SLOT_WORDS;
    if (Atomics.load(words, at) > REMOVED) continue;
    words.set(key, at + KEY);
    Atomics.store(words, at + RELEASED, released | 0);
    Atomics.store(words, at, nextState(table));
    return slot;
  }
  throw new Error(`no room for more than ${slots} flows in the gate`);
}

export function removeFlow(table: FlowTable, slot: FlowSlot): void {
  const { words, slots } = table;
  Atomics.store(words, SLOTS_AT + slot * SLOT_WORDS, REMOVED);
  // Removed slots that no search has to pass any more become empty again.
  for (let last = slot; ; last = (last + slots - 1) % slots) {
    const at = SLOTS_AT + last * SLOT_WORDS;
    const after = SLOTS_AT + ((last + 1) % slots) * SLOT_WORDS;
    if (Atomics.load(words, at) !== REMOVED || Atomics.load(words, after) !== EMPTY) return;
    Atomics.store(words, at, EMPTY);
  }
}

/** Removes all flows. */
export function clearFlows({ words }: FlowTable): void {
  for (let at = SLOTS_AT; at < words.length; at += SLOT_WORDS) Atomics.store(words, at, EMPTY);
}

export function releaseFlow(table: FlowTable, slot: FlowSlot, released: number): void {
  Atomics.store(table.words, SLOTS_AT + slot * SLOT_WORDS + RELEASED, released | 0);
}

/** @returns a number that tells the flow in a slot from all others that were or will be in it */
export function flowState(table: FlowTable, slot: FlowSlot): number {
  return Atomics.load(table.words, SLOTS_AT + slot * SLOT_WORDS);
}

/** @returns whether an acknowledgement number is within what may be told to the peer */
export function isReleased(table: FlowTable, slot: FlowSlot, acknowledgement: number): boolean {
  const released = Atomics.load(table.words, SLOTS_AT + slot * SLOT_WORDS + RELEASED);
  return ((acknowledgement - released) | 0) <= 0;
}

/** The word of the header that numbers states. */
const WORD_NEXT_STATE = 4;

function nextState({ words }: FlowTable): number {
  const previous = words[WORD_NEXT_STATE]!;
  words[WORD_NEXT_STATE] = previous >= STATE_MAX ? STATE_STEP : previous + STATE_STEP;
  return words[WORD_NEXT_STATE]!;
}

function homeOf(key: Int32Array, slots: number): number {
  let hash = 0;
  for (let word = 0; word < KEY_WORDS; word++) {
    hash = Math.imul(hash ^ key[word]!, 0x9e3779b1);
    hash ^= hash >>> 15;
  }
  return hash & (slots - 1);
}

function hasKey(words: Int32Array, at: number, key: Int32Array): boolean {
  for (let word = 0; word < KEY_WORDS; word++) if (words[at + word] !== key[word]) return false;
  return true;
}

function mapped(address: string): Uint8Array {
  const octets = addressOctets(address);
  if (octets.length === 16) return octets;
  const long = new Uint8Array(16);
  long.fill(0xff, 10, 12);
  long.set(octets, 12);
  return long;
}
