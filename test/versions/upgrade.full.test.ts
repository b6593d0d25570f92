/**
 * The steps of docs/upgrade.md for two processes and for systemd, as they stand there: run by a shell, with a
 * program that behaves otherwise as the new version, and scripted peers, who must not notice.
 */
import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { enterOwnNetwork, removeRules } from "../../testkit/own-network.ts";
import { isUndisturbed } from "../../testkit/pair.ts";
import { Peer } from "../../testkit/peer.ts";
import { WAIT_MS } from "../../testkit/speaker.ts";
import { manyRoutes } from "../../testkit/updates.ts";
import { askSpeaker, nsrStatus } from "../lab/ask.ts";
import { until } from "../lab/until.ts";
import { Learned } from "./learned.ts";
import { stepsOf, swapped } from "./steps.ts";
import { type Tree, variantTree, versionPatch } from "./tree.ts";
import { VARIANTS } from "./variants.ts";

const REASON = enterOwnNetwork();
const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const UNIT = readFileSync(join(ROOT, "configs/systemd/ts-bgp@.service"), "utf8");
const SAMPLE = readFileSync(join(ROOT, "configs/pair.yaml"), "utf8");
/** A busy machine keeps a process waiting for longer than one of the field would. */
const PATIENT = "  heartbeat-ms: 100\n  heartbeat-misses: 10\n  patience-ms: 5000\n";
const PORT = 1790;
const CLIENTS = [
  { localAddress: "127.0.0.11", as: 64501 },
  { localAddress: "127.0.0.12", as: 64502 },
] as const;
const ROUTES = 300;
const SIDES = ["a", "b"] as const;
/** The shell has come to the end of its steps. */
const SIGN = "the-end-of-the-steps";
const VERSION = "9.8.7";

/** A host's folders, in one of the test; commands of it are found before those of this machine. */
class Host {
  readonly directory: string = mkdtempSync(join(tmpdir(), "tsbgp-up-"));
  /** The parent of all speakers: it takes note of their end. */
  private readonly shell: ChildProcessWithoutNullStreams;
  private readonly peers: Peer[] = [];
  private readonly learned: Learned[] = [];

  constructor(next: Tree) {
    for (const name of ["opt", "run", "etc", "bin"]) {
      mkdirSync(this.path(name), { mode: 0o700 });
    }
    symlinkSync(resolve(ROOT), this.path("opt/ts-bgp-old"));
    symlinkSync(resolve(next.main, "../../../.."), this.path("opt/ts-bgp-next"));
    symlinkSync("ts-bgp-old", this.path("opt/ts-bgp"));
    const PATH = `${this.path("bin")}:${process.env["PATH"]}`;
    const env = { ...process.env, PATH };
    this.shell = spawn("bash", [], { cwd: this.directory, env });
    process.on("exit", this.removeAtExit);
  }

  path(name: string): string {
    return join(this.directory, name);
  }

  /** @returns text that names a host's folders, with those of this one */
  here(text: string): string {
    return text
      .replaceAll("/opt/ts-bgp", this.path("opt/ts-bgp"))
      .replaceAll("/run/ts-bgp/", `${this.path("run")}/`)
      .replaceAll("/etc/ts-bgp/", `${this.path("etc")}/`);
  }

  command(name: string, lines: string): void {
    writeFileSync(this.path(`bin/${name}`), `#!/bin/bash\n${lines}\n`);
    chmodSync(this.path(`bin/${name}`), 0o755);
  }

  /** A command that is the program in a folder of /opt. */
  program(name: string, folder: string): void {
    const file = `${this.path("opt")}/${folder}/packages/cli/bin/tsbgp.mjs`;
    this.command(name, `exec ${process.execPath} ${file} "$@"`);
  }

  /** Has the shell do something. @returns what was printed; rejects with it when a line fails */
  run(steps: string): Promise<string> {
    const { shell } = this;
    const [file, out] = [this.path("steps.sh"), this.path("steps.out")];
    // What runs in the background writes a log of its own.
    const text = this.here(steps).replace(/ &$/gm, " > /dev/null 2>&1 &");
    writeFileSync(file, `set -e\n${text}\nset +e\n`);
    return new Promise((done, fail) => {
      const heard = (words: Buffer) => {
        if (!words.includes(SIGN)) return;
        shell.off("close", failed);
        shell.stdout.off("data", heard);
        done(readFileSync(out, "utf8"));
      };
      const failed = () => fail(new Error(`the steps failed:\n${readFileSync(out, "utf8")}`));
      shell.once("close", failed);
      shell.stdout.on("data", heard);
      shell.stdin.write(`. ${file} > ${out} 2>&1; echo ${SIGN}\n`);
    });
  }

  socket(name: string): string {
    return this.path(`run/${name}.sock`);
  }

  async connect(): Promise<void> {
    for (const client of CLIENTS) {
      const peer = await Peer.establish({ port: PORT, ...client });
      this.peers.push(peer);
      this.learned.push(new Learned(peer));
    }
    for (const [k, peer] of this.peers.entries()) {
      await peer.sendAll(manyRoutes({ as: CLIENTS[k]!.as, count: ROUTES, from: k * ROUTES }));
    }
    const hasAll = () => this.tables.every((table) => Object.keys(table).length === ROUTES);
    await until(hasAll, WAIT_MS, "each has the other's routes");
  }

  get tables(): readonly Learned["table"][] {
    return this.learned.map(({ table }) => table);
  }

  get undisturbed(): readonly boolean[] {
    return this.peers.map(isUndisturbed);
  }

  /** Waits until a side is active and the other one can take over. */
  async untilActive(name: string): Promise<void> {
    const isReady = async () => {
      const status = await nsrStatus(this.socket(name));
      return status?.role === "active" && status.ready && status.protected === this.peers.length;
    };
    await until(isReady, WAIT_MS, `${name} is active, and protected`);
  }

  /** @returns the versions that both sides run */
  versions(...sockets: string[]): Promise<string[]> {
    const ask = async (name: string) => {
      const [status] = (await askSpeaker(this.socket(name), { command: "show-status" })) ?? [];
      return (status as { version: string }).version;
    };
    return Promise.all(sockets.map(ask));
  }

  private readonly removeAtExit = () => this.remove();

  remove(): void {
    process.off("exit", this.removeAtExit);
    for (const peer of this.peers) peer.end();
    this.shell.kill("SIGKILL");
    for (const pid of speakersIn(this.directory)) process.kill(pid, "SIGKILL");
    removeRules();
    rmSync(this.directory, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** @returns processes that are speakers of a folder */
function speakersIn(directory: string): number[] {
  return readdirSync("/proc")
    .map(Number)
    .filter((pid) => {
      if (!Number.isInteger(pid)) return false;
      try {
        const words = readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
        return words.includes("run") && words.some((word) => word.startsWith(directory));
      } catch {
        return false;
      }
    });
}

/** @returns the sample of a pair as the file of a side */
function sample(socket: string): string {
  const control = `control: { socket: /run/ts-bgp/${socket}.sock }`;
  const text = SAMPLE.replace("  arbiter: local", `${PATIENT}  arbiter: local`);
  expect(text).not.toBe(SAMPLE);
  return `${control}\n${text}`;
}

describe.skipIf(REASON !== null)(
  `the steps of docs/upgrade.md (${REASON ?? "on one host"})`,
  () => {
    let next: Tree;
    beforeAll(() => {
      const { patches } = VARIANTS.find(({ name }) => name === "another order of attributes")!;
      next = variantTree([...patches, versionPatch(VERSION)]);
    });
    afterAll(() => next.remove());

    async function withHost(body: (host: Host) => Promise<void>): Promise<void> {
      const host = new Host(next);
      try {
        await body(host);
      } finally {
        host.remove();
      }
    }

    test("lead two processes to another version, and back", () =>
      withHost(async (host) => {
        const [steps = ""] = stepsOf("Two processes");
        host.program("tsbgp", "ts-bgp-old");
        host.program("tsbgp-next", "ts-bgp-next");
        for (const side of SIDES) {
          const text = sample(side === "a" ? "ts-bgp" : "b");
          writeFileSync(host.path(`side-${side}.yaml`), host.here(text));
        }
        await host.run("tsbgp run -c side-a.yaml --nsr-self a &\n");
        await until(async () => nsrStatus(host.socket("ts-bgp")), WAIT_MS, "a is there");
        await host.connect();
        await host.run("tsbgp run -c side-b.yaml --nsr-self b &\n");
        await host.untilActive("ts-bgp");
        const before = { tables: host.tables, version: (await host.versions("b"))[0] };
        for (const [script, version] of [
          [steps, VERSION],
          [swapped(steps, "tsbgp-next ", "tsbgp "), before.version],
        ] as const) {
          const printed = await host.run(script);
          expect(printed).toContain("no session would end, no route differ");
          expect(printed).toContain("2 of 2 sessions went on");
          await host.untilActive("ts-bgp");
          expect(await host.versions("ts-bgp", "b")).toEqual([version, version]);
        }
        expect(host.undisturbed).toEqual([true, true]);
        expect(host.tables).toEqual(before.tables);
      }));

    test("lead two units of systemd to another version", () =>
      withHost(async (host) => {
        const [steps = ""] = stepsOf("systemd");
        host.program("tsbgp", "ts-bgp");
        const start = /^ExecStart=(.*)$/m.exec(UNIT)![1]!;
        const line = start
          .replace("/opt/ts-bgp/node_modules/.bin/node", process.execPath)
          .replaceAll("%i", "$name");
        await host.run(`systemctl() {
  name=\${2#ts-bgp@}
  if [ "$1" = restart ]; then
    pid=$(cat $name.pid); kill -TERM $pid; while kill -0 $pid 2> /dev/null; do sleep 0.05; done
  fi
  ${line} &
  echo $! > $name.pid
}`);
        for (const side of SIDES) {
          writeFileSync(
            host.path(`etc/${side}.yaml`),
            host.here(sample(side)).replace("# self: a  ", `self: ${side}    `),
          );
        }
        await host.run("systemctl start ts-bgp@a\n");
        await until(async () => nsrStatus(host.socket("a")), WAIT_MS, "a is there");
        await host.connect();
        await host.run("systemctl start ts-bgp@b\n");
        await host.untilActive("a");
        const before = host.tables;
        const printed = await host.run(steps);
        expect(printed).toContain("no session would end, no route differ");
        await host.untilActive("a");
        // What runs is what the link led to when it was started.
        expect(await host.versions(...SIDES)).toEqual([VERSION, VERSION]);
        expect(host.undisturbed).toEqual([true, true]);
        expect(host.tables).toEqual(before);
      }));
  },
);
