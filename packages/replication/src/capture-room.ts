/** What a capture of a graph needs, made ready while the graph goes on changing. */

import type { Classes } from "./image-classes.ts";

/** Of the memory that copies go into. */
const PART_OCTETS = 1 << 18;
/** The kernel gives memory by so much, when it is first written to. */
const MEMORY_PAGE_OCTETS = 1 << 12;
/** Objects that are looked at in a step, which takes a fraction of a millisecond. */
const LOOKED_AT = 1 << 7;
/** Tables may grow between the two. */
const MORE_FACTOR = 1.1;
const NO_OCTETS = new Uint8Array(0);

/**
 * What a capture needs, made beforehand: most of the time that it takes otherwise is spent on having the
 * kernel find memory for copies, and on growing a map of all objects.
 */
export class CaptureRoom {
  /** Objects that were found, each with a number of its own, from 0. */
  readonly objects: Map<object, number> = new Map();
  /** Memory for copies, and what is not filled of the last piece of it. */
  private readonly parts: Uint8Array[] = [];
  private rest: Uint8Array = NO_OCTETS;

  /** Octets of the memory that was made ready: about those of the image. */
  get octets(): number {
    return this.parts.length * PART_OCTETS;
  }

  /**
   * Makes ready for a capture of a graph that may change between two steps, each of which takes less than a
   * millisecond. It may be left before the end: then the capture takes longer.
   */
  *prepare(root: object, classes: Classes): Generator<void> {
    const octets = MORE_FACTOR * (yield* this.find(root, classes));
    for (let made = 0; made < octets; made += PART_OCTETS) {
      const part = new Uint8Array(PART_OCTETS);
      for (let at = 0; at < part.length; at += MEMORY_PAGE_OCTETS) part[at] = 0;
      this.parts.push(part);
      yield;
    }
  }

  /** @returns the same octets elsewhere, in pieces */
  copyOf(octets: Uint8Array): Uint8Array[] {
    const pieces: Uint8Array[] = [];
    for (let at = 0; at < octets.length; ) {
      if (this.rest.length === 0) this.rest = this.parts.pop() ?? new Uint8Array(PART_OCTETS);
      const count = Math.min(octets.length - at, this.rest.length);
      const piece = this.rest.subarray(0, count);
      piece.set(octets.subarray(at, at + count));
      pieces.push(piece);
      this.rest = this.rest.subarray(count);
      at += count;
    }
    return pieces;
  }

  /** @returns octets of all typed arrays */
  private *find(root: object, classes: Classes): Generator<void, number> {
    const { objects } = this;
    const found: object[] = [];
    let octets = 0;
    const find = (value: unknown) => {
      if (typeof value !== "object" || value === null || objects.has(value)) return;
      objects.set(value, objects.size);
      found.push(value);
    };
    find(root);
    for (let at = 0; at < found.length; at++) {
      if (at % LOOKED_AT === LOOKED_AT - 1) yield;
      const object = found[at]!;
      // One whose memory is gone meanwhile is no part of the graph any more.
      if (ArrayBuffer.isView(object)) {
        if (object.byteLength > 0) octets += usedOctets(octetsOf(object));
      } else for (const value of contentsOf(object, classes)) find(value);
    }
    return octets;
  }
}

function contentsOf(object: object, classes: Classes): Iterable<unknown> {
  if (object instanceof Map) return [...object.keys(), ...object.values()];
  if (Array.isArray(object) || object instanceof Set) return object;
  const standIn = classes.ofPrototype(Object.getPrototypeOf(object))?.standIn ?? null;
  return standIn === null ? Object.values(object) : [standIn.save(object)];
}

export function octetsOf({ buffer, byteOffset, byteLength }: ArrayBufferView): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}

/** @returns the number of octets without the zeros at the end: columns are half empty at times */
export function usedOctets(octets: Uint8Array): number {
  let used = octets.length;
  const { buffer, byteOffset } = octets;
  while ((used & 3) !== 0 && octets[used - 1] === 0) used--;
  if ((used & 3) === 0 && (byteOffset & 3) === 0) {
    const words = new Int32Array(buffer, byteOffset, used >> 2);
    let word = words.length;
    while (word > 0 && words[word - 1] === 0) word--;
    used = 4 * word;
  }
  while (used > 0 && octets[used - 1] === 0) used--;
  return used;
}
