/** What a side goes on with that another one has left. */

import { spawnSync } from "node:child_process";
import { expect, test } from "vitest";

test("a machine that throws at what was stored ends the process, in place of a takeover without it", () => {
  const left = new URL("../src/left.ts", import.meta.url);
  const script = `
    const { finished } = await import(${JSON.stringify(left.href)});
    process.on("uncaughtException", (error) => {
      console.log("ends of", error.message);
      process.exit(70);
    });
    setInterval(() => {}, 1000);
    await finished({ finish: () => { throw new Error("poison"); } });
    console.log("goes on");
    process.exit(0);
  `;
  const { status, stdout } = spawnSync(process.execPath, ["--input-type=module", "-e", script], {
    encoding: "utf8",
  });
  expect([status, stdout.trim()]).toEqual([70, "ends of poison"]);
});
