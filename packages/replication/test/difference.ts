/** Where two graphs of objects first differ, for people. */

import { InputQueue } from "@ts-bgp/router";

/** Made from values that are compared, or scratch. */
const COMPILED = new Set(["Policies", "ChainFilter", "AcceptAll", "UpdateReader", "UpdateWriter"]);

/** @returns the path and both values, null when they are equal */
export function difference(
  a: unknown,
  b: unknown,
  path = "",
  seen: Map<object, object> = new Map(),
): string | null {
  if (Object.is(a, b)) return null;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) {
    return `${path}: ${String(a)} and ${String(b)}`;
  }
  if (seen.has(a)) {
    // Constants of a module are one object where a copy has several, or the other way round.
    const isConstant = Array.isArray(a) || a.constructor === Object;
    return isConstant || seen.get(a) === b ? null : `${path}: another object`;
  }
  seen.set(a, b);
  if (ArrayBuffer.isView(a) && ArrayBuffer.isView(b)) {
    const [x, y] = [a, b] as unknown as [ArrayLike<number>, ArrayLike<number>];
    if (x.length !== y.length) return `${path}: length ${x.length} and ${y.length}`;
    for (let i = 0; i < x.length; i++) {
      if (x[i] !== y[i]) return `${path}[${i}]: ${x[i]} and ${y[i]}`;
    }
    return null;
  }
  if (COMPILED.has(a.constructor.name)) return null;
  if (a.constructor !== b.constructor) return `${path}: other classes`;
  const [x, y] = [entriesOf(a), entriesOf(b)];
  if (x.length !== y.length) return `${path}: ${x.length} and ${y.length} entries`;
  for (const [i, [key, value]] of x.entries()) {
    const [otherKey, other] = y[i]!;
    const found =
      difference(key, otherKey, `${path}.key${i}`, seen) ??
      difference(value, other, `${path}.${String(key)}`, seen);
    if (found !== null) return found;
  }
  return null;
}

function entriesOf(object: object): [unknown, unknown][] {
  // What was read of it says nothing any more.
  if (object instanceof InputQueue) return [["unread", object.unread()]];
  if (object instanceof Map) return [...object];
  if (object instanceof Set) return [...object].map((value, i) => [i, value]);
  // A hole of a list is as good as undefined.
  if (Array.isArray(object)) return Array.from(object, (value: unknown, i) => [i, value]);
  return Object.entries(object);
}
