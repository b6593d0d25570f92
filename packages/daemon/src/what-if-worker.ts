/** A process that is given a copy of the state and another configuration, tells what comes of it, and ends. */

import { writeFileSync } from "node:fs";
import { giveWay } from "@ts-bgp/feeds/give-way";
import { configFrom, machineFromImage } from "@ts-bgp/replication";
import { whatIf } from "@ts-bgp/views";
import type { ToWhatIf } from "./what-if.ts";

/** What else there is to do goes first; it is not to wait for long on a busy host either. */
const NICE = 5;
/** Where memory runs out it goes first, and not the speaker, whose protection it would have otherwise. */
const OOM_SCORE = "1000";

function goFirst(): void {
  try {
    writeFileSync("/proc/self/oom_score_adj", OOM_SCORE);
  } catch {
    // There is no such file, or it is not to be written: then it goes when the kernel likes.
  }
}

if (process.send !== undefined) {
  giveWay(NICE);
  goFirst();
  const image: Uint8Array[] = [];
  process.on("message", (said: ToWhatIf) => {
    if ("piece" in said) {
      image.push(said.piece);
      return;
    }
    const { router } = machineFromImage(image.splice(0));
    process.send!(whatIf(router, configFrom(said.octets), said.wanted), () => process.exit());
  });
  // Nobody waits for it any more.
  process.on("disconnect", () => process.exit());
}
