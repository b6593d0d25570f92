/** A pair's routes in a kernel, through everything that happens to servers, links and the module itself. */
import { spawnSync } from "node:child_process";
import {
  chownSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { until } from "../../../test/lab/until.ts";
import { enterOwnNetwork } from "../../../testkit/own-network.ts";
import { MAIN, WAIT_MS } from "../../../testkit/speaker.ts";
import { tellForwardStory } from "./support/forward-story.ts";
import { Module } from "./support/forwarding.ts";

const USER = 12_345;
/** A module that throws, where nobody waits for it, at SIGUSR2. */
const FAULT_HOOK = "data:text/javascript,process.on('SIGUSR2',()=>{throw%20Error('a%20fault')})";

/** A module whose server is not there. */
async function withModule(story: (module: Module, directory: string) => Promise<void>) {
  const directory = mkdtempSync(join(tmpdir(), "tsbgp-forward-"));
  const log = { file: join(directory, "log") };
  const module = new Module(directory, { servers: join(directory, "none.sock"), log });
  try {
    await story(module, directory);
  } finally {
    module.kill();
    rmSync(directory, { recursive: true });
  }
}

const reason = enterOwnNetwork();

describe.skipIf(reason !== null)(`a module${reason === null ? "" : ` (${reason})`}`, () => {
  test("has 10,000 routes stay where they are, and packets go on", async () => {
    await tellForwardStory(10_000);
  });

  test("is not begun without the right to write them", () => {
    const directory = mkdtempSync(join(tmpdir(), "tsbgp-forward-"));
    const file = join(directory, "forward.yaml");
    const control = { socket: join(directory, "forward.sock") };
    writeFileSync(file, JSON.stringify({ servers: "/run/none.sock", forward: {}, control }));
    const words = ["--bounding-set", "-net_admin", process.execPath, MAIN, "forward", "-c", file];
    const { status, stderr } = spawnSync("setpriv", words, { encoding: "utf8" });
    rmSync(directory, { recursive: true });
    expect(stderr).toBe(
      "tsbgp: routes of the kernel are written with CAP_NET_ADMIN, which this process lacks\n",
    );
    expect(status).toBe(2);
  });

  test("opens its log anew at SIGHUP, and goes on", async () => {
    await withModule(async (module, directory) => {
      const file = join(directory, "log");
      module.start();
      await module.until("it runs", () => true);
      renameSync(file, `${file}.1`);
      module.signal("SIGHUP");
      await until(() => existsSync(file), WAIT_MS, "there is a new log");
      expect(await module.end("SIGTERM")).toBe("exit 0");
      expect(readFileSync(file, "utf8")).toContain('"id":"stopped"');
      expect(readFileSync(`${file}.1`, "utf8")).not.toContain('"id":"stopped"');
    });
  });

  test("ends with the cause in its log when something has gone wrong in it", async () => {
    await withModule(async (module, directory) => {
      module.start(["env", `NODE_OPTIONS=--import=${FAULT_HOOK}`]);
      await module.until("it runs", () => true);
      expect(await module.end("SIGUSR2")).toBe("exit 70");
      const log = readFileSync(join(directory, "log"), "utf8");
      expect(log).toMatch(/"id":"internal-error".*the process ends: Error: a fault/);
    });
  });

  test("needs no other right than that to write them", async () => {
    await withModule(async (module, directory) => {
      chownSync(directory, USER, USER);
      const words = `--reuid ${USER} --regid ${USER} --clear-groups`.split(" ");
      module.start([
        ...["setpriv", ...words, "--inh-caps", "-all,+net_admin", "--ambient-caps", "+net_admin"],
      ]);
      const { servers } = await module.until("it runs", () => true);
      expect(servers).toMatchObject([{ state: "away" }]);
    });
  });
});
