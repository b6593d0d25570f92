/** What other hosts and every packet wait for goes first. */

import { check, libc } from "./libc.ts";

const PRIO_PROCESS = 0;
/** To the kernel a thread is a process. */
const SELF = 0;
const NICE = -10;
const SCHED_OTHER = 0;
/** Before everything that is not real-time, behind everything that is (sched(7)). */
const SCHED_RR = 2;
const SCHED_RESET_ON_FORK = 0x4000_0000;
const PRIORITY = 1;

/**
 * Has the calling thread go before others, in the real-time class where the process may have it
 * (CAP_SYS_NICE), else by its niceness. The thread must wait for what it does: one that is always busy
 * would take its processor from all others.
 */
export function raisePriority(): void {
  if (schedule(SCHED_RR | SCHED_RESET_ON_FORK, PRIORITY) === 0) return;
  libc().setpriority(PRIO_PROCESS, SELF, NICE);
}

/** Whether that would be so: the calling thread is what it was when this returns. @throws KernelError */
export function tryRealTime(): void {
  check(schedule(SCHED_RR, PRIORITY), "real-time scheduling");
  check(schedule(SCHED_OTHER, 0), "ordinary scheduling");
}

function schedule(policy: number, priority: number): number {
  return libc().sched_setscheduler(SELF, policy, Int32Array.of(priority));
}
