/** A process that helps, and that somebody can do without. */

import { writeFileSync } from "node:fs";
import { giveWay } from "@ts-bgp/feeds/give-way";

/** What else there is to do goes first; it is not to wait for long on a busy host either. */
const NICE = 5;
/** Where memory runs out it goes first, and not the speaker, whose protection it would have otherwise. */
const OOM_SCORE = "1000";

/** To be called by the process as it begins. */
export function goFirst(): void {
  giveWay(NICE);
  try {
    writeFileSync("/proc/self/oom_score_adj", OOM_SCORE);
  } catch {
    // There is no such file, or it is not to be written: then it goes when the kernel likes.
  }
}
