/** Files that a side keeps beside those that its configuration names. */

import { basename } from "node:path";
import type { Config } from "@ts-bgp/config";

/** @returns where a side notes what it reads, where the other one can look: null for two hosts */
export function crashFileOf({ nsr }: Config, side: string): string | null {
  if (nsr?.arbiter.kind !== "local" || side !== basename(side)) return null;
  return `${nsr.arbiter.file}.${side}.notes`;
}

/** @returns where it stands who is held down: both sides of one host have the same */
export function heldFileOf({ nsr, control }: Config): string {
  const base = nsr?.arbiter.kind === "local" ? nsr.arbiter.file : control.socket;
  return `${base}.held`;
}
