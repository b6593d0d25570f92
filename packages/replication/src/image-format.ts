/** What octets of an image mean (see image.ts), and which classes it may have objects of. */

type Constructor = abstract new (...args: never[]) => object;

/** A class whose objects are made anew from another value, such as what they were compiled from. */
export interface StandIn<T extends object = object, V = unknown> {
  readonly type: abstract new (...args: never[]) => T;
  save(object: T): V;
  /** `value` is complete but for objects that hold this one. */
  load(value: V): T;
}

/** Classes that an image may have objects of, by their names. */
/** Names of lists and of values are an operator's, and may be any; what they stand for is no such section. */
export function isConfig({ policies, router }: Readonly<Record<string, unknown>>): boolean {
  const isSection = (value: unknown) =>
    typeof value === "object" &&
    value !== null &&
    Object.getPrototypeOf(value) === Object.prototype;
  return isSection(policies) && isSection(router);
}

/** @returns what a reader is shown of a field of an object, which has the value */
export type Shown = (object: object, field: string, value: unknown) => unknown;

/** Fields of a configuration that are written otherwise. */
type Others = Readonly<Record<string, (value: unknown) => unknown>>;

export class Classes {
  private readonly types: Map<string, Constructor> = new Map();
  private readonly standIns: Map<string, StandIn> = new Map();
  /** Prototypes of objects that are left out of images. */
  private readonly leftOut: Set<object> = new Set();
  /** Names of fields of objects of a class that are left out. */
  private fieldsLeftOut: readonly string[] = [];
  /** What stands in the place of values of fields, by the name of the field; null for nothing. */
  private others: Others | null = null;
  /** Null where all is shown. */
  private shown: Shown | null = null;

  /** @param types - of which all fields are taken as they are */
  constructor(types: readonly Constructor[], standIns: readonly StandIn[]) {
    for (const type of types) this.types.set(type.name, type);
    for (const standIn of standIns) this.standIns.set(standIn.type.name, standIn);
  }

  /**
   * @param others - of plain objects
   * @param fields - names of fields of objects of a class
   * @returns the same, for images without objects of some classes, without some fields, and with other values in
   *   some, for readers that do not know them
   */
  without(types: readonly Constructor[], others: Others, fields: readonly string[] = []): Classes {
    const fewer = new Classes([...this.types.values()], [...this.standIns.values()]);
    fewer.fieldsLeftOut = fields;
    fewer.others = others;
    for (const type of types) fewer.leftOut.add(type.prototype as object);
    return fewer;
  }

  /** @returns the same, for images whose readers are not to have all */
  showing(shown: Shown): Classes {
    const some = new Classes([...this.types.values()], [...this.standIns.values()]);
    some.shown = shown;
    return some;
  }

  /** @param isPlain - the object is of no class @returns what stands in a field of it */
  shownIn(object: Readonly<Record<string, unknown>>, field: string, isPlain: boolean): unknown {
    const { others, shown } = this;
    const value = object[field];
    if (shown !== null) return shown(object, field, value);
    if (!isPlain && this.fieldsLeftOut.includes(field)) return undefined;
    if (!isPlain || others === null || !Object.hasOwn(others, field) || !isConfig(object)) {
      return value;
    }
    return others[field]!(value);
  }

  get leavesAny(): boolean {
    return this.leftOut.size > 0;
  }

  /** Whether a value does not appear in images: not in lists, maps and sets, and as undefined in a field. */
  leavesOut(value: unknown): boolean {
    if (!this.leavesAny || typeof value !== "object" || value === null) return false;
    return this.leftOut.has(Object.getPrototypeOf(value) as object);
  }

  type(name: string): Constructor | undefined {
    return this.types.get(name);
  }

  standIn(name: string): StandIn | undefined {
    return this.standIns.get(name);
  }

  /** @returns that of objects with this prototype; null when they have none */
  standInOf(prototype: object | null): StandIn | null {
    const standIn = prototype === null ? undefined : this.standIns.get(prototype.constructor.name);
    return standIn?.type.prototype === prototype ? standIn! : null;
  }
}

export const UNDEFINED = 0;
export const NULL = 1;
export const FALSE = 2;
export const TRUE = 3;
export const INTEGER = 4;
export const NEGATIVE = 5;
export const DOUBLE = 6;
export const TEXT = 7;
export const BEFORE = 8;
export const LIST = 9;
export const MAP = 10;
export const SET = 11;
export const NEW_SHAPE = 12;
export const OBJECT = 13;
export const ARRAY = 14;
export const STAND_IN = 15;

export type TypedArray = Uint8Array | Uint16Array | Uint32Array | Int32Array | Float64Array;
/** Kinds of typed arrays by number. */
export const KINDS = [Uint8Array, Uint16Array, Uint32Array, Int32Array, Float64Array] as const;
