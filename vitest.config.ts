/** Test files run beside each other: many of them mostly wait for daemons and timers. */
import { defineConfig } from "vitest/config";

export default defineConfig({ test: { maxWorkers: 2, testTimeout: 60_000, hookTimeout: 60_000 } });
