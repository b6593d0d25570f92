/** The named lists: entries from the file itself and from files that it names. */

import {
  isListName,
  type Lists,
  newPrefixEntry,
  parseAsRange,
  parseCommunityPattern,
  parseRouteEntry,
} from "@ts-bgp/policy";
import { prefixMistake } from "./addresses.ts";
import type { Checker } from "./checker.ts";
import type { FileList, FileShape } from "./file-shape.ts";
import { isSection, type Section } from "./yaml-file.ts";

export type CommunityKind = "standard" | "large" | "extended";

/** Lists, and which kind of community each community list has (its first entry's). */
export interface CheckedLists extends Lists {
  readonly communityKinds: ReadonlyMap<string, CommunityKind>;
}

/** @returns what is wrong with an entry, or null */
type EntryCheck = (entry: string) => string | null;

export function checkLists(shape: FileShape, checker: Checker): CheckedLists {
  const communityKinds = new Map<string, CommunityKind>();
  const read = (key: keyof FileShape, checkOf: (name: string) => EntryCheck) => {
    const lists = (shape[key] ?? {}) as Readonly<Record<string, FileList<string | number>>>;
    return Object.fromEntries(
      Object.keys(lists).map((name) => [
        name,
        readList(lists as unknown as Section, name, checkOf(name), checker),
      ]),
    );
  };
  const asMistake = (entry: string) => {
    const range = parseAsRange(entry);
    return typeof range === "string" ? range : null;
  };
  const entry = newPrefixEntry();
  const routeMistake = (text: string) => {
    const as = parseRouteEntry(text, entry);
    return typeof as === "string" ? as : null;
  };
  return {
    routeLists: read("route-lists", () => routeMistake),
    prefixLists: read("prefix-lists", () => prefixMistake),
    asLists: read("as-lists", () => asMistake),
    communityLists: read("community-lists", (name) => (entry) => {
      const kind = kindOf(entry);
      const first = communityKinds.get(name) ?? kind;
      communityKinds.set(name, first);
      if (kind !== first) return `"${entry}" is of another kind than the entries before it`;
      if (isListName.community(entry)) return `"${entry}" is not a community`;
      return communityMistake(kind, entry, checker.localAs);
    }),
    communityKinds,
  };
}

/** @returns what is wrong with a pattern, or null */
export function communityMistake(
  kind: CommunityKind,
  text: string,
  localAs: number,
): string | null {
  const patterns = parseCommunityPattern(kind, text, localAs);
  return typeof patterns === "string" ? patterns : null;
}

/** Which kind a pattern looks like. */
function kindOf(entry: string): CommunityKind {
  if (/^(0x|[A-Za-z]+:)/.test(entry)) return "extended";
  return entry.split(":").length === 3 ? "large" : "standard";
}

function readList(lists: Section, name: string, check: EntryCheck, checker: Checker): string[] {
  const list = lists[name];
  const entries: string[] = [];
  const { yaml } = checker;
  const addItems = (items: unknown) => {
    if (!Array.isArray(items)) return;
    for (const [k, item] of items.entries()) {
      const text = textOf(item);
      const mistake = check(text);
      if (mistake === null) entries.push(text);
      else yaml.add(yaml.valueAt(items, k), mistake);
    }
  };
  if (isSection(list)) {
    if (typeof list["file"] === "string") {
      readFileEntries(list["file"], yaml.valueAt(list, "file"), check, checker, entries);
    }
    addItems(list["entries"]);
  } else {
    addItems(list);
  }
  return entries;
}

/** @returns an entry as text; one that is a section has a prefix and its origin */
function textOf(item: unknown): string {
  return isSection(item) ? `${item["prefix"]} ${item["origin"]}` : String(item);
}

/** One entry a line; `#` begins a comment. */
function readFileEntries(
  path: string,
  at: number,
  check: EntryCheck,
  checker: Checker,
  entries: string[],
): void {
  const text = checker.readFile(path, at);
  if (text === null) return;
  let line = 0;
  for (let start = 0; start < text.length; ) {
    const newline = text.indexOf("\n", start);
    const end = newline < 0 ? text.length : newline;
    const raw = text.slice(start, end);
    const comment = raw.indexOf("#");
    const entry = (comment < 0 ? raw : raw.slice(0, comment)).trim();
    line++;
    start = end + 1;
    if (entry === "") continue;
    const message = check(entry);
    if (message === null) entries.push(entry);
    else checker.mistakes.push({ file: path, line, column: raw.indexOf(entry) + 1, message });
  }
}
