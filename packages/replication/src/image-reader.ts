/** Makes a graph of objects from the octets of an image. */

import type { ClassNumbers } from "./class-numbers.ts";
import type { Classes, Known } from "./image-classes.ts";
import {
  ARRAY,
  BEFORE,
  DOUBLE,
  FALSE,
  INTEGER,
  KINDS,
  LIST,
  MAP,
  NAMED_SHAPE,
  NAMED_STAND_IN,
  NEGATIVE,
  NULL,
  NUMBERED_SHAPE,
  NUMBERED_STAND_IN,
  OBJECT,
  SET,
  TEXT,
  TRUE,
  type TypedArray,
  UNDEFINED,
} from "./image-format.ts";
import { FormatError, type OctetReader } from "./octet-reader.ts";
import type { Skipped } from "./record-kinds.ts";

/** Shapes and objects are found by this many entries at most, so that bad octets cannot ask for more. */
const LENGTH_MAX = 2 ** 32;
/** Of more, added one by one, the engine makes a hash table, which is slow to make, to read and to keep. */
const FIELDS_MAX = 12;
/** Parts between two pauses. */
const STEP_PARTS = 32;

interface Shape {
  readonly prototype: object;
  /** Null for one whose value is not wanted. */
  readonly fields: readonly (string | null)[];
  /** So many of those are not known. */
  readonly unknownFields: number;
  /** Null for a plain object, and for one of a class that is not known. */
  readonly numbers: ClassNumbers | null;
  readonly isKnown: boolean;
}

export class ImageReader {
  readonly in: OctetReader;
  /** Objects of classes that are not known here, and fields of those that are: they are left out. */
  readonly skipped: Skipped;
  private readonly classes: Classes;
  private readonly objects: object[] = [];
  private readonly shapes: Shape[] = [];
  /** Objects of classes that are not known here. */
  private readonly strangers: Set<unknown> = new Set();

  constructor(octets: OctetReader, classes: Classes, skipped: Skipped) {
    this.in = octets;
    this.classes = classes;
    this.skipped = skipped;
  }

  /** @returns what an image is of; throws a FormatError when that is of a class that is not known here */
  root(): unknown {
    const root = this.value();
    if (this.strangers.has(root))
      throw new FormatError("an image of something that is not known here");
    return root;
  }

  /** Does the same, with a pause after every few parts of the root, and of its parts. */
  *rootInSteps(): Generator<void, unknown> {
    const root = yield* this.inSteps(2);
    if (this.strangers.has(root))
      throw new FormatError("an image of something that is not known here");
    return root;
  }

  private value(): unknown {
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
      case NAMED_SHAPE:
      case NUMBERED_SHAPE:
        this.newShape(tag);
        return this.instance(this.shapes.length - 1);
      case OBJECT:
        return this.instance(this.in.varint());
      case ARRAY:
        return this.add(this.array());
      case NAMED_STAND_IN:
        return this.standIn(this.classes.find(this.in.text()));
      case NUMBERED_STAND_IN:
        return this.standIn(this.classes.find(this.in.varint()));
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

  private newShape(tag: number): void {
    const { in: octets } = this;
    const key = () => (tag === NUMBERED_SHAPE ? octets.varint() : octets.text());
    const name = key();
    const keys = Array.from({ length: this.count() }, key);
    // A plain assignment of this name would set the prototype.
    if (keys.includes("__proto__")) throw new FormatError("a field has the name __proto__");
    const { prototype } = Object;
    if (name === "") {
      const fields = keys as string[];
      this.shapes.push({ prototype, fields, unknownFields: 0, numbers: null, isKnown: true });
      return;
    }
    const known = this.classes.find(name);
    if (known === undefined || known.standIn !== null) {
      const fields = keys.map(() => null);
      this.shapes.push({ prototype, fields, unknownFields: 0, numbers: null, isKnown: false });
      return;
    }
    const found = keys.map((one) => known.numbers.find(one));
    this.shapes.push({
      prototype: known.prototype,
      fields: found.map((field) => field?.name ?? null),
      unknownFields: found.filter((field) => field === undefined).length,
      numbers: known.numbers,
      isKnown: true,
    });
  }

  private instance(number: number): object {
    const shape = this.shape(number);
    const { prototype, fields } = shape;
    const object = this.begun(shape);
    if (fields.length > FIELDS_MAX && prototype === Object.prototype) {
      return this.filled(
        object,
        fields.map((field) => [field, this.value()]),
      );
    }
    for (const field of fields) {
      const value = this.value();
      if (field !== null && !this.strangers.has(value)) object[field] = value;
    }
    if (shape.numbers !== null) this.nameFields(object, shape.numbers);
    return object;
  }

  private shape(number: number): Shape {
    const shape = this.shapes[number];
    if (shape === undefined) throw new FormatError(`no shape ${number} before`);
    return shape;
  }

  private begun({ prototype, isKnown, unknownFields }: Shape): Record<string, unknown> {
    const object = this.add(Object.create(prototype) as Record<string, unknown>);
    this.skipped.fields += unknownFields;
    if (!isKnown) this.addStranger(object);
    return object;
  }

  private addStranger(object: object): void {
    this.strangers.add(object);
    this.skipped.records++;
  }

  private filled(object: object, entries: readonly [string | null, unknown][]): object {
    const known = entries.filter(([field, value]) => field !== null && !this.strangers.has(value));
    return Object.assign(object, Object.fromEntries(known));
  }

  /** What lists fields of another object gets the names that they have here. */
  private nameFields(object: Record<string, unknown>, { lists }: ClassNumbers): void {
    if (lists === null || object[lists.name] === undefined) return;
    const { [lists.name]: keys, [lists.table]: table } = object;
    const isTable = typeof table === "object" && table !== null;
    const known = isTable ? this.classes.ofPrototype(Object.getPrototypeOf(table)) : undefined;
    if (known === undefined || !Array.isArray(keys)) throw new FormatError("no list of fields");
    const found = keys.map((key: unknown) => known.numbers.find(key as number | string));
    this.skipped.fields += found.filter((field) => field === undefined).length;
    object[lists.name] = found.flatMap((field) => field?.name ?? []);
  }

  /** As `value`, with pauses in it to a depth. */
  private *inSteps(depth: number): Generator<void, unknown> {
    const tag = this.in.varint();
    if (depth === 0 || (tag !== LIST && tag !== NAMED_SHAPE && tag !== OBJECT)) {
      return this.tagged(tag);
    }
    if (tag === LIST) {
      const list: unknown[] = this.add([]);
      for (let left = this.count(); left > 0; left--) {
        const value = yield* this.inSteps(depth - 1);
        if (!this.strangers.has(value)) list.push(value);
        if (left % STEP_PARTS === 0) yield;
      }
      return list;
    }
    if (tag === NAMED_SHAPE) this.newShape(tag);
    const shape = this.shape(tag === NAMED_SHAPE ? this.shapes.length - 1 : this.in.varint());
    const object = this.begun(shape);
    const entries: [string | null, unknown][] = [];
    for (const field of shape.fields) {
      entries.push([field, yield* this.inSteps(depth - 1)]);
      if (entries.length % STEP_PARTS === 0) yield;
    }
    return this.filled(object, entries);
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

  private standIn(known: Known | undefined): object {
    const standIn = known?.standIn ?? null;
    const number = this.objects.length;
    // It has its number before what it is made from.
    const place = {};
    this.objects.push(place);
    if (standIn === null) this.addStranger(place);
    const saved = this.value();
    const object = standIn?.load(saved) ?? place;
    this.objects[number] = object;
    return object;
  }
}
