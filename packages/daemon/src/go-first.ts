/** A process that helps, and that somebody can do without. */

import { readdirSync, writeFileSync } from "node:fs";
import { getPriority, setPriority } from "node:os";

/** What else there is to do goes first; it is not to wait for long on a busy host either. */
const NICE = 5;
/** Where memory runs out it goes first, and not the speaker, whose protection it would have otherwise. */
const OOM_SCORE = "1000";

/** To be called by the process as it begins. */
export function goFirst(): void {
  giveWay();
  try {
    writeFileSync("/proc/self/oom_score_adj", OOM_SCORE);
  } catch {
    // There is no such file, or it is not to be written: then it goes when the kernel likes.
  }
}

/** Also with the threads that are there already and collect garbage: each one has a niceness of its own. */
function giveWay(): void {
  try {
    for (const thread of readdirSync("/proc/self/task").map(Number)) {
      if (getPriority(thread) < NICE) setPriority(thread, NICE);
    }
  } catch {
    // Of use, and not needed.
  }
}
