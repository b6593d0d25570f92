/** The file of the arbiter of one host, as others find it while it is written. */

import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { afterEach, beforeEach, expect, test } from "vitest";
import { LocalArbiter } from "../src/local-arbiter.ts";

/** Reads the file again and again, until it is told to stop, and says what it found that is no JSON. */
const READER = `
const { readFileSync } = require("node:fs");
const { parentPort, workerData } = require("node:worker_threads");
const { file, flags } = workerData;
const odd = new Set();
let reads = 0;
while (Atomics.load(flags, 0) === 0) {
  const text = readFileSync(file, "utf8");
  try {
    JSON.parse(text);
  } catch {
    odd.add(text);
  }
  reads++;
  Atomics.store(flags, 1, reads);
}
parentPort.postMessage([...odd]);
`;
const TIMES = 3000;

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "tsbgp-test-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

test("whoever reads the file finds all of what it says, or all of what it said before", async () => {
  const file = join(folder, "role");
  const arbiter = new LocalArbiter(file);
  await arbiter.acquire("a");
  const flags = new Int32Array(new SharedArrayBuffer(8));
  const reader = new Worker(READER, { eval: true, workerData: { file, flags } });
  while (Atomics.load(flags, 1) === 0) await new Promise((resolve) => setTimeout(resolve, 1));
  for (let time = 0; time < TIMES; time++) {
    await arbiter.nameStandbys({ standbys: ["b", "c", "d"], heirs: [] });
    await arbiter.nameStandbys({ standbys: [], heirs: [] });
  }
  Atomics.store(flags, 0, 1);
  const [odd] = (await once(reader, "message")) as [string[]];
  expect(odd).toEqual([]);
  await arbiter.release();
});

test("a file that was longer says what was written last", async () => {
  const file = join(folder, "role");
  const [first, second] = [new LocalArbiter(file), new LocalArbiter(file)];
  await first.acquire("a");
  await first.nameStandbys({ standbys: ["b", "c", "d"], heirs: [] });
  await first.nameStandbys({ standbys: ["b"], heirs: [] });
  expect(await second.state("c", 1)).toBe("alone");
  expect(await second.state("b", 1)).not.toBe("alone");
  await first.release();
});
