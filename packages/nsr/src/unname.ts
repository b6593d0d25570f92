/** Standbys lose their right to take over. */

import { setTimeout as sleep } from "node:timers/promises";
import type { Rights } from "@ts-bgp/pair";
import type { Arbiter } from "./arbiter.ts";

/** Wait before the arbiter is asked again; peers wait meanwhile. */
const RETRY_MS = 200;

/**
 * Takes out the names of all that these rights do not have. Tries until it can be done: before it is, nothing may
 * leave that those do not have.
 *
 * @param until - `tell` is told once why it is tried again
 * @returns whether the role is this side's still; false as well once `isOver`
 */
export async function unname(
  arbiter: Arbiter,
  rights: Rights,
  { tell, isOver }: { tell(problem: string): void; isOver(): boolean },
): Promise<boolean> {
  for (let tries = 0; ; tries++) {
    try {
      return await arbiter.nameStandbys(rights);
    } catch (error) {
      if (tries === 0) tell(`the arbiter cannot be reached: ${(error as Error).message}`);
      if (isOver()) return false;
      await sleep(RETRY_MS);
    }
  }
}
