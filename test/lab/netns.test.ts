import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { labAvailable } from "./install.ts";
import { createLab, withLab } from "./netns.ts";
import { until } from "./until.ts";

const REASON = labAvailable();
const WAIT_MS = 10_000;

/** Names of the namespaces that belong to a lab with this directory. */
function namespacesOf(directory: string): string[] {
  const id = directory.slice(directory.lastIndexOf("/") + 1);
  return readdirSync("/run/netns").filter((name) => name.startsWith(`${id}-`));
}

/** A process of its own with a lab and a daemon in it; prints the lab's directory. */
async function startOther(): Promise<{ child: ChildProcess; directory: string }> {
  const netns = JSON.stringify(fileURLToPath(new URL("./netns.ts", import.meta.url)));
  const program = `
    import { createLab } from ${netns};
    const lab = createLab();
    lab.node("a").spawn(["sleep", "1000"]);
    console.log(lab.directory);
    setInterval(() => {}, 1000);
  `;
  const child = spawn(process.execPath, ["--input-type=module-typescript", "-e", program]);
  let printed = "";
  child.stdout.setEncoding("utf8").on("data", (text) => {
    printed += text;
  });
  const line = await until(() => /^(.+)\n/.exec(printed), WAIT_MS, "the other lab is there");
  return { child, directory: line[1]! };
}

describe.skipIf(REASON !== null)(`labs${REASON === null ? "" : ` (${REASON})`}`, () => {
  test("nodes reach each other over IPv4 and IPv6 at once", async () => {
    await withLab("reach", async (lab) => {
      const [a, b] = [lab.node("a"), lab.node("b")];
      for (const [bind, address] of [
        ["0.0.0.0", b.address4],
        ["::", b.address6],
      ] as const) {
        const port = bind === "::" ? 2 : 1;
        const server = b.spawn([
          process.execPath,
          "-e",
          `require("net").createServer((c) => c.end("hello")).listen(${port}, "${bind}",
             () => console.log("listening"))`,
        ]);
        await until(() => server.output().includes("listening"), WAIT_MS, "the server listens");
        const client = await a.run([
          process.execPath,
          "-e",
          `require("net").connect(${port}, "${address}").pipe(process.stdout)`,
        ]);
        expect(client).toEqual({ code: 0, stdout: "hello", stderr: "" });
      }
    });
  });

  test("a lab leaves no process, namespace or file behind, also when its body fails", async () => {
    let directory = "";
    let pid = 0;
    const failing = withLab("failing", async (lab) => {
      directory = lab.directory;
      // The grandchild leaves its process group.
      const script = "setsid sleep 1000 & echo $!; sleep 1000";
      const started = lab.node("a").spawn(["/bin/sh", "-c", script]);
      pid = Number(await until(() => started.output().trim(), WAIT_MS, "a process to survive"));
      expect(namespacesOf(directory)).toHaveLength(2);
      throw new Error("on purpose");
    });
    await expect(failing).rejects.toThrow("on purpose");
    expect(namespacesOf(directory)).toEqual([]);
    expect(existsSync(directory)).toBe(false);
    await until(() => !existsSync(`/proc/${pid}`), WAIT_MS, "the process is gone");
  });

  test.each(["SIGINT", "SIGTERM"] as const)("%s ends a run with its labs", async (signal) => {
    const { child, directory } = await startOther();
    child.kill(signal);
    await until(() => child.exitCode !== null, WAIT_MS, "the run has ended");
    expect(namespacesOf(directory)).toEqual([]);
    expect(existsSync(directory)).toBe(false);
  });

  test("what a killed run left behind is removed, what a living one uses is not", async () => {
    const [dead, alive] = [await startOther(), await startOther()];
    // Once it is dead, any lab of the tests beside this one may remove what it left behind.
    expect(namespacesOf(dead.directory)).toHaveLength(2);
    dead.child.kill("SIGKILL");
    await until(() => dead.child.signalCode !== null, WAIT_MS, "the run is dead");
    createLab().remove();
    await until(() => namespacesOf(dead.directory).length === 0, WAIT_MS, "no namespace is left");
    await until(() => !existsSync(dead.directory), WAIT_MS, "no file is left");
    expect(namespacesOf(alive.directory)).toHaveLength(2);
    expect(spawnSync("ip", ["netns", "pids", namespacesOf(alive.directory)[0]!]).status).toBe(0);
    alive.child.kill("SIGTERM");
    await until(() => alive.child.exitCode !== null, WAIT_MS, "the other run has ended");
  });
});

test("waiting names what was waited for and the last answer", async () => {
  const never = until(() => null, 100, "rain");
  await expect(never).rejects.toThrow("not within 800 ms: rain; last: null");
  const failing = until(() => expect(1).toBe(2), 100, "equality");
  await expect(failing).rejects.toThrow(/equality; last: expected 1 to be 2/);
  expect(await until(() => 0, 100, "a number")).toBe(0);
});
