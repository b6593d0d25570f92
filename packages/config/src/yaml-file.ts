/**
 * YAML text to plain values whose places in the text are remembered, as those of texts that it includes.
 */

import type { Source } from "@ts-bgp/policy";
import {
  isAlias,
  isMap,
  isNode,
  isScalar,
  isSeq,
  type Node,
  parseDocument,
  type YAMLMap,
  type YAMLSeq,
} from "yaml";
import { ShortText } from "./list-runs.ts";
import type { Mistake } from "./mistakes.ts";
import { Texts } from "./texts.ts";

/** A section; has no prototype, so that no key of a file can mean anything special. */
export type Section = { [key: string]: unknown };

/** Values that aliases may add to a file, so that a small one cannot unfold into a huge one. */
const ALIASED_VALUES_MAX = 100_000;

/** Where keys and values of a section stand, as indexes into the texts. */
interface SectionPlaces {
  readonly at: number;
  readonly keys: Map<string, { keyAt: number; valueAt: number }>;
}

/** Where a list and its items stand. */
interface ListPlaces {
  readonly at: number;
  items: number[];
}

/** One file's text, the value in it, and the way from the value back to the text. */
export class YamlFile {
  readonly file: string;
  readonly value: unknown;
  /** The syntax is wrong in a way that leaves no value to go on with. */
  readonly broken: boolean;
  readonly mistakes: Mistake[] = [];

  private readonly texts: Texts = new Texts();
  private readonly sections: WeakMap<object, SectionPlaces> = new WeakMap();
  private readonly lists: WeakMap<object, ListPlaces> = new WeakMap();
  private readonly anchors: Map<string, Node> = new Map();
  private aliased = 0;
  /** Index of the first character of the text at hand. */
  private base = 0;
  private short: ShortText = new ShortText("");
  /** Runs of the text at hand that were found in lists. */
  private readonly runs: Set<number> = new Set();

  constructor(file: string, text: string) {
    this.file = file;
    const value = this.read(file, text);
    this.broken = value === undefined;
    this.value = value ?? null;
  }

  /**
   * Reads another file, whose values have their places as those of this one.
   *
   * @returns its value; undefined when the syntax is wrong in a way that leaves none
   */
  read(file: string, text: string): unknown {
    this.base = this.texts.add(file, text);
    const read = this.readShort(new ShortText(text)) ?? this.readShort(new ShortText(text, true));
    return read!.value;
  }

  /** @returns the value; null when a run was taken out of what is no list */
  private readShort(short: ShortText): { value: unknown } | null {
    this.short = short;
    this.runs.clear();
    this.anchors.clear();
    const { contents, errors } = parse(short.text);
    const isBroken = errors.some(({ code }) => code !== "DUPLICATE_KEY");
    const known = this.mistakes.length;
    for (const { pos, code, message } of errors) {
      const at = pos[0] ?? 0;
      const key = /^[^\s:,\]}]*/.exec(short.text.slice(at, at + 100))?.[0];
      const words = code === "DUPLICATE_KEY" ? `"${key}" appears twice` : message;
      this.add(this.base + short.indexOf(at), words);
    }
    const value = isBroken ? undefined : this.convert(contents, 0);
    if (isBroken ? short.count === 0 : this.runs.size === short.count) return { value };
    this.mistakes.length = known;
    return null;
  }

  /** Notes a mistake at an index of the texts. */
  add(at: number, message: string): void {
    this.mistakes.push(this.mistake(at, message));
  }

  /** Notes a mistake at the beginning of the text that was read last. */
  addStart(message: string): void {
    this.add(this.base, message);
  }

  mistake(at: number, message: string): Mistake {
    return { ...this.texts.placeOf(at), message };
  }

  /** @returns file and line */
  sourceOf(at: number): Source {
    const { file, line } = this.texts.placeOf(at);
    return { file, line };
  }

  /** @returns where one thing is, for a message about another one */
  whereOf(at: number, other: number): string {
    const { file, line } = this.sourceOf(at);
    return file === this.sourceOf(other).file ? `at line ${line}` : `in ${file}, line ${line}`;
  }

  /** Gives a section what another one has under a key, with its places. */
  adopt(into: Section, from: Section, key: string): void {
    into[key] = from[key];
    const place = this.sections.get(from)?.keys.get(key);
    if (place !== undefined) this.sections.get(into)?.keys.set(key, place);
  }

  /** Puts the items of another list behind those of one, with their places. */
  append(into: unknown[], from: readonly unknown[]): void {
    const items = this.lists.get(from)?.items ?? [];
    this.lists.get(into)?.items.push(...items);
    into.push(...from);
  }

  /** @returns where a section or list begins */
  at(value: object): number {
    return this.sections.get(value)?.at ?? this.lists.get(value)?.at ?? 0;
  }

  /** @returns where a key of a section stands */
  keyAt(section: object, key: string): number {
    return this.sections.get(section)?.keys.get(key)?.keyAt ?? this.at(section);
  }

  /** @returns whether the text has the key, even if its value was taken out */
  wrote(section: object, key: string): boolean {
    return this.sections.get(section)?.keys.has(key) ?? false;
  }

  /** @returns where the value of a key, or of an item, stands */
  valueAt(parent: object, key: string | number): number {
    const items = this.lists.get(parent)?.items;
    if (items !== undefined) return items[Number(key)] ?? this.at(parent);
    return this.sections.get(parent)?.keys.get(String(key))?.valueAt ?? this.at(parent);
  }

  /** Takes items out of a list; the places of the others stay right. */
  removeItems(list: unknown[], gone: ReadonlySet<number>): void {
    const places = this.lists.get(list);
    if (places !== undefined) places.items = places.items.filter((_, k) => !gone.has(k));
    list.splice(0, list.length, ...list.filter((_, k) => !gone.has(k)));
  }

  /** @param depth - number of aliases that the node is inside of */
  private convert(node: unknown, depth: number): unknown {
    if (depth > 0 && ++this.aliased > ALIASED_VALUES_MAX) return null;
    if (isAlias(node)) return this.convertAlias(node.source, this.startOf(node), depth);
    const value = this.convertValue(node, depth);
    // Only now, so that what stands inside of an anchor cannot be an alias of it.
    if (depth === 0 && isNode(node) && "anchor" in node && node.anchor !== undefined) {
      this.anchors.set(node.anchor, node);
    }
    return value;
  }

  private convertValue(node: unknown, depth: number): unknown {
    if (isMap(node)) return this.convertMap(node, depth);
    if (isScalar(node)) return node.value;
    return isSeq(node) ? this.convertList(node, depth) : null;
  }

  private convertList({ items, range }: YAMLSeq, depth: number): unknown[] {
    const list: unknown[] = [];
    const places: ListPlaces = { at: this.startOf({ range }), items: [] };
    for (const item of items) {
      const run = isScalar(item) ? this.short.runOf(item.value) : -1;
      if (run < 0) {
        list.push(this.convert(item, depth));
        places.items.push(this.startOf(item));
      } else {
        this.runs.add(run);
        this.short.forEach(run, (one, at) => {
          list.push(depth > 0 ? this.convertPlain(one) : one);
          places.items.push(this.base + at);
        });
      }
    }
    this.lists.set(list, places);
    return list;
  }

  /** Inside of an alias, where values are counted. */
  private convertPlain(value: string | number): string | number | null {
    return ++this.aliased > ALIASED_VALUES_MAX ? null : value;
  }

  private convertAlias(name: string, at: number, depth: number): unknown {
    const anchor = this.anchors.get(name);
    if (anchor === undefined) {
      this.add(at, `*${name} is an alias of nothing; a pattern that begins with * needs quotes`);
      return null;
    }
    const before = this.aliased;
    const value = this.convert(anchor, depth + 1);
    const tooMany = this.aliased > ALIASED_VALUES_MAX;
    if (depth === 0 && tooMany && before <= ALIASED_VALUES_MAX) {
      this.add(at, `aliases stand for more than ${ALIASED_VALUES_MAX} values`);
    }
    return value;
  }

  private convertMap(node: YAMLMap, depth: number): Section {
    const section: Section = Object.create(null);
    const places: SectionPlaces = { at: this.startOf(node), keys: new Map() };
    const merged: Section[] = [];
    for (const { key, value } of node.items) {
      const keyAt = this.startOf(key);
      if (!isScalar(key)) {
        this.add(keyAt, "a key must be a word");
        continue;
      }
      const name = String(key.value);
      const converted = this.convert(value, depth);
      if (name === "<<") {
        for (const from of [converted].flat()) if (isSection(from)) merged.push(from);
        continue;
      }
      section[name] = converted;
      places.keys.set(name, { keyAt, valueAt: value === null ? keyAt : this.startOf(value) });
    }
    for (const from of merged) this.merge(from, section, places);
    this.sections.set(section, places);
    return section;
  }

  /** @returns where a node begins, as an index of the texts */
  private startOf(node: unknown): number {
    return this.base + this.short.indexOf((node as Node | null)?.range?.[0] ?? 0);
  }

  /** The merge key `<<`: what stands in the section itself goes first. */
  private merge(from: Section, into: Section, places: SectionPlaces): void {
    for (const [key, place] of this.sections.get(from)?.keys ?? []) {
      if (key in into) continue;
      into[key] = from[key];
      places.keys.set(key, place);
    }
  }
}

/** Nesting that exhausts the stack is a mistake like any other. */
function parse(text: string): { contents: unknown; errors: SyntaxError[] } {
  try {
    return parseDocument(text, { prettyErrors: false });
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    return { contents: null, errors: [{ pos: [0], code: "DEPTH", message: "nested too deeply" }] };
  }
}

interface SyntaxError {
  readonly pos: readonly number[];
  readonly code: string;
  readonly message: string;
}

export function isSection(value: unknown): value is Section {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
