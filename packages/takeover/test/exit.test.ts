/** A process that ends while its threads call libc. */
import { spawnSync } from "node:child_process";
import { expect, test } from "vitest";

const SCRIPT = `
  import { Worker } from "node:worker_threads";
  import { exitAtOnce } from ${JSON.stringify(new URL("../src/index.ts", import.meta.url).href)};
  const busy = \`
    const koffi = require(${JSON.stringify(new URL(import.meta.resolve("koffi")).pathname)});
    const library = koffi.load("libc.so.6");
    require("node:worker_threads").parentPort.postMessage("busy");
    for (;;) library.func("int close(int)");\`;
  exitAtOnce();
  process.prependListener("exit", () => process.stdout.write("listened"));
  const workers = [1, 2, 3].map(() => new Worker(busy, { eval: true, execArgv: [] }));
  await Promise.all(workers.map((worker) => new Promise((resolve) => worker.once("message", resolve))));
  process.exit(3);`;

// Without it, more than one in three ends by SIGABRT.
test("a process whose threads are busy with libc has the exit code that it chose", () => {
  for (let run = 0; run < 12; run++) {
    const { status, signal, stdout, stderr } = spawnSync(
      process.execPath,
      ["--input-type=module", "--experimental-transform-types", "--no-warnings", "-e", SCRIPT],
      { encoding: "utf8" },
    );
    expect([status, signal, stdout, stderr]).toEqual([3, null, "listened", ""]);
  }
});
