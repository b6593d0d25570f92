/** Files of ROAs on disk: what cannot be read, and when one is read again. */

import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { until } from "../../../test/lab/until.ts";
import { readRoaFile } from "../src/read-roa-file.ts";
import { WatchedRoaFile } from "../src/watched-roa-file.ts";

const WAIT_MS = 20_000;

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "roas-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

test("what is no regular file is not waited for", () => {
  const pipe = join(folder, "pipe");
  execFileSync("mkfifo", [pipe]);
  for (const file of [pipe, folder, "/dev/zero"]) {
    const problem = "cannot be read: it is no regular file";
    expect(readRoaFile(file)).toEqual({ problem, isUnread: true });
  }
});

test("why one cannot be read is said in the system's words", () => {
  const problem = "cannot be read: no such file or directory";
  expect(readRoaFile(join(folder, "none"))).toEqual({ problem, isUnread: true });
});

test("one that looks the same but for the time of its last change of any kind is read again", async () => {
  const file = join(folder, "roas.json");
  writeFileSync(file, '{ "roas": x }');
  utimesSync(file, 1, 1);
  let ends = 0;
  const watched = new WatchedRoaFile(
    { file, preference: 100 },
    {
      now: () => 0,
      mayWork: () => true,
      lastEnd: () => null,
      misfit: () => null,
      payloads: () => {},
      payloadsEnd: () => ends++,
      say: () => {},
    },
  );
  const look = () => {
    watched.tick();
    return watched.show();
  };
  try {
    await until(() => look().problem, WAIT_MS, "a mistake");
    writeFileSync(file, '{ "roas":[] }');
    utimesSync(file, 1, 1);
    await until(() => look().state === "read", WAIT_MS, "the file is read");
    expect(ends).toBe(1);
    expect(watched.show().problem).toBeNull();
  } finally {
    watched.stop();
  }
});
