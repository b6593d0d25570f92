/** A network namespace for `tsbgp demo`: in it everyone has all capabilities, and disturbs nobody. */

import { type ChildProcess, spawn, spawnSync } from "node:child_process";

/** Loopback up, then the command. */
const UP = ["sh", "-c", 'ip link set lo up && exec "$@"', "sh"];

/** With the first ones no other user is needed, which only root may. */
const KINDS: readonly (readonly string[])[] = [["--net"], ["--user", "--map-root-user", "--net"]];

/** @returns options of `unshare` that work here; throws with the reason when none do */
export function namespaceOptions(): readonly string[] {
  let reason = "";
  for (const options of process.getuid?.() === 0 ? KINDS : KINDS.slice(1)) {
    const words = [...options, ...UP, "setpriv", "--pdeathsig", "KILL", "true"];
    const { status, error, stderr } = spawnSync("unshare", words, { encoding: "utf8" });
    if (status === 0) return options;
    reason = error === undefined ? stderr.trim().split("\n").at(-1)! : error.message;
    if ((error as NodeJS.ErrnoException | undefined)?.code === "ENOENT") {
      reason = "unshare (util-linux) is not installed";
    }
  }
  throw new Error(`no network namespace: ${reason}`);
}

/**
 * Starts a script in a new namespace that ends with it, with a channel for messages. It belongs to no
 * terminal: signals are for its parent alone.
 */
export function spawnInNamespace(options: readonly string[], words: string[]): ChildProcess {
  return spawn("unshare", [...options, ...UP, process.execPath, ...words], {
    detached: true,
    stdio: ["ignore", "ignore", "inherit", "ipc"],
  });
}
