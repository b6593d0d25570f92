/**
 * A graph of plain objects as octets, and back: how a router that runs becomes a second one.
 *
 * The state of a router is objects of known classes, maps, sets, lists, typed arrays and plain values,
 * and no functions. Classes, and fields of their objects, are numbers in the octets, which say nothing of
 * what they are called in a program (see `NUMBERS`); plain objects have the names of their fields, as a
 * configuration has those of its options. A reader leaves out, and counts, an object of a class that it does
 * not know, wherever it is referred to, and a field that it does not know. Equal graphs have equal octets,
 * which is what tests of replicas compare.
 *
 *     value   = tag, then by tag:
 *     0 undefined   1 null   2 false   3 true
 *     4 varint: an integer of at least 0      5 varint n: the integer -n
 *     6 double                                7 text (length in octets, UTF-8)
 *     8 number of an object that came before, counted from 0 in order of appearance
 *     9 list: count, values                  10 map: count, keys and values
 *    11 set: count, values
 *    12 new shape: "", count of fields, names; then the object as by 13 (the shapes are numbered from 0)
 *    13 object: number of its shape, values of its fields
 *    14 typed array: kind, length, octets without the zeros at the end: their count and they (low octet
 *       first, as in memory)
 *    16 new shape of a class: number, count of fields, numbers; then the object as by 13
 *    17 stand-in: number of its class, value that it can be made from
 *
 * Where the first releases read it, names of classes and fields are in the place of numbers, in shapes by 12
 * and in stand-ins by 15.
 */

import { CaptureRoom } from "./capture-room.ts";
import type { Classes } from "./image-classes.ts";
import { ImageReader } from "./image-reader.ts";
import { ImageWriter, Refusal } from "./image-writer.ts";
import { FormatError, OctetReader } from "./octet-reader.ts";
import { joined } from "./octet-writer.ts";
import type { Skipped } from "./record-kinds.ts";

/**
 * Everything of `root` as it is now; throws when something in it is a function or of an unknown class. Costs
 * a walk over its objects and a copy of its typed arrays.
 *
 * @param room - made ready for it, or one that is not; used for nothing else before or afterwards
 * @returns the octets one after the other, in pieces that share nothing with it, made when they are asked for
 */
export function captureOf(
  root: unknown,
  classes: Classes,
  room: CaptureRoom = new CaptureRoom(),
): Generator<Uint8Array> {
  const writer = new ImageWriter(classes, room);
  try {
    writer.value(root);
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    throw new Error(
      `an image cannot hold ${error.message} (at ${error.path.map(String).join(".")})`,
    );
  }
  return writer.take();
}

/** @returns the same, at once */
export function imageOf(root: unknown, classes: Classes): Uint8Array[] {
  return [...captureOf(root, classes)];
}

/**
 * @param root - does not change meanwhile
 * @returns the same as one, made in steps of less than a millisecond where parts of the root have many parts
 */
export function* octetsInSteps(root: unknown, classes: Classes): Generator<void, Uint8Array> {
  const writer = new ImageWriter(classes, new CaptureRoom());
  yield* writer.inSteps(root, 2);
  const pieces = [...writer.take()];
  yield;
  return joined(pieces);
}

/**
 * @param skipped - counts what is not known, and left out
 * @returns what `imageOf` was given, made anew; throws a FormatError when it cannot be
 */
export function fromImage(
  pieces: readonly Uint8Array[],
  classes: Classes,
  skipped: Skipped = { records: 0, fields: 0 },
): unknown {
  const reader = new ImageReader(new OctetReader(joined(pieces)), classes, skipped);
  const root = rootOf(reader);
  if (reader.in.left > 0) throw new FormatError("octets behind an image");
  return root;
}

/** Does the same, in steps of less than a millisecond where parts of the root have many parts. */
export function* imageInSteps(octets: Uint8Array, classes: Classes): Generator<void, unknown> {
  const reader = new ImageReader(new OctetReader(octets), classes, { records: 0, fields: 0 });
  const root = yield* reader.rootInSteps();
  if (reader.in.left > 0) throw new FormatError("octets behind an image");
  return root;
}

function rootOf(reader: ImageReader): unknown {
  try {
    return reader.root();
  } catch (error) {
    // Bad octets may ask for more memory, or a deeper stack, than there is.
    if (error instanceof RangeError) throw new FormatError(`an image too large: ${error.message}`);
    throw error;
  }
}
