/** Why a process that was killed is still there, as far as /proc and the control groups tell: proc(5). */

import { readFileSync } from "node:fs";

/** Where control groups are mounted. */
const CGROUPS = "/sys/fs/cgroup";

/**
 * @param pid - of a process that was sent SIGKILL and has not ended
 * @param read - the text of a file; throws when it cannot be read
 * @returns what is known of it, for people, as the rest of a sentence that begins with it
 */
export function whyNotEnded(
  pid: number,
  read: (file: string) => string = (file) => readFileSync(file, "utf8"),
): string {
  const frozen = isFrozen(pid, read);
  if (frozen === true) return "it is frozen, and ends when it is thawed (docker unpause)";
  const busy = busyWith(stateOf(pid, read));
  if (frozen === false) return busy;
  return `${busy}, or it is frozen (docker pause) and ends when it is thawed`;
}

/** @param state - the letter of the main thread */
function busyWith(state: string): string {
  switch (state) {
    case "D":
      return "the kernel holds it in a call that cannot be interrupted (a disk, a network file system)";
    case "T":
    case "t":
      return "it is stopped, by a signal or by a debugger";
    case "Z":
    case "X":
      return "its main thread has ended, and others of its threads have not";
    case "":
      return "the kernel has not ended it yet";
    default:
      return "the kernel is still ending it, which takes longer on a busy host and with much memory";
  }
}

/** @returns the letter behind the name in parentheses; empty when it cannot be read */
function stateOf(pid: number, read: (file: string) => string): string {
  try {
    const stat = read(`/proc/${pid}/stat`);
    return stat.slice(stat.lastIndexOf(")") + 2)[0] ?? "";
  } catch {
    return "";
  }
}

/** @returns null when it cannot be known: the group is one that is not to be seen from here */
function isFrozen(pid: number, read: (file: string) => string): boolean | null {
  let lines: string[];
  try {
    lines = read(`/proc/${pid}/cgroup`).trimEnd().split("\n");
  } catch {
    return null;
  }
  const found = lines.map((line) => isGroupFrozen(line, read));
  if (found.includes(true)) return true;
  return found.includes(false) ? false : null;
}

/** @param line - number of the hierarchy, its controllers, and the group in it, cgroups(7) */
function isGroupFrozen(line: string, read: (file: string) => string): boolean | null {
  const [number, controllers = "", ...rest] = line.split(":");
  const group = rest.join(":");
  const isFirst = controllers.split(",").includes("freezer");
  const isSecond = number === "0" && controllers === "";
  // One outside of the own root is not mounted here.
  if ((!isFirst && !isSecond) || group.startsWith("/..")) return null;
  try {
    if (isFirst) return read(`${CGROUPS}/freezer${group}/freezer.state`).trim() !== "THAWED";
    return /^frozen 1$/m.test(read(`${CGROUPS}${group}/cgroup.events`));
  } catch {
    return null;
  }
}
