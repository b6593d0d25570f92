/**
 * Most test files wait for daemons and timers for much of their time, so more of them run beside each
 * other than there are cores. What measures how long a peer hears nothing runs alone, at the end.
 */
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { configDefaults, defineConfig } from "vitest/config";

// Hundreds of processes of the speaker and its commands are started: compiled once is enough.
process.env["NODE_COMPILE_CACHE"] ??= fileURLToPath(
  new URL("node_modules/.cache/compiled", import.meta.url),
);

const FULL = ["**/*.full.test.ts"];
const ALONE = ["**/*.alone.full.test.ts"];
/**
 * Against a test that hangs, and nothing else: what a test waits for has a limit of its own, which says
 * what did not come. No test file has another one (test/tidy.test.ts).
 */
const LIMIT_MS = 1_800_000;
const common = {
  setupFiles: [fileURLToPath(new URL("test/setup.ts", import.meta.url))],
  testTimeout: LIMIT_MS,
  hookTimeout: LIMIT_MS,
  // The summary names what passed at a second attempt.
  retry: Number(process.env["TSBGP_RETRY"] ?? 0),
};
/** Of `npm test`, files that do more of the same in full; see test/mode.ts. */
function longer(): string[] {
  const files = globSync("{packages/*/test,test/*}/*.test.ts", { cwd: import.meta.dirname });
  return files.filter((file) => {
    const text = readFileSync(join(import.meta.dirname, file), "utf8");
    return /from "[^"]*\/(mode|interop)\.ts"/.test(text);
  });
}

const beside = { maxWorkers: 3, sequence: { groupOrder: 0 } };

export default defineConfig({
  test: {
    projects: [
      // `npm test`.
      {
        test: {
          name: "tests",
          // What was run just before is not run again.
          ...(process.env["TSBGP_REST"] === "1" ? { include: longer() } : {}),
          exclude: [...configDefaults.exclude, ...FULL],
          ...beside,
          ...common,
        },
      },
      // `npm run test:full` has these as well.
      {
        test: {
          name: "full",
          include: FULL,
          exclude: [...configDefaults.exclude, ...ALONE],
          ...beside,
          ...common,
        },
      },
      {
        test: {
          name: "alone",
          include: ALONE,
          maxWorkers: 1,
          sequence: { groupOrder: 1 },
          ...common,
        },
      },
    ],
  },
});
