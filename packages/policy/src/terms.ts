/**
 * Terms of the configuration (list names, patterns, `$peer-as`) made into what conditions ask.
 *
 * Lists are compiled at their first use and shared by all filters. Terms were checked with the
 * configuration: a wrong one is a programmer's mistake here.
 */

import { WELL_KNOWN_COMMUNITIES } from "@ts-bgp/wire-codec";
import { AsSet, parseAsRange } from "./as-set.ts";
import {
  type CommunityPattern,
  matchesFixed,
  type PatternKind,
  parseCommunityPattern,
  peerAsOf,
  withLocalAs,
} from "./community-pattern.ts";
import { PrefixSet } from "./prefix-set.ts";
import type { Route } from "./route.ts";
import type { Lists } from "./values.ts";

/** AS numbers, and the peer's if wanted. */
export interface AsMatcher {
  readonly sets: readonly AsSet[];
  readonly peerAs: boolean;
}

/** @returns whether one of the terms is `as` */
export function matchesAs(matcher: AsMatcher, route: Route, as: number): boolean {
  for (const set of matcher.sets) if (set.has(as)) return true;
  return matcher.peerAs && route.isPeerAs(as);
}

/** @returns whether a community in `[at, end)` matches one of the patterns */
export function matchesCommunity(
  patterns: readonly CommunityPattern[],
  route: Route,
  at: number,
  end: number,
  octets: number,
): boolean {
  let found = false;
  for (const pattern of patterns) {
    for (let i = at; i < end && !found; i += octets) {
      if (!matchesFixed(pattern, route.buf, i)) continue;
      found = pattern.peerAsAt < 0 || route.isPeerAs(peerAsOf(pattern, route.buf, i));
    }
  }
  return found;
}

/** Whether a term is the name of a list, as none of the other forms of its kind can be. */
export const isListName = {
  prefix: (term: string): boolean => !term.includes("/"),
  as: (term: string): boolean => /^[A-Za-z]/.test(term),
  community: (term: string): boolean =>
    !term.includes(":") && !term.startsWith("0x") && !WELL_KNOWN_COMMUNITIES.has(term),
};

export class Terms {
  private readonly lists: Lists;
  private readonly prefixSets: Map<string, PrefixSet>;
  private readonly asSets: Map<string, AsSet>;

  /** @param before - what it has made of lists that are the same objects is taken over */
  constructor(lists: Lists, before: Terms | null = null) {
    this.lists = lists;
    const { prefixLists = {}, asLists = {} } = before?.lists ?? {};
    this.prefixSets = unchanged(before?.prefixSets, prefixLists, lists.prefixLists);
    this.asSets = unchanged(before?.asSets, asLists, lists.asLists);
  }

  /** @returns the named lists, and one set of all entries that stand by themselves */
  prefixSetsOf(terms: readonly string[]): { name: string; set: PrefixSet }[] {
    const named = terms.filter(isListName.prefix);
    const inline = terms.filter((term) => !isListName.prefix(term));
    const found = named.map((name) => ({ name, set: this.prefixList(name) }));
    return inline.length === 0 ? found : [...found, { name: "", set: new PrefixSet(inline) }];
  }

  asMatcher(terms: readonly string[], localAs: number): AsMatcher {
    const own = terms.map((term) => withLocalAs(term, localAs));
    const inline = own.filter((term) => typeof parseAsRange(term) !== "string");
    const sets = own.filter(isListName.as).map((name) => this.asList(name));
    if (inline.length > 0) sets.push(new AsSet(inline));
    return { sets, peerAs: terms.includes("$peer-as") };
  }

  /** @returns the patterns of a term: its own, or those of the list that it names */
  patternsOf(kind: PatternKind, term: string, localAs: number): CommunityPattern[] {
    return this.communityTexts(term).flatMap((text) => {
      const patterns = parseCommunityPattern(kind, text, localAs);
      // An own AS number of four octets fits no standard community: such a pattern matches none.
      return typeof patterns === "string" ? [] : patterns;
    });
  }

  /** @returns the term itself, or the entries of the list that it names */
  communityTexts(term: string): readonly string[] {
    return isListName.community(term) ? entriesOf(this.lists.communityLists, term) : [term];
  }

  private prefixList(name: string): PrefixSet {
    return cached(
      this.prefixSets,
      name,
      () => new PrefixSet(entriesOf(this.lists.prefixLists, name)),
    );
  }

  private asList(name: string): AsSet {
    return cached(this.asSets, name, () => new AsSet(entriesOf(this.lists.asLists, name)));
  }
}

function unchanged<T, S>(
  sets: ReadonlyMap<string, S> = new Map(),
  before: Readonly<Record<string, T>>,
  after: Readonly<Record<string, T>>,
): Map<string, S> {
  return new Map([...sets].filter(([name]) => before[name] === after[name]));
}

function entriesOf<T>(lists: Readonly<Record<string, T>>, name: string): T {
  if (!Object.hasOwn(lists, name)) throw new Error(`no list has the name ${name}`);
  return lists[name]!;
}

function cached<T>(map: Map<string, T>, key: string, make: () => T): T {
  let value = map.get(key);
  if (value === undefined) {
    value = make();
    map.set(key, value);
  }
  return value;
}
