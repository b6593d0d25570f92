/** Threads and processes whose work is worth less than that of routing. */

import { getPriority, setPriority } from "node:os";

/**
 * When there is not enough processor for all, others go before the calling thread, or process. One that is nicer
 * already cannot take that back without the right to; nobody needs it to.
 */
export function giveWay(nice: number): void {
  try {
    if (getPriority() < nice) setPriority(nice);
  } catch {
    // Of use, and not needed.
  }
}
