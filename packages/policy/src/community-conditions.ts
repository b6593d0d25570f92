/** Conditions on communities: patterns, and how many there are. */

import { ATTR, COMMUNITY_OCTETS, formatCommunity } from "@ts-bgp/wire-codec";
import type { CommunityPattern, PatternKind } from "./community-pattern.ts";
import { type Compilation, type Condition, rangeCondition } from "./condition.ts";
import type { Route } from "./route.ts";
import { matchesCommunity, notePatterns } from "./terms.ts";
import type { CommunityTest, Conditions } from "./values.ts";

/** How a kind of community stands in a set, and how the configuration calls it. */
export const COMMUNITY_KINDS = [
  { kind: "standard", key: "community", field: "community", type: ATTR.COMMUNITIES },
  { kind: "large", key: "large-community", field: "largeCommunity", type: ATTR.LARGE_COMMUNITIES },
  {
    kind: "extended",
    key: "extended-community",
    field: "extendedCommunity",
    type: ATTR.EXTENDED_COMMUNITIES,
  },
] as const;

export function communityConditions(conditions: Conditions, to: Compilation): Condition[] {
  return COMMUNITY_KINDS.flatMap(({ kind, key, field, type }) => {
    const test = conditions[field];
    if (test === undefined) return [];
    const { anyOf, allOf, count } = test;
    const counted = (route: Route) => route.valueOctets(type) / COMMUNITY_OCTETS[kind];
    return [
      ...(count === undefined ? [] : [rangeCondition(`${key} count`, count, counted)]),
      ...(anyOf === undefined && allOf === undefined
        ? []
        : [communityCondition(kind, key, type, test, to)]),
    ];
  });
}

function communityCondition(
  kind: PatternKind,
  key: string,
  type: number,
  test: CommunityTest,
  to: Compilation,
): Condition {
  const patternsOf = (term: string) => to.terms.patternsOf(kind, term, to.localAs);
  const anyOf = test.anyOf?.flatMap(patternsOf);
  // What each term wants must be there, and one of its patterns is enough for that.
  const wanted = [...(anyOf === undefined ? [] : [anyOf]), ...(test.allOf ?? []).map(patternsOf)];
  notePatterns(wanted.flat(), to);
  const octets = COMMUNITY_OCTETS[kind];
  return {
    text: [
      ...(test.anyOf === undefined ? [] : [`${key}: ${test.anyOf.join(", ")}`]),
      ...(test.allOf === undefined ? [] : [`${key} all of: ${test.allOf.join(", ")}`]),
    ].join(", "),
    holds: (route) => hasCommunities(wanted, route, type, octets),
    found: (route) => communitiesText(kind, type, octets, route),
  };
}

function hasCommunities(
  wanted: readonly (readonly CommunityPattern[])[],
  route: Route,
  type: number,
  octets: number,
): boolean {
  const at = route.valueAt(type);
  const end = at + route.valueOctets(type);
  for (const patterns of wanted) {
    if (!matchesCommunity(patterns, route, at, end, octets)) return false;
  }
  return true;
}

function communitiesText(kind: PatternKind, type: number, octets: number, route: Route): string {
  const at = route.valueAt(type);
  const texts: string[] = [];
  for (let i = 0; i < route.valueOctets(type); i += octets) {
    texts.push(formatCommunity(kind, route.buf, at + i));
  }
  return texts.length === 0 ? "none" : texts.join(" ");
}

/** Communities of all three kinds. */
export function communityCountOf(route: Route): number {
  return (
    route.valueOctets(ATTR.COMMUNITIES) / 4 +
    route.valueOctets(ATTR.EXTENDED_COMMUNITIES) / 8 +
    route.valueOctets(ATTR.LARGE_COMMUNITIES) / 12
  );
}
