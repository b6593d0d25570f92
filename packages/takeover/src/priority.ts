/** What other hosts and every packet wait for goes first. */

import { check, libc } from "./libc.ts";

const PRIO_PROCESS = 0;
/** To the kernel a thread is a process. */
const SELF = 0;
const NICE = -10;
const SCHED_FIFO = 1;
const SCHED_RR = 2;
const SCHED_RESET_ON_FORK = 0x4000_0000;

/** Before everything that is not real-time, behind everything else that is (sched(7)). */
export const GATE_PRIORITY = 1;
/** A burst of packets does not hold them up. */
export const HEARTBEAT_PRIORITY = 2;

/**
 * Has the calling thread go before others, in the real-time class where the process may have it
 * (CAP_SYS_NICE), else by its niceness. The thread must wait for what it does: one that is always busy
 * would take its processor from all others.
 */
export function raisePriority(priority: number): void {
  if (schedule(SCHED_RR | SCHED_RESET_ON_FORK, priority) === 0) return;
  libc().setpriority(PRIO_PROCESS, SELF, NICE);
}

/** Whether the calling thread could be a real-time one; it is what it was afterwards. @throws KernelError */
export function tryRealTime(): void {
  const before = libc().sched_getscheduler(SELF);
  if (before === SCHED_FIFO || before === SCHED_RR) return;
  check(schedule(SCHED_RR, GATE_PRIORITY), "real-time scheduling");
  check(schedule(before, 0), "scheduling as before");
}

function schedule(policy: number, priority: number): number {
  return libc().sched_setscheduler(SELF, policy, Int32Array.of(priority));
}
