/** Mistakes that the checks must find: each breaks one thing that the argument stands on. */

import type { ActiveHooks, Standby } from "../../src/index.ts";
import type { Process } from "./process.ts";
import type { Shell } from "./shell.ts";

export interface Sabotage {
  readonly title: string;
  /** Done to every active as it begins. */
  shell?(shell: Shell, hooks: ActiveHooks): void;
  /** Done to every standby as it begins. */
  standby?(standby: Standby, process: Process): void;
  readonly ignoresLease?: boolean;
  readonly resumesAtEnd?: boolean;
}
