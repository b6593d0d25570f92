/** Memory of this process. */

import { totalmem } from "node:os";

/** @returns what this process can have at most, by its host or its container */
export function memoryOctets(): number {
  const allowed = process.constrainedMemory();
  return allowed > 0 ? Math.min(allowed, totalmem()) : totalmem();
}
