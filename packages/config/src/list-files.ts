/**
 * Lists in files of their own: plain text, an entry a line, or JSON as `bgpq4 -j` writes it.
 *
 *     { "NN": [ { "prefix": "192.0.2.0/24", "exact": false, "less-equal": 28 }, ... ] }
 *     { "NN": [ 64501, 64502, ... ] }
 */

import type { Mistake } from "./mistakes.ts";
import { Texts } from "./texts.ts";

/** @returns what is wrong with an entry; null when it was taken */
export type TakeEntry = (entry: string) => string | null;

/** No entry is longer; what is longer is a file of something else. */
const ENTRY_MAX = 200;
/** Characters of it that a message has. */
const SHOWN_MAX = 40;

/** Gives all entries of a file to a function. @returns what is wrong with them */
export function readListFile(file: string, text: string, take: TakeEntry): Mistake[] {
  const texts = new Texts();
  texts.add(file, text);
  const mistakes: Mistake[] = [];
  const note = (at: number, message: string | null) => {
    if (message !== null) mistakes.push({ ...texts.placeOf(at), message });
  };
  if (/^\s*[{[]/.test(text)) readJson(text, take, note);
  else readLines(text, take, note);
  return mistakes;
}

type Note = (at: number, message: string | null) => void;

/** @returns what is wrong with an entry, which is not shown in full when it is a long one */
export function takeEntry(entry: string, take: TakeEntry): string | null {
  if (entry.length <= ENTRY_MAX) return take(entry);
  return `"${entry.slice(0, SHOWN_MAX)}..." is not an entry: it has ${entry.length} characters`;
}

/** `#` begins a comment. */
function readLines(text: string, take: TakeEntry, note: Note): void {
  for (let start = 0; start < text.length; ) {
    const newline = text.indexOf("\n", start);
    const end = newline < 0 ? text.length : newline;
    const raw = text.slice(start, end);
    const comment = raw.indexOf("#");
    const entry = (comment < 0 ? raw : raw.slice(0, comment)).trim();
    if (entry !== "") {
      const message = takeEntry(entry, take);
      if (message !== null) note(start + raw.indexOf(entry), message);
    }
    start = end + 1;
  }
}

function readJson(text: string, take: TakeEntry, note: Note): void {
  let lists: unknown;
  try {
    lists = JSON.parse(text);
  } catch (error) {
    const { message } = error as Error;
    const at = /at position (\d+)/.exec(message)?.[1];
    note(at === undefined ? text.length : Number(at), `this is no JSON: ${message}`);
    return;
  }
  const items = isLists(lists) ? Object.values(lists).flat() : null;
  if (items === null) {
    note(0, 'the file is not like that of bgpq4 -j: { "NAME": [ ... ] }');
    return;
  }
  let places: number[] | null = null;
  for (const [k, item] of items.entries()) {
    const entry = entryOf(item);
    const message =
      entry === null ? 'an entry is { "prefix": ... } or a number' : takeEntry(entry, take);
    if (message === null) continue;
    places ??= itemPlaces(text);
    note(places[k] ?? 0, message);
  }
}

function isLists(value: unknown): value is Record<string, unknown[]> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  return Object.values(value).every(Array.isArray);
}

/** @returns an item in the words of a configuration; null when it is none */
function entryOf(item: unknown): string | null {
  if (typeof item === "number" || typeof item === "string") return String(item);
  if (typeof item !== "object" || item === null) return null;
  const { prefix, "greater-equal": ge, "less-equal": le } = item as Record<string, unknown>;
  if (typeof prefix !== "string") return null;
  return `${prefix}${ge === undefined ? "" : ` ge ${ge}`}${le === undefined ? "" : ` le ${le}`}`;
}

/** @returns where the items begin of lists that are in a section, in text that is JSON */
function itemPlaces(text: string): number[] {
  const places: number[] = [];
  let depth = 0;
  let isNext = false;
  for (let at = 0; at < text.length; at++) {
    const char = text[at]!;
    if (/\s/.test(char)) continue;
    if (isNext && char !== "]") places.push(at);
    isNext = false;
    if (char === '"') at = stringEnd(text, at);
    else if (char === "{" || char === "[") isNext = ++depth === 2;
    else if (char === "}" || char === "]") depth--;
    else if (char === ",") isNext = depth === 2;
  }
  return places;
}

/** @returns index of the quote that ends a string */
function stringEnd(text: string, start: number): number {
  let at = start + 1;
  while (text[at] !== '"') at += text[at] === "\\" ? 2 : 1;
  return at;
}
