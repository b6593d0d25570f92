/** Policies with other lists in the place of those that they name. */

import { isListName } from "./terms.ts";
import type { Conditions, Lists, Policy } from "./values.ts";
import { mapRule, type TermKind } from "./vars.ts";

export type ListKind = keyof Lists;

/** @returns the name that a list is to have; the same one where it stays */
export type ListNaming = (kind: ListKind, name: string) => string;

/** @returns the kind of the list that a whole term names; null when it names none */
export function listKindOf(term: string, kind: TermKind): ListKind | null {
  if (term.startsWith("$")) return null;
  switch (kind) {
    case "prefix":
      return isListName.prefix(term) ? "prefixLists" : null;
    case "next-hop":
      return isListName.nextHop(term) ? "prefixLists" : null;
    case "as":
    case "neighbor-as":
      return isListName.as(term) ? "asLists" : null;
    case "route":
      return "routeLists";
    case "standard":
    case "large":
    case "extended":
      return isListName.community(term) ? "communityLists" : null;
    default:
      return null;
  }
}

/** @returns the policy with the names of its lists as they are to be, those in patterns of AS paths as well */
export function withListNames(policy: Policy, naming: ListNaming): Policy {
  const place = (term: string, kind: TermKind) => {
    const list = listKindOf(term, kind);
    return [list === null ? term : naming(list, term)];
  };
  const rules = policy.rules.map((rule) => {
    const mapped = mapRule(rule, place);
    return { ...mapped, if: withPatterns(mapped.if, naming) };
  });
  return { ...policy, rules };
}

function withPatterns(conditions: Conditions, naming: ListNaming): Conditions {
  const { asPath, all, any, not } = conditions;
  const each = (one: Conditions) => withPatterns(one, naming);
  const regex = asPath?.regex?.replaceAll(
    /<([^>]+)>/g,
    (_, name: string) => `<${naming("asLists", name)}>`,
  );
  return {
    ...conditions,
    ...(asPath && { asPath: regex === undefined ? asPath : { ...asPath, regex } }),
    ...(all && { all: all.map(each) }),
    ...(any && { any: any.map(each) }),
    ...(not && { not: each(not) }),
  };
}
