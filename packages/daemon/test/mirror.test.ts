/** A speaker that runs alone, and its mirror, as processes. */

import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  CLUSTER,
  expectSame,
  mirrorOf,
  mirrorsOf,
  untilMirror,
  untilNew,
  untilServing,
} from "../../../testkit/mirror.ts";
import { Peer } from "../../../testkit/peer.ts";
import { MAIN, neighborAddress, SpeakerProcess } from "../../../testkit/speaker.ts";
import { manyRoutes, manyWithdrawals } from "../../../testkit/updates.ts";

const [A, B] = [1, 2].map(neighborAddress) as [string, string];
const ROUTES = 3000;
const EXPLAIN = [
  { command: "explain-import", prefix: "16.0.0.0/24", neighbor: A },
  { command: "explain-export", prefix: "16.0.0.0/24", neighbor: B },
  { command: "explain-export", prefix: "16.0.0.0/24", neighbor: A },
  { command: "show-routes", view: "advertised", neighbor: A },
  { command: "show-routes", view: "not-advertised", neighbor: B },
];

const POLICIES = JSON.parse(`{ "checked": [
  { "name": "own", "if": { "as-path": { "contains": 100001 } }, "then": "reject" },
  { "set": { "local-pref": 200, "community": { "add": ["64500:7"] } }, "then": "accept" }
] }`);

let server: SpeakerProcess;
let mirror: SpeakerProcess;
let socket: string;
let a: Peer;
let b: Peer;

function serverConfig(names: readonly string[]) {
  return {
    defaults: { passive: true, export: "accept-all" },
    neighbors: [
      { address: A, as: 65001, import: "checked" },
      { address: B, as: 65002, import: "accept-all", description: "the second" },
    ],
    policies: POLICIES,
    mirrors: { cluster: CLUSTER, listen: socket, ...(names.length === 0 ? {} : { names }) },
  };
}

beforeAll(async () => {
  server = await SpeakerProcess.create({});
  socket = join(server.directory, "mirrors.sock");
  server.configure(serverConfig(["m1", "m2"]));
  mirror = await mirrorOf(socket, { self: "m1" });
  await server.start();
  const port = server.port;
  a = await Peer.establish({ port, localAddress: A, as: 65001 });
  b = await Peer.establish({ port, localAddress: B, as: 65002 });
  await b.sendAll(manyRoutes({ as: 65002, count: ROUTES }));
  await a.sendAll(manyRoutes({ as: 65001, count: 10, perMessage: 1 }));
  await mirror.start();
});

afterAll(() => {
  a?.end();
  b?.end();
  server?.remove();
  mirror?.remove();
});

async function fetched(path: string): Promise<{ age: string | null; body: string }> {
  const response = await fetch(`http://127.0.0.1:${mirror.httpPort}${path}`);
  expect(response.status).toBe(200);
  return { age: response.headers.get("age"), body: await response.text() };
}

/** @returns what the command says to people */
const tsbgp = (words: readonly string[]) =>
  promisify(execFile)(process.execPath, [MAIN, ...words], { encoding: "utf8" });

describe("a mirror", () => {
  test("says what its server says, and goes on to do so, whatever it was asked", async () => {
    await expectSame(mirror, server, EXPLAIN);
    await b.sendAll(manyWithdrawals(200));
    await a.sendAll(manyRoutes({ as: 65001, count: 300, med: 7 }));
    await expectSame(mirror, server, EXPLAIN);
    await a.sendAll(manyWithdrawals(100));
    await expectSame(mirror, server, EXPLAIN);
    const { following } = await mirrorsOf(mirror);
    expect(following).toMatchObject({ cluster: CLUSTER, state: "following", states: 1 });
  });

  test("takes no orders", async () => {
    for (const command of ["reset", "disable", "reload", "switchover", "refresh"]) {
      await expect(mirror.ask({ command, neighbor: A })).rejects.toThrow(/mirror|session/);
    }
    await expect(mirror.ask({ command: "graceful-shutdown", state: "on" })).rejects.toThrow(
      "this is a mirror, which takes no orders: ask its server",
    );
    const response = await fetch(
      `http://127.0.0.1:${mirror.httpPort}/api/v1/neighbors/${A}/reset`,
      { method: "POST" },
    );
    expect([401, 409]).toContain(response.status);
    expect([a.notification(), b.notification()]).toEqual([null, null]);
  });

  test("marks with its age what it answers on the control socket and over HTTP", async () => {
    await untilNew(mirror);
    const { end } = await mirror.ask({ command: "show-neighbors" });
    const marked = { cluster: CLUSTER, side: expect.any(String), age_ms: expect.any(Number) };
    expect(end["mirror"]).toEqual(marked);
    const neighbors = await fetched("/api/v1/neighbors");
    expect(neighbors.age).toMatch(/^\d+$/);
    expect(JSON.parse(neighbors.body)).toMatchObject({ next: null, mirror: marked });
    const status = await fetched("/api/v1/status");
    expect(JSON.parse(status.body)).toMatchObject({ as: 64500, mirror: { state: "following" } });
    const alice = await fetched("/birdwatcher/protocols/bgp");
    expect(alice.age).not.toBe(null);
    const { api, protocols } = JSON.parse(alice.body);
    expect(api.result_from_cache).toBe(true);
    expect(Object.keys(protocols)).toEqual([A, B]);
    expect((await fetched("/")).body).toContain("<title>");
  });

  test("tells metrics and health of itself", async () => {
    const metrics = await mirror.metrics();
    expect(metrics.get('tsbgp_mirror_state{state="following"}')).toBe(1);
    expect(metrics.get("tsbgp_mirror_age_seconds")).toBeGreaterThanOrEqual(0);
    expect(metrics.get("tsbgp_mirror_states_total")).toBe(1);
    expect(metrics.get('tsbgp_rib_paths{family="ipv4-unicast"}')).toBeGreaterThan(0);
    const { body } = await fetched("/healthz");
    expect(JSON.parse(body)).toMatchObject({ ok: true, role: "mirror", ready: true, neighbors: 2 });
  });

  test("says its age to people beside the answer", async () => {
    const told = await tsbgp(["show", "neighbors", "--socket", mirror.socket]);
    expect(told.stderr).toMatch(/^mirror of test-mirrors \(.*\), \d+\.\d s old\n$/);
    expect(told.stdout).toContain("the second");
    const shown = await tsbgp(["show", "mirrors", "--socket", mirror.socket]);
    expect(shown.stdout).toMatch(/^this mirror of test-mirrors follows .*\n\nShown:? +at most \d/);
    const nsr = await tsbgp(["show", "nsr", "--socket", mirror.socket]);
    expect(nsr.stdout).toContain("this is a mirror of test-mirrors");
    const ofServer = await tsbgp(["show", "mirrors", "--socket", server.socket]);
    expect(ofServer.stdout).toMatch(/^1 mirror of test-mirrors follows, over .*\n\nMirror/);
    expect(ofServer.stderr).toBe("");
  });

  test("goes on showing what it knows when its server is away, and says how old it is", async () => {
    // One that is suspended is asked by nobody, and answers nothing.
    mirror.signal("SIGHUP");
    await untilServing(server, "it is known", ({ mirrors }) => mirrors.length === 1);
    server.signal("SIGSTOP");
    await untilMirror(mirror, "it grows old", ({ age_ms }) => age_ms !== null && age_ms > 1500);
    const { items } = await mirror.ask({ command: "show-neighbors" });
    expect(items).toHaveLength(2);
    server.signal("SIGCONT");
    await untilNew(mirror);
    expect((await mirrorsOf(mirror)).following?.states).toBe(1);
  });

  test("that is not in names is not let in", async () => {
    const other = await mirrorOf(socket, { self: "m3" });
    try {
      other.spawn();
      const why = /disconnected by the server: "names" has no mirror "m3"/;
      await other.untilLogged("why", ({ msg }) => why.test(msg));
      await expect(other.ask({ command: "show-neighbors" })).rejects.toThrow(
        "this mirror has nothing to show",
      );
    } finally {
      other.remove();
    }
  });

  test("follows on after a reload, and is disconnected when mirrors are served no more", async () => {
    server.configure({ ...serverConfig([]), "reject-reasons": "ixp-manager" });
    await server.ask({ command: "reload" });
    await expectSame(mirror, server, EXPLAIN);
    const { mirrors: _, ...without } = serverConfig([]);
    server.configure(without);
    await server.ask({ command: "reload" });
    await untilMirror(mirror, "nobody is followed", ({ state }) => state === "looking");
    expect((await mirrorsOf(server)).serving).toBe(null);
    expect((await mirror.ask({ command: "show-neighbors" })).items).toHaveLength(2);
  });
});
