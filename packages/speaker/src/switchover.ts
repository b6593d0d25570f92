/** How a change of roles went. */

import type { Resumed } from "./resume.ts";

/** For `show nsr`. */
export interface Switchover {
  readonly cause: string;
  readonly planned: boolean;
  readonly at_ms: number;
  readonly ms: { fence: number; replay: number; addresses: number; restore: number; total: number };
  readonly resumed: number;
  readonly lost: Resumed["lost"];
}

/** @returns times in milliseconds with one decimal */
export function rounded<T extends Record<string, number>>(times: T): T {
  const entries = Object.entries(times).map(([name, ms]) => [name, Math.round(10 * ms) / 10]);
  return Object.fromEntries(entries) as T;
}
