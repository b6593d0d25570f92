/**
 * Nothing that a test process has started outlives it, also when a test fails, hangs, or is killed.
 *
 * A shell waits at the other end of a pipe until the process is gone, however that came, and does away
 * with what is left: processes that have its mark in their environment, network namespaces of its labs,
 * files. What ends its own things meanwhile is only quicker.
 */
import { spawn } from "node:child_process";
import { chmodSync, mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { OWNER } from "./owner.ts";

/** In the environment of all descendants. */
const MARK = "TSBGP_TEST_OWNER";
const SHELL_SCRIPT = fileURLToPath(new URL("watchdog.sh", import.meta.url));

/** Has everything that this process starts from now on, and its temporary files, end with it. */
export function endWithThisProcess(): void {
  if (process.env[MARK] === OWNER) return;
  const { [MARK]: _, ...unmarked } = process.env;
  const directory = mkdtempSync(join(tmpdir(), "tsb-"));
  // Daemons that give up root still have to reach their files.
  chmodSync(directory, 0o755);
  const watchdog = spawn("sh", [SHELL_SCRIPT, `${MARK}=${OWNER}`, OWNER, directory], {
    detached: true,
    env: unmarked,
    stdio: ["pipe", "ignore", "ignore"],
  });
  watchdog.on("error", () => {});
  watchdog.unref();
  (watchdog.stdin as unknown as { unref(): void }).unref();
  process.env[MARK] = OWNER;
  process.env["TMPDIR"] = directory;
}
