/** The named lists: entries from the file itself and from files that it names. */

import {
  isListName,
  type Lists,
  newPrefixEntry,
  PrefixListBuilder,
  packedRanges,
  parseAsRange,
  parseCommunityPattern,
  parsePrefixEntry,
} from "@ts-bgp/policy";
import { prefixMistake } from "./addresses.ts";
import { type Checker, listOf } from "./checker.ts";
import type { FileList, FileShape, OneOrMore } from "./file-shape.ts";
import { filesOf } from "./includes.ts";
import { readListFile, type TakeEntry, takeEntry } from "./list-files.ts";
import { isSection, type Section } from "./yaml-file.ts";

export type CommunityKind = "standard" | "large" | "extended";

/** Lists, and which kind of community each community list has (its first entry's). */
export interface CheckedLists extends Lists {
  readonly communityKinds: ReadonlyMap<string, CommunityKind>;
}

/** Takes the entries of a list one by one. */
interface Gathering<T> {
  readonly take: TakeEntry;
  /** @returns all that were right */
  list(): T;
}

export function checkLists(shape: FileShape, checker: Checker): CheckedLists {
  const communityKinds = new Map<string, CommunityKind>();
  const read = <T>(key: ListsKey, gather: (name: string) => Gathering<T>): Record<string, T> => {
    const lists = shape[key] ?? {};
    return Object.fromEntries(
      Object.entries(lists).map(([name, list]) => {
        const { take, list: whole } = gather(name);
        readList(list, take, checker);
        return [name, whole()];
      }),
    );
  };
  return {
    prefixLists: read("prefix-lists", gatherPrefixes),
    asLists: read("as-lists", gatherRanges),
    communityLists: read("community-lists", (name) =>
      gatherCommunities((kind, entry) => {
        const first = communityKinds.get(name) ?? kind;
        communityKinds.set(name, first);
        if (kind !== first) return `"${entry}" is of another kind than the entries before it`;
        if (isListName.community(entry)) return `"${entry}" is not a community`;
        return communityMistake(kind, entry, checker.localAs);
      }),
    ),
    communityKinds,
  };
}

type ListsKey = "prefix-lists" | "as-lists" | "community-lists";

const SCRATCH = newPrefixEntry();

function gatherPrefixes(): Gathering<Uint32Array> {
  const builder = new PrefixListBuilder();
  return {
    take: (entry) => {
      if (parsePrefixEntry(entry, SCRATCH) !== null) return prefixMistake(entry);
      builder.add(SCRATCH);
      return null;
    },
    list: () => builder.list(),
  };
}

function gatherRanges(): Gathering<Uint32Array> {
  const bounds: number[] = [];
  return {
    take: (entry) => {
      const range = parseAsRange(entry);
      if (typeof range === "string") return range;
      bounds.push(...range);
      return null;
    },
    list: () => packedRanges(bounds),
  };
}

function gatherCommunities(
  mistakeOf: (kind: CommunityKind, entry: string) => string | null,
): Gathering<string[]> {
  const entries: string[] = [];
  return {
    take: (entry) => {
      const mistake = mistakeOf(kindOf(entry), entry);
      if (mistake === null) entries.push(entry);
      return mistake;
    },
    list: () => entries,
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

function readList(list: FileList<string | number>, take: TakeEntry, checker: Checker): void {
  const { yaml } = checker;
  const items = (Array.isArray(list) ? list : ((list as Section)["entries"] ?? [])) as unknown[];
  if (isSection(list)) {
    const paths = (list["file"] ?? []) as OneOrMore<string>;
    for (const [k, path] of listOf(paths).entries()) {
      const at = Array.isArray(paths) ? yaml.valueAt(paths, k) : yaml.valueAt(list, "file");
      readFiles(path, at, take, checker);
    }
  }
  for (const [k, item] of items.entries()) {
    const mistake = takeEntry(String(item), take);
    if (mistake !== null) yaml.add(yaml.valueAt(items, k), mistake);
  }
}

/** Those of a pattern that fits none would silently be an empty list, which nothing is on. */
function readFiles(path: string, at: number, take: TakeEntry, checker: Checker): void {
  const { yaml, sources, mistakes } = checker;
  const files = filesOf(yaml, path, at, sources);
  if (files.length === 0) yaml.add(at, `no file is like ${path}`);
  for (const file of files) {
    const text = checker.readNamed(file, at);
    if (text !== null) for (const mistake of readListFile(file, text, take)) mistakes.push(mistake);
  }
}
