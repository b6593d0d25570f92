/**
 * Whoever wants to know something of the router takes turns: one piece of about a millisecond at each
 * turn of the event loop, however many ask, so that routing has the rest.
 */

/** A piece of work for somebody who asked is over when it has lasted this long. */
export const PIECE_MS = 1;

const waiting: (() => void)[] = [];

/** Resolves when it is the caller's turn. What it does then lasts `PIECE_MS`, or not much longer. */
export function askersTurn(): Promise<void> {
  return new Promise((resolve) => {
    waiting.push(resolve);
    if (waiting.length === 1) setImmediate(next);
  });
}

/** The turns of one who asks for many small things: as many of them in each as fit. */
export class Turns {
  private endMs = 0;

  /** Resolves at once while there is time left. */
  async next(): Promise<void> {
    if (performance.now() < this.endMs) return;
    await askersTurn();
    this.endMs = performance.now() + PIECE_MS;
  }
}

/** Takes all steps of work, as many in each turn as fit. @returns what comes of it */
export async function inTurns<T>(steps: Generator<void, T>): Promise<T> {
  for (const turns = new Turns(); ; ) {
    await turns.next();
    const { done, value } = steps.next();
    if (done === true) return value;
  }
}

function next(): void {
  const [resolve] = waiting;
  // The one whose turn it is stands in the queue meanwhile: a new one does not begin in the same turn.
  resolve!();
  setImmediate(() => {
    waiting.shift();
    if (waiting.length > 0) next();
  });
}
