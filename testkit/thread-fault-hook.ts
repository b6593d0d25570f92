/**
 * Loaded into a speaker before all else, and so into its threads: the thread whose file is named in the query
 * of this module's address throws once the file is there that is named behind it.
 */
import { existsSync } from "node:fs";
import { isMainThread } from "node:worker_threads";

const LOOK_MS = 50;
const query = new URL(import.meta.url).searchParams;

if (!isMainThread && process.argv[1]?.includes(query.get("thread")!) === true) {
  setInterval(() => {
    if (existsSync(query.get("when")!)) throw new Error("a fault in a thread");
  }, LOOK_MS).unref();
}
