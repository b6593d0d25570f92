/** Memory that reading a large configuration leaves behind. */

import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

/** The engine's heap has this size before it is worth the time: a program without much to read has half of it. */
const LARGE_OCTETS = 64 << 20;

type Collect = (how: { type: "major"; execution: "sync"; flavor: "last-resort" }) => void;

/**
 * Has the engine collect all garbage and give its pages back to the system, which it otherwise keeps for as long as
 * the process lives. It takes a tenth of a second, in which nothing else happens; nothing where there is not much.
 * Only before the start: later nobody may wait for so long.
 */
export function giveBack(): void {
  if (process.memoryUsage().heapTotal < LARGE_OCTETS) return;
  // What is compiled is kept for the same flags of the engine: this one is set for a moment alone.
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as Collect;
  setFlagsFromString("--no-expose-gc");
  collect({ type: "major", execution: "sync", flavor: "last-resort" });
}
