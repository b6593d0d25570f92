/** What is said of a process that was killed and is still there. */
import { expect, test } from "vitest";
import { whyNotEnded } from "../src/index.ts";

const SECOND = "0::/system.slice/docker-1.scope\n";
const FIRST = "12:freezer:/docker/1\n11:cpu,cpuacct:/docker/1\n0::/\n";
const FROZEN_FILE = "/sys/fs/cgroup/system.slice/docker-1.scope/cgroup.events";
const FIRST_FILE = "/sys/fs/cgroup/freezer/docker/1/freezer.state";
const stat = (state: string) => ({ "/proc/7/stat": `7 (a b) c) ${state} 1 7 7 0` });

/** @param files - all that can be read */
function said(files: Readonly<Record<string, string>>): string {
  return whyNotEnded(7, (file) => {
    const text = files[file];
    if (text === undefined) throw new Error(`ENOENT: ${file}`);
    return text;
  });
}

test.each<[string, Readonly<Record<string, string>>, RegExp]>([
  [
    "frozen, cgroup v2",
    { ...stat("S"), "/proc/7/cgroup": SECOND, [FROZEN_FILE]: "populated 1\nfrozen 1\n" },
    /^it is frozen, and ends when it is thawed \(docker unpause\)$/,
  ],
  [
    "frozen, cgroup v1",
    { ...stat("D"), "/proc/7/cgroup": FIRST, [FIRST_FILE]: "FROZEN\n" },
    /^it is frozen/,
  ],
  [
    "busy, cgroup v2",
    { ...stat("R"), "/proc/7/cgroup": SECOND, [FROZEN_FILE]: "populated 1\nfrozen 0\n" },
    /^the kernel is still ending it, which takes longer on a busy host and with much memory$/,
  ],
  [
    "busy, cgroup v1",
    { ...stat("R"), "/proc/7/cgroup": FIRST, [FIRST_FILE]: "THAWED\n" },
    /^the kernel is still ending it[^(]*$/,
  ],
  [
    "waiting for a disk",
    { ...stat("D"), "/proc/7/cgroup": SECOND, [FROZEN_FILE]: "populated 1\nfrozen 0\n" },
    /^the kernel holds it in a call that cannot be interrupted \(.*\)$/,
  ],
  [
    "stopped",
    { ...stat("T"), "/proc/7/cgroup": SECOND, [FROZEN_FILE]: "populated 1\nfrozen 0\n" },
    /^it is stopped, by a signal or by a debugger$/,
  ],
  [
    "a group that is not to be seen from here",
    { ...stat("R"), "/proc/7/cgroup": "0::/../other\n" },
    /^the kernel is still ending it.*, or it is frozen \(docker pause\) and ends when it is thawed$/,
  ],
  ["nothing that can be read", {}, /^the kernel has not ended it yet, or it is frozen/],
])("%s", (_, files, words) => {
  expect(said(files)).toMatch(words);
});

test("a process that runs is not said to be frozen", () => {
  expect(whyNotEnded(process.pid)).toMatch(/^the kernel is still ending it/);
});
