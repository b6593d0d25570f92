/** Threads that go before others. */
import { spawnSync } from "node:child_process";
import { getPriority } from "node:os";
import { expect, test } from "vitest";
import { noLabReason } from "./support/ends.ts";

const module = new URL("../src/priority.ts", import.meta.url).href;
const PROGRAM = `
  import { readFileSync } from "node:fs";
  import { HEARTBEAT_PRIORITY, raisePriority } from ${JSON.stringify(module)};
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

const LOOP = `
  import { readFileSync } from "node:fs";
  import { setTimeout as sleep } from "node:timers/promises";
  import { HEARTBEAT_PRIORITY, raiseLoopPriority } from ${JSON.stringify(module)};
  const policy = () => {
    const stat = readFileSync("/proc/thread-self/stat", "utf8");
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[38];
  };
  const until = async (wanted) => {
    const endMs = performance.now() + 10_000;
    while (policy() !== wanted && performance.now() < endMs) await sleep(1);
    return policy();
  };
  const seen = [policy()];
  raiseLoopPriority(HEARTBEAT_PRIORITY);
  seen.push(policy(), await until("2"));
  gc({ type: "major" });
  seen.push(await until("0"), await until("2"));
  gc({ type: "minor" });
  await sleep(50);
  seen.push(policy());
  process.stdout.write(seen.join(" "));`;

test.skipIf(noLabReason !== null)("with a loop, make way while a heap is swept", () => {
  const words = ["--expose-gc", "--input-type=module", "-e", LOOP];
  const { stdout, stderr } = spawnSync(process.execPath, words, { encoding: "utf8" });
  expect(stdout, stderr).toBe("0 0 2 0 2 2");
});
