/** What systemd is told, received by a datagram socket as systemd has one. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { sendDatagram } from "@ts-bgp/takeover";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { until } from "../../../test/lab/until.ts";
import { ServiceManager } from "../src/service-manager.ts";

const WAIT_MS = 20_000;
const isMissing = spawnSync("python3", ["--version"]).status !== 0;
/** Prints each datagram as a line of JSON; a name in the abstract namespace begins with @. */
const RECEIVER = `
import json, socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind("\\0" + sys.argv[1][1:] if sys.argv[1][0] == "@" else sys.argv[1])
print("[]", flush=True)
while True: print(json.dumps(s.recv(4096).decode().split("\\n")), flush=True)
`;

describe.skipIf(isMissing)("a service manager (needs python3 for its socket)", () => {
  let directory: string;
  let received: string[][];
  let children: ChildProcess[];

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "tsbgp-notify-"));
    received = [];
    children = [];
  });
  afterEach(() => {
    for (const child of children) child.kill("SIGKILL");
    rmSync(directory, { recursive: true, force: true });
  });

  async function listenOn(socket: string): Promise<void> {
    const child = spawn("python3", ["-c", RECEIVER, socket], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    children.push(child);
    const lines = createInterface({ input: child.stdout });
    lines.on("line", (line) => received.push(JSON.parse(line)));
    await once(lines, "line");
    received.length = 0;
  }
  const isTold = (line: string) => received.some((lines) => lines.includes(line));

  test.each(["path", "abstract"])("is told over a socket with a name that is %s", async (kind) => {
    const path = join(directory, "notify");
    const socket = kind === "path" ? path : `@tsbgp-test-${process.pid}`;
    await listenOn(socket);
    let status = "a is active";
    const environment = {
      NOTIFY_SOCKET: socket,
      WATCHDOG_USEC: "900000",
      WATCHDOG_PID: String(process.pid),
    };
    const manager = new ServiceManager(environment, () => status);
    manager.changed();
    manager.ready();
    await until(() => isTold("WATCHDOG=1"), WAIT_MS, "a sign of life");
    expect(received[0]).toEqual(["READY=1", "STATUS=a is active"]);
    status = "a is the standby";
    manager.changed();
    manager.reloading();
    manager.reloaded();
    manager.stopping();
    await until(() => isTold("STOPPING=1"), WAIT_MS, "the end");
    const order = received.filter(([line]) => line !== "WATCHDOG=1").slice(1);
    expect(order).toEqual([
      ["STATUS=a is the standby"],
      ["RELOADING=1", expect.stringMatching(/^MONOTONIC_USEC=\d+$/)],
      ["READY=1"],
      ["STOPPING=1"],
    ]);
  });

  test("hears nothing from a watchdog that is another process's", async () => {
    const socket = join(directory, "notify");
    await listenOn(socket);
    const environment = { NOTIFY_SOCKET: socket, WATCHDOG_USEC: "1000", WATCHDOG_PID: "1" };
    const manager = new ServiceManager(environment, () => "");
    manager.ready();
    manager.stopping();
    await until(() => isTold("STOPPING=1"), WAIT_MS, "the end");
    expect(isTold("WATCHDOG=1")).toBe(false);
  });

  test("is told by the command: ready, reloads, and that it stops", async () => {
    const socket = join(directory, "notify");
    await listenOn(socket);
    const file = join(directory, "ts-bgp.yaml");
    const control = join(directory, "control");
    writeFileSync(
      file,
      `router: { as: 64500, id: 192.0.2.1 }\nlisten: []\ncontrol: { socket: ${control} }\n`,
    );
    const main = new URL("../../cli/src/main.ts", import.meta.url).pathname;
    const child = spawn(process.execPath, [main, "run", "-c", file], {
      env: { ...process.env, NOTIFY_SOCKET: socket },
      stdio: "ignore",
    });
    children.push(child);
    const exited = once(child, "exit");
    await until(() => isTold("READY=1"), WAIT_MS, "it is ready");
    expect(isTold("STATUS=0 sessions established")).toBe(true);
    child.kill("SIGHUP");
    await until(() => isTold("RELOADING=1"), WAIT_MS, "it reloads");
    await until(
      () => received.filter(([line]) => line === "READY=1").length === 2,
      WAIT_MS,
      "it has",
    );
    child.kill("SIGTERM");
    await until(() => isTold("STOPPING=1"), WAIT_MS, "it stops");
    expect(await exited).toEqual([0, null]);
  });
});

test("nobody who is away keeps a daemon from running", () => {
  const manager = new ServiceManager({ NOTIFY_SOCKET: "/nonexistent/notify" }, () => "");
  manager.ready();
  manager.stopping();
  new ServiceManager({}, () => "").ready();
  expect(() => sendDatagram("/nonexistent/notify", "READY=1")).toThrow(/ENOENT/);
  expect(() => sendDatagram(`/${"x".repeat(108)}`, "READY=1")).toThrow(/too long/);
});
