/** Conditions that may come out otherwise for each prefix of an attribute set. */

import { FAMILY } from "@ts-bgp/wire-codec";
import { asPathText } from "./as-path-conditions.ts";
import { type Compilation, type Condition, rangeText } from "./condition.ts";
import type { PrefixSet } from "./prefix-set.ts";
import type { PrefixTest, Route } from "./route.ts";
import type { Conditions, OriginStateName, PathStateName } from "./values.ts";

export function prefixConditions(conditions: Conditions, to: Compilation): Condition[] {
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
  const { route } = conditions;
  if (route !== undefined) found.push(routeCondition(route, to));
  if (conditions.rpki !== undefined) found.push(originCondition(conditions.rpki, to));
  if (conditions.aspa !== undefined) found.push(pathCondition(conditions.aspa, to));
  return found;
}

/** On prefix and origin AS, as the route came. */
function routeCondition(names: readonly string[], to: Compilation): Condition {
  to.asksOriginAs = true;
  const sets = names.map((name) => to.terms.routeSetOf(name));
  const holds = ({ family, w0, w1, w2, w3, bits, origin }: Route) => {
    for (const set of sets) if (set.has(family, w0, w1, w2, w3, bits, origin)) return true;
    return false;
  };
  const condition = prefixCondition(`route: ${names.join(", ")}`, holds, to);
  const as = ({ origin }: Route) => (origin === 0 ? "no origin AS" : `AS ${origin}`);
  return { ...condition, found: (route) => `${route.prefixText} of ${as(route)}` };
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
