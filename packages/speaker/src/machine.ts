/** The machine that a speaker begins with. */

import type { Config } from "@ts-bgp/config";
import { Machine, replicated } from "@ts-bgp/replication";

/** @returns a machine that has not begun, with a seed that nobody can guess */
export function newMachine(config: Config): Machine {
  const [seed = 0] = crypto.getRandomValues(new Uint32Array(1));
  return new Machine(replicated(config), seed);
}
