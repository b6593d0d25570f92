/** A process that is given a copy of the state and another configuration, tells what comes of it, and ends. */

import { configFrom, machineFromImage } from "@ts-bgp/replication";
import { whatIf } from "@ts-bgp/views";
import { goFirst } from "./go-first.ts";
import type { ToWhatIf } from "./what-if.ts";

if (process.send !== undefined) {
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
