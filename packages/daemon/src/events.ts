/** What happens, for whoever wants to hear of it: what the log tells, and what nobody sees who does not look for it. */

import type { Router } from "@ts-bgp/router";
import { nowMs } from "@ts-bgp/speaker";
import type { ApiEvent } from "./api/messages.ts";
import type { Heard, Log } from "./logging.ts";
import { watchRejections } from "./rejections.ts";
import { watchValidation } from "./validation-changes.ts";

/** Events that cost looks at all paths, now and then, for as long as somebody wants to hear of them. */
export const LOOKED_FOR = ["first-rejection", "validation-change"] as const;
export type LookedFor = (typeof LOOKED_FOR)[number];

/**
 * @param router - the one to look at now
 * @param wanted - what is looked for
 * @param heard - told of each event from now on
 * @returns what ends that
 */
export function watchEvents(
  log: Log,
  router: () => Router,
  wanted: readonly LookedFor[],
  heard: (event: ApiEvent) => void,
): () => void {
  const tell = ({ fields, ...event }: Heard) => heard({ at_ms: nowMs(), ...event, ...fields });
  const ends = [log.watch(tell)];
  for (const id of wanted) {
    const watch = id === "first-rejection" ? watchRejections : watchValidation;
    ends.push(watch(router, (found) => tell({ id, level: "info", ...found })));
  }
  return () => {
    for (const end of ends) end();
  };
}
