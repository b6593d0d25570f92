/** Tools that a shell runs which stays. */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { afterAll, describe, expect, test } from "vitest";
import { until } from "../../../test/lab/until.ts";
import { ToolShell } from "../src/tool-shell.ts";

const WAIT_MS = 10_000;
const shell = new ToolShell();

afterAll(() => shell.end());

describe("a shell that runs tools", () => {
  test("says what each one said on both outputs, and how it ended", async () => {
    expect(await shell.run(["echo", "one"])).toEqual({ code: 0, output: "one\n" });
    const missing = await shell.run(["ls", "/nowhere"]);
    expect(missing.code).toBe(2);
    expect(missing.output).toContain("/nowhere");
    expect(await shell.run(["true"])).toEqual({ code: 0, output: "" });
    const { output } = await shell.run(["seq", "100000"]);
    expect(output.split("\n")).toHaveLength(100_001);
  });

  test("gives each its input, and runs one after the other", async () => {
    const asked = [
      shell.run(["cat"], "a line\nwith $words and 'quotes'\n"),
      shell.run(["cat"]),
      shell.run(["cat"], "x".repeat(100_000).concat("\n")),
    ];
    const outputs = (await Promise.all(asked)).map(({ output }) => output);
    expect(outputs.slice(0, 2)).toEqual(["a line\nwith $words and 'quotes'\n", ""]);
    expect(outputs[2]).toHaveLength(100_001);
  });

  test("says that a tool is not there", async () => {
    expect((await shell.run(["no-such-tool"])).code).toBe(127);
  });

  test("that is killed is started anew", async () => {
    const pid = Number((await shell.run(["echo", "$$"])).output);
    const tool = ["sleep", "61.2187"];
    const isRunning = () => spawnSync("pgrep", ["-f", tool.join(" ")]).status === 0;
    const asked = shell.run(tool);
    await until(isRunning, WAIT_MS, "the tool runs");
    process.kill(pid, "SIGKILL");
    expect((await asked).code).toBe(127);
    expect(await shell.run(["echo", "again"])).toEqual({ code: 0, output: "again\n" });
    spawnSync("pkill", ["-f", tool.join(" ")]);
  });

  test("that is ended ends what it runs, and runs nothing more", async () => {
    const other = new ToolShell();
    const tool = ["sleep", "62.2187"];
    const isRunning = () => spawnSync("pgrep", ["-f", tool.join(" ")]).status === 0;
    const asked = [other.run(tool), other.run(["echo", "next"])];
    await until(isRunning, WAIT_MS, "the tool runs");
    other.end();
    expect((await Promise.all(asked)).map(({ code }) => code)).toEqual([127, 127]);
    await until(() => !isRunning(), WAIT_MS, "the tool is ended as well");
    expect((await other.run(["true"])).code).toBe(127);
  });

  test("that cannot be started says so, and can be later", async () => {
    const other = new ToolShell();
    const { PATH } = process.env;
    process.env["PATH"] = "/nowhere";
    expect((await other.run(["true"])).code).toBe(127);
    process.env["PATH"] = PATH;
    expect((await other.run(["true"])).code).toBe(0);
    other.end();
  });

  test("keeps no process from its end, and ends with it", async () => {
    const module = new URL("../src/tool-shell.ts", import.meta.url).href;
    const script = `
      const { ToolShell } = await import(${JSON.stringify(module)});
      console.log((await new ToolShell().run(["echo", "$$"])).output);`;
    const { status, stdout } = spawnSync(
      process.execPath,
      ["--input-type=module", "--eval", script],
      { encoding: "utf8", timeout: 120_000 },
    );
    expect(status).toBe(0);
    const isGone = () => !existsSync(`/proc/${Number(stdout)}`);
    await until(isGone, WAIT_MS, "the shell of a process that has ended is gone");
  });
});
