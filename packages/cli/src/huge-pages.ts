/** Memory in huge pages, for the sake of the moment in which the process dies. */

const TUNABLE = "glibc.malloc.hugetlb=1";

/**
 * Has glibc ask for transparent huge pages for what it allocates, by starting this program once more in
 * this very process; returns when that is so already, or cannot be had.
 *
 * The kernel frees a dead process' memory before it closes its sockets and lets a standby know: with
 * half a gigabyte of tables in pages of 4 KiB that takes some 250 ms, in huge ones a quarter of it.
 */
export function useHugePages(): void {
  const { execve, execPath, execArgv, argv, env } = process;
  const tunables = env["GLIBC_TUNABLES"] ?? "";
  if (tunables.includes("glibc.malloc.hugetlb") || typeof execve !== "function") return;
  execve.call(process, execPath, [execPath, ...execArgv, ...argv.slice(1)], {
    ...env,
    GLIBC_TUNABLES: tunables === "" ? TUNABLE : `${tunables}:${TUNABLE}`,
  });
}
