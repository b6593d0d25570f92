/** What other hosts and every packet wait for goes first. */

import { libc } from "./libc.ts";

const PRIO_PROCESS = 0;
/** To the kernel a thread is a process. */
const SELF = 0;
const NICE = -10;

/** Has the calling thread go before others, where the process may say so (CAP_SYS_NICE). */
export function raisePriority(): void {
  libc().setpriority(PRIO_PROCESS, SELF, NICE);
}
