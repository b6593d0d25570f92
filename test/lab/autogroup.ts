/**
 * Priority beside other sessions.
 *
 * Where the kernel groups processes by session (`sched_autogroup_enabled`), the nice value of a process
 * counts only within its session (setsid). Beside others the session counts as a whole, by the nice value
 * of its group, which is in /proc/PID/autogroup (sched(7)).
 */
import { spawn } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { constants } from "node:os";

const ENABLED = "/proc/sys/kernel/sched_autogroup_enabled";
/** In the environment of a process that has its own session. */
const MARK = "TSBGP_OWN_SESSION";
const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** Whether the kernel groups processes by session. */
export function hasAutogroups(): boolean {
  return read(ENABLED)?.trim() === "1";
}

/** @returns the nice value of the group of a process, 0 where there is none */
export function autogroupNice(pid: number | "self" = "self"): number {
  const [, nice] = /nice (-?\d+)/.exec(read(`/proc/${pid}/autogroup`) ?? "") ?? [];
  return Number(nice ?? 0);
}

/** Harmless where there are no groups, or the process is gone. */
export function setAutogroupNice(pid: number | "self", nice: number): void {
  try {
    writeFileSync(`/proc/${pid}/autogroup`, String(nice));
  } catch {}
}

/** A process that began a session of its own counts beside others as this one does. */
export function shareAutogroupNice(pid: number): void {
  const nice = autogroupNice();
  if (nice !== 0) setAutogroupNice(pid, nice);
}

/**
 * Runs this program again in a session of its own, where it is not in one yet: whoever has started it
 * keeps the priority of theirs. The new process gets the signals that end this one, and ends with it.
 *
 * @returns null in the session of its own, or where no such thing matters; else its exit code, once it
 *   has ended
 */
export function runInOwnSession(): Promise<number> | null {
  if (process.env[MARK] === "1") {
    process.once("disconnect", () => process.exit(1));
    process.channel?.unref();
    return null;
  }
  if (!hasAutogroups()) return null;
  const child = spawn(process.execPath, [...process.execArgv, ...process.argv.slice(1)], {
    detached: true,
    env: { ...process.env, [MARK]: "1" },
    stdio: ["inherit", "inherit", "inherit", "ipc"],
  });
  // What a terminal says when it goes away is not what everybody cleans up for.
  for (const signal of SIGNALS) {
    process.on(signal, () => child.kill(signal === "SIGHUP" ? "SIGTERM" : signal));
  }
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("exit", (code, signal) =>
      resolve(code ?? 128 + constants.signals[signal ?? "SIGTERM"]),
    );
  });
}

function read(path: string): string | null {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return null;
  }
}
