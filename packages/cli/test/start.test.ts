/** `npm start`, as someone does who has just got the repository. */
import { type ChildProcess, spawn } from "node:child_process";
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { until } from "../../../test/lab/until.ts";
import { freePort, WAIT_MS } from "../../speaker/test/support/speaker.ts";
import { linesOf, tsbgp } from "./support/tsbgp.ts";

vi.setConfig({ testTimeout: 60_000 });

const ROOT = join(import.meta.dirname, "../../..");
const SAMPLE = join(ROOT, "configs/route-server.yaml");
const NOBODY = 65534;
const UNPRIVILEGED = "/proc/sys/net/ipv4/ip_unprivileged_port_start";
/** Why nobody may not be forbidden to have port 179 here, or `null`. */
const PORT_REASON =
  process.getuid?.() !== 0
    ? "not root, who alone can become nobody"
    : Number(readFileSync(UNPRIVILEGED, "utf8")) <= 179
      ? "this host lets everyone have port 179"
      : null;

let folder: string;
let file: string;
let socket: string;
let port: number;
let started: ChildProcess[];

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "tsbgp-start-"));
  chmodSync(folder, 0o777);
  file = join(folder, "route-server.yaml");
  socket = join(folder, "control.sock");
  port = await freePort();
  started = [];
  configure(port);
});

afterEach(async () => {
  for (const { pid, exitCode, signalCode } of started) {
    if (exitCode === null && signalCode === null) process.kill(-pid!, "SIGKILL");
  }
  rmSync(folder, { recursive: true });
});

/** The sample configuration, with ports and a socket that no other process of this host has. */
function configure(listenPort: number): void {
  const text = readFileSync(SAMPLE, "utf8")
    .replace("port: 1790", `port: ${listenPort}`)
    .replace("/tmp/ts-bgp.sock", socket)
    .replace(/^http: .*$/m, "");
  writeFileSync(file, text);
}

interface Started {
  /** Ctrl-C: the terminal tells every process. */
  readonly interrupt: () => void;
  readonly output: () => string;
  /** How it ended ("exit 0", "SIGINT"). */
  readonly ended: Promise<string>;
  /** Whether a process of it is left. */
  readonly isLeft: () => boolean;
}

function start(command: string, args: readonly string[], uid?: number): Started {
  const child = spawn(command, [...args, "-c", file], {
    cwd: ROOT,
    detached: true,
    stdio: ["ignore", "pipe", "pipe"],
    ...(uid === undefined ? {} : { uid, gid: uid }),
  });
  started.push(child);
  let output = "";
  const keep = (text: string) => {
    output += text;
  };
  child.stdout.setEncoding("utf8").on("data", keep);
  child.stderr.setEncoding("utf8").on("data", keep);
  const ended = new Promise<string>((resolve) => {
    child.on("close", (code, signal) => resolve(signal ?? `exit ${code}`));
  });
  return {
    interrupt: () => process.kill(-child.pid!, "SIGINT"),
    output: () => output,
    ended,
    isLeft: () => {
      try {
        return process.kill(-child.pid!, 0);
      } catch {
        return false;
      }
    },
  };
}

const npmStart = () => start("npm", ["start", "--"]);

test("shows routes of both clients, says what to type next, and ends at Ctrl-C", async () => {
  const { interrupt, output, ended, isLeft } = npmStart();
  await until(() => output().includes("Ctrl-C ends it."), WAIT_MS, "it says how to end it");
  const text = output();
  for (const line of [
    /^\*> +11\.1\.0\.0\/16 +127\.0\.0\.11 /m,
    /^\*> +22\.1\.0\.0\/16 +127\.0\.0\.12 /m,
    /^\*> +33\.1\.0\.0\/16 +127\.0\.0\.12 .*\n\* +33\.1\.0\.0\/16 +127\.0\.0\.11 /m,
  ]) {
    expect(text).toMatch(line);
  }
  expect(text).not.toMatch(/"level":"(warn|error)"/);

  // What it says next can be typed as it stands.
  const hints = [...text.matchAll(/^ {2}npx tsbgp (.*?)(?: {2,}.*)?$/gm)].map((match) => match[1]!);
  expect(hints).toHaveLength(5);
  for (const hint of hints) {
    const result = await tsbgp(hint.split(" "), { env: { TSBGP_SOCKET: socket } });
    expect([result.code, result.stderr], hint).toEqual([0, ""]);
    expect(linesOf(result.stdout).length, hint).toBeGreaterThan(2);
  }

  interrupt();
  // npm reports an interrupted script by ending in the same way.
  expect(await ended).toBe("SIGINT");
  expect(isLeft()).toBe(false);
  expect(output()).toMatch(/"id":"stopped"/);
  expect(output()).not.toMatch(/\n {4}at /);
});

test("says that something else has its port", async () => {
  const other = createServer();
  await new Promise<void>((resolve) => other.listen(port, "127.0.0.1", resolve));
  const { output, ended } = npmStart();
  expect(await ended).toBe("exit 2");
  other.close();
  const expected = `tsbgp: cannot listen on 127.0.0.1 port ${port}: something else is listening there`;
  expect(linesOf(output())).toContain(expected);
  expect(output()).not.toMatch(/\n {4}at /);
});

test("says that it runs already", async () => {
  const first = npmStart();
  await until(() => first.output().includes("Ctrl-C ends it."), WAIT_MS, "the first one runs");
  const second = npmStart();
  expect(await second.ended).toBe("exit 2");
  expect(second.output()).toMatch(/control\.sock is in use: another speaker runs/);
  first.interrupt();
  await first.ended;
});

test("says what is wrong with its file", async () => {
  writeFileSync(file, readFileSync(file, "utf8").replace("as: 64500", "as: nothing"));
  const { output, ended } = npmStart();
  expect(await ended).toBe("exit 1");
  expect(output()).toMatch(/route-server\.yaml:\d+:\d+: .*as/);
});

test.skipIf(PORT_REASON !== null)(
  `says who may have port 179${PORT_REASON === null ? "" : ` (${PORT_REASON})`}`,
  async () => {
    configure(179);
    const { output, ended } = start(process.execPath, ["scripts/start.mjs"], NOBODY);
    expect(await ended).toBe("exit 2");
    expect(linesOf(output()).at(-1)).toBe(
      "tsbgp: cannot listen on 127.0.0.1 port 179: " +
        "permission denied (ports below 1024 need root or CAP_NET_BIND_SERVICE)",
    );
  },
);

test.each(["SIGINT", "SIGTERM"] as const)(
  "ends with exit code 0 at %s, without npm",
  async (name) => {
    const { interrupt, output, ended } = start(process.execPath, ["scripts/start.mjs"]);
    await until(() => output().includes("Ctrl-C ends it."), WAIT_MS, "it says how to end it");
    if (name === "SIGINT") interrupt();
    else started[0]!.kill(name);
    expect(await ended).toBe("exit 0");
    expect(output()).toMatch(/"id":"stopped"/);
  },
);
