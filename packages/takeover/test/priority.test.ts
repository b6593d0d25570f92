/** Threads that go before others. */
import { spawnSync } from "node:child_process";
import { getPriority } from "node:os";
import { expect, test } from "vitest";
import { noLabReason } from "./support/ends.ts";

const index = new URL("../src/index.ts", import.meta.url).href;
const PROGRAM = `
  import { readFileSync } from "node:fs";
  import { HEARTBEAT_PRIORITY, raisePriority } from ${JSON.stringify(index)};
  raisePriority(HEARTBEAT_PRIORITY);
  process.stdout.write(readFileSync("/proc/thread-self/stat", "utf8"));`;

/** @returns of a thread that was raised: nice value, real-time priority, policy (proc(5)) */
function raised(...wrapper: string[]): number[] {
  const words = [...wrapper, process.execPath, "--input-type=module", "-e", PROGRAM];
  const { stdout, stderr } = spawnSync(words[0]!, words.slice(1), { encoding: "utf8" });
  if (stdout === "") throw new Error(stderr);
  const fields = stdout.slice(stdout.lastIndexOf(")") + 2).split(" ");
  return [16, 37, 38].map((at) => Number(fields[at]));
}

const SCHED_OTHER = 0;
const SCHED_RR = 2;

test.skipIf(noLabReason !== null)("are real-time ones where the process may have such", () => {
  expect(raised()).toEqual([getPriority(), 2, SCHED_RR]);
});

test.skipIf(noLabReason !== null)("are ordinary ones elsewhere, and nothing else changes", () => {
  const without = ["setpriv", "--inh-caps=-sys_nice", "--bounding-set=-sys_nice"];
  expect(raised(...without)).toEqual([getPriority(), 0, SCHED_OTHER]);
});
