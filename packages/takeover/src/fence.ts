/**
 * The end of another process on this host, by a pidfd: a descriptor that means one process for
 * good, so that a pid given away again is never hit.
 */

import { check, EINTR, errno, KernelError, libc } from "./libc.ts";

const SYS_PIDFD_SEND_SIGNAL = 424;
const SYS_PIDFD_OPEN = 434;
const SIGKILL = 9;
const ESRCH = 3;
const POLLIN = 1;
const EFD_CLOEXEC = 0o2000000;
/** Longest wait for the end of a process that was killed. */
const EXIT_MS = 200;
const LOCK_EX = 2;
const LOCK_NB = 4;
const EWOULDBLOCK = 11;

/**
 * @returns the descriptor, for `killAndWait` and `watchExit`; null when there is no such process
 * @throws KernelError
 */
export function pidfdOpen(pid: number): number | null {
  const fd = libc().syscall(SYS_PIDFD_OPEN, pid, 0, 0, 0);
  if (fd >= 0) return fd;
  const reason = errno();
  if (reason === ESRCH) return null;
  throw new KernelError(`pidfd of process ${pid}`, reason);
}

export function hasExited(pidfd: number): boolean {
  return waitForExit(pidfd, 0);
}

/**
 * Kills the process and waits until it is gone: its sockets are closed and it will never write
 * again. Takes about a millisecond, in which nothing else runs: that is the fence.
 *
 * @returns false when it is not gone yet, and has its sockets: a frozen one ends when it is thawed
 * @throws KernelError when it may not be killed
 */
export function killAndWait(pidfd: number): boolean {
  if (libc().syscall(SYS_PIDFD_SEND_SIGNAL, pidfd, SIGKILL, 0, 0) < 0) {
    const reason = errno();
    if (reason !== ESRCH) throw new KernelError("killing a process", reason);
  }
  return waitForExit(pidfd, EXIT_MS);
}

export interface ExitWatch {
  /** Settles within a fraction of a millisecond after the end; never after `stop`. */
  readonly exited: Promise<void>;
  /**
   * Ends the watch; until then it occupies one thread of the pool, and keeps this process alive.
   */
  stop(): void;
}

/** Watches a process; the caller closes the pidfd after `stop`. */
export function watchExit(pidfd: number): ExitWatch {
  const stopFd = check(libc().eventfd(0, EFD_CLOEXEC), "eventfd");
  const polled = Int32Array.of(pidfd, POLLIN, stopFd, POLLIN);
  let isOver = false;
  const exited = new Promise<void>((resolve) => {
    const wait = () => {
      libc().poll.async(polled, 2, -1, () => {
        const hasEnded = polled[1]! >> 16 !== 0;
        const isStopped = polled[3]! >> 16 !== 0;
        if (!hasEnded && !isStopped) return wait();
        isOver = true;
        libc().close(stopFd);
        if (hasEnded) resolve();
      });
    };
    wait();
  });
  const stop = () => {
    if (!isOver) libc().write(stopFd, Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 0), 8);
  };
  return { exited, stop };
}

/** @returns whether the process has ended */
function waitForExit(pidfd: number, timeoutMs: number): boolean {
  const polled = Int32Array.of(pidfd, POLLIN);
  for (;;) {
    const ready = libc().poll(polled, 1, timeoutMs);
    if (ready >= 0) return ready > 0;
    if (errno() !== EINTR) throw new KernelError("waiting for a process", errno());
  }
}

/**
 * Takes the lock of an open file, which ends with the process at the latest.
 *
 * @returns false when another process has it
 * @throws KernelError
 */
export function flock(fd: number): boolean {
  if (libc().flock(fd, LOCK_EX | LOCK_NB) === 0) return true;
  const reason = errno();
  if (reason === EWOULDBLOCK) return false;
  throw new KernelError("locking a file", reason);
}
