/** `npm start`, as someone does who has just got the repository. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { until } from "../../../test/lab/until.ts";
import { freePort, MAIN } from "../../../testkit/speaker.ts";
import { linesOf, tsbgp } from "./support/tsbgp.ts";

/** Long, for a machine that is busy with other tests. */
const WAIT_MS = 60_000;

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

/** Why there can be no pair in a namespace of its own, or `null`: what the doctor misses there. */
function pairReason(uid: number): string | null {
  if (uid !== 0 && process.getuid?.() !== 0) return "not root, who alone can become nobody";
  const options = uid === 0 ? ["--net"] : ["--user", "--map-root-user", "--net"];
  const up = 'ip link set lo up && exec "$@"';
  const words = [...options, "sh", "-c", up, "sh", process.execPath, MAIN, "doctor"];
  const { status, error, stdout, stderr } = spawnSync("unshare", words, {
    encoding: "utf8",
    // Only root may become who it is.
    ...(process.getuid?.() === 0 ? { uid, gid: uid } : {}),
  });
  if (status === 0) return null;
  const missing = linesOf(stdout).find((line) => line.startsWith("NO"));
  return error?.message ?? missing?.slice(2).trim() ?? stderr.trim();
}

const OWN_UID = process.getuid?.() ?? 0;
const OWN_REASON = pairReason(OWN_UID);
const NOBODY_REASON = pairReason(NOBODY);
const because = (reason: string | null) => (reason === null ? "" : ` (skipped: ${reason})`);

let folder: string;
let file: string;
let socket: string;
let port: number;
let started: ChildProcess[];

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "tsbgp-start-"));
  // Everybody makes files here, as in /tmp.
  chmodSync(folder, 0o1777);
  file = join(folder, "route-server.yaml");
  socket = join(folder, "run", "control.sock");
  port = await freePort();
  started = [];
  configure(port);
});

afterEach(async () => {
  for (const { pid, exitCode, signalCode } of started) {
    if (exitCode === null && signalCode === null) process.kill(-pid!, "SIGKILL");
  }
  rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
});

/** The sample configuration, with ports and a socket that no other process of this host has. */
function configure(listenPort: number, http = ""): void {
  const text = readFileSync(SAMPLE, "utf8")
    .replace("port: 1790", `port: ${listenPort}`)
    .replace(/^http: .*$/m, `control: { socket: ${socket} }\n${http}`);
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

function start(
  command: string,
  args: readonly string[],
  uid?: number,
  env: Readonly<Record<string, string>> = {},
): Started {
  const child = spawn(command, [...args, "-c", file], {
    cwd: ROOT,
    // So that what is left behind is seen.
    env: { ...process.env, TMPDIR: folder, ...env },
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

const npmStart = (...options: string[]) => start("npm", ["start", "--", ...options]);
const nodeStart = (...options: string[]) =>
  start(process.execPath, ["scripts/start.mjs", ...options]);

/** Files that the demo made. */
function left(): string[] {
  return readdirSync(folder).filter((name) => /^tsbgp-|\.sock$/.test(name));
}

/** Processes of the pair of a demo, by what they call themselves. */
function processOf(name: "a" | "b", text: string): number {
  const all = [...text.matchAll(new RegExp(`^ *${name}(?:, process|.* again as) (\\d+)`, "gm"))];
  return Number(all.at(-1)![1]);
}

const ROUTES = [
  /^\*> +11\.1\.0\.0\/16 +127\.0\.0\.11 /m,
  /^\*> +22\.1\.0\.0\/16 +127\.0\.0\.12 /m,
  /^\*> +33\.1\.0\.0\/16 +127\.0\.0\.12 .*\n\* +33\.1\.0\.0\/16 +127\.0\.0\.11 /m,
];

/** What it says next can be typed as it stands. */
async function typeHints(text: string): Promise<string[]> {
  const hints = [...text.matchAll(/^ {2}npx tsbgp (.*?)(?: {2,}.*)?$/gm)].map((match) => match[1]!);
  for (const hint of hints) {
    const result = await tsbgp(hint.split(" "), { env: { TSBGP_SOCKET: socket } });
    expect([result.code, result.stderr], hint).toEqual([0, ""]);
    const least = hint === "switchover" ? 1 : 3;
    expect(linesOf(result.stdout).length, hint).toBeGreaterThanOrEqual(least);
  }
  return hints;
}

const ask = async (...words: string[]) => tsbgp([...words, "-s", socket]);

describe.skipIf(OWN_REASON !== null)(`a pair${because(OWN_REASON)}`, () => {
  test("shows routes of both clients, says what to type next, and ends at Ctrl-C", async () => {
    const httpPort = await freePort();
    configure(port, `http: { port: ${httpPort} }`);
    const { interrupt, output, ended, isLeft } = npmStart();
    await until(() => output().includes("Ctrl-C ends it."), WAIT_MS, "it says how to end it");
    const text = output();
    for (const line of ROUTES) expect(text).toMatch(line);
    expect(text).toMatch(/^127\.0\.0\.11 +64501 .* 1 +0 +3$/m);

    expect(await typeHints(text)).toHaveLength(8);
    const page = await fetch(text.match(/^In a browser: (\S+)/m)![1]!);
    expect([page.status, await page.text()]).toEqual([200, expect.stringContaining("page.js")]);
    const metrics = await fetch(text.match(/^Metrics: (.*)$/m)![1]!);
    expect(await metrics.text()).toMatch(/^tsbgp_nsr_role\{role="active"\} 1$/m);

    interrupt();
    // npm reports an interrupted script by ending in the same way.
    expect(await ended).toBe("SIGINT");
    await until(() => !isLeft(), WAIT_MS, "no process of it is left");
    expect(left()).toEqual([]);
    expect(output()).not.toMatch(/\n {4}at /);
  });

  test("answers after a kill by somebody else as before, and reloads the file given", async () => {
    const { interrupt, output, ended } = nodeStart();
    await until(() => output().includes("Ctrl-C ends it."), WAIT_MS, "it says how to end it");
    process.kill(processOf("a", output()), "SIGKILL");
    await until(() => output().includes("a was started again"), WAIT_MS, "a runs again");
    expect((await ask("show", "nsr")).stdout).toMatch(
      /^b of demo is active, a can take over all 2/,
    );
    expect((await ask("show", "neighbors")).stdout.match(/Established/g)).toHaveLength(2);

    const text = readFileSync(file, "utf8");
    writeFileSync(file, text.replace("Example Two", "Another One"));
    expect((await ask("reload")).code).toBe(0);
    expect((await ask("show", "neighbors")).stdout).toContain("Another One");
    writeFileSync(file, text.replace("as: 64500", "as: nothing"));
    const refused = await ask("reload");
    expect([refused.code, refused.stderr.includes(`${file}:`)]).toEqual([1, true]);
    expect(refused.stderr).toContain("nothing was changed");

    interrupt();
    expect(await ended).toBe("exit 0");
    expect(left()).toEqual([]);
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

  test.each(["SIGINT", "SIGTERM", "SIGHUP"] as const)(
    "ends with exit code 0 at %s, without npm",
    async (name) => {
      const { interrupt, output, ended } = nodeStart();
      await until(() => output().includes("Ctrl-C ends it."), WAIT_MS, "it says how to end it");
      if (name === "SIGINT") interrupt();
      else started[0]!.kill(name);
      expect(await ended).toBe("exit 0");
      expect(left()).toEqual([]);
    },
  );

  test("leaves nothing behind when it is killed itself", async () => {
    const { output } = nodeStart();
    await until(() => output().includes("Ctrl-C ends it."), WAIT_MS, "it says how to end it");
    const pids = [processOf("a", output()), processOf("b", output())];
    process.kill(-started[0]!.pid!, "SIGKILL");
    await until(() => left().length === 0, WAIT_MS, "its files are gone");
    await until(() => pids.every((pid) => !isThere(pid)), WAIT_MS, "its processes are gone");
  });

  test("a key kills the active process, another one switches over", async () => {
    const { output, ended } = onTerminal({ k: 1, s: 2 });
    expect(await ended).toBe("exit 0");
    const text = output().replaceAll("\r", "");
    expect(text).toMatch(/^kill -9 \d+: the active process, a$/m);
    expect(text).toMatch(/^a was started again as \d+, and can take over/m);
    expect(text).toMatch(/^tsbgp switchover: b hands over to a$/m);
    expect(text).toMatch(/^b follows, and can take over/m);
    expect(text.match(/^UNDISTURBED/gm)).toHaveLength(2);
    expect(left()).toEqual([]);
  });
});

function isThere(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

/** Runs it on a terminal of its own, presses keys there, and q at the end. */
const TERMINAL = `
import json, os, pty, select, sys
pid, fd = pty.fork()
if pid == 0:
    os.execvp(sys.argv[2], sys.argv[2:])
keys, text = json.loads(sys.argv[1]), ""
while True:
    try:
        data = os.read(fd, 65536)
    except OSError:
        break
    if not data:
        break
    text += data.decode("utf8", "replace")
    sys.stdout.write(data.decode("utf8", "replace"))
    sys.stdout.flush()
    for key, word, count in list(keys):
        if text.count(word) < count:
            break
        keys.pop(0)
        os.write(fd, key.encode())
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
`;

/** @param keys - in order; each is pressed once the one before has had its effect */
function onTerminal(keys: Readonly<Record<string, number>>): Started {
  const steps: [string, string, number][] = [];
  let word = "Keys: ";
  let count = 1;
  for (const [key, done] of Object.entries(keys)) {
    steps.push([key, word, count]);
    word = "can take over after";
    count = done;
  }
  steps.push(["q", word, count]);
  const words = ["-c", TERMINAL, JSON.stringify(steps), process.execPath, "scripts/start.mjs"];
  return start("python3", words);
}

describe("one kill", () => {
  test.skipIf(OWN_REASON !== null)(`does not disturb the clients${because(OWN_REASON)}`, () =>
    expectOneKill(OWN_UID),
  );

  test.skipIf(NOBODY_REASON !== null)(
    `does not disturb them for nobody, who has no rights${because(NOBODY_REASON)}`,
    () => expectOneKill(NOBODY),
  );

  async function expectOneKill(uid: number): Promise<void> {
    const words = ["scripts/start.mjs", "--once"];
    const { output, ended } = start(process.execPath, words, uid === OWN_UID ? undefined : uid);
    expect([await ended, output()]).toEqual(["exit 0", expect.stringContaining("UNDISTURBED")]);
    const text = output();
    // Session, OPEN, NOTIFICATION and routes are what they were.
    for (const client of ["127.0.0.11", "127.0.0.12"]) {
      const seen = text.matchAll(new RegExp(`^${client} .* (before|after) +(\\S+) .*$`, "gm"));
      const rows = [...seen].map((match) => [match[2], match[0].split(/ +/).slice(-3)]);
      expect(rows).toHaveLength(2);
      expect(rows[0]).toEqual(rows[1]);
    }
    expect(text).toMatch(/^Longest silence at 127\.0\.0\.12: \d+ ms/m);
    expect(text).toMatch(/^A route announced after that was at the other client in \d+ ms/m);
    expect(text).toMatch(/^a was started again as \d+, and can take over after/m);
    expect(left()).toEqual([]);
  }
});

describe("where there can be no namespace", () => {
  /** In the place of the real one. */
  function withoutNamespaces(...options: string[]): Started {
    const bin = join(folder, "bin");
    mkdirSync(bin);
    const refusal = "#!/bin/sh\necho unshare failed: Operation not permitted >&2\nexit 1\n";
    writeFileSync(join(bin, "unshare"), refusal, { mode: 0o755 });
    const env = { PATH: `${bin}:${process.env["PATH"]}` };
    return start(process.execPath, ["scripts/start.mjs", ...options], undefined, env);
  }
  const REASON = "no network namespace: unshare failed: Operation not permitted";

  test("it says so, and runs a single speaker", async () => {
    const { interrupt, output, ended } = withoutNamespaces();
    await until(() => output().includes("Ctrl-C ends it."), WAIT_MS, "it says how to end it");
    expect(linesOf(output())[0]).toBe(`No pair, but a single speaker: ${REASON}`);
    for (const line of ROUTES) expect(output()).toMatch(line);
    interrupt();
    expect(await ended).toBe("exit 0");
  });

  test("there is nothing to kill", async () => {
    const { output, ended } = withoutNamespaces("--once");
    expect(await ended).toBe("exit 1");
    expect(linesOf(output())).toEqual([`No pair, so nothing to kill: ${REASON}`]);
  });
});

describe("a single speaker", () => {
  test("shows routes of both clients, says what to type next, and ends at Ctrl-C", async () => {
    const { interrupt, output, ended, isLeft } = npmStart("--single");
    await until(() => output().includes("Ctrl-C ends it."), WAIT_MS, "it says how to end it");
    const text = output();
    for (const line of ROUTES) expect(text).toMatch(line);
    expect(text).not.toMatch(/"level":"(warn|error)"/);
    expect(await typeHints(text)).toHaveLength(5);

    interrupt();
    expect(await ended).toBe("SIGINT");
    await until(() => !isLeft(), WAIT_MS, "no process of it is left");
    expect(left()).toEqual([]);
    expect(output()).toMatch(/"id":"stopped"/);
    expect(output()).not.toMatch(/\n {4}at /);
  });

  test("says that something else has its port", async () => {
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(port, "127.0.0.1", resolve));
    const { output, ended } = npmStart("--single");
    expect(await ended).toBe("exit 2");
    other.close();
    const expected = `tsbgp: cannot listen on 127.0.0.1 port ${port}: something else is listening there`;
    expect(linesOf(output())).toContain(expected);
    expect(output()).not.toMatch(/\n {4}at /);
  });

  test.skipIf(PORT_REASON !== null)(
    `says who may have port 179${because(PORT_REASON)}`,
    async () => {
      configure(179);
      const words = ["scripts/start.mjs", "--single"];
      const { output, ended } = start(process.execPath, words, NOBODY);
      expect(await ended).toBe("exit 2");
      expect(linesOf(output()).at(-1)).toBe(
        "tsbgp: cannot listen on 127.0.0.1 port 179: " +
          "permission denied (ports below 1024 need root or CAP_NET_BIND_SERVICE)",
      );
    },
  );

  test.each(["SIGINT", "SIGTERM", "SIGHUP"] as const)(
    "ends with exit code 0 at %s, without npm",
    async (name) => {
      const { interrupt, output, ended } = nodeStart("--single");
      await until(() => output().includes("Ctrl-C ends it."), WAIT_MS, "it says how to end it");
      if (name === "SIGINT") interrupt();
      else started[0]!.kill(name);
      expect(await ended).toBe("exit 0");
      expect(output()).toMatch(/"id":"stopped"/);
    },
  );
});

test("says what is wrong with its file", async () => {
  writeFileSync(file, readFileSync(file, "utf8").replace("as: 64500", "as: nothing"));
  const { output, ended } = npmStart();
  expect(await ended).toBe("exit 1");
  expect(output()).toMatch(/route-server\.yaml:\d+:\d+: .*as/);
});
