/** Test files run beside each other: many of them mostly wait for daemons and timers. */
import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

// Hundreds of processes of the speaker and its commands are started: compiled once is enough.
process.env["NODE_COMPILE_CACHE"] ??= fileURLToPath(
  new URL("node_modules/.cache/compiled", import.meta.url),
);

export default defineConfig({ test: { maxWorkers: 2, testTimeout: 60_000, hookTimeout: 60_000 } });
