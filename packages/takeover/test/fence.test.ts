/** Processes that are watched, and killed for good. */

import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, rmdirSync, writeFileSync } from "node:fs";
import { expect, test } from "vitest";
import { until } from "../../../test/lab/until.ts";
import { hasExited, killAndWait, pidfdOpen, watchExit } from "../src/index.ts";
import { libc } from "../src/libc.ts";

const WAIT_MS = 10_000;

function start(): { readonly pid: number; readonly exited: Promise<unknown> } {
  const child = spawn("sleep", ["60"]);
  return { pid: child.pid!, exited: once(child, "exit") };
}

test("a killed process is gone when the call returns", async () => {
  const { pid, exited } = start();
  const pidfd = pidfdOpen(pid)!;
  expect(hasExited(pidfd)).toBe(false);
  // A busy kernel may take longer than the call waits, which it says then.
  await until(() => killAndWait(pidfd), WAIT_MS, "it is dead");
  expect(hasExited(pidfd)).toBe(true);
  // Once more is no mistake.
  killAndWait(pidfd);
  expect(await exited).toEqual([null, "SIGKILL"]);
  killAndWait(pidfd);
  libc().close(pidfd);
});

test("the end of a process is noticed", async () => {
  const { pid } = start();
  const pidfd = pidfdOpen(pid)!;
  const watch = watchExit(pidfd);
  process.kill(pid, "SIGTERM");
  await watch.exited;
  watch.stop();
  expect(hasExited(pidfd)).toBe(true);
  libc().close(pidfd);
});

test("a watch that is stopped tells nothing any more", async () => {
  const { pid, exited } = start();
  const pidfd = pidfdOpen(pid)!;
  const watch = watchExit(pidfd);
  let isTold = false;
  void watch.exited.then(() => {
    isTold = true;
  });
  watch.stop();
  await new Promise((resolve) => setTimeout(resolve, 50));
  killAndWait(pidfd);
  await exited;
  expect(isTold).toBe(false);
  libc().close(pidfd);
});

test("there is no descriptor of a process that does not exist", async () => {
  const { pid, exited } = start();
  process.kill(pid, "SIGKILL");
  await exited;
  expect(pidfdOpen(pid)).toBeNull();
});

/** Version 1 of control groups: what is frozen there does not die before it is thawed. */
const FREEZER = "/sys/fs/cgroup/freezer";
const hasFreezer = process.getuid?.() === 0 && existsSync(`${FREEZER}/cgroup.procs`);

test.skipIf(!hasFreezer)("a frozen process is killed, and gone once it is thawed", async () => {
  const group = `${FREEZER}/tsbgp-test-${process.pid}`;
  const child = spawn("sleep", ["600"]);
  const pidfd = pidfdOpen(child.pid!)!;
  mkdirSync(group);
  try {
    writeFileSync(`${group}/cgroup.procs`, String(child.pid));
    writeFileSync(`${group}/freezer.state`, "FROZEN");
    expect(killAndWait(pidfd)).toBe(false);
    expect(hasExited(pidfd)).toBe(false);
    const { exited } = watchExit(pidfd);
    writeFileSync(`${group}/freezer.state`, "THAWED");
    await exited;
    expect(hasExited(pidfd)).toBe(true);
  } finally {
    writeFileSync(`${group}/freezer.state`, "THAWED");
    child.kill("SIGKILL");
    await until(() => hasExited(pidfd), WAIT_MS, "it is gone");
    rmdirSync(group);
  }
});
