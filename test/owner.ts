/** Who this process is, for names of things that belong to it and may outlive it. */
import { readFileSync } from "node:fs";

/** `PID-STARTTIME`: a pid alone may have been given to another process since. */
export const OWNER: string = `${process.pid}-${startTime(process.pid)}`;

/** Start time of a process in ticks since boot (field 22 of proc(5) stat), `null` when gone. */
export function startTime(pid: number): string | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The second field is the command in parentheses, and may hold spaces.
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19] ?? null;
  } catch {
    return null;
  }
}
