/**
 * Sequence numbers of authentication as a clock: another process that has the session's record knows, without
 * a word, which numbers come next. A step is the shortest time between two packets, so that each packet has
 * a number of its own, and what is skipped stays well within what a receiver lets pass.
 */

/** Numbers are unsigned, of 32 bits, and go round. */
export interface Sequence {
  /** At `sinceMs`. */
  readonly number: number;
  readonly sinceMs: number;
  readonly stepUs: number;
}

/** @param last - the number of the packet before; null: another process has sent that @returns the next one */
export function sequenceAt(sequence: Sequence, last: number | null, nowMs: number): number {
  const timely = timelyNumber(sequence, nowMs);
  // That process may have been asked for packets of its own beside those that were due.
  if (last === null) return (timely + 1) >>> 0;
  const next = (last + 1) >>> 0;
  return isAfter(timely, next) ? timely : next;
}

/** @returns the clock that has the same number now, and another step */
export function movedSequence(sequence: Sequence, stepUs: number, nowMs: number): Sequence {
  if (stepUs === sequence.stepUs) return sequence;
  return { number: timelyNumber(sequence, nowMs), sinceMs: nowMs, stepUs };
}

function timelyNumber({ number, sinceMs, stepUs }: Sequence, nowMs: number): number {
  const steps = Math.floor((1000 * Math.max(0, nowMs - sinceMs)) / stepUs);
  return (number + steps) % 2 ** 32;
}

function isAfter(a: number, b: number): boolean {
  return a !== b && (a - b) >>> 0 < 2 ** 31;
}
