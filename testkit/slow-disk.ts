/** A disk that stands still for the log that a standby keeps, or for a record, at the call that writes. */

/**
 * @param hold - a path: while a file is there, the thread that writes waits in its call
 * @returns options of Node for the speaker
 */
export function slowDisk(hold: string): string[] {
  const hook = new URL("./slow-disk-hook.ts", import.meta.url);
  hook.searchParams.set("hold", hold);
  return ["--import", hook.href];
}
