/** Changes of AS_PATH that replace its numbers or take them out. */

import { ATTR, ATTR_FLAG, readU32, writeU32 } from "@ts-bgp/wire-codec";
import type { Compilation, Modification } from "./condition.ts";
import type { Route } from "./route.ts";
import { matchesAs, notePeer } from "./terms.ts";
import type { AsPathChange } from "./values.ts";

export function asPathChanges(
  { removePrivate, replace }: AsPathChange,
  to: Compilation,
): Modification[] {
  const found: Modification[] = [];
  if (removePrivate !== undefined) {
    const other = (_route: Route, as: number) => (isPrivate(as) ? 0 : as);
    found.push({ text: "as-path: remove-private", apply: (route) => rewrite(route, other) });
  }
  if (replace !== undefined) {
    const matcher = to.terms.asMatcher(replace, to.localAs);
    notePeer(matcher, to);
    const other = (route: Route, as: number) => (matchesAs(matcher, route, as) ? to.localAs : as);
    const text = `as-path: replace ${replace.join(", ")}`;
    found.push({ text, apply: (route) => rewrite(route, other) });
  }
  return found;
}

/** RFC 6996. */
function isPrivate(as: number): boolean {
  return (as >= 64512 && as <= 65534) || (as >= 4200000000 && as <= 4294967294);
}

/** @param other - gives the number that stands in place of one, 0 for none */
function rewrite(route: Route, other: (route: Route, as: number) => number): void {
  const { buf, value } = route;
  const at = route.valueAt(ATTR.AS_PATH);
  const end = at + route.valueOctets(ATTR.AS_PATH);
  let isOther = false;
  let o = 0;
  for (let i = at; i < end; ) {
    const next = i + 2 + 4 * buf[i + 1]!;
    const head = o;
    o += 2;
    for (let k = i + 2; k < next; k += 4) {
      const as = readU32(buf, k);
      const put = other(route, as);
      isOther ||= put !== as;
      if (put !== 0) o = writeU32(value, o, put);
    }
    value[head] = buf[i]!;
    value[head + 1] = (o - head - 2) / 4;
    // A segment without ASes is none (RFC 7606 section 7.2).
    if (o === head + 2) o = head;
    i = next;
  }
  if (isOther) route.put(ATTR_FLAG.TRANSITIVE, ATTR.AS_PATH, value, o);
}
