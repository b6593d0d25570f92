import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { until } from "./lab/until.ts";

const VITEST = fileURLToPath(new URL("../node_modules/vitest/vitest.mjs", import.meta.url));
const CONFIG = fileURLToPath(new URL("fixtures/vitest.config.ts", import.meta.url));
const WAIT_MS = 20_000;

interface Run {
  readonly child: ChildProcess;
  readonly directory: string;
  /** Of the process that runs the test, and of what the test has started. */
  readonly pids: readonly number[];
}

/** Runs a test that hangs, as far as that. @param more - arguments of vitest */
async function startHanging(...more: string[]): Promise<Run> {
  const child = spawn(process.execPath, [VITEST, "run", "--config", CONFIG, ...more]);
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => {
      output += text;
    });
  }
  const pattern = /left: (\S+) (\d+) (\d+) (\d+)/;
  const [, directory = "", ...pids] = await until(
    () => pattern.exec(output),
    WAIT_MS,
    `the test has begun: ${output}`,
  );
  return { child, directory, pids: pids.map(Number) };
}

function runs(pid: number): boolean {
  try {
    // One that nobody has waited for runs no more.
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false;
  }
}

async function expectGone({ child, directory, pids }: Run): Promise<void> {
  const hasEnded = () => child.exitCode !== null || child.signalCode !== null;
  await until(hasEnded, WAIT_MS, "the run has ended");
  await until(() => !pids.some(runs), WAIT_MS, "its processes are gone");
  await until(() => !existsSync(directory), WAIT_MS, "its files are gone");
}

test("a test that never ends fails, and leaves no process and no file behind", async () => {
  const run = await startHanging();
  await expectGone(run);
  expect(run.child.exitCode).toBe(1);
});

test.each([
  ["whole run", (run: Run) => run.child.pid!],
  ["process with the test", (run: Run) => run.pids[0]!],
])("a %s that is killed leaves no process and no file behind", async (_, victimOf) => {
  const run = await startHanging("--testTimeout=0");
  expect(run.pids.every(runs)).toBe(true);
  process.kill(victimOf(run), "SIGKILL");
  await expectGone(run);
});
