/** A speaker as its mirrors follow it. */

import { hostname } from "node:os";
import type { Mirrored, Pair } from "@ts-bgp/nsr";
import type { Speaker } from "@ts-bgp/speaker";

/** @param pair - whose the speaker is; null for one that runs alone */
export function mirroredOf(speaker: Speaker | null, pair: Pair | null): Mirrored | null {
  if (speaker === null) return null;
  const { active, journal } = speaker;
  return {
    ...{ mirrors: active.mirrors, machine: journal.machine },
    epoch: pair?.epoch ?? 0,
    side: pair?.side.name ?? hostname(),
    through: null,
    commit: () => {
      // What comes at once of what a bracket lets out is to be in the state, and in no bracket behind it.
      do active.commit(speaker.now());
      while (journal.octets > 0);
      return active.number;
    },
  };
}
