/**
 * How much of the tests runs. `npm test` is for everybody, and takes minutes; `npm run test:full` leaves
 * nothing out. What is long is in files named `*.full.test.ts`, which only the latter runs; what is
 * short or long as one likes asks here how often it is to be done.
 */

/** Whether nothing is to be left out. */
export const IS_FULL: boolean = process.env["TSBGP_FULL"] === "1";

/** A short run does one of so many. */
const SHARE = 10;
const LEAST = 10;

/** How many runs of a property, or seeds of a simulation: all, or a tenth of them and no fewer than ten. */
export function runs(full: number): number {
  return IS_FULL ? full : Math.min(full, Math.max(LEAST, Math.ceil(full / SHARE)));
}

/** Of cases that go the same way through the program: all, or the first ones. */
export function cases<T>(all: readonly T[], short: number): readonly T[] {
  return IS_FULL ? all : all.slice(0, short);
}
