/** A configuration is tried before it counts, and goes back unless it is confirmed: with a real speaker. */
import { execFile, execFileSync, fork } from "node:child_process";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { until } from "../../../test/lab/until.ts";
import { Peer, UPDATE } from "../../../testkit/peer.ts";
import { type ConfigFile, MAIN, SpeakerProcess, WAIT_MS } from "../../../testkit/speaker.ts";
import { manyRoutes } from "../../../testkit/updates.ts";

const A = "127.1.0.1";
const B = "127.1.0.2";
const ROUTES = 3000;

/** @param hidden - prefixes of A's that B is not sent; `more`: options of A */
function config(hidden: readonly string[], more: ConfigFile = {}): ConfigFile {
  const neighbor = (address: string, as: number) => ({ address, as, passive: true });
  return {
    defaults: { "route-server-client": true, import: "clean", export: "accept-all" },
    neighbors: [{ ...neighbor(A, 65001), ...more }, neighbor(B, 65002)],
    policies: JSON.parse(`{ "clean": [
      { "name": "hidden", "if": { "prefix": "hidden" }, "then": "reject" }, { "then": "accept" }
    ] }`),
    "prefix-lists": { hidden },
  };
}

const NONE = ["203.0.113.0/24"];
/** 1024 of the routes: 16.0.0.0/24 to 16.3.255.0/24. */
const MANY = ["16.0.0.0/14 le 24"];

let speaker: SpeakerProcess;
let a: Peer;
let b: Peer;

beforeAll(async () => {
  speaker = await SpeakerProcess.create(config(NONE));
  await speaker.start();
  [a, b] = await Promise.all([
    Peer.establish({ port: speaker.port, localAddress: A, as: 65001 }),
    Peer.establish({ port: speaker.port, localAddress: B, as: 65002 }),
  ]);
  await a.sendAll(manyRoutes({ as: 65001, count: ROUTES }));
  await sentToB(ROUTES);
});

afterAll(() => {
  a?.end();
  b?.end();
  speaker?.remove();
});

async function sentToB(count: number): Promise<void> {
  const isThere = async () => (await speaker.neighbor(B)).families[0]!.advertised === count;
  await until(isThere, WAIT_MS, `B is sent ${count} routes`);
}

function tsbgp(...words: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    const all = [MAIN, ...words, "--socket", speaker.socket];
    execFile(process.execPath, all, (error, stdout, stderr) =>
      resolve({ code: (error?.code as number | undefined) ?? 0, stdout, stderr }),
    );
  });
}

/** Writes a file beside that of the speaker. */
function newFile(sections: ConfigFile): string {
  const file = join(speaker.directory, "new.yaml");
  speaker.configure(sections);
  const text = readFileSync(speaker.file, "utf8");
  speaker.configure(config(NONE));
  writeFileSync(file, text);
  return file;
}

const updates = (peer: Peer) => peer.messages.filter(({ type }) => type === UPDATE).length;

describe("what-if", () => {
  test("of the same says that nothing would be otherwise: exit 0", async () => {
    const { code, stdout, stderr } = await tsbgp("what-if");
    expect({ code, stdout, stderr }).toEqual({
      ...{ code: 0, stderr: "" },
      stdout: "nothing would be otherwise for a neighbor\n",
    });
  });

  test("foretells what a reload does, and does nothing: exit 1", async () => {
    const file = newFile(config(MANY));
    const before = updates(b);
    const { code, stdout } = await tsbgp("what-if", "-c", file, "--json");
    expect(code).toBe(1);
    const foretold = JSON.parse(stdout);
    expect(foretold).toMatchObject({
      ...{ file, differs: true, routes: [], routes_left_out: 0 },
      changes: { policies: ["clean"], reset: [], changed: [A, B] },
      neighbors: [
        {
          ...{ neighbor: A, session: "stays", newly_rejected: 1024, lost: 0 },
          rejected_by: [{ rule: "hidden", policy: "clean", source: `${file}:1`, count: 1024 }],
        },
        { neighbor: B, session: "stays", lost: 1024, gained: 0, changed: 0, while_away: 0 },
      ],
    });
    expect((await speaker.neighbor(B)).families[0]!.advertised).toBe(ROUTES);
    expect(updates(b)).toBe(before);
    const words = await tsbgp("what-if", "-c", file, "--neighbor", B);
    expect(words.stdout).toMatch(/^16\.0\.0\.0\/24 +lost$/m);
    expect(words.stdout).not.toContain("rejected by policy");
  });

  test("for some neighbors alone says what a reload with --canary does", async () => {
    const file = newFile(config(MANY));
    const asked = async (...args: string[]) =>
      JSON.parse((await tsbgp("what-if", "-c", file, "--json", ...args)).stdout);
    // Policy for import rejects what A has sent: B alone has it, and nothing to be rejected.
    const ofB = await asked("--canary", B);
    expect(ofB).toMatchObject({
      changes: { policies: ["clean~new"], changed: [B] },
      neighbors: [],
    });
    const ofA = await asked("--canary", A);
    expect(ofA).toMatchObject({
      changes: { policies: ["clean~new"], changed: [A] },
      neighbors: [
        { neighbor: A, newly_rejected: 1024, rejected_by: [{ policy: "clean~new" }] },
        { neighbor: B, lost: 1024 },
      ],
    });
    const unknown = await tsbgp("what-if", "-c", file, "--canary", "AS64999");
    expect([unknown.code, unknown.stderr]).toEqual([
      2,
      "tsbgp: no neighbor has the AS number, address or description AS64999\n",
    ]);
    const same = await tsbgp("what-if", "--canary", A);
    expect([same.code, same.stderr]).toEqual([2, `tsbgp: the file changes nothing for ${A}\n`]);
  });

  test("of a file with mistakes names them, and of none says so: exit 2", async () => {
    const file = newFile({ ...config(NONE), neighbors: [{ address: "nowhere", as: 1 }] });
    const { code, stderr } = await tsbgp("what-if", "-c", file);
    expect(code).toBe(2);
    expect(stderr).toContain('"nowhere" is not an IP address');
    const absent = await tsbgp("what-if", "-c", "/no/such/file.yaml");
    expect([absent.code, absent.stderr]).toEqual([
      2,
      "tsbgp: cannot read /no/such/file.yaml: no such file\n",
    ]);
    expect((await tsbgp("what-if", "--neighbor", "192.0.2.77")).code).toBe(2);
    const pipe = join(speaker.directory, "pipe");
    execFileSync("mkfifo", [pipe]);
    for (const place of [pipe, "/dev/zero"]) {
      const { code, stderr } = await tsbgp("what-if", "-c", place);
      expect([code, stderr]).toEqual([2, `tsbgp: cannot read ${place}: it is no regular file\n`]);
    }
    const own = await tsbgp("what-if", "-c", "/dev/fd/63");
    expect([own.code, own.stderr]).toEqual([
      2,
      "tsbgp: the speaker reads the file, and has no /dev/fd/63 of this command: give a file\n",
    ]);
  });

  test("is done by a process that the kernel ends first when memory runs out", async () => {
    const program = fileURLToPath(new URL("../src/what-if-worker.ts", import.meta.url));
    const child = fork(program, { serialization: "advanced" });
    const score = () => readFileSync(`/proc/${child.pid}/oom_score_adj`, "utf8").trim();
    await until(() => score() === "1000", WAIT_MS, "it has set its score");
    const ended = once(child, "exit");
    child.disconnect();
    expect(await ended).toEqual([0, null]);
  });

  test("is done once at a time, and can be given up", async () => {
    const asked = () =>
      speaker.ask({ command: "what-if" }).then(
        () => "",
        ({ message }) => message,
      );
    const both = await Promise.all([asked(), asked()]);
    expect(both.toSorted()).toEqual(["", "another configuration is being tried: ask again"]);
    const controller = new AbortController();
    const words = [MAIN, "what-if", "--socket", speaker.socket];
    const given = new Promise((resolve) => {
      execFile(process.execPath, words, { signal: controller.signal }, resolve);
    });
    setTimeout(() => controller.abort(), 300);
    await given;
    const isFree = async () => (await asked()) === "";
    await until(isFree, WAIT_MS, "another one may ask");
  });
});

describe("a reload", () => {
  test("goes back by itself unless it is confirmed", async () => {
    const before = updates(b);
    speaker.configure(config(MANY));
    // Over before anything else needs to happen.
    await speaker.ask({ command: "reload", confirm: 2 });
    const line = await speaker.untilLogged("going back", ({ id }) => id === "config-rolled-back");
    expect(line).toMatchObject({ level: "warn", number: 1, how: "expired" });
    await sentToB(ROUTES);
    await until(() => updates(b) > before, WAIT_MS, "B is told of both");
    const { msg } = await speaker.untilLogged("the file", ({ id }) => id === "config-differs");
    expect(msg).toContain(`${speaker.file} differs in policy clean: it is not what is in force`);
    expect((await tsbgp("confirm")).stderr).toBe("tsbgp: no configuration waits to be confirmed\n");
    const shown = await tsbgp("show", "reloads");
    expect(shown.stdout).toMatch(/^ +3 .* expired +user \d+ .* in force$/m);
    expect(shown.stdout).toMatch(/^ +2 .* reload +user \d+ +0 +0 +0 +2 +1$/m);
    expect(shown.stdout).toContain("is not what is in force: it differs in policy clean\n");
    expect([a.closed, b.closed]).toEqual([false, false]);
  });

  test("stays once it is confirmed, and can be taken back then", async () => {
    speaker.configure(config(MANY));
    const { stdout } = await tsbgp("reload", "--confirm", "600");
    expect(stdout).toContain("goes back in 600 s: `tsbgp confirm` keeps it");
    await sentToB(ROUTES - 1024);
    expect((await tsbgp("show", "status")).stdout).toMatch(
      /^Configuration: +of user \d+, goes back/m,
    );
    await expect(speaker.ask({ command: "reload" })).rejects.toThrow(
      "the configuration in force waits to be confirmed",
    );
    const confirmed = await tsbgp("confirm");
    expect([confirmed.code, confirmed.stdout]).toEqual([
      0,
      "configuration 4 stays, for all neighbors\n",
    ]);
    const { items } = await speaker.ask({ command: "show-reloads" });
    expect(items).toMatchObject([
      {
        configurations: [{ number: 4, in_force: true, until_ms: null }, { number: 3 }, {}, {}],
        ...{ file: speaker.file, differs_in: [] },
      },
    ]);
    await speaker.ask({ command: "reload" });
    const back = await tsbgp("rollback");
    expect(back.stdout).toContain("back to configuration 3\n");
    await sentToB(ROUTES);
    expect((await tsbgp("rollback", "--to", "2")).code).toBe(0);
    await sentToB(ROUTES - 1024);
    expect(await tsbgp("rollback", "--to", "77")).toMatchObject({
      code: 1,
      stderr: "tsbgp: there is no configuration 77: there are 1, 2, 3, 4, 5, 6\n",
    });
    speaker.configure(config(NONE));
    await speaker.ask({ command: "reload" });
    await sentToB(ROUTES);
  });

  test("that is taken back brings the section http of before back", async () => {
    speaker.configure({ ...config(NONE), http: { port: speaker.httpPort, anonymous: "none" } });
    const status = async () =>
      (await fetch(`http://127.0.0.1:${speaker.httpPort}/api/v1/status`)).status;
    expect(await status()).toBe(200);
    await speaker.ask({ command: "reload", confirm: 600 });
    expect(await status()).toBe(401);
    await tsbgp("rollback");
    expect(await status()).toBe(200);
  });
});
