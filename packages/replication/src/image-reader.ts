/** Makes a graph of objects from the octets of an image. */

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
  TEXT,
  TRUE,
  type TypedArray,
  UNDEFINED,
} from "./image-format.ts";
import { FormatError, type OctetReader } from "./octet-reader.ts";

/** Shapes and objects are found by this many entries at most, so that bad octets cannot ask for more. */
const LENGTH_MAX = 2 ** 32;
/** Of more, added one by one, the engine makes a hash table, which is slow to make, to read and to keep. */
const FIELDS_MAX = 12;
/** Of so many it is what is wanted: they are names of somebody's choice. */
const RECORD_FIELDS_MAX = 100;
/** Parts between two pauses. */
const STEP_PARTS = 32;

type Fields = Record<string, unknown>;

/** @returns whether plain objects of a shape are better made at once */
function isRecord(fields: readonly string[], prototype: object): boolean {
  const { length } = fields;
  return prototype === Object.prototype && length > FIELDS_MAX && length <= RECORD_FIELDS_MAX;
}

/** @returns the object, which has no fields yet, with those */
function filled(object: object, fields: readonly string[], values: readonly unknown[]): object {
  if (isRecord(fields, Object.getPrototypeOf(object))) {
    return Object.assign(object, Object.fromEntries(fields.map((field, k) => [field, values[k]])));
  }
  for (const [k, field] of fields.entries()) (object as Fields)[field] = values[k];
  return object;
}

export class ImageReader {
  readonly in: OctetReader;
  private readonly classes: Classes;
  private readonly objects: object[] = [];
  private readonly shapes: { prototype: object; fields: readonly string[] }[] = [];

  constructor(octets: OctetReader, classes: Classes) {
    this.in = octets;
    this.classes = classes;
  }

  value(): unknown {
    return this.tagged(this.in.varint());
  }

  private tagged(tag: number): unknown {
    const { in: octets } = this;
    switch (tag) {
      case UNDEFINED:
        return undefined;
      case NULL:
        return null;
      case FALSE:
        return false;
      case TRUE:
        return true;
      case INTEGER:
        return octets.varint();
      case NEGATIVE:
        return -octets.varint();
      case DOUBLE:
        return octets.double();
      case TEXT:
        return octets.text();
      case BEFORE:
        return this.before(octets.varint());
      default:
        return this.object(tag);
    }
  }

  private before(number: number): object {
    const object = this.objects[number];
    if (object === undefined) throw new FormatError(`no object ${number} before`);
    return object;
  }

  private object(tag: number): object {
    switch (tag) {
      case LIST: {
        const list: unknown[] = this.add([]);
        for (let left = this.count(); left > 0; left--) list.push(this.value());
        return list;
      }
      case MAP: {
        const map: Map<unknown, unknown> = this.add(new Map());
        for (let left = this.count(); left > 0; left--) map.set(this.value(), this.value());
        return map;
      }
      case SET: {
        const set: Set<unknown> = this.add(new Set());
        for (let left = this.count(); left > 0; left--) set.add(this.value());
        return set;
      }
      case NEW_SHAPE:
        this.newShape();
        return this.instance(this.shapes.length - 1);
      case OBJECT:
        return this.instance(this.in.varint());
      case ARRAY:
        return this.add(this.array());
      case STAND_IN:
        return this.standIn();
      default:
        throw new FormatError(`no value has the tag ${tag}`);
    }
  }

  private add<T extends object>(object: T): T {
    this.objects.push(object);
    return object;
  }

  /** Every entry takes an octet at least. */
  private count(): number {
    const count = this.in.varint();
    if (count > this.in.left) throw new FormatError(`${count} entries are too many`);
    return count;
  }

  private newShape(): void {
    const { in: octets } = this;
    const name = octets.text();
    const type = name === "" ? Object : this.classes.type(name);
    if (type === undefined) throw new FormatError(`no class ${name}`);
    const fields: string[] = [];
    for (let left = this.count(); left > 0; left--) fields.push(octets.text());
    // A plain assignment of this name would set the prototype.
    if (fields.includes("__proto__")) throw new FormatError("a field has the name __proto__");
    this.shapes.push({ prototype: type.prototype as object, fields });
  }

  private instance(number: number): object {
    const { fields, prototype } = this.shape(number);
    const object = this.add(Object.create(prototype) as object);
    if (!isRecord(fields, prototype)) {
      for (const field of fields) (object as Fields)[field] = this.value();
      return object;
    }
    return filled(
      object,
      fields,
      fields.map(() => this.value()),
    );
  }

  private shape(number: number): { prototype: object; fields: readonly string[] } {
    const shape = this.shapes[number];
    if (shape === undefined) throw new FormatError(`no shape ${number} before`);
    return shape;
  }

  /** As `value`, with a pause after every few parts of it, and of its parts to a depth. */
  *inSteps(depth: number): Generator<void, unknown> {
    const tag = this.in.varint();
    if (depth === 0 || (tag !== LIST && tag !== NEW_SHAPE && tag !== OBJECT)) {
      return this.tagged(tag);
    }
    if (tag === LIST) {
      const list: unknown[] = this.add([]);
      for (let left = this.count(); left > 0; left--) {
        list.push(yield* this.inSteps(depth - 1));
        if (left % STEP_PARTS === 0) yield;
      }
      return list;
    }
    if (tag === NEW_SHAPE) this.newShape();
    const number = tag === NEW_SHAPE ? this.shapes.length - 1 : this.in.varint();
    const { fields, prototype } = this.shape(number);
    const object = this.add(Object.create(prototype) as object);
    const values: unknown[] = [];
    for (const [k] of fields.entries()) {
      values.push(yield* this.inSteps(depth - 1));
      if (k % STEP_PARTS === 0) yield;
    }
    return filled(object, fields, values);
  }

  private array(): TypedArray {
    const { in: octets } = this;
    const type = KINDS[octets.varint()];
    const length = octets.varint();
    const used = octets.octets(octets.varint());
    if (
      type === undefined ||
      length > LENGTH_MAX ||
      used.length > length * type.BYTES_PER_ELEMENT
    ) {
      throw new FormatError("no such typed array");
    }
    const array = new type(length);
    new Uint8Array(array.buffer).set(used);
    return array;
  }

  private standIn(): object {
    const name = this.in.text();
    const standIn = this.classes.standIn(name);
    if (standIn === undefined) throw new FormatError(`no class ${name}`);
    const number = this.objects.length;
    // It has its number before what it is made from.
    this.objects.push({});
    const object = standIn.load(this.value());
    this.objects[number] = object;
    return object;
  }
}
