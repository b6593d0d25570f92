/**
 * Sequence numbers of authentication as a clock: another process that has the session's record knows, without
 * a word, which numbers come next. A step is somewhat shorter than any time between two packets that are due, so
 * that the clock catches up with packets beside those, and what is skipped stays within what a receiver lets pass.
 */

/** Numbers are unsigned, of 32 bits, and go round. */
export interface Sequence {
  /** At `sinceMs`. */
  readonly number: number;
  readonly sinceMs: number;
  readonly stepUs: number;
}

/**
 * @param last - the number of the packet before; null: another process may have sent that
 * @param skipped - so many more than it would know of that process may have sent
 * @returns the next one
 */
export function sequenceAt(
  sequence: Sequence,
  last: number | null,
  nowMs: number,
  skipped: number,
): number {
  const timely = timelyNumber(sequence, nowMs);
  if (last === null) return (timely + skipped) >>> 0;
  const next = (last + 1) >>> 0;
  return isAfter(timely, next) ? timely : next;
}

/** @param last - as above @returns the clock that has the same number now, or the last one, and another step */
export function movedSequence(
  sequence: Sequence,
  last: number | null,
  stepUs: number,
  nowMs: number,
): Sequence {
  if (stepUs === sequence.stepUs) return sequence;
  const timely = timelyNumber(sequence, nowMs);
  const number = last !== null && isAfter(last, timely) ? last : timely;
  return { number, sinceMs: nowMs, stepUs };
}

function timelyNumber({ number, sinceMs, stepUs }: Sequence, nowMs: number): number {
  const steps = Math.floor((1000 * Math.max(0, nowMs - sinceMs)) / stepUs);
  return (number + steps) % 2 ** 32;
}

function isAfter(a: number, b: number): boolean {
  return a !== b && (a - b) >>> 0 < 2 ** 31;
}
