/** Conditions on AS_PATH. */

import { ATTR, decodeAsPath, readU32 } from "@ts-bgp/wire-codec";
import { compileAsPathRegex } from "./as-path-regex.ts";
import { type Compilation, type Condition, rangeCondition } from "./condition.ts";
import type { Route } from "./route.ts";
import { type AsMatcher, matchesAs, notePeer } from "./terms.ts";
import type { AsPathTest } from "./values.ts";

export function asPathConditions(test: AsPathTest, to: Compilation): Condition[] {
  const { first, origin, contains, behindFirst, beforeOrigin, length, regex } = test;
  const found: Condition[] = [];
  const add = (
    key: string,
    terms: readonly string[] | undefined,
    holds: (matcher: AsMatcher, route: Route) => boolean,
  ) => {
    if (terms === undefined) return;
    const matcher = to.terms.asMatcher(terms, to.localAs);
    notePeer(matcher, to);
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
  add("contains", contains, (matcher, route) => containsAs(matcher, route, 0, 0));
  add("behind-first", behindFirst, (matcher, route) => {
    return containsAs(matcher, route, route.readPath().firstAs, 0);
  });
  add("before-origin", beforeOrigin, (matcher, route) => {
    return containsAs(matcher, route, 0, route.readPath().originAs);
  });
  if (length !== undefined) {
    found.push(rangeCondition("as-path length", length, (route) => route.readPath().length));
  }
  if (regex !== undefined) found.push(regexCondition(regex, to));
  return found;
}

/**
 * @param leading - ASes of this number at the left do not count, 0 for none
 * @param trailing - likewise at the right
 */
function containsAs(matcher: AsMatcher, route: Route, leading: number, trailing: number): boolean {
  const at = route.valueAt(ATTR.AS_PATH);
  const end = at + route.valueOctets(ATTR.AS_PATH);
  let leads = leading !== 0;
  let has = false;
  for (let i = at; i < end; ) {
    const next = i + 2 + 4 * route.buf[i + 1]!;
    for (let k = i + 2; k < next; k += 4) {
      const as = readU32(route.buf, k);
      leads &&= as === leading;
      if (leads) continue;
      // Those at the right count once another one stands behind them.
      if (trailing === 0) {
        if (matchesAs(matcher, route, as)) return true;
      } else if (as !== trailing) {
        if (has || matchesAs(matcher, route, as)) return true;
      } else if (!has) has = matchesAs(matcher, route, as);
    }
    i = next;
  }
  return false;
}

function regexCondition(text: string, to: Compilation): Condition {
  const regex = compileAsPathRegex(text, (name) => to.terms.asList(name));
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

export function asPathText(route: Route): string {
  const at = route.valueAt(ATTR.AS_PATH);
  const text = decodeAsPath(route.buf, at, at + route.valueOctets(ATTR.AS_PATH), 4).text;
  return text === "" ? "empty path" : text;
}
