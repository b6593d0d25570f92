/** The end of a speaker that records, on a disk that stands still as well, and faults of the thread that writes. */

import { spawnSync } from "node:child_process";
import { closeSync, constants, existsSync, openSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { ShownRecord } from "@ts-bgp/nsr";
import { afterEach, beforeEach, expect, test } from "vitest";
import { until } from "../../../test/lab/until.ts";
import { slowDisk } from "../../../testkit/slow-disk.ts";
import { SpeakerProcess, WAIT_MS } from "../../../testkit/speaker.ts";

let speaker: SpeakerProcess;

beforeEach(async () => {
  speaker = await SpeakerProcess.create({});
  speaker.configure({ record: { dir: join(speaker.directory, "record") } });
});
afterEach(() => speaker.remove());

/** @returns options for a speaker whose thread of the record does this first */
function threadThat(does: string): string[] {
  const lines = [
    'import fs from "node:fs";',
    'import { syncBuiltinESMExports } from "node:module";',
    'import { workerData } from "node:worker_threads";',
    `if (workerData?.config?.keepMs !== undefined) { ${does} }`,
  ];
  return ["--import", `data:text/javascript,${encodeURIComponent(lines.join("\n"))}`];
}

function untilRecord(what: string, matches: (shown: ShownRecord) => boolean): Promise<ShownRecord> {
  const look = async () => {
    const { items } = await speaker.ask({ command: "show-record" });
    const shown = items[0] as ShownRecord;
    return matches(shown) ? shown : null;
  };
  return until(look, WAIT_MS, what);
}

const isStopped = ({ id }: { id: string }) => id === "stopped";

test("a speaker that is stopped ends as one that records nothing, with all on disk", async () => {
  await speaker.start();
  await untilRecord("it records", ({ files }) => files === 1);
  speaker.signal("SIGTERM");
  expect(await speaker.exited()).toBe("exit 0");
  expect(speaker.log().some(isStopped)).toBe(true);
});

test("a disk that stands still in a call of the kernel does not hold up the end", async () => {
  const fifo = join(speaker.directory, "fifo");
  const hold = `${fifo}.hold`;
  expect(spawnSync("mkfifo", [fifo]).status).toBe(0);
  const names = JSON.stringify({ fifo, hold });
  const nodeOptions = threadThat(`
    const { writeSync, existsSync, openSync } = fs;
    const { fifo, hold } = ${names};
    fs.writeSync = (...args) => {
      if (existsSync(hold)) { fs.renameSync(hold, hold + ".held"); openSync(fifo, "w"); }
      return writeSync(...args);
    };
    syncBuiltinESMExports();`);
  await speaker.start({ nodeOptions });
  await untilRecord("it records", ({ files }) => files === 1);
  writeFileSync(hold, "");
  await until(() => existsSync(`${hold}.held`), WAIT_MS, "the thread is in its call");
  speaker.signal("SIGTERM");
  await speaker.untilLogged("its end", isStopped);
  expect(speaker.hasExited()).toBe(false);
  // Its other end lets the call return, and the kernel the process end.
  closeSync(openSync(fifo, constants.O_RDONLY | constants.O_NONBLOCK));
  expect(await speaker.exited()).toBe("exit 0");
});

test("a fault of the thread costs what is missed, and another thread goes on", async () => {
  const fault = join(speaker.directory, "fault");
  writeFileSync(fault, "");
  const nodeOptions = threadThat(
    `if (fs.existsSync(${JSON.stringify(fault)})) throw new Error("a fault");`,
  );
  await speaker.start({ nodeOptions });
  const { state, problem } = await untilRecord("it fails", ({ missed }) => missed > 0);
  expect([state, problem]).toEqual(["waiting", "its thread has failed: a fault"]);
  rmSync(fault);
  await untilRecord("it records", (shown) => shown.files >= 1 && shown.problem === "");
  expect(speaker.hasExited()).toBe(false);
});

test("a disk that stands still while a state is written is named, and it is gone on behind it", async () => {
  const hold = join(speaker.directory, "hold");
  writeFileSync(hold, "");
  await speaker.start({ nodeOptions: slowDisk(hold) });
  const { state, problem } = await untilRecord("it fails", ({ missed }) => missed > 0);
  expect([state, problem]).toEqual([
    "waiting",
    "the disk is too slow: it has taken nothing for 10 s",
  ]);
  rmSync(hold);
  // The first file may be whole by then, and stays.
  await untilRecord("it records", ({ begun, files, problem }) => {
    return begun === 2 && files >= 1 && problem === "";
  });
});
