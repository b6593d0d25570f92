/**
 * The arbiter of two processes on one host: a locked file.
 *
 * The lock is the role: it belongs to a process and ends with it. The text of the file names the roles.
 * To take over, a standby kills the active through its pidfd, waits until it is gone, and has the lock.
 */

import { closeSync, constants, ftruncateSync, openSync, readFileSync, writeSync } from "node:fs";
import { flock, hasExited, killAndWait, pidfdOpen, watchExit } from "@ts-bgp/takeover";
import type { ActiveState, Arbiter, Roles } from "./arbiter.ts";

const NOBODY: Roles = { epoch: 0, active: "", standby: null };

export class LocalArbiter implements Arbiter {
  private readonly file: string;
  /** Held while this side is active. */
  private lock: number | null = null;
  private roles: Roles = NOBODY;
  /** Of the active that is watched. */
  private pidfd: number | null = null;
  private process = 0;
  private stopWatch: (() => void) | null = null;

  /** @param file - both sides name the same; created when it is not there */
  constructor(file: string) {
    this.file = file;
  }

  async acquire(side: string): Promise<Roles | null> {
    const fd = openSync(this.file, constants.O_RDWR | constants.O_CREAT, 0o600);
    if (!flock(fd)) {
      closeSync(fd);
      return null;
    }
    this.lock = fd;
    return this.become(side);
  }

  async nameStandby(standby: string | null): Promise<boolean> {
    if (this.lock === null) return false;
    this.write({ ...this.roles, standby });
    return true;
  }

  async takeOver(side: string): Promise<Roles | null> {
    const { pidfd } = this;
    if (this.read().standby !== side) return null;
    if (pidfd !== null && !hasExited(pidfd)) killAndWait(pidfd);
    // Nobody writes the file now; it may have been written until the last moment.
    if (this.read().standby !== side) return null;
    return this.acquire(side);
  }

  async handOver(): Promise<void> {
    await this.release();
  }

  watch(process: number, ended: () => void): void {
    this.stopWatch?.();
    this.process = process;
    this.pidfd = pidfdOpen(process);
    if (this.pidfd === null) {
      ended();
      return;
    }
    const { exited, stop } = watchExit(this.pidfd);
    let isStopped = false;
    this.stopWatch = () => {
      isStopped = true;
      stop();
    };
    void exited.then(() => {
      if (!isStopped) ended();
    });
  }

  async state(side: string): Promise<ActiveState> {
    if (this.read().standby !== side) return "alone";
    if (this.pidfd === null || hasExited(this.pidfd)) return "stopped";
    try {
      // The letter behind the name in parentheses, proc(5).
      const stat = readFileSync(`/proc/${this.process}/stat`, "utf8");
      const state = stat.slice(stat.lastIndexOf(")") + 2)[0];
      return state === "T" || state === "t" ? "stopped" : "running";
    } catch {
      return "unknown";
    }
  }

  async release(): Promise<void> {
    this.stopWatch?.();
    this.stopWatch = null;
    if (this.lock !== null) closeSync(this.lock);
    this.lock = null;
  }

  private become(side: string): Roles {
    this.write({ epoch: this.read().epoch + 1, active: side, standby: null });
    return this.roles;
  }

  private read(): Roles {
    try {
      const roles = JSON.parse(readFileSync(this.file, "utf8")) as Partial<Roles>;
      return { ...NOBODY, ...roles };
    } catch {
      return NOBODY;
    }
  }

  private write(roles: Roles): void {
    const text = Buffer.from(`${JSON.stringify(roles)}\n`);
    writeSync(this.lock!, text, 0, text.length, 0);
    ftruncateSync(this.lock!, text.length);
    this.roles = roles;
  }
}
