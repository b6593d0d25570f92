/** What other hosts and every packet wait for goes first. */

import { constants, PerformanceObserver } from "node:perf_hooks";
import { check, libc } from "./libc.ts";

const PRIO_PROCESS = 0;
/** To the kernel a thread is a process. */
const SELF = 0;
const NICE = -10;
const SCHED_OTHER = 0;
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

/** So long a heap of some megabytes is swept at most, by threads that others may hold up. */
const SWEEP_MS = 100;

/**
 * The same for a thread with an event loop, which goes first some moments later.
 *
 * Once a garbage collection has marked what is used, threads that are not real-time ones sweep, and the loop turns
 * until they have. A real-time thread would keep them from its processor meanwhile, and with it all others, for as
 * long as the kernel lets any: most of a second. So it makes way for as long as that takes.
 */
export function raiseLoopPriority(priority: number): void {
  libc().setpriority(PRIO_PROCESS, SELF, NICE);
  const raise = () => void schedule(SCHED_RR | SCHED_RESET_ON_FORK, priority);
  let timer = setTimeout(raise, SWEEP_MS).unref();
  new PerformanceObserver((list) => {
    const { NODE_PERFORMANCE_GC_MINOR: minor } = constants;
    if (list.getEntries().every((entry) => kindOf(entry) === minor)) return;
    schedule(SCHED_OTHER, 0);
    clearTimeout(timer);
    timer = setTimeout(raise, SWEEP_MS).unref();
  }).observe({ entryTypes: ["gc"] });
}

/** @returns which collection an entry tells of */
function kindOf(entry: unknown): unknown {
  return (entry as { readonly detail?: { readonly kind?: unknown } }).detail?.kind;
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
