/**
 * A graph of plain objects as octets, and back: how a router that runs becomes a second one.
 *
 * The state of a router is objects of known classes, maps, sets, lists, typed arrays and plain values,
 * and no functions. The octets name classes and fields, so a reader finds what it knows by name: a
 * field that its class no longer has is carried along unused. Equal graphs have equal octets, which is
 * what tests of replicas compare.
 *
 *     value   = tag, then by tag:
 *     0 undefined   1 null   2 false   3 true
 *     4 varint: an integer of at least 0      5 varint n: the integer -n
 *     6 double                                7 text (length in octets, UTF-8)
 *     8 number of an object that came before, counted from 0 in order of appearance
 *     9 list: count, values                  10 map: count, keys and values
 *    11 set: count, values
 *    12 new shape: class ("" for none), count of fields, names; then the object as by 13 (the shapes
 *       are numbered from 0)                 13 object: number of its shape, values of its fields
 *    14 typed array: kind, length, octets without the zeros at the end: their count and they (low octet
 *       first, as in memory)                 15 stand-in: class, value that it can be made from
 */

import { FormatError, OctetReader } from "./octet-reader.ts";
import { joined, OctetWriter } from "./octet-writer.ts";

type Constructor = abstract new (...args: never[]) => object;

/** A class whose objects are made anew from another value, such as what they were compiled from. */
export interface StandIn<T extends object = object, V = unknown> {
  readonly type: abstract new (...args: never[]) => T;
  save(object: T): V;
  /** `value` is complete but for objects that hold this one. */
  load(value: V): T;
}

/** Classes that an image may have objects of, by their names. */
export class Classes {
  private readonly types: Map<string, Constructor> = new Map();
  private readonly standIns: Map<string, StandIn> = new Map();

  /** @param types - of which all fields are taken as they are */
  constructor(types: readonly Constructor[], standIns: readonly StandIn[]) {
    for (const type of types) this.types.set(type.name, type);
    for (const standIn of standIns) this.standIns.set(standIn.type.name, standIn);
  }

  type(name: string): Constructor | undefined {
    return this.types.get(name);
  }

  standIn(name: string): StandIn | undefined {
    return this.standIns.get(name);
  }
}

const UNDEFINED = 0;
const NULL = 1;
const FALSE = 2;
const TRUE = 3;
const INTEGER = 4;
const NEGATIVE = 5;
const DOUBLE = 6;
const TEXT = 7;
const BEFORE = 8;
const LIST = 9;
const MAP = 10;
const SET = 11;
const NEW_SHAPE = 12;
const OBJECT = 13;
const ARRAY = 14;
const STAND_IN = 15;

type TypedArray = Uint8Array | Uint16Array | Uint32Array | Int32Array | Float64Array;
/** Kinds of typed arrays by number. */
const KINDS = [Uint8Array, Uint16Array, Uint32Array, Int32Array, Float64Array] as const;

/** Shapes and objects are found by this many entries at most, so that bad octets cannot ask for more. */
const LENGTH_MAX = 2 ** 32;

interface Shape {
  readonly number: number;
  readonly fields: readonly string[];
}

/**
 * @returns the octets of `root`, in pieces that share nothing with it; throws when something in it is
 *   a function or of an unknown class. Costs about a copy of the typed arrays.
 */
export function imageOf(root: unknown, classes: Classes): Uint8Array[] {
  const writer = new ImageWriter(classes);
  writer.value(root);
  return writer.out.take();
}

/** @returns what `imageOf` was given, made anew; throws a FormatError when it cannot be */
export function fromImage(pieces: readonly Uint8Array[], classes: Classes): unknown {
  const reader = new ImageReader(new OctetReader(joined(pieces)), classes);
  const root = rootOf(reader);
  if (reader.in.left > 0) throw new FormatError("octets behind an image");
  return root;
}

function rootOf(reader: ImageReader): unknown {
  try {
    return reader.value();
  } catch (error) {
    // Bad octets may ask for more memory, or a deeper stack, than there is.
    if (error instanceof RangeError) throw new FormatError(`an image too large: ${error.message}`);
    throw error;
  }
}

class ImageWriter {
  readonly out: OctetWriter = new OctetWriter();
  private readonly classes: Classes;
  private readonly numbers: Map<object, number> = new Map();
  /** By class: few have objects of more than one shape. */
  private readonly shapes: Map<object | null, Shape[]> = new Map();
  private shapeCount = 0;
  private readonly path: (string | number)[] = [];

  constructor(classes: Classes) {
    this.classes = classes;
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
        else this.object(value);
        return;
      default:
        this.refuse(`a ${typeof value}`);
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
    const { out, numbers } = this;
    const known = numbers.get(object);
    if (known !== undefined) {
      out.varint(BEFORE);
      out.varint(known);
      return;
    }
    numbers.set(object, numbers.size);
    if (Array.isArray(object)) this.entries(LIST, object, object.length);
    else if (object instanceof Map) this.entries(MAP, [...object].flat(1), object.size);
    else if (object instanceof Set) this.entries(SET, [...object], object.size);
    else if (ArrayBuffer.isView(object)) this.array(object as TypedArray);
    else this.instance(object);
  }

  private entries(tag: number, values: readonly unknown[], count: number): void {
    this.out.varint(tag);
    this.out.varint(count);
    for (let i = 0; i < values.length; i++) this.inside(i, values[i]);
  }

  private array(array: TypedArray): void {
    const { out } = this;
    // A Buffer of Node.js is a Uint8Array as well.
    const kind = KINDS.findIndex((type) => array instanceof type);
    if (kind < 0) this.refuse(array.constructor.name);
    const octets = new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
    const used = usedOctets(octets);
    out.varint(ARRAY);
    out.varint(kind);
    out.varint(array.length);
    out.varint(used);
    out.octets(octets.subarray(0, used));
  }

  private instance(object: object): void {
    const { out, classes } = this;
    const prototype = Object.getPrototypeOf(object) as object | null;
    const name =
      prototype === null || prototype === Object.prototype ? "" : prototype.constructor.name;
    const standIn = classes.standIn(name);
    if (standIn?.type.prototype === prototype) {
      out.varint(STAND_IN);
      out.text(name);
      this.inside(name, standIn!.save(object));
      return;
    }
    if (name !== "" && classes.type(name)?.prototype !== prototype) this.refuse(name);
    const fields = Object.keys(object);
    this.shape(prototype, name, fields);
    const values = object as Readonly<Record<string, unknown>>;
    for (const field of fields) this.inside(field, values[field]);
  }

  private shape(prototype: object | null, name: string, fields: readonly string[]): void {
    const { out } = this;
    // Plain objects with and without the common prototype are alike.
    const key = name === "" ? null : prototype;
    let shapes = this.shapes.get(key);
    if (shapes === undefined) {
      shapes = [];
      this.shapes.set(key, shapes);
    }
    const known = shapes.find((shape) => hasFields(shape, fields));
    if (known !== undefined) {
      out.varint(OBJECT);
      out.varint(known.number);
      return;
    }
    shapes.push({ number: this.shapeCount++, fields });
    out.varint(NEW_SHAPE);
    out.text(name);
    out.varint(fields.length);
    for (const field of fields) out.text(field);
  }

  private inside(key: string | number, value: unknown): void {
    this.path.push(key);
    this.value(value);
    this.path.pop();
  }

  private refuse(what: string): never {
    throw new Error(`an image cannot hold ${what} (at ${this.path.join(".")})`);
  }
}

function hasFields({ fields }: Shape, others: readonly string[]): boolean {
  if (fields.length !== others.length) return false;
  for (let i = 0; i < fields.length; i++) if (fields[i] !== others[i]) return false;
  return true;
}

/** @returns the number of octets without the zeros at the end; columns are half empty at times */
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

class ImageReader {
  readonly in: OctetReader;
  private readonly classes: Classes;
  private readonly objects: object[] = [];
  private readonly shapes: { prototype: object; fields: readonly string[] }[] = [];

  constructor(octets: OctetReader, classes: Classes) {
    this.in = octets;
    this.classes = classes;
  }

  value(): unknown {
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
    this.shapes.push({ prototype: type.prototype as object, fields });
  }

  private instance(number: number): object {
    const shape = this.shapes[number];
    if (shape === undefined) throw new FormatError(`no shape ${number} before`);
    const object = this.add(Object.create(shape.prototype) as Record<string, unknown>);
    for (const field of shape.fields) {
      // A plain assignment of this name would set the prototype.
      if (field === "__proto__") throw new FormatError("a field has the name __proto__");
      object[field] = this.value();
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
    if (standIn === undefined) throw new FormatError(`no class ${name}`);
    const number = this.objects.length;
    // It has its number before what it is made from.
    this.objects.push({});
    const object = standIn.load(this.value());
    this.objects[number] = object;
    return object;
  }
}
