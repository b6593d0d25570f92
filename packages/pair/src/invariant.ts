/**
 * What must hold whatever happens, looked at in production as well: a side that finds it broken ends rather
 * than let peers see what is wrong. What another process says is never trusted so far: that is checked where
 * it is read, and refused.
 */

export class InvariantError extends Error {
  override readonly name = "InvariantError";
}

/** @param what - holds; the values tell of the case in which it does not */
export function ensure(
  holds: boolean,
  what: string,
  ...values: readonly (number | string)[]
): asserts holds {
  if (!holds) throw new InvariantError([`does not hold: ${what}`, ...values].join(" "));
}
