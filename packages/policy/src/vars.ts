/**
 * Values that a neighbor has by name, which policies take where they say `$name`.
 *
 * Where a whole term is `$name`, the values stand in its place before the policy is compiled: peers
 * with other values have another filter. Where a number is compared with it, in a field of a
 * community or as an AS number, the policy stays as it is and asks the peer that it meets, so that
 * members of an update group may have values of their own.
 */

import type {
  AsPathTest,
  CommunityChange,
  CommunityTest,
  Conditions,
  Modifications,
  Policy,
  Rule,
  SourceTest,
} from "./values.ts";

/** Values by name, each in its canonical text; a name that is not there has none. */
export type Vars = Readonly<Record<string, readonly string[]>>;

export const NO_VARS: Vars = {};

const NO_VALUES: readonly string[] = [];

/** @returns the values under a name */
export function valuesOf(vars: Vars | undefined, name: string): readonly string[] {
  return vars !== undefined && Object.hasOwn(vars, name) ? vars[name]! : NO_VALUES;
}

/** What a whole term may stand for. `as` is an AS number, and may be asked of the peer. */
export type TermKind =
  | "prefix"
  | "route"
  | "as"
  | "neighbor-as"
  | "next-hop"
  | "standard"
  | "large"
  | "extended"
  | "number"
  /** A field of a community, or a value to compare with: always asked of the peer. */
  | "part"
  | "text";

export interface VarUse {
  readonly name: string;
  readonly kind: TermKind;
}

const RESERVED = ["peer-as", "local-as"];

/** @returns the name in `$name`, null when a text is anything else */
export function varOf(text: string): string | null {
  if (!text.startsWith("$")) return null;
  const name = text.slice(1);
  return /^[A-Za-z][A-Za-z0-9._-]*$/.test(name) && !RESERVED.includes(name) ? name : null;
}

/** @returns the name in the field `$name` of a community's text, null when there is none */
export function fieldVarOf(text: string): string | null {
  for (const field of text.includes(":") ? text.split(":") : []) {
    const name = varOf(field);
    if (name !== null) return name;
  }
  return null;
}

/** @returns each use of a value once */
export function varUses(policies: readonly Policy[]): VarUse[] {
  const found = new Map<string, VarUse>();
  const note = (name: string | null, kind: TermKind) => {
    if (name !== null) found.set(`${name} ${kind}`, { name, kind });
  };
  const look: TermMap = (term, kind) => {
    note(varOf(term), kind);
    note(fieldVarOf(term), "part");
    return [term];
  };
  for (const { rules } of policies) for (const rule of rules) mapRule(rule, look);
  return [...found.values()];
}

/**
 * @returns the values that are to stand in the place of whole terms; of AS numbers those that have to:
 *   with others among them than plain numbers
 */
export function constantsOf(uses: readonly VarUse[], vars: Vars): Vars {
  const found: Record<string, readonly string[]> = {};
  for (const { name, kind } of uses) {
    const values = valuesOf(vars, name);
    const isAsked = kind === "as" && values.every((value) => /^\d+$/.test(value));
    if (kind !== "part" && kind !== "text" && !isAsked) found[name] = values;
  }
  return found;
}

/** @returns the policy with values in the place of whole terms */
export function withConstants(policy: Policy, constants: Vars): Policy {
  if (Object.keys(constants).length === 0) return policy;
  const place: TermMap = (term) => {
    const name = varOf(term);
    return name !== null && Object.hasOwn(constants, name) ? constants[name]! : [term];
  };
  return { ...policy, rules: policy.rules.map((rule) => mapRule(rule, place)) };
}

/** What stands in the place of a term. */
export type TermMap = (term: string, kind: TermKind) => readonly string[];

/** @returns the rule with what stands in the place of each term, but for what patterns of AS paths name */
export function mapRule(rule: Rule, map: TermMap): Rule {
  return { ...rule, if: mapConditions(rule.if, map), set: mapModifications(rule.set, map) };
}

function mapConditions(conditions: Conditions, map: TermMap): Conditions {
  const { asPath, community, largeCommunity, extendedCommunity, source, all, any, not } =
    conditions;
  return {
    ...conditions,
    ...mapLists(conditions, CONDITION_KINDS, map),
    ...(asPath && { asPath: { ...asPath, ...mapLists(asPath, AS_PATH_KINDS, map) } }),
    ...(community && { community: mapTest(community, "standard", map) }),
    ...(largeCommunity && { largeCommunity: mapTest(largeCommunity, "large", map) }),
    ...(extendedCommunity && { extendedCommunity: mapTest(extendedCommunity, "extended", map) }),
    ...(source && { source: mapSource(source, map) }),
    ...(all && { all: all.map((each) => mapConditions(each, map)) }),
    ...(any && { any: any.map((each) => mapConditions(each, map)) }),
    ...(not && { not: mapConditions(not, map) }),
  };
}

const CONDITION_KINDS = {
  prefix: "prefix",
  route: "route",
  neighborAs: "neighbor-as",
  nextHop: "next-hop",
} as const satisfies Partial<Record<keyof Conditions, TermKind>>;

const AS_PATH_KINDS = {
  first: "as",
  origin: "as",
  contains: "as",
  behindFirst: "as",
  beforeOrigin: "as",
} as const satisfies Partial<Record<keyof AsPathTest, TermKind>>;

/** @returns the lists of terms that a section has, mapped */
function mapLists<T extends object>(
  value: T,
  kinds: { readonly [key in keyof T]?: TermKind },
  map: TermMap,
): Partial<T> {
  const lists = value as Readonly<Record<string, readonly string[] | undefined>>;
  const found: Record<string, readonly string[]> = {};
  for (const [key, kind] of Object.entries(kinds) as [string, TermKind][]) {
    const terms = lists[key];
    if (terms !== undefined) found[key] = terms.flatMap((term) => map(term, kind));
  }
  return found as Partial<T>;
}

function mapTest(test: CommunityTest, kind: TermKind, map: TermMap): CommunityTest {
  return { ...test, ...mapLists(test, { anyOf: kind, allOf: kind }, map) };
}

function mapSource(source: SourceTest, map: TermMap): SourceTest {
  const { vars } = source;
  const place = (terms: readonly string[]) => terms.flatMap((term) => map(term, "text"));
  return {
    ...source,
    ...mapLists(source, { as: "as" }, map),
    ...(vars && {
      vars: Object.fromEntries(Object.entries(vars).map(([name, terms]) => [name, place(terms)])),
    }),
  };
}

function mapModifications(set: Modifications, map: TermMap): Modifications {
  const { localPref, med, community, largeCommunity, extendedCommunity, asPath, ...rest } = set;
  const change = (value: CommunityChange, kind: TermKind) => ({
    ...value,
    ...mapLists(value, { set: kind, remove: kind, add: kind }, map),
  });
  const replace = asPath?.replace;
  return {
    ...rest,
    ...(localPref && mapLocalPref(localPref, map)),
    ...(med === undefined ? {} : mapMed(med, map)),
    ...(community && { community: change(community, "standard") }),
    ...(largeCommunity && { largeCommunity: change(largeCommunity, "large") }),
    ...(extendedCommunity && { extendedCommunity: change(extendedCommunity, "extended") }),
    ...(asPath && {
      asPath: {
        ...asPath,
        ...(replace && { replace: replace.flatMap((term) => map(term, "as")) }),
      },
    }),
  };
}

function mapLocalPref(
  change: NonNullable<Modifications["localPref"]>,
  map: TermMap,
): Pick<Modifications, "localPref"> {
  if (!("set" in change)) return { localPref: change };
  const set = mapNumber(change.set, map);
  return set === null ? {} : { localPref: { set } };
}

function mapMed(med: NonNullable<Modifications["med"]>, map: TermMap): Pick<Modifications, "med"> {
  if (typeof med === "object" || med === "none") return { med };
  const value = mapNumber(med, map);
  return value === null ? {} : { med: value };
}

/** @returns null where a peer has no such value: then nothing is changed */
function mapNumber(value: number | string, map: TermMap): number | string | null {
  if (typeof value === "number") return value;
  const [text] = map(value, "number");
  if (text === undefined) return null;
  return text === value ? value : Number(text);
}

/** @returns whether two neighbors have the same values of a name */
export function areSameValues(a: Vars | undefined, b: Vars | undefined, name: string): boolean {
  const one = valuesOf(a, name);
  const other = valuesOf(b, name);
  return one.length === other.length && one.every((value, k) => value === other[k]);
}

/** @returns values of a neighbor as `name=value` */
export function valueKeys(vars: Vars): string[] {
  return Object.entries(vars).flatMap(([name, values]) =>
    values.map((value) => `${name}=${value}`),
  );
}
