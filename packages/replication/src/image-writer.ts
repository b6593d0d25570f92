/**
 * Writes a graph of objects as an image. What must be done at one instant is a walk over the objects and a
 * copy of what is used of the typed arrays; octets in their order are made of that when they are asked for.
 */

import {
  ARRAY,
  BEFORE,
  type Classes,
  DOUBLE,
  FALSE,
  INTEGER,
  KINDS,
  LIST,
  MAP,
  NEGATIVE,
  NEW_SHAPE,
  NULL,
  OBJECT,
  SET,
  STAND_IN,
  type StandIn,
  TEXT,
  TRUE,
  type TypedArray,
  UNDEFINED,
} from "./image-format.ts";
import { OctetWriter } from "./octet-writer.ts";

/** Shorter typed arrays are written at once. */
const COPIED_OCTETS_MIN = 1 << 12;
/** Of the memory that copies go into. */
const PART_OCTETS = 1 << 18;
/** The kernel gives memory by so much, when it is first written to. */
const MEMORY_PAGE_OCTETS = 1 << 12;
/** Objects that are looked at in a step, which takes a fraction of a millisecond. */
const LOOKED_AT = 1 << 7;
/** Parts that are written in a step, likewise. */
const STEP_PARTS = 1 << 5;
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
  const standIn = classes.standInOf(Object.getPrototypeOf(object));
  return standIn === null ? Object.values(object) : [standIn.save(object)];
}

/** A typed array that was copied, and where it belongs. */
interface CopiedArray {
  /** Octets of the image before it, without other copied arrays. */
  readonly at: number;
  readonly kind: number;
  readonly length: number;
  readonly pieces: Uint8Array[];
}

type Fields = Readonly<Record<string, unknown>>;

interface Shape {
  readonly number: number;
  readonly fields: readonly string[];
}

/** What objects with one prototype are in an image. */
interface Row {
  readonly tag: number;
  /** Of a class that is known; "" of plain objects. */
  readonly name: string;
  readonly standIn: StandIn | null;
  /** Of a typed array. */
  readonly kind: number;
  /** Few classes have objects of more than one. */
  readonly shapes: Shape[];
}

export class ImageWriter {
  private readonly out: OctetWriter = new OctetWriter();
  private readonly copied: CopiedArray[] = [];
  private readonly classes: Classes;
  private readonly room: CaptureRoom;
  /** By an object's number in the room: its number in the image, less than 0 when it has none yet. */
  private numbers: Int32Array;
  private count = 0;
  private readonly rows: Map<object | null, Row> = new Map();
  private shapeCount = 0;

  constructor(classes: Classes, room: CaptureRoom) {
    this.classes = classes;
    this.room = room;
    this.numbers = new Int32Array(2 * room.objects.size + 8).fill(-1);
  }

  /** @returns the octets of what was written, in order, made when they are asked for; they hold nothing else */
  take(): Generator<Uint8Array> {
    return inOrder(this.out.take(), this.copied.splice(0));
  }

  value(value: unknown): void {
    switch (typeof value) {
      case "undefined":
        this.out.varint(UNDEFINED);
        return;
      case "boolean":
        this.out.varint(value ? TRUE : FALSE);
        return;
      case "number":
        this.number(value);
        return;
      case "string":
        this.out.varint(TEXT);
        this.out.text(value);
        return;
      case "object":
        if (value === null) this.out.varint(NULL);
        else if (this.classes.leavesOut(value)) this.out.varint(UNDEFINED);
        else this.object(value);
        return;
      default:
        this.refuse(`a ${typeof value}`);
    }
  }

  /**
   * Does the same with what does not change meanwhile, with a pause after every few of its parts, and of theirs, down
   * to that depth.
   */
  *inSteps(value: unknown, depth: number): Generator<void> {
    const isObject = typeof value === "object" && value !== null && !this.classes.leavesOut(value);
    if (depth === 0 || !isObject) {
      this.value(value);
      return;
    }
    const row = this.begin(value);
    if (row === null) return;
    if (row.tag !== LIST && row.tag !== OBJECT) {
      this.contents(value, row);
      return;
    }
    const parts =
      row.tag === LIST ? this.beginList(value as unknown[]) : this.beginParts(value, row);
    for (let at = 0; at < parts.length; at++) {
      yield* this.inSteps(parts[at], depth - 1);
      if (at % STEP_PARTS === STEP_PARTS - 1) yield;
    }
  }

  private number(value: number): void {
    const { out } = this;
    if (Number.isSafeInteger(value) && !Object.is(value, -0)) {
      out.varint(value < 0 ? NEGATIVE : INTEGER);
      out.varint(Math.abs(value));
    } else {
      out.varint(DOUBLE);
      out.double(value);
    }
  }

  private object(object: object): void {
    const row = this.begin(object);
    if (row !== null) this.contents(object, row);
  }

  /** @returns null for one that came before, and is written with that */
  private begin(object: object): Row | null {
    const { out } = this;
    const index = this.indexOf(object);
    const known = this.numbers[index]!;
    if (known >= 0) {
      out.varint(BEFORE);
      out.varint(known);
      return null;
    }
    this.numbers[index] = this.count++;
    return this.rowOf(object);
  }

  private contents(object: object, row: Row): void {
    switch (row.tag) {
      case LIST:
        this.entries(this.beginList(object as readonly unknown[]));
        break;
      case MAP:
        this.map(object as ReadonlyMap<unknown, unknown>);
        break;
      case SET:
        this.set(object as ReadonlySet<unknown>);
        break;
      case ARRAY:
        this.array(object as TypedArray, row.kind);
        break;
      case STAND_IN:
        this.standIn(object, row);
        break;
      default:
        this.fields(object as Fields, this.beginInstance(object, row), row.name === "");
    }
  }

  private indexOf(object: object): number {
    const { objects } = this.room;
    const known = objects.get(object);
    if (known !== undefined) return known;
    const index = objects.size;
    objects.set(object, index);
    if (index >= this.numbers.length) {
      const longer = new Int32Array(2 * index).fill(-1);
      longer.set(this.numbers);
      this.numbers = longer;
    }
    return index;
  }

  private rowOf(object: object): Row {
    const prototype = Object.getPrototypeOf(object) as object | null;
    // Plain objects with and without the common prototype are alike.
    const key = prototype === Object.prototype ? null : prototype;
    let row = this.rows.get(key);
    if (row === undefined) {
      row = this.newRow(object, key);
      this.rows.set(key, row);
    }
    return row;
  }

  private newRow(object: object, prototype: object | null): Row {
    const name = prototype === null ? "" : prototype.constructor.name;
    const row = { tag: OBJECT, name, standIn: null, kind: -1, shapes: [] };
    if (Array.isArray(object)) return { ...row, tag: LIST };
    if (object instanceof Map) return { ...row, tag: MAP };
    if (object instanceof Set) return { ...row, tag: SET };
    if (ArrayBuffer.isView(object)) {
      // A Buffer of Node.js is a Uint8Array as well.
      const kind = KINDS.findIndex((type) => object instanceof type);
      if (kind < 0) this.refuse(name);
      return { ...row, tag: ARRAY, kind };
    }
    if (prototype === null) return row;
    const standIn = this.classes.standInOf(prototype);
    if (standIn !== null) return { ...row, tag: STAND_IN, standIn };
    if (this.classes.type(name)?.prototype !== prototype) this.refuse(name);
    return row;
  }

  /** @returns what is to follow */
  private beginList(all: readonly unknown[]): readonly unknown[] {
    const { classes } = this;
    // Places that are empty count: a list may be found by row.
    const list = classes.leavesAny ? [...all].filter((value) => !classes.leavesOut(value)) : all;
    this.out.varint(LIST);
    this.out.varint(list.length);
    return list;
  }

  private map(all: ReadonlyMap<unknown, unknown>): void {
    const { classes } = this;
    const map = classes.leavesAny
      ? new Map([...all].filter(([, value]) => !classes.leavesOut(value)))
      : all;
    this.out.varint(MAP);
    this.out.varint(map.size);
    let at: unknown = null;
    try {
      for (const [key, value] of map) {
        at = typeof key === "object" ? "{}" : key;
        this.value(key);
        this.value(value);
      }
    } catch (error) {
      throw placed(error, at);
    }
  }

  private set(all: ReadonlySet<unknown>): void {
    const { classes } = this;
    const set = classes.leavesAny
      ? new Set([...all].filter((value) => !classes.leavesOut(value)))
      : all;
    this.out.varint(SET);
    this.out.varint(set.size);
    this.entries(set);
  }

  private standIn(object: object, { name, standIn }: Row): void {
    this.out.varint(STAND_IN);
    this.out.text(name);
    try {
      this.value(standIn!.save(object));
    } catch (error) {
      throw placed(error, name);
    }
  }

  private entries(values: Iterable<unknown>): void {
    let at = 0;
    try {
      for (const value of values) {
        this.value(value);
        at++;
      }
    } catch (error) {
      throw placed(error, at);
    }
  }

  private array(array: TypedArray, kind: number): void {
    const { out } = this;
    const { length } = array;
    const octets = octetsOf(array);
    const used = octets.subarray(0, usedOctets(octets));
    if (octets.length < COPIED_OCTETS_MIN) {
      writeArray(out, kind, length, used.length);
      out.octets(used);
      return;
    }
    this.copied.push({ at: out.length, kind, length, pieces: this.room.copyOf(used) });
  }

  /** @returns the fields whose values are to follow */
  private beginInstance(object: object, { name, shapes }: Row): readonly string[] {
    const { out } = this;
    const fields = Object.keys(object);
    const known = shapes.find((shape) => hasFields(shape, fields));
    if (known !== undefined) {
      out.varint(OBJECT);
      out.varint(known.number);
    } else {
      shapes.push({ number: this.shapeCount++, fields });
      out.varint(NEW_SHAPE);
      out.text(name);
      out.varint(fields.length);
      for (const field of fields) out.text(field);
    }
    return fields;
  }

  /** @returns the values of the fields, which are to follow */
  private beginParts(object: object, row: Row): unknown[] {
    const fields = this.beginInstance(object, row);
    const isPlain = row.name === "";
    return fields.map((field) => this.classes.shownIn(object as Fields, field, isPlain));
  }

  private fields(object: Fields, fields: readonly string[], isPlain: boolean): void {
    let at = "";
    try {
      for (const field of fields) {
        at = field;
        this.value(this.classes.shownIn(object, field, isPlain));
      }
    } catch (error) {
      throw placed(error, at);
    }
  }

  private refuse(what: string): never {
    throw new Refusal(what);
  }
}

/** Something that an image cannot hold. */
export class Refusal extends Error {
  /** Keys of what holds it, from the outside in. */
  readonly path: unknown[] = [];
}

function placed(error: unknown, key: unknown): unknown {
  if (error instanceof Refusal) error.path.unshift(key);
  return error;
}

function hasFields({ fields }: Shape, others: readonly string[]): boolean {
  if (fields.length !== others.length) return false;
  for (let i = 0; i < fields.length; i++) if (fields[i] !== others[i]) return false;
  return true;
}

function writeArray(out: OctetWriter, kind: number, length: number, used: number): void {
  out.varint(ARRAY);
  out.varint(kind);
  out.varint(length);
  out.varint(used);
}

/** @returns the octets of what was written, in order; what was handed out is not kept */
function* inOrder(pages: Uint8Array[], copied: CopiedArray[]): Generator<Uint8Array> {
  let at = 0;
  while (pages.length > 0) {
    const page = pages.shift()!;
    let from = 0;
    while (copied.length > 0 && copied[0]!.at <= at + page.length) {
      const array = copied.shift()!;
      const to = array.at - at;
      if (to > from) yield page.subarray(from, to);
      from = to;
      yield* withHead(array);
    }
    if (from < page.length) yield page.subarray(from);
    at += page.length;
  }
  for (const array of copied.splice(0)) yield* withHead(array);
}

function* withHead({ kind, length, pieces }: CopiedArray): Generator<Uint8Array> {
  const head = new OctetWriter();
  const used = pieces.reduce((sum, piece) => sum + piece.length, 0);
  writeArray(head, kind, length, used);
  yield* head.take();
  while (pieces.length > 0) yield pieces.shift()!;
}

function octetsOf({ buffer, byteOffset, byteLength }: ArrayBufferView): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}

/** @returns the number of octets without the zeros at the end: columns are half empty at times */
function usedOctets(octets: Uint8Array): number {
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
