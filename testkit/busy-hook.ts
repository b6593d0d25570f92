/** Loaded into a speaker before all else: SIGUSR2 keeps its main thread busy for a while. */
import { isMainThread } from "node:worker_threads";

const BUSY_MS = 3000;

if (isMainThread) {
  process.on("SIGUSR2", () => {
    const endMs = performance.now() + BUSY_MS;
    while (performance.now() < endMs);
  });
}
