/** Comparing plain data, and sharing what is equal. */

/** Remembers which objects are equal: neighbors have the same few sections of options. */
export class Equality {
  private readonly known: WeakMap<object, object> = new WeakMap();

  isEqual(a: unknown, b: unknown): boolean {
    if (Object.is(a, b)) return true;
    if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
    if (this.known.get(a) === b) return true;
    if (!this.areAlike(a, b)) return false;
    this.known.set(a, b);
    return true;
  }

  private areAlike(a: object, b: object): boolean {
    if (a instanceof Uint32Array) return b instanceof Uint32Array && hasSameWords(a, b);
    if (Array.isArray(a)) return Array.isArray(b) && this.haveSameItems(a, b);
    if (Array.isArray(b)) return false;
    const keys = Object.keys(a);
    if (keys.length !== Object.keys(b).length) return false;
    return keys.every(
      (key) =>
        Object.hasOwn(b, key) &&
        this.isEqual((a as Record<string, unknown>)[key], (b as Record<string, unknown>)[key]),
    );
  }

  private haveSameItems(a: readonly unknown[], b: readonly unknown[]): boolean {
    return a.length === b.length && a.every((item, k) => this.isEqual(item, b[k]));
  }
}

function hasSameWords(a: Uint32Array, b: Uint32Array): boolean {
  if (a.length !== b.length) return false;
  for (let at = 0; at < a.length; at++) if (a[at] !== b[at]) return false;
  return true;
}

/** @returns the same objects, of which equal parts under equal keys are one */
export function withSharedParts<T extends object>(objects: readonly T[]): T[] {
  const parts = new Map<string, object>();
  const shared = (key: string, value: unknown) => {
    if (typeof value !== "object" || value === null) return value;
    const text = key + JSON.stringify(value);
    const known = parts.get(text) ?? value;
    parts.set(text, known);
    return known;
  };
  return objects.map(
    (object) =>
      Object.fromEntries(
        Object.entries(object).map(([key, value]) => [key, shared(key, value)]),
      ) as T,
  );
}
