/** What happens, for whoever wants to hear of it: what the log tells, and first rejections. */

import type { Router } from "@ts-bgp/router";
import { nowMs } from "@ts-bgp/speaker";
import type { ApiEvent } from "./api/messages.ts";
import type { Heard, Log } from "./logging.ts";
import { watchRejections } from "./rejections.ts";

/**
 * @param router - the one to look at now; null where first rejections are not wanted, which cost a look at all paths
 * @param heard - told of each event from now on
 * @returns what ends that
 */
export function watchEvents(
  log: Log,
  router: (() => Router) | null,
  heard: (event: ApiEvent) => void,
): () => void {
  const tell = ({ fields, ...event }: Heard) => heard({ at_ms: nowMs(), ...event, ...fields });
  const ends = [log.watch(tell)];
  if (router !== null) {
    const id = "first-rejection";
    ends.push(watchRejections(router, (first) => tell({ id, level: "info", ...first })));
  }
  return () => {
    for (const end of ends) end();
  };
}
