/**
 * The arbiter of processes on one host: a locked file.
 *
 * The lock is the role: it belongs to a process and ends with it. The text of the file names the roles.
 * To take over, a standby kills the active through its pidfd, waits until it is gone, and has the lock.
 */

import {
  closeSync,
  constants,
  fstatSync,
  openSync,
  readFileSync,
  readSync,
  type Stats,
  statSync,
  writeSync,
} from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { othersOf, type Rights } from "@ts-bgp/pair";
import { flock, hasExited, killAndWait, pidfdOpen, watchExit, whyNotEnded } from "@ts-bgp/takeover";
import type { ActiveState, Arbiter, HoldChange, Roles } from "./arbiter.ts";
import { rightsIn, rightsJson } from "./word-text.ts";

/** A side without state leaves the role to a named standby for so long, once it is free. */
const GRACE_MS = 1000;

/** What the file says. */
interface Word extends Roles, Rights {
  /** The active has stopped for the sake of the standby that is named. */
  readonly isGiven: boolean;
}

const NOBODY: Word = { epoch: 0, active: null, standbys: [], heirs: [], isGiven: false };
/** Longest wait for the lock of a process that is dead. */
const LOCK_MS = 2000;
const OTHER_PIDS =
  "the active side has the process number of this one: with arbiter local both need one PID namespace";
/** A killed process that did not end at once is looked at this often. */
const LOOK_MS = 10;
/** Of a file that changes each time. */
const READS_MAX = 10;
/** More than the file ever has. */
const FILE_OCTETS_MAX = 4096;

export class LocalArbiter implements Arbiter {
  readonly kind = "local";
  readonly lease = null;
  readonly problem = null;
  private readonly file: string;
  /** Held while this side is active. */
  private lock: number | null = null;
  private roles: Word = NOBODY;
  /** The file as it was when the active was first watched, whatever has its name by now. */
  private known: number | null = null;
  /** Of the active that is watched. */
  private pidfd: number | null = null;
  private process = 0;
  /** When this side first found the role free while somebody is to go on; null when it was not the last time. */
  private freeSinceMs: number | null = null;
  private wasActive = false;
  private stopWatch: (() => void) | null = null;
  private changed: (change: HoldChange) => void = () => {};

  /** @param file - both sides name the same; created when it is not there */
  constructor(file: string) {
    this.file = file;
  }

  /** A standby kills the process before it takes over. */
  isHeld(): boolean {
    return this.lock !== null;
  }

  onHold(changed: (change: HoldChange) => void): void {
    this.changed = changed;
  }

  async acquire(side: string, hasState = false): Promise<Roles | null> {
    const { standbys, heirs } = this.read();
    const isOwed = [...standbys, ...heirs].some((standby) => standby !== side);
    return this.tryLock(side, hasState, isOwed && !hasState && !this.wasActive);
  }

  async nameStandbys({ standbys, heirs }: Rights): Promise<boolean> {
    if (this.lock === null) return false;
    const named = [...this.roles.standbys, ...this.roles.heirs];
    const isLess = named.some((name) => !standbys.includes(name) && !heirs.includes(name));
    const isTakenOut = isLess && standbys.every((name) => this.roles.standbys.includes(name));
    // Nobody would find a name in a file that someone has removed; to take one out is right all the same.
    if (standbys.length > 0 && !isTakenOut && !this.isInPlace(this.lock)) return false;
    this.write({ ...this.roles, standbys, heirs });
    return true;
  }

  async takeOver(side: string, epoch: number): Promise<Roles | "heir" | null> {
    const { pidfd } = this;
    const isEnded = () => pidfd === null || hasExited(pidfd);
    const word = this.read();
    const isNamed = ({ standbys }: Word) => standbys.includes(side);
    const isHeir = ({ heirs }: Word) => heirs.includes(side);
    if (!isNamed(word) && !isHeir(word)) return null;
    // Another standby has the role, or is about to have it.
    const isElsewhere = word.epoch !== epoch || (word.isGiven && !isNamed(word) && !isEnded());
    if (isElsewhere) return (word.isGiven ? null : this.tryLock(side, true)) ?? "heir";
    if (!isEnded() && !killAndWait(pidfd!)) await this.exitOf(pidfd!);
    // Nobody writes the file now; it may have been written until the last moment.
    // A child that it was about to start has its lock for a moment more.
    const endMs = performance.now() + LOCK_MS;
    for (let now = this.read(); performance.now() < endMs; now = this.read()) {
      if (now.epoch !== epoch) return isHeir(now) ? "heir" : null;
      if (!isNamed(now) && !isHeir(now)) return null;
      const roles = this.tryLock(side, true);
      if (roles !== null) return roles;
      await sleep(1);
    }
    return null;
  }

  async expectAnswer(): Promise<void> {}

  async handOver(to: string): Promise<boolean> {
    const isOurs = this.lock !== null;
    const { standbys, heirs } = this.roles;
    const others = [...standbys, ...heirs].filter((name) => name !== to);
    if (isOurs) this.write({ ...this.roles, standbys: [to], heirs: others, isGiven: true });
    await this.release();
    return isOurs;
  }

  /**
   * @param isLate - others come first, for a while
   * @returns the roles of this side as the active one; null while another one is it
   */
  private tryLock(side: string, hasState: boolean, isLate = false): Roles | null {
    const fd = openSync(this.file, constants.O_RDWR | constants.O_CREAT, 0o600);
    // What a file says that was removed still counts.
    this.roles = this.read();
    try {
      const isFree = flock(fd) && this.isInPlace(fd) && this.isKnownFree(fd);
      this.freeSinceMs = isFree && isLate ? (this.freeSinceMs ?? performance.now()) : null;
      const isTime = performance.now() >= (this.freeSinceMs ?? 0) + (isLate ? GRACE_MS : 0);
      if (isFree && isTime) {
        this.lock = fd;
        return this.become(side, hasState);
      }
    } catch (error) {
      this.lock = null;
      closeSync(fd);
      throw new Error(`${this.file} cannot be used: ${(error as Error).message}`);
    }
    closeSync(fd);
    return null;
  }

  watch(process: number, ended: () => void): void {
    if (process === globalThis.process.pid) throw new Error(OTHER_PIDS);
    this.unwatch();
    this.process = process;
    this.known = this.openLocked();
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

  async state(side: string, epoch: number): Promise<ActiveState> {
    const word = this.read();
    if (!word.standbys.includes(side) && !word.heirs.includes(side)) return "alone";
    if (word.epoch !== epoch) return "stopped";
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
    this.unwatch();
    if (this.lock !== null) closeSync(this.lock);
    this.lock = null;
  }

  /** What is killed does nothing more, but has its sockets until the kernel has ended it. */
  private async exitOf(pidfd: number): Promise<void> {
    const what = `process ${this.process} was killed and has not ended yet`;
    this.changed({ hold: "doubtful", reason: `${what}: ${whyNotEnded(this.process)}` });
    while (pidfd === this.pidfd && !hasExited(pidfd)) await sleep(LOOK_MS);
  }

  private become(side: string, hasState: boolean): Roles {
    this.wasActive = true;
    const found = this.read();
    const epoch = Math.max(this.roles.epoch, found.epoch) + 1;
    const heirs = hasState ? othersOf(found, side) : [];
    this.write({ epoch, active: side, standbys: [], heirs, isGiven: false });
    return { epoch, active: side, heirs };
  }

  private unwatch(): void {
    this.stopWatch?.();
    this.stopWatch = null;
    for (const fd of [this.pidfd, this.known]) if (fd !== null) closeSync(fd);
    this.pidfd = null;
    this.known = null;
  }

  /** @returns whether an open file is the one that others find */
  private isInPlace(fd: number): boolean {
    const found = statSync(this.file, { throwIfNoEntry: false });
    return found !== undefined && isSame(found, fstatSync(fd));
  }

  /** @returns the file that the active has locked; null when someone has put another one there */
  private openLocked(): number | null {
    try {
      const fd = openSync(this.file, constants.O_RDWR);
      if (!flock(fd)) return fd;
      closeSync(fd);
    } catch {
      // It was removed.
    }
    return null;
  }

  /** @returns whether the active that is watched has the role no more, in a file of whatever name */
  private isKnownFree(fd: number): boolean {
    const { known, pidfd } = this;
    if (known === null) return pidfd === null || hasExited(pidfd);
    return isSame(fstatSync(known), fstatSync(fd)) || flock(known);
  }

  private read(): Word {
    try {
      const json = JSON.parse(this.text()) as Readonly<Record<string, unknown>>;
      const { epoch, active, given } = json;
      return {
        epoch: Number.isSafeInteger(epoch) ? (epoch as number) : 0,
        active: typeof active === "string" ? active : null,
        ...(rightsIn(json) ?? { standbys: [], heirs: [] }),
        isGiven: given === true,
      };
    } catch {
      return NOBODY;
    }
  }

  /** Read until it is the same twice: somebody may be writing it. */
  private text(): string {
    let text = this.textNow();
    for (let tries = 0; tries < READS_MAX; tries++) {
      const before = text;
      text = this.textNow();
      if (text === before) break;
    }
    return text;
  }

  private textNow(): string {
    const fd = this.lock ?? this.known;
    if (fd === null) return readFileSync(this.file, "utf8");
    const octets = Buffer.alloc(FILE_OCTETS_MAX);
    return octets.toString("utf8", 0, readSync(fd, octets, 0, octets.length, 0));
  }

  private write(roles: Word): void {
    const { epoch, active, isGiven } = roles;
    const json = { epoch, active, ...rightsJson(roles), ...(isGiven ? { given: true } : {}) };
    const text = Buffer.from(`${JSON.stringify(json)}\n`);
    // In one step, over all that stands there: others read it at any time, and take half of it for nobody's.
    const octets = Buffer.alloc(Math.max(text.length, fstatSync(this.lock!).size), "\n");
    text.copy(octets);
    writeSync(this.lock!, octets, 0, octets.length, 0);
    this.roles = roles;
  }
}

function isSame(one: Stats, other: Stats): boolean {
  return one.ino === other.ino && one.dev === other.dev;
}
