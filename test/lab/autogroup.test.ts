import { type ChildProcess, spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { afterEach, expect, test } from "vitest";
import { autogroupNice, hasAutogroups, setAutogroupNice } from "./autogroup.ts";
import { until } from "./until.ts";

const REASON = hasAutogroups() ? "" : " (this kernel has no autogroups)";
const MODULE = fileURLToPath(new URL("autogroup.ts", import.meta.url));
let child: ChildProcess | null = null;

afterEach(() => child?.kill("SIGKILL"));

test.skipIf(REASON !== "")(`a session gets a priority of its own${REASON}`, () => {
  const before = autogroupNice();
  child = spawn("sleep", ["1000"], { detached: true, stdio: "ignore" });
  setAutogroupNice(child.pid!, 7);
  expect(autogroupNice(child.pid!)).toBe(7);
  expect(autogroupNice()).toBe(before);
});

test.skipIf(REASON !== "")(`a program runs again in its own session${REASON}`, async () => {
  const program = `
    const { autogroupNice, runInOwnSession, setAutogroupNice } = await import("${MODULE}");
    const code = await runInOwnSession();
    if (code !== null) process.exit(code);
    process.on("SIGTERM", () => process.exit(9));
    setAutogroupNice("self", 6);
    console.log("nice", autogroupNice());
    setInterval(() => {}, 1000);`;
  const { TSBGP_OWN_SESSION: _, ...env } = process.env;
  const started = spawn(process.execPath, ["--input-type=module", "-e", program], { env });
  child = started;
  let output = "";
  started.stdout.setEncoding("utf8").on("data", (text) => {
    output += text;
  });
  const code = new Promise((resolve) => started.on("exit", resolve));
  await until(() => output.includes("nice 6"), 10_000, "it runs");
  expect(autogroupNice(started.pid!)).not.toBe(6);
  started.kill("SIGTERM");
  expect(await code).toBe(9);
});
