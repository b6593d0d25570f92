import { setTimeout as delay } from "node:timers/promises";
import { inspect } from "node:util";

/** Time between two looks of `until`. */
const POLL_MS = 50;
/** A machine may have a fraction of the speed, and ten others at work on it. */
export const SLOWNESS = 8;

/**
 * Ask again and again until the answer is there.
 *
 * `check` says "not yet" by returning `null`, `undefined` or `false`, or by throwing (so an
 * `expect` inside it is a condition, not a failure). A check that is under way at the limit is
 * waited for: each one is expected to end by itself.
 *
 * @param quietMs - more than it takes on a machine with nothing else to do; eight times as long is
 *   waited, which costs nothing when the answer comes
 * @param what - what is waited for, for the error: "bird has the route"
 * @returns the first answer that is neither `null` nor `undefined` nor `false`
 * @throws Error naming `what` and the last answer or the last error, when the time has passed
 */
export async function until<T>(
  check: () => T | Promise<T>,
  quietMs: number,
  what: string,
): Promise<Exclude<T, null | undefined | false>> {
  const limitMs = SLOWNESS * quietMs;
  const limit = performance.now() + limitMs;
  for (;;) {
    let last: string;
    let cause: unknown;
    try {
      const value = await check();
      if (value !== null && value !== undefined && value !== false) {
        return value as Exclude<T, null | undefined | false>;
      }
      last = inspect(value);
    } catch (error) {
      last = error instanceof Error ? error.message : inspect(error);
      cause = error;
    }
    if (performance.now() >= limit) {
      throw new Error(`not within ${limitMs} ms: ${what}; last: ${last}`, { cause });
    }
    await delay(POLL_MS);
  }
}
