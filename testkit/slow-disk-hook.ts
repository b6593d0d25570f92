/** Loaded into a speaker before all else, see `slowDisk`. */
import fs, { existsSync } from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import { workerData } from "node:worker_threads";

const LOOK_MS = 10;

const hold = new URL(import.meta.url).searchParams.get("hold")!;
const { file = "", config } = (workerData ?? {}) as { file?: string; config?: { keepMs?: number } };
/** Of what a standby has stored, or of a record. */
const isLog = String(file).endsWith(".log") || config?.keepMs !== undefined;

if (isLog) {
  const { writeSync } = fs;
  const never = new Int32Array(new SharedArrayBuffer(4));
  // A thread that waits in its call, as one of a disk that does not answer.
  fs.writeSync = ((...args: Parameters<typeof writeSync>) => {
    while (existsSync(hold)) Atomics.wait(never, 0, 0, LOOK_MS);
    return writeSync(...args);
  }) as typeof writeSync;
  syncBuiltinESMExports();
}
