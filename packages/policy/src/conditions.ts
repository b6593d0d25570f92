/**
 * Conditions compiled: each becomes a test of a route, with its words for explanations.
 */

import {
  ATTR,
  COMMUNITY_OCTETS,
  decodeAsPath,
  FAMILY,
  formatAddress,
  formatCommunity,
  readU32,
} from "@ts-bgp/wire-codec";
import { compileAsPathRegex } from "./as-path-regex.ts";
import type { CommunityPattern, PatternKind } from "./community-pattern.ts";
import { PrefixSet } from "./prefix-set.ts";
import type { PrefixTest, Route } from "./route.ts";
import { type AsMatcher, matchesAs, matchesCommunity, type Terms } from "./terms.ts";
import type { PeerFacts } from "./types.ts";
import type {
  AsPathTest,
  CommunityTest,
  Conditions,
  OriginStateName,
  PathStateName,
  Range,
} from "./values.ts";

/** One condition of a rule. */
export interface Condition {
  /** In the words of the configuration. */
  readonly text: string;
  holds(route: Route): boolean;
  /** What the route has, for people. */
  found(route: Route): string;
}

/** What a filter under construction gathers from its conditions and modifications. */
export interface Compilation {
  readonly terms: Terms;
  readonly localAs: number;
  /** Prefix tests by their text: equal ones are asked once. */
  readonly tests: Map<string, PrefixTest>;
  /** What peers must have in common to share verdicts. */
  readonly groupKeys: ((peer: PeerFacts) => string)[];
  /** A verdict may depend on the peer, if only through `$peer-as` in a pattern. */
  dependsOnPeer: boolean;
  dependsOnSource: boolean;
  asksOrigin: boolean;
  asksPath: boolean;
}

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

/** @returns tests that must all hold; those on the prefix come last, so that fewer are asked */
export function compileConditions(conditions: Conditions, to: Compilation): Condition[] {
  const { asPath, nextHop, all, any, not } = conditions;
  const nested = [
    ...(all ?? []).flatMap((each) => compileConditions(each, to)),
    ...(any === undefined ? [] : [anyCondition(any, to)]),
    ...(not === undefined ? [] : [notCondition(not, to)]),
  ];
  const nestedLast = [...(all ?? []), ...(any ?? []), not ?? {}].some(asksPrefix);
  const onPrefix = prefixConditions(conditions, to);
  return [
    ...peerConditions(conditions, to),
    ...attributeConditions(conditions),
    ...communityConditions(conditions, to),
    ...(asPath === undefined ? [] : asPathConditions(asPath, to)),
    ...(nextHop === undefined ? [] : [nextHopCondition(nextHop, to)]),
    ...(nestedLast ? [...onPrefix, ...nested] : [...nested, ...onPrefix]),
  ];
}

function asksPrefix(conditions: Conditions): boolean {
  const { family, prefixLength, prefix, rpki, aspa, all, any, not } = conditions;
  if (family !== undefined || prefixLength !== undefined || prefix !== undefined) return true;
  if (rpki !== undefined || aspa !== undefined) return true;
  return [...(all ?? []), ...(any ?? []), ...(not === undefined ? [] : [not])].some(asksPrefix);
}

function anyCondition(alternatives: readonly Conditions[], to: Compilation): Condition {
  const compiled = alternatives.map((conditions) => compileConditions(conditions, to));
  const text = (conditions: readonly Condition[]) => conditions.map(({ text }) => text).join(", ");
  return {
    text: `any of { ${compiled.map(text).join(" } { ")} }`,
    holds: (route) => compiled.some((conditions) => conditions.every((c) => c.holds(route))),
    found: (route) => compiled.flatMap((all) => all.map((c) => c.found(route))).join(", "),
  };
}

function notCondition(inner: Conditions, to: Compilation): Condition {
  const conditions = compileConditions(inner, to);
  return {
    text: `not { ${conditions.map(({ text }) => text).join(", ")} }`,
    holds: (route) => !conditions.every((condition) => condition.holds(route)),
    found: (route) => conditions.map((condition) => condition.found(route)).join(", "),
  };
}

function peerConditions(conditions: Conditions, to: Compilation): Condition[] {
  const found: Condition[] = [];
  const { neighborAs, peer, routeType } = conditions;
  if (neighborAs !== undefined) {
    const matcher = to.terms.asMatcher(neighborAs, to.localAs);
    const holds = (facts: PeerFacts) => matcher.sets.some((set) => set.has(facts.as));
    found.push(peerCondition(`neighbor-as: ${neighborAs.join(", ")}`, holds, to));
  }
  if (peer !== undefined) {
    const holds = (facts: PeerFacts) => peer.includes(facts.address) || peer.includes(facts.group);
    found.push(peerCondition(`peer: ${peer.join(", ")}`, holds, to));
  }
  if (routeType !== undefined) {
    to.dependsOnSource = true;
    found.push({
      text: `route-type: ${routeType.join(", ")}`,
      holds: (route) => routeType.includes(route.source.routeType),
      found: (route) => route.source.routeType,
    });
  }
  return found;
}

function peerCondition(
  text: string,
  holds: (facts: PeerFacts) => boolean,
  to: Compilation,
): Condition {
  to.dependsOnPeer = true;
  to.groupKeys.push((facts) => (holds(facts) ? "1" : "0"));
  return {
    text,
    holds: (route) => holds(route.peer),
    found: ({ peer }) => `${peer.address} AS${peer.as}${peer.group && ` of group ${peer.group}`}`,
  };
}

const ORIGINS = ["igp", "egp", "incomplete"] as const;

function attributeConditions(conditions: Conditions): Condition[] {
  const found: Condition[] = [];
  const { origin, localPref, med, communityCount } = conditions;
  if (origin !== undefined) {
    const originOf = (route: Route) => ORIGINS[route.buf[route.valueAt(ATTR.ORIGIN)] ?? 2]!;
    found.push({
      text: `origin: ${origin.join(", ")}`,
      holds: (route) => origin.includes(originOf(route)),
      found: originOf,
    });
  }
  if (localPref !== undefined) {
    found.push(rangeCondition("local-pref", localPref, (route) => route.localPref));
  }
  if (med === "none") {
    found.push({
      text: "med: none",
      holds: (route) => !route.has(ATTR.MULTI_EXIT_DISC),
      found: (route) => (route.has(ATTR.MULTI_EXIT_DISC) ? String(medOf(route)) : "none"),
    });
  } else if (med !== undefined) {
    found.push(rangeCondition("med", med, medOf));
  }
  if (communityCount !== undefined) {
    found.push(rangeCondition("community-count", communityCount, communityCountOf));
  }
  return found;
}

/** @returns NaN, which is in no range, when the route has no MED */
function medOf(route: Route): number {
  const at = route.valueAt(ATTR.MULTI_EXIT_DISC);
  return at < 0 ? Number.NaN : readU32(route.buf, at);
}

function communityCountOf(route: Route): number {
  return (
    route.valueOctets(ATTR.COMMUNITIES) / 4 +
    route.valueOctets(ATTR.EXTENDED_COMMUNITIES) / 8 +
    route.valueOctets(ATTR.LARGE_COMMUNITIES) / 12
  );
}

function rangeCondition(key: string, range: Range, read: (route: Route) => number): Condition {
  const min = range.min ?? 0;
  const max = range.max ?? Number.POSITIVE_INFINITY;
  return {
    text: `${key}: ${rangeText(range)}`,
    holds: (route) => {
      const value = read(route);
      return value >= min && value <= max;
    },
    found: (route) => (Number.isNaN(read(route)) ? "none" : String(read(route))),
  };
}

function rangeText({ min, max }: Range): string {
  if (min === max) return String(min);
  if (max === undefined) return `at least ${min}`;
  return min === undefined ? `at most ${max}` : `${min} to ${max}`;
}

function communityConditions(conditions: Conditions, to: Compilation): Condition[] {
  return COMMUNITY_KINDS.flatMap(({ kind, key, field, type }) => {
    const test = conditions[field];
    return test === undefined ? [] : [communityCondition(kind, key, type, test, to)];
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
  if (wanted.flat().some(({ peerAsAt }) => peerAsAt >= 0)) to.dependsOnPeer = true;
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

function asPathConditions(test: AsPathTest, to: Compilation): Condition[] {
  const { first, origin, contains, length, regex } = test;
  const found: Condition[] = [];
  const add = (
    key: string,
    terms: readonly string[] | undefined,
    holds: (matcher: AsMatcher, route: Route) => boolean,
  ) => {
    if (terms === undefined) return;
    const matcher = to.terms.asMatcher(terms, to.localAs);
    if (matcher.peerAs) to.dependsOnPeer = true;
    found.push({
      text: `as-path ${key}: ${terms.join(", ")}`,
      holds: (route) => holds(matcher, route),
      found: asPathText,
    });
  };
  add("first", first, (matcher, route) => {
    const as = route.readPath().firstAs;
    return as !== 0 && matchesAs(matcher, route, as);
  });
  add("origin", origin, (matcher, route) => {
    const as = route.readPath().originAs;
    return as !== 0 && matchesAs(matcher, route, as);
  });
  add("contains", contains, containsAs);
  if (length !== undefined) {
    found.push(rangeCondition("as-path length", length, (route) => route.readPath().length));
  }
  if (regex !== undefined) found.push(regexCondition(regex));
  return found;
}

function containsAs(matcher: AsMatcher, route: Route): boolean {
  const at = route.valueAt(ATTR.AS_PATH);
  const end = at + route.valueOctets(ATTR.AS_PATH);
  for (let i = at; i < end; ) {
    const next = i + 2 + 4 * route.buf[i + 1]!;
    for (let k = i + 2; k < next; k += 4) {
      if (matchesAs(matcher, route, readU32(route.buf, k))) return true;
    }
    i = next;
  }
  return false;
}

function regexCondition(text: string): Condition {
  const regex = compileAsPathRegex(text);
  if ("message" in regex) throw new Error(regex.message);
  return {
    text: `as-path regex: ${text}`,
    holds: (route) => {
      const at = route.valueAt(ATTR.AS_PATH);
      return regex.test(route.buf, at, at + route.valueOctets(ATTR.AS_PATH));
    },
    found: asPathText,
  };
}

function asPathText(route: Route): string {
  const at = route.valueAt(ATTR.AS_PATH);
  const text = decodeAsPath(route.buf, at, at + route.valueOctets(ATTR.AS_PATH), 4).text;
  return text === "" ? "empty path" : text;
}

function nextHopCondition(terms: readonly string[], to: Compilation): Condition {
  const own = terms.includes("peer-address");
  const sameAs = terms.includes("same-as");
  if (own || sameAs) {
    to.dependsOnPeer = true;
    to.groupKeys.push((peer) => peer.address);
  }
  const addresses = terms.filter((term) => term !== "peer-address" && term !== "same-as");
  const set = new PrefixSet(addresses.map(asPrefix));
  return {
    text: `next-hop: ${terms.join(", ")}`,
    holds: (route) =>
      (own && isNextHop(route, route.peer.addressOctets)) ||
      (sameAs && route.peer.sameAsAddresses.some((address) => isNextHop(route, address))) ||
      nextHopIn(route, set),
    found: nextHopText,
  };
}

/** A bare address is a prefix of full length. */
function asPrefix(term: string): string {
  if (term.includes("/")) return /[ ]/.test(term) ? term : `${term} le ${fullLength(term)}`;
  return `${term}/${fullLength(term)}`;
}

function fullLength(term: string): number {
  return term.includes(":") ? 128 : 32;
}

/** Compares the address, the global one when a link-local one follows it (RFC 2545 section 3). */
function isNextHop(route: Route, address: Uint8Array): boolean {
  const at = route.valueAt(ATTR.NEXT_HOP);
  const octets = Math.min(16, route.valueOctets(ATTR.NEXT_HOP));
  if (octets !== address.length) return false;
  for (let i = 0; i < octets; i++) if (route.buf[at + i] !== address[i]) return false;
  return true;
}

function nextHopIn(route: Route, set: PrefixSet): boolean {
  const at = route.valueAt(ATTR.NEXT_HOP);
  const { buf } = route;
  switch (route.valueOctets(ATTR.NEXT_HOP)) {
    case 0:
      return false;
    case 4:
      return set.has(FAMILY.IPV4_UNICAST, readU32(buf, at), 0, 0, 0, 32);
    default: {
      const w1 = readU32(buf, at + 4);
      const w2 = readU32(buf, at + 8);
      return set.has(FAMILY.IPV6_UNICAST, readU32(buf, at), w1, w2, readU32(buf, at + 12), 128);
    }
  }
}

function nextHopText(route: Route): string {
  const octets = route.valueOctets(ATTR.NEXT_HOP);
  if (octets === 0) return "none";
  return formatAddress(octets === 4 ? 1 : 2, route.buf, route.valueAt(ATTR.NEXT_HOP));
}

function prefixConditions(conditions: Conditions, to: Compilation): Condition[] {
  const found: Condition[] = [];
  const { family, prefixLength, prefix } = conditions;
  if (family !== undefined) {
    const wanted = family === "ipv4-unicast" ? FAMILY.IPV4_UNICAST : FAMILY.IPV6_UNICAST;
    found.push(prefixCondition(`family: ${family}`, (route) => route.family === wanted, to));
  }
  if (prefixLength !== undefined) {
    const min = prefixLength.min ?? 0;
    const max = prefixLength.max ?? 128;
    const text = `prefix-length: ${rangeText(prefixLength)}`;
    found.push(prefixCondition(text, ({ bits }) => bits >= min && bits <= max, to));
  }
  if (prefix !== undefined) {
    const sets = to.terms.prefixSetsOf(prefix);
    const holds = ({ family, w0, w1, w2, w3, bits }: Route) => {
      for (const { set } of sets) if (set.has(family, w0, w1, w2, w3, bits)) return true;
      return false;
    };
    const condition = prefixCondition(`prefix: ${prefix.join(", ")}`, holds, to);
    found.push({ ...condition, found: (route) => prefixFound(sets, route) });
  }
  if (conditions.rpki !== undefined) found.push(originCondition(conditions.rpki, to));
  if (conditions.aspa !== undefined) found.push(pathCondition(conditions.aspa, to));
  return found;
}

const PATH_STATES: readonly PathStateName[] = ["valid", "unknown", "invalid"];

/** The same for all prefixes of a set, and asked for each of them, since ASPAs change. */
function pathCondition(states: readonly PathStateName[], to: Compilation): Condition {
  to.asksOrigin = true;
  to.asksPath = true;
  to.dependsOnPeer = true;
  const holds = (route: Route) => states.includes(PATH_STATES[route.pathValidity]!);
  const condition = prefixCondition(`aspa: ${states.join(", ")}`, holds, to);
  const role = ({ peer }: Route) => peer.role ?? "none";
  return {
    ...condition,
    found: (route) =>
      `${PATH_STATES[route.pathValidity]}, ${asPathText(route)} by role ${role(route)}`,
  };
}

/** By the numbers that routes have their states in. */
const ORIGIN_STATES: readonly OriginStateName[] = ["valid", "not-found", "invalid"];

/** Depends on the prefix and on the path as it came, which is the same for all prefixes of a set. */
function originCondition(states: readonly OriginStateName[], to: Compilation): Condition {
  to.asksOrigin = true;
  const holds = (route: Route) => states.includes(ORIGIN_STATES[route.validity]!);
  const condition = prefixCondition(`rpki: ${states.join(", ")}`, holds, to);
  const origin = (route: Route) => (route.origin === 0 ? "no origin AS" : `AS ${route.origin}`);
  return {
    ...condition,
    found: (route) => `${ORIGIN_STATES[route.validity]}, ${route.prefixText} of ${origin(route)}`,
  };
}

/** A condition that is asked through the route, which remembers the outcome. */
function prefixCondition(
  text: string,
  matches: (route: Route) => boolean,
  to: Compilation,
): Condition {
  const test: PrefixTest = to.tests.get(text) ?? { index: to.tests.size, matches };
  to.tests.set(text, test);
  return { text, holds: (route) => route.ask(test), found: (route) => route.prefixText };
}

function prefixFound(sets: readonly { name: string; set: PrefixSet }[], route: Route): string {
  const { family, w0, w1, w2, w3, bits, prefixText } = route;
  for (const { name, set } of sets) {
    const entry = set.entryOf(family, w0, w1, w2, w3, bits);
    if (entry !== null) return `${prefixText} by ${entry}${name && ` of ${name}`}`;
  }
  return prefixText;
}
