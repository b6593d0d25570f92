/** How long a peer hears nothing, and why. */

/** A packet of ours, as a peer sees it. */
export interface Sign {
  /** Of the wall clock. */
  readonly timeMs: number;
  /** It has octets that were not seen before, or acknowledges some that were not. */
  readonly progress: boolean;
  /** It has octets. */
  readonly sent: boolean;
  /** All its progress is to acknowledge what the peer had to send again. */
  readonly afterRepeat: boolean;
}

export interface Silence {
  /** Longest time between two packets that make progress. */
  readonly longestMs: number;
  /** When that one began, from the beginning of the window. */
  readonly longestAtMs: number;
  /**
   * The same, for times that ended only with the acknowledgement of what the peer sent again after
   * its own timer. They do not count above.
   */
  readonly repeatMs: number;
  /** From the beginning of the window to the first packet that makes progress. */
  readonly firstMs: number;
}

/**
 * Looks at the window [`fromMs`, `toMs`] of a session on which traffic flows all the time.
 *
 * A silence that began before the window counts with its whole length; one that lasts beyond it
 * counts until the end of the window, because then the traffic ends as well.
 *
 * @param signs - oldest first
 */
export function silenceOf(signs: readonly Sign[], fromMs: number, toMs: number): Silence {
  let longestMs = 0;
  let longestAtMs = 0;
  let repeatMs = 0;
  let firstMs = toMs - fromMs;
  let seen = false;
  let last = fromMs;
  const gap = (untilMs: number, afterRepeat: boolean) => {
    const ms = untilMs - last;
    if (afterRepeat) repeatMs = Math.max(repeatMs, ms);
    else if (ms > longestMs) {
      longestMs = ms;
      longestAtMs = last - fromMs;
    }
  };
  for (const { timeMs, progress, afterRepeat } of signs) {
    if (!progress) continue;
    if (timeMs > fromMs) {
      if (last >= toMs) break;
      if (!seen) firstMs = timeMs - fromMs;
      seen = true;
      gap(Math.min(timeMs, toMs), afterRepeat && timeMs <= toMs);
    }
    last = timeMs;
  }
  if (last < toMs) gap(toMs, false);
  return { longestMs, longestAtMs, repeatMs, firstMs: Math.min(firstMs, toMs - fromMs) };
}

/**
 * Whether the speaker was sending all the time. Where it only acknowledges, it waits up to 40 ms
 * before it does (delayed acknowledgements), and silence says nothing.
 *
 * @param betweenMs - at most so much, on average, between packets with octets
 */
export function isFlowing(
  signs: readonly Sign[],
  fromMs: number,
  toMs: number,
  betweenMs: number,
): boolean {
  const isIn = ({ timeMs, sent }: Sign) => sent && timeMs >= fromMs && timeMs <= toMs;
  return signs.filter(isIn).length >= (toMs - fromMs) / betweenMs;
}

export interface Distribution {
  readonly count: number;
  readonly median: number;
  readonly p99: number;
  readonly max: number;
}

/** @param values - at least one */
export function distributionOf(values: readonly number[]): Distribution {
  const sorted = [...values].sort((a, b) => a - b);
  const rank = (share: number) => sorted[Math.ceil(share * sorted.length) - 1]!;
  return { count: sorted.length, median: rank(0.5), p99: rank(0.99), max: rank(1) };
}
