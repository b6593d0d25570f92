import module from "node:module";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { setFlagsFromString } from "node:v8";

/**
 * Has Node.js keep what it compiles, beside the code and for as long as that stays the same: a side that
 * is started follows in half the time. Where the folder cannot be written to, what is there is read.
 */
export function useCompileCache() {
  const here = path.dirname(fileURLToPath(import.meta.url));
  // What is kept is for the same flags of the engine: a speaker sets this one, and starts threads then.
  setFlagsFromString("--no-flush-bytecode");
  // Threads take it from the environment.
  if (process.env.NODE_COMPILE_CACHE === undefined) {
    process.env.NODE_COMPILE_CACHE = path.join(here, "../../../node_modules/.cache/tsbgp");
  }
  module.enableCompileCache?.(process.env.NODE_COMPILE_CACHE);
}
