/** Looks at all that the router has, now and then, for as long as somebody listens. */

import { Turns } from "./turns.ts";

/** Between two looks, and before the first one: an event comes not much later. */
const LOOK_MS = 2000;

/**
 * Before the first look there is a pause as well: who listens for a moment only costs none, and a takeover is past.
 *
 * @param look - in steps, as many of which are taken in a turn as fit; tells what it finds. One begins once the one
 *   before is done
 * @returns what ends it, within a look as well: no further step is taken
 */
export function lookAgain(look: () => Generator<void, void>, everyMs = LOOK_MS): () => void {
  let isOver = false;
  const all = async () => {
    const steps = look();
    const turns = new Turns();
    do {
      await turns.next();
      if (isOver) return;
    } while (steps.next().done !== true);
    if (!isOver) timer = setTimeout(all, everyMs).unref();
  };
  let timer = setTimeout(all, everyMs).unref();
  return () => {
    isOver = true;
    clearTimeout(timer);
  };
}
