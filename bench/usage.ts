/** What processes and the machine have used so far, as /proc tells. */

import { readdirSync, readFileSync } from "node:fs";

/** Linux counts time for user space in hundredths of a second, on every machine. */
const TICKS_PER_SECOND = 100;
const KB_PER_MB = 1024;

export interface Usage {
  readonly cpuSeconds: number;
  /** Sum of the highest resident set sizes since each process began. */
  readonly peakRssMb: number;
  /** Memory at hand, that which is shared divided among those who share it. */
  readonly pssMb: number;
}

/** @returns the sums over processes that are there */
export function usageOf(pids: readonly number[]): Usage {
  let cpuTicks = 0;
  let peakKb = 0;
  let pssKb = 0;
  for (const pid of pids) {
    const fields = statFields(pid);
    if (fields === null) continue;
    cpuTicks += ticksOf(fields);
    peakKb += readKb(`/proc/${pid}/status`, "VmHWM:");
    pssKb += readKb(`/proc/${pid}/smaps_rollup`, "Pss:");
  }
  return {
    cpuSeconds: cpuTicks / TICKS_PER_SECOND,
    peakRssMb: peakKb / KB_PER_MB,
    pssMb: pssKb / KB_PER_MB,
  };
}

/** @returns the memory of a process that no file stands for, in MB; null when it is gone */
export function anonymousMb(pid: number): number | null {
  const kb = readKb(`/proc/${pid}/status`, "RssAnon:");
  return kb === 0 ? null : kb / KB_PER_MB;
}

/** @returns the processor time of processes that are there; costs less than `usageOf` */
export function cpuSecondsOf(pids: readonly number[]): number {
  return pids.map(statFields).reduce((sum, fields) => sum + ticksOf(fields), 0) / TICKS_PER_SECOND;
}

/** @returns what the threads of processes that are there have run, in ms: much finer than `cpuSecondsOf`, without threads that ended */
export function runMsOf(pids: readonly number[]): number {
  let ns = 0;
  for (const pid of pids) {
    for (const thread of listed(`/proc/${pid}/task`)) {
      ns += Number(readOrNull(`/proc/${pid}/task/${thread}/schedstat`)?.split(" ")[0] ?? 0);
    }
  }
  return ns / 1e6;
}

function listed(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}

function ticksOf(fields: readonly string[] | null): number {
  return fields === null ? 0 : Number(fields[11]) + Number(fields[12]);
}

/** @returns the processes of a session (setsid), named after the one that began it */
export function sessionPids(session: number): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => Number(statFields(pid)?.[3]) === session);
}

/** @returns the seconds that all processors together have been busy */
export function machineBusySeconds(): number {
  const [line = ""] = readFileSync("/proc/stat", "utf8").split("\n");
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0] = line
    .split(/\s+/)
    .slice(1)
    .map(Number);
  return (user + nice + system + irq + softirq) / TICKS_PER_SECOND;
}

/** @returns the fields of /proc/PID/stat behind the name, state first; null when it is gone */
function statFields(pid: number): string[] | null {
  const text = readOrNull(`/proc/${pid}/stat`);
  return text === null ? null : text.slice(text.lastIndexOf(")") + 2).split(" ");
}

function readKb(path: string, key: string): number {
  const line = readOrNull(path)
    ?.split("\n")
    .find((text) => text.startsWith(key));
  return line === undefined ? 0 : Number.parseInt(line.slice(key.length), 10);
}

function readOrNull(path: string): string | null {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return null;
  }
}
