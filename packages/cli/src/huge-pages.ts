/** Memory in huge pages, for the sake of the moment in which the process dies. */

import { existsSync } from "node:fs";

const TUNABLE = "glibc.malloc.hugetlb=1";
/** Set once this was tried: of a program with file capabilities glibc takes its own variable away. */
const TRIED = "TSBGP_HUGE_PAGES";

/**
 * Has glibc ask for transparent huge pages for what it allocates, by starting this program once more in
 * this very process; returns when that is so already, was tried, or cannot be had.
 *
 * The kernel frees a dead process' memory before it closes its sockets and lets a standby know: with
 * half a gigabyte of tables in pages of 4 KiB that takes some 250 ms, in huge ones a quarter of it.
 */
export function useHugePages(): void {
  const { execve, execPath, execArgv, argv, env } = process;
  const tunables = env["GLIBC_TUNABLES"] ?? "";
  if (env[TRIED] !== undefined || tunables.includes("glibc.malloc.hugetlb")) return;
  // One that fails ends the process.
  if (typeof execve !== "function" || !existsSync(execPath)) return;
  // What is compiled is kept for the same flags of the engine, and this one is set later (`HostCheck`).
  const flags = ["--no-flush-bytecode", ...execArgv];
  execve.call(process, execPath, [execPath, ...flags, ...argv.slice(1)], {
    ...env,
    [TRIED]: "1",
    GLIBC_TUNABLES: tunables === "" ? TUNABLE : `${tunables}:${TUNABLE}`,
  });
}
