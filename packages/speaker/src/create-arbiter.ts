/** The arbiter that a configuration asks for. */

import type { NsrConfig } from "@ts-bgp/config";
import type { Arbiter } from "./arbiter.ts";
import { LocalArbiter } from "./local-arbiter.ts";

export function createArbiter({ arbiter }: NsrConfig): Arbiter {
  if (arbiter.kind === "local") return new LocalArbiter(arbiter.file);
  throw new Error(`the arbiter ${arbiter.kind} is not available`);
}
