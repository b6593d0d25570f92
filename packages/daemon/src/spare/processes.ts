/** Processes of this host, as proc(5) shows them. */

import { readdirSync, readFileSync, readlinkSync } from "node:fs";

/** USER_HZ: what the kernel counts time in towards processes, on every machine that Node.js runs on. */
const TICK_MS = 10;

/** A process, for as long as it lives: a number that was given away again is not taken for it. */
export interface ProcessFigures {
  /** When it was started, in ticks since the host was. */
  readonly startTicks: number;
  /** Processor time of all of its threads. */
  readonly cpuMs: number;
  readonly residentOctets: number;
}

/** @returns the process; null when there is none that could still do anything */
export function figuresOf(pid: number): ProcessFigures | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // Behind the name in parentheses, the state is the first field, and the third of all.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    const state = fields[0]!;
    if (state === "Z" || state === "X") return null;
    const number = (field: number) => Number(fields[field - 3]);
    const status = readFileSync(`/proc/${pid}/status`, "utf8");
    const kilobytes = Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0);
    return {
      startTicks: number(22),
      cpuMs: TICK_MS * (number(14) + number(15)),
      residentOctets: 1024 * kilobytes,
    };
  } catch {
    return null;
  }
}

/** @returns when a process was started, by this host's clock */
export function startedMsOf({ startTicks }: ProcessFigures): number {
  const uptimeMs = 1000 * Number(readFileSync("/proc/uptime", "utf8").split(" ")[0]);
  return Date.now() - uptimeMs + TICK_MS * startTicks;
}

/** A process with its command line. */
export interface CommandLine {
  readonly pid: number;
  /** Its words, each with a NUL before and behind it. */
  readonly line: string;
}

/** @returns other processes of this network namespace, as far as this one may look at them */
export function commandLines(): CommandLine[] {
  const found: CommandLine[] = [];
  const own = readlinkSync("/proc/self/ns/net");
  for (const name of readdirSync("/proc")) {
    if (!/^\d+$/.test(name) || Number(name) === process.pid) continue;
    try {
      const line = readFileSync(`/proc/${name}/cmdline`, "utf8");
      if (readlinkSync(`/proc/${name}/ns/net`) !== own) continue;
      found.push({ pid: Number(name), line: `\0${line}` });
    } catch {
      // It has ended meanwhile, or is somebody else's.
    }
  }
  return found;
}

/** @returns how words that follow each other stand in a command line */
export function wordsIn(words: readonly string[]): string {
  return `\0${words.join("\0")}\0`;
}

/** @returns whether a process was started with such an environment variable */
export function hasEnvironment(pid: number, name: string, value: string): boolean {
  try {
    return `\0${readFileSync(`/proc/${pid}/environ`, "utf8")}`.includes(`\0${name}=${value}\0`);
  } catch {
    return false;
  }
}
