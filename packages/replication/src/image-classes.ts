/** Which classes an image may have objects of, and what differs between its readers. */

import { ensure } from "@ts-bgp/pair";
import { type ClassNumbers, classNumbers } from "./class-numbers.ts";

export type Constructor = abstract new (...args: never[]) => object;

/** A class whose objects are made anew from another value, such as what they were compiled from. */
export interface StandIn<T extends object = object, V = unknown> {
  readonly type: abstract new (...args: never[]) => T;
  save(object: T): V;
  /** `value` is complete but for objects that hold this one. */
  load(value: V): T;
}

/** A class of which an image may have objects. */
export interface Known {
  readonly prototype: object;
  readonly numbers: ClassNumbers;
  /** Null for one of which all fields are taken as they are. */
  readonly standIn: StandIn | null;
}

/** @returns what a reader is shown of a field of an object, which has the value */
export type Shown = (object: object, field: string, value: unknown) => unknown;

/** Fields of a configuration that are written otherwise. */
type Others = Readonly<Record<string, (value: unknown) => unknown>>;

/** Names of lists and of values are an operator's, and may be any; what they stand for is no such section. */
export function isConfig({ policies, router }: Readonly<Record<string, unknown>>): boolean {
  const isSection = (value: unknown) =>
    typeof value === "object" &&
    value !== null &&
    Object.getPrototypeOf(value) === Object.prototype;
  return isSection(policies) && isSection(router);
}

/** What differs between readers. */
interface Options {
  /** Prototypes of objects that are left out of images. */
  readonly leftOut: ReadonlySet<object>;
  /** Names of fields of objects of a class that are left out. */
  readonly fieldsLeftOut: readonly string[];
  /** What stands in the place of values of fields, by the name of the field; null for nothing. */
  readonly others: Others | null;
  /** Null where all is shown. */
  readonly shown: Shown | null;
  /** Classes and their fields are written as numbers, and not by their names. */
  readonly hasNumbers: boolean;
}

const FOR_ALL: Options = {
  ...{ leftOut: new Set(), fieldsLeftOut: [], others: null, shown: null },
  hasNumbers: true,
};

/** Classes that an image may have objects of. */
export class Classes {
  private readonly known: readonly Known[];
  private readonly options: Options;
  private readonly byPrototype: Map<object, Known> = new Map();
  private readonly byKey: Map<number | string, Known> = new Map();

  private constructor(known: readonly Known[], options: Options) {
    this.known = known;
    this.options = options;
    for (const one of known) {
      this.byPrototype.set(one.prototype, one);
      this.byKey.set(one.numbers.number, one).set(one.numbers.first, one);
    }
  }

  /**
   * @param types - of which all fields are taken as they are
   * @param table - that has all of them, see `NUMBERS`
   */
  static of(types: readonly Constructor[], standIns: readonly StandIn[], table: string): Classes {
    const numbers = new Map(classNumbers(table).map((one) => [one.name, one]));
    const knownOf = ({ prototype, name }: Constructor, standIn: StandIn | null): Known => {
      ensure(numbers.has(name), "a class has a number", name);
      return { prototype: prototype as object, numbers: numbers.get(name)!, standIn };
    };
    const known = [
      ...types.map((type) => knownOf(type, null)),
      ...standIns.map((standIn) => knownOf(standIn.type, standIn)),
    ];
    return new Classes(known, FOR_ALL);
  }

  /**
   * @param types - that have no place there
   * @param others - of plain objects
   * @param fieldsLeftOut - names of fields of objects of a class that are left out
   * @returns the same, for images with names, without objects of some classes, without some fields, and with
   *   other values in some, for readers that do not know them
   */
  withNames(
    types: readonly Constructor[],
    others: Others,
    fieldsLeftOut: readonly string[] = [],
  ): Classes {
    const leftOut = new Set(types.map(({ prototype }) => prototype as object));
    const options = { ...this.options, leftOut, others, fieldsLeftOut, hasNumbers: false };
    return new Classes(this.known, options);
  }

  /** @returns the same, for images whose readers are not to have all */
  showing(shown: Shown): Classes {
    return new Classes(this.known, { ...this.options, shown });
  }

  get hasNumbers(): boolean {
    return this.options.hasNumbers;
  }

  /** @param isPlain - the object is of no class @returns what stands in a field of it */
  shownIn(object: Readonly<Record<string, unknown>>, field: string, isPlain: boolean): unknown {
    const { others, shown, fieldsLeftOut } = this.options;
    const value = object[field];
    if (shown !== null) return shown(object, field, value);
    if (!isPlain && fieldsLeftOut.includes(field)) return undefined;
    if (!isPlain || others === null || !Object.hasOwn(others, field) || !isConfig(object)) {
      return value;
    }
    return others[field]!(value);
  }

  get leavesAny(): boolean {
    return this.options.leftOut.size > 0;
  }

  /** Whether a value does not appear in images: not in lists, maps and sets, and as undefined in a field. */
  leavesOut(value: unknown): boolean {
    if (!this.leavesAny || typeof value !== "object" || value === null) return false;
    return this.options.leftOut.has(Object.getPrototypeOf(value) as object);
  }

  /** @returns the class of objects with this prototype */
  ofPrototype(prototype: object | null): Known | undefined {
    return prototype === null ? undefined : this.byPrototype.get(prototype);
  }

  /** @param key - its number, or its name in images with names */
  find(key: number | string): Known | undefined {
    return this.byKey.get(key);
  }
}
