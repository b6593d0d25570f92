/**
 * Names of what a benchmark makes on the machine: they hold the pid of its process, so that the next
 * benchmark knows by the dead process what was left behind, and removes it.
 */

import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const PREFIX = "tsbgp-bench-";
const OWNED = new RegExp(`^${PREFIX}(\\d+)-`);

/** @returns a name that belongs to this process */
export function ownName(name: string): string {
  return `${PREFIX}${process.pid}-${name}`;
}

/** @returns a new directory that belongs to this process */
export function makeDirectory(): string {
  return mkdtempSync(join(tmpdir(), ownName("")));
}

/** Removes the namespaces and directories of processes that are gone, and ends what runs in them. */
export function removeLeftovers(): void {
  for (const name of listed("/run/netns").filter(isLeftover)) {
    const { stdout } = spawnSync("ip", ["netns", "pids", name], { encoding: "utf8" });
    for (const pid of (stdout ?? "").split("\n").filter((line) => line !== "")) kill(Number(pid));
    spawnSync("ip", ["netns", "del", name], { stdio: "ignore" });
  }
  for (const name of listed(tmpdir()).filter(isLeftover)) {
    rmSync(join(tmpdir(), name), { recursive: true, force: true });
  }
}

/** Harmless when the process is gone. */
export function kill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {}
}

function isLeftover(name: string): boolean {
  const pid = OWNED.exec(name)?.[1];
  return pid !== undefined && !isAlive(Number(pid));
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

function listed(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}
