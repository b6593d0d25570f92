/**
 * Conditions compiled: each becomes a test of a route, with its words for explanations.
 */

import { ATTR, readU32 } from "@ts-bgp/wire-codec";
import { asPathConditions } from "./as-path-conditions.ts";
import { communityConditions, communityCountOf } from "./community-conditions.ts";
import { type Compilation, type Condition, rangeCondition } from "./condition.ts";
import { nextHopCondition } from "./next-hop-condition.ts";
import { prefixConditions } from "./prefix-conditions.ts";
import type { Route } from "./route.ts";
import { matchesAs, notePeer } from "./terms.ts";
import type { PeerFacts } from "./types.ts";
import type { Conditions, SourceTest } from "./values.ts";
import { valuesOf, varOf } from "./vars.ts";

/** @returns tests that must all hold; those on the prefix come last, so that fewer are asked */
export function compileConditions(conditions: Conditions, to: Compilation): Condition[] {
  const { asPath, nextHop, source, all, any, not } = conditions;
  const nested = [
    ...(all ?? []).flatMap((each) => compileConditions(each, to)),
    ...(any === undefined ? [] : [anyCondition(any, to)]),
    ...(not === undefined ? [] : [notCondition(not, to)]),
  ];
  const inside = [...(all ?? []), ...(any ?? []), ...(not === undefined ? [] : [not])];
  const nestedLast = inside.some(asksPrefix);
  const onPrefix = prefixConditions(conditions, to);
  return [
    ...peerConditions(conditions, to),
    ...(source === undefined ? [] : sourceConditions(source, to)),
    ...attributeConditions(conditions),
    ...communityConditions(conditions, to),
    ...(asPath === undefined ? [] : asPathConditions(asPath, to)),
    ...(nextHop === undefined ? [] : [nextHopCondition(nextHop, to)]),
    ...(nestedLast ? [...onPrefix, ...nested] : [...nested, ...onPrefix]),
  ];
}

function asksPrefix(conditions: Conditions): boolean {
  const { family, prefixLength, prefix, route, rpki, aspa, all, any, not } = conditions;
  if (route !== undefined) return true;
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

/** On the neighbor that the route was learned from. */
function sourceConditions({ as, peer, vars }: SourceTest, to: Compilation): Condition[] {
  to.dependsOnSource = true;
  const found: Condition[] = [];
  const name = ({ source }: Route) =>
    `${source.address} AS${source.as}${source.group && ` of group ${source.group}`}`;
  if (as !== undefined) {
    const matcher = to.terms.asMatcher(as, to.localAs);
    notePeer(matcher, to);
    const holds = (route: Route) => matchesAs(matcher, route, route.source.as);
    found.push({ text: `source as: ${as.join(", ")}`, holds, found: name });
  }
  if (peer !== undefined) {
    const holds = ({ source }: Route) =>
      peer.includes(source.address) || (source.group !== "" && peer.includes(source.group));
    found.push({ text: `source peer: ${peer.join(", ")}`, holds, found: name });
  }
  for (const [key, terms] of Object.entries(vars ?? {})) found.push(sourceVar(key, terms, to));
  return found;
}

function sourceVar(key: string, terms: readonly string[], to: Compilation): Condition {
  const asked = terms.flatMap((term) => varOf(term) ?? []);
  if (asked.length > 0) to.dependsOnPeer = true;
  for (const each of asked) to.vars.add(each);
  const holds = (route: Route) => {
    let has = false;
    for (const value of valuesOf(route.source.vars, key)) {
      if (terms.includes(value)) return true;
      for (const each of asked) if (route.isPeerVar(each, value)) has = true;
    }
    return has;
  };
  const found = ({ source }: Route) => valuesOf(source.vars, key).join(", ") || "none";
  return { text: `source ${key}: ${terms.join(", ")}`, holds, found };
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
