/** A process that is given a copy of the state and another configuration, tells what comes of it, and ends. */

import { setPriority } from "node:os";
import { configFrom, machineFromImage } from "@ts-bgp/replication";
import { whatIf } from "@ts-bgp/views";
import type { ToWhatIf } from "./what-if.ts";

/** What else there is to do goes first; it is not to wait for long on a busy host either. */
const NICE = 5;

if (process.send !== undefined) {
  setPriority(NICE);
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
