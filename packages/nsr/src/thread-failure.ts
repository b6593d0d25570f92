/** What an exception in a thread of this side does. */

/**
 * Ends the process as an exception of the main thread does: without that thread it would half work, and the
 * other side goes on whole.
 *
 * @param what - the thread does
 */
export function endProcess(what: string, error: unknown): never {
  const cause = error instanceof Error ? (error.stack ?? error.message) : String(error);
  throw new Error(`the thread of ${what} has failed: ${cause}`);
}
