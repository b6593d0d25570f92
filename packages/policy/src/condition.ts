/** What conditions and modifications are once they are compiled, and what a filter gathers on the way. */

import type { PrefixTest, Route } from "./route.ts";
import type { Terms } from "./terms.ts";
import type { PeerFacts } from "./types.ts";
import type { Range } from "./values.ts";

/** One condition of a rule. */
export interface Condition {
  /** In the words of the configuration. */
  readonly text: string;
  holds(route: Route): boolean;
  /** What the route has, for people. */
  found(route: Route): string;
}

/** One change of a rule. */
export interface Modification {
  /** In the words of the configuration. */
  readonly text: string;
  apply(route: Route): void;
  /** For people, before it is applied: why it changes nothing of the route; null when it may. */
  idle?(route: Route): string | null;
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
  /** Names of values of the peer that a verdict may depend on. */
  readonly vars: Set<string>;
  asksOrigin: boolean;
  asksPath: boolean;
  /** Verdicts depend on the origin AS of the route as it came, for whatever it is held against. */
  asksOriginAs: boolean;
}

export function rangeCondition(
  key: string,
  range: Range,
  read: (route: Route) => number,
): Condition {
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

export function rangeText({ min, max }: Range): string {
  if (min === max) return String(min);
  if (max === undefined) return `at least ${min}`;
  return min === undefined ? `at most ${max}` : `${min} to ${max}`;
}
