/** Reads the table of what classes and their fields are called in images, see `NUMBERS`. */

import { ensure } from "@ts-bgp/pair";

/** A field of a class. */
export interface Field {
  readonly number: number;
  /** What it is called now; null for one that is gone. */
  readonly name: string | null;
  /** What it is called in images with names; null for one that is gone, and was in none of them. */
  readonly first: string | null;
  /** Its value is a list of names of fields of what stands in this other field; null when it is not. */
  readonly table: string | null;
}

/** A class by its number, with what it is made of; see `NUMBERS`. */
export class ClassNumbers {
  readonly number: number;
  readonly name: string;
  /** What it is called in images with names. */
  readonly first: string;
  /** The field that lists names of fields, if it has such a one. */
  readonly lists: (Field & { readonly name: string; readonly table: string }) | null;
  private readonly fields: readonly Field[];
  private readonly byName: ReadonlyMap<string, Field>;
  private readonly byFirst: ReadonlyMap<string, Field>;

  constructor(number: number, name: string, first: string, fields: readonly Field[]) {
    this.number = number;
    this.name = name;
    this.first = first;
    this.fields = fields;
    const mapped = (key: "name" | "first") =>
      new Map(fields.flatMap((field) => (field[key] === null ? [] : [[field[key], field]])));
    this.byName = mapped("name");
    this.byFirst = mapped("first");
    const named = fields.filter((field) => field.name !== null);
    ensure(this.byName.size === named.length, "a field has one number", name);
    this.lists = (named.find(({ table }) => table !== null) as typeof this.lists) ?? null;
  }

  /** @returns those that there are now, in order of their numbers */
  get names(): readonly string[] {
    return [...this.byName.keys()];
  }

  named(name: string): Field | undefined {
    return this.byName.get(name);
  }

  /** @param key - its number, or its name in images with names */
  find(key: number | string): Field | undefined {
    return typeof key === "number" ? this.fields[key - 1] : this.byFirst.get(key);
  }
}

const ROW = /^(\d+) (\w+)(?:=(\w+))?:$/;
const FIELD = /^(-)?(\w+)?(?:=(\w+))?(?:\((\w+)\))?$/;

/** @returns the classes of a table that is as `NUMBERS` */
export function classNumbers(table: string): ClassNumbers[] {
  const rows = table.split(/\n(?=\d)/).filter((row) => row.trim() !== "");
  const all = rows.map((row) => {
    const end = row.indexOf(":") + 1;
    const [, number, name = "", first = name] = ROW.exec(row.slice(0, end).trim()) ?? [];
    ensure(number !== undefined, "a row has a number and the name of a class", row);
    const words = row
      .slice(end)
      .split(/\s+/)
      .filter((word) => word !== "");
    return new ClassNumbers(Number(number), name, first, words.map(fieldOf));
  });
  for (const key of ["number", "name", "first"] as const) {
    ensure(new Set(all.map((one) => one[key])).size === all.length, `a ${key} is of one class`);
  }
  return all;
}

function fieldOf(word: string, place: number): Field {
  const parts = FIELD.exec(word);
  ensure(parts !== null, "a word is a field", word);
  const [, gone, name = null, first = name, table = null] = parts ?? [];
  return { number: place + 1, name: gone === undefined ? name : null, first, table };
}
