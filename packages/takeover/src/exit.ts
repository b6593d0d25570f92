/** The end of this process, whatever its threads are doing. */

import { libc } from "./libc.ts";

/**
 * Lets an end of this process (`process.exit`, or nothing left to do) be one at once: `_exit(2)`, once the
 * listeners for `exit` that were there before have run. Call it once, on the main thread; without libc.so.6
 * nothing changes.
 *
 * Node.js first stops its other threads wherever they are. One that is just calling a function of libc then
 * has an exception that cannot be thrown any more, which aborts the process: SIGABRT in place of the exit
 * code, and a death that looks like a fault.
 */
export function exitAtOnce(): void {
  process.on("exit", (code) => {
    try {
      libc()._exit(code);
    } catch {
      // Where there is none, no thread can be calling it.
    }
  });
}
