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

export class ImageReader {
  readonly in: OctetReader;
  private readonly classes: Classes;
  private readonly objects: object[] = [];
  private readonly shapes: { prototype: object; fields: readonly string[]; isKnown: boolean }[] =
    [];
  /** Objects of classes that are not known here. */
  private readonly strangers: Set<unknown> = new Set();

  constructor(octets: OctetReader, classes: Classes) {
    this.in = octets;
    this.classes = classes;
  }

  /** @returns what an image is of; throws a FormatError when that is of a class that is not known here */
  root(): unknown {
    const root = this.value();
    if (this.strangers.has(root))
      throw new FormatError("an image of something that is not known here");
    return root;
  }

  private value(): unknown {
    const { in: octets } = this;
    const tag = octets.varint();
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
        for (let left = this.count(); left > 0; left--) {
          const value = this.value();
          if (!this.strangers.has(value)) list.push(value);
        }
        return list;
      }
      case MAP: {
        const map: Map<unknown, unknown> = this.add(new Map());
        for (let left = this.count(); left > 0; left--) {
          const key = this.value();
          const value = this.value();
          if (!this.strangers.has(value)) map.set(key, value);
        }
        return map;
      }
      case SET: {
        const set: Set<unknown> = this.add(new Set());
        for (let left = this.count(); left > 0; left--) {
          const value = this.value();
          if (!this.strangers.has(value)) set.add(value);
        }
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
    const fields: string[] = [];
    for (let left = this.count(); left > 0; left--) fields.push(octets.text());
    // A plain assignment of this name would set the prototype.
    if (fields.includes("__proto__")) throw new FormatError("a field has the name __proto__");
    const { prototype } = type ?? Object;
    this.shapes.push({ prototype: prototype as object, fields, isKnown: type !== undefined });
  }

  private instance(number: number): object {
    const shape = this.shapes[number];
    if (shape === undefined) throw new FormatError(`no shape ${number} before`);
    const { prototype, fields } = shape;
    const object = this.add(Object.create(prototype) as Record<string, unknown>);
    if (!shape.isKnown) this.strangers.add(object);
    if (fields.length > FIELDS_MAX && prototype === Object.prototype) {
      const entries = fields.map((field): [string, unknown] => [field, this.value()]);
      const known = entries.filter(([, value]) => !this.strangers.has(value));
      return Object.assign(object, Object.fromEntries(known));
    }
    for (const field of fields) {
      const value = this.value();
      if (!this.strangers.has(value)) object[field] = value;
    }
    return object;
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
    const number = this.objects.length;
    // It has its number before what it is made from.
    const place = {};
    this.objects.push(place);
    if (standIn === undefined) this.strangers.add(place);
    const saved = this.value();
    const object = standIn?.load(saved) ?? place;
    this.objects[number] = object;
    return object;
  }
}
