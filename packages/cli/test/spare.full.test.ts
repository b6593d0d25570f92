/**
 * A spare that protects three route servers: four hosts, which are network namespaces, etcd, and a BIRD with
 * two sessions with each route server. The tests are one story, in their order.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { ShownSpare, ShownSpared } from "@ts-bgp/daemon";
import type { ShownNeighbor } from "@ts-bgp/views";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { bird } from "../../../test/lab/bird.ts";
import { control, type Daemon, type Route } from "../../../test/lab/daemon.ts";
import { startEtcd } from "../../../test/lab/etcd.ts";
import { createLab, type Lab, type LabNode, type LabProcess } from "../../../test/lab/netns.ts";
import { FAMILIES } from "../../../test/lab/scene.ts";
import { until } from "../../../test/lab/until.ts";
import { MAIN, WAIT_MS } from "../../../testkit/speaker.ts";

const REASON = process.getuid?.() === 0 ? null : "needs root for network namespaces";
const SPEAKER_AS = 4_200_001_000;
const CLUSTERS = ["rs1", "rs2", "rs3"] as const;
type Cluster = (typeof CLUSTERS)[number];
const PASSWORD = "correct-horse";
const FIRST_LINK_PORT = 1790;
const ROUTES = 50;

/** A route server with its host and its one client. */
interface Server {
  readonly cluster: Cluster;
  readonly number: number;
  readonly host: LabNode;
  readonly service4: string;
  readonly service6: string;
  readonly clientNode: LabNode;
  readonly client: Daemon;
  process: LabProcess | null;
}

let lab: Lab;
let spareHost: LabNode;
let spare: LabProcess;
const servers = new Map<Cluster, Server>();
const of = (cluster: Cluster) => servers.get(cluster)!;

function socketOf(node: LabNode, name: string): string {
  return join(node.directory, `${name}.sock`);
}

const spareFile = () => join(spareHost.directory, "spare.yaml");
const spareSocket = () => socketOf(spareHost, "spare");

function tsbgp(node: LabNode, ...words: string[]) {
  return node.run([process.execPath, MAIN, ...words]);
}

/** The configuration of a side; JSON is YAML. */
function sideConfig(server: Server, side: "own" | "spare", etcd: string): string {
  const { cluster, number, host, service4, service6, clientNode } = server;
  const [node, other] = side === "own" ? [host, spareHost] : [spareHost, host];
  const port = FIRST_LINK_PORT + 10 * number;
  const keys = join(lab.directory, "keys", cluster, side);
  return JSON.stringify({
    router: { as: SPEAKER_AS, id: service4 },
    listen: [service4, service6],
    control: { socket: socketOf(node, cluster) },
    log: { level: "debug" },
    defaults: { import: "accept-all", export: "accept-all", "route-server-client": true },
    neighbors: [
      { address: clientNode.address4, as: 65000 + number, passive: true },
      { address: clientNode.address6, as: 65000 + number, passive: true, password: PASSWORD },
    ],
    nsr: {
      ...{ cluster, self: side, mode: "address", log: join(node.directory, "log") },
      listen: { address: node.address4, port },
      peer: { address: other.address4, port },
      tls: {
        ...{ cert: `${keys}.crt`, key: `${keys}.key` },
        ca: join(lab.directory, "keys", cluster, "ca.crt"),
      },
      "service-addresses": [
        { address: `${service4}/24`, interface: "eth0" },
        { address: `${service6}/64`, interface: "eth0" },
      ],
      // A busy machine keeps a thread waiting for longer than one of the field would.
      ...{ "heartbeat-ms": 80, "heartbeat-misses": 6, "patience-ms": 1000 },
      arbiter: { etcd: { endpoints: [etcd], insecure: true }, ttl: 4 },
    },
  });
}

function createServer(cluster: Cluster, number: number): Server {
  const host = lab.node(cluster);
  const clientNode = lab.node(`client${number}`);
  const [service4, service6] = [`10.0.0.${200 + number}`, `fd00::${200 + number}`];
  const client = bird.create(clientNode, {
    as: 65000 + number,
    routerId: clientNode.address4,
    originate: routesOf(number),
    sessions: FAMILIES.map((family) => ({
      families: [family],
      localAddress: family === "ipv4-unicast" ? clientNode.address4 : clientNode.address6,
      peerAddress: family === "ipv4-unicast" ? service4 : service6,
      peerAs: SPEAKER_AS,
      routeServer: true,
      ...(family === "ipv6-unicast" ? { password: PASSWORD } : {}),
    })),
  });
  return { cluster, number, host, service4, service6, clientNode, client, process: null };
}

function routesOf(number: number, med = 1): Route[] {
  return Array.from({ length: ROUTES }, (_, k) => ({
    prefix: `10.${100 + number}.${k}.0/24`,
    med,
  }));
}

function startServer(server: Server): void {
  const file = join(server.host.directory, "own.yaml");
  server.process = server.host.spawn([process.execPath, MAIN, "run", "-c", file]);
}

function startSpare(): void {
  spare = spareHost.spawn([process.execPath, MAIN, "spare", "-c", spareFile()]);
}

function configureSpare(clusters: readonly Cluster[], more: object = {}): void {
  const protects = clusters.map((cluster) => `${cluster}.yaml`);
  const http = { address: spareHost.address4, port: 9790 };
  const config = { control: { socket: spareSocket() }, http, protects, ...more };
  writeFileSync(spareFile(), JSON.stringify(config));
}

async function shownSpare(): Promise<Map<string, ShownSpared>> {
  const { stdout } = await tsbgp(spareHost, "show", "nsr", "--json", "-s", spareSocket());
  const { pairs } = JSON.parse(stdout) as ShownSpare;
  return new Map(pairs.map((pair) => [pair.cluster, pair]));
}

async function untilSpare(
  cluster: Cluster,
  what: string,
  is: (shown: ShownSpared) => boolean,
): Promise<ShownSpared> {
  return until(
    async () => {
      const shown = (await shownSpare().catch(() => null))?.get(cluster);
      return shown !== undefined && is(shown) && shown;
    },
    3 * WAIT_MS,
    `${cluster}: ${what}`,
  );
}

const isReadyStandby = ({ role, ready }: ShownSpared) => role === "standby" && ready;
const isActive = ({ role }: ShownSpared) => role === "active" || role === "simplex";
const isProtectedActive = ({ role, ready, protected: safe }: ShownSpared) =>
  role === "active" && ready && safe === 2;

/** The host loses its power: nothing is heard of it any more, and it starts with nothing of before. */
async function loseHost({ host, process: running, service4, service6 }: Server): Promise<void> {
  await control(host, ["ip", "link", "set", "eth0", "down"]);
  running!.signal("SIGKILL");
  await until(() => running!.ended() !== null, WAIT_MS, "the process is gone");
  const added = [`${service4}/24`, `${service6}/64`];
  for (const address of added) await host.run(["ip", "address", "del", address, "dev", "eth0"]);
}

async function bringBack(server: Server): Promise<void> {
  const { host } = server;
  await control(host, ["ip", "link", "set", "eth0", "up"]);
  // A link that goes down loses its addresses of IPv6.
  await control(host, ["ip", "address", "replace", `${host.address6}/64`, "dev", "eth0", "nodad"]);
  startServer(server);
}

/** How often each session of a client came up; -1 for one that is not up. */
async function upCounts(cluster: Cluster): Promise<number[]> {
  const { client, service4, service6 } = of(cluster);
  const shown = await Promise.all([service4, service6].map((address) => client.session(address)));
  return shown.map(({ state, upCount }) => (state === "established" ? upCount : -1));
}

/** When each session of a route server came up, by whoever is active. */
async function sinceMs(node: LabNode, cluster: Cluster): Promise<(number | null)[]> {
  const { stdout } = await tsbgp(
    node,
    "show",
    "neighbors",
    "--json",
    "-s",
    socketOf(node, cluster),
  );
  return (JSON.parse(stdout) as ShownNeighbor[]).map(({ since_ms }) => since_ms);
}

/** Routes go on to be taken from the client. */
async function expectRoutes(cluster: Cluster, node: LabNode, med: number): Promise<void> {
  const { client, number } = of(cluster);
  await client.announce(routesOf(number, med));
  const isThere = async () => {
    const words = ["show", "routes", `10.${100 + number}.7.0/24`, "--json"];
    const { stdout } = await tsbgp(node, ...words, "-s", socketOf(node, cluster));
    return (JSON.parse(stdout || "[]") as { med: number }[]).some((route) => route.med === med);
  };
  await until(isThere, WAIT_MS, `${cluster} has the changed routes`);
}

/** Names of the JSON, which are public: they may be added to. */
const KEYS =
  "answers cluster cpu_ms cpu_share file last_end memory_max_octets memory_octets next_start_ms other_side pid " +
  "process protected ready reason role sessions side since_ms socket started_ms starts";

const NOTHING_LOST = [1, 1];

describe.skipIf(REASON !== null)(
  `a spare of three route servers (${REASON ?? "four hosts"})`,
  () => {
    beforeAll(async () => {
      lab = createLab();
      spareHost = lab.node("spare");
      const { endpoint } = await startEtcd(spareHost);
      for (const [k, cluster] of CLUSTERS.entries()) {
        servers.set(cluster, createServer(cluster, k + 1));
      }
      mkdirSync(join(lab.directory, "keys"));
      for (const server of servers.values()) {
        const { cluster, host } = server;
        const keys = join(lab.directory, "keys", cluster);
        const sides = ["--side", "own", "--side", "spare"];
        await control(host, [process.execPath, MAIN, "keys", keys, "--cluster", cluster, ...sides]);
        writeFileSync(join(host.directory, "own.yaml"), sideConfig(server, "own", endpoint));
        const file = join(spareHost.directory, `${cluster}.yaml`);
        writeFileSync(file, sideConfig(server, "spare", endpoint));
        startServer(server);
        await server.client.start();
      }
      for (const cluster of CLUSTERS) {
        const isUp = async () => (await upCounts(cluster)).every((count) => count === 1);
        await until(isUp, 3 * WAIT_MS, `the sessions of ${cluster}`);
      }
      configureSpare(CLUSTERS);
      startSpare();
      for (const cluster of CLUSTERS) await untilSpare(cluster, "is ready", isReadyStandby);
    });
    afterAll(() => lab?.remove());
    afterEach(({ task }) => {
      if (task.result?.state === "fail") console.error(lab.describe());
    });

    test("is a standby of each, and shows all in one table, as metrics, and in the log", async () => {
      const { code, stdout } = await tsbgp(spareHost, "show", "nsr", "-s", spareSocket());
      expect(code).toBe(0);
      expect(stdout).toMatch(/^this spare can take over 3 of 3 pairs\n/);
      for (const cluster of CLUSTERS) {
        expect(stdout).toMatch(
          new RegExp(`^${cluster} +standby +yes +[0-9:]+ +own +2 +2 .* MB`, "m"),
        );
      }
      for (const shown of (await shownSpare()).values()) {
        expect(Object.keys(shown).sort()).toEqual(KEYS.split(" "));
        expect(shown.memory_octets).toBeGreaterThan(1e7);
        expect(shown.cpu_ms).toBeGreaterThan(0);
      }
      const url = `http://${spareHost.address4}:9790/metrics`;
      const get = `fetch("${url}").then((r) => r.text()).then((t) => process.stdout.write(t))`;
      const metrics = await control(spareHost, [process.execPath, "-e", get]);
      for (const cluster of CLUSTERS) {
        expect(metrics).toContain(`tsbgp_spare_ready{cluster="${cluster}"} 1`);
        expect(metrics).toContain(`tsbgp_spare_role{cluster="${cluster}",role="standby"} 1`);
        expect(metrics).toMatch(
          new RegExp(`tsbgp_spare_resident_memory_bytes\\{cluster="${cluster}"\\} \\d{8}`),
        );
        expect(spare.output()).toMatch(new RegExp(`"name":"${cluster}".*AS ${SPEAKER_AS}`));
      }
    });

    test("takes over from one whose host is lost, and touches no other", async () => {
      const before = await shownSpare();
      const since = await Promise.all(
        (["rs2", "rs3"] as const).map((cluster) => sinceMs(of(cluster).host, cluster)),
      );
      const wasUp = await sinceMs(of("rs1").host, "rs1");
      await loseHost(of("rs1"));
      await untilSpare("rs1", "is active here", isActive);
      await expectRoutes("rs1", spareHost, 2);
      expect(await sinceMs(spareHost, "rs1")).toEqual(wasUp);
      for (const cluster of CLUSTERS) expect(await upCounts(cluster)).toEqual(NOTHING_LOST);
      const after = await shownSpare();
      for (const cluster of CLUSTERS) {
        expect(after.get(cluster)!.pid).toBe(before.get(cluster)!.pid);
      }
      for (const cluster of ["rs2", "rs3"] as const) {
        const { role, ready, since_ms } = before.get(cluster)!;
        expect(after.get(cluster)).toMatchObject({ role, ready, since_ms });
      }
      expect(
        await Promise.all(
          (["rs2", "rs3"] as const).map((cluster) => sinceMs(of(cluster).host, cluster)),
        ),
      ).toEqual(since);
    });

    test("takes over from a second one beside it", async () => {
      await loseHost(of("rs2"));
      await untilSpare("rs2", "is active here", isActive);
      await expectRoutes("rs2", spareHost, 2);
      await expectRoutes("rs1", spareHost, 3);
      await untilSpare("rs3", "is still protected", isReadyStandby);
      for (const cluster of CLUSTERS) expect(await upCounts(cluster)).toEqual(NOTHING_LOST);
      const { stdout } = await tsbgp(spareHost, "show", "nsr", "-s", spareSocket());
      expect(stdout).toMatch(
        /^this spare can take over 1 of 1 pairs, and is active for rs1 \(NOT PROTECTED\), rs2 \(NOT PROTECTED\)\n/,
      );
    });

    test("does not end sides whose sessions would end with them", async () => {
      configureSpare(["rs1", "rs3"]);
      const { code, stderr } = await tsbgp(spareHost, "reload", "-s", spareSocket());
      expect(code).toBe(1);
      expect(stderr).toMatch(
        /rs2 is active here, and nobody can take over: its 2 sessions would end/,
      );
      configureSpare(CLUSTERS);
    });

    test("has its sides protected again by hosts that come back", async () => {
      await bringBack(of("rs1"));
      await untilSpare("rs1", "is protected", isProtectedActive);
      expect(await upCounts("rs1")).toEqual(NOTHING_LOST);
    });

    test("dies, and its sides go on; the next one finds them", async () => {
      const before = await shownSpare();
      spare.signal("SIGKILL");
      await until(() => spare.ended() !== null, WAIT_MS, "the spare is gone");
      await expectRoutes("rs2", spareHost, 4);
      startSpare();
      for (const cluster of CLUSTERS) {
        const { pid, role } = before.get(cluster)!;
        await untilSpare(cluster, "goes on", (now) => now.pid === pid && now.role === role);
        expect(await upCounts(cluster)).toEqual(NOTHING_LOST);
      }
      // A second one at the same time is none.
      const { code, stderr } = await tsbgp(spareHost, "spare", "-c", spareFile());
      expect([code, stderr]).toEqual([2, expect.stringMatching(/in use: another speaker runs/)]);
    });

    test("starts a side again that dies, and touches no other", async () => {
      const before = await shownSpare();
      const { pid } = before.get("rs3")!;
      await control(spareHost, ["kill", "-SEGV", String(pid)]);
      await untilSpare("rs3", "is another process", (now) => now.pid !== 0 && now.pid !== pid);
      await untilSpare("rs3", "is ready again", isReadyStandby);
      const after = await shownSpare();
      for (const cluster of ["rs1", "rs2"] as const) {
        const { pid: same, role, since_ms } = before.get(cluster)!;
        expect(after.get(cluster)).toMatchObject({ pid: same, role, since_ms });
      }
      for (const cluster of CLUSTERS) expect(await upCounts(cluster)).toEqual(NOTHING_LOST);
    });

    test("has a side go on from its log on disk, and be sent what it lacks alone", async () => {
      const file = join(spareHost.directory, "log", "rs3-spare.log");
      await until(() => existsSync(file), WAIT_MS, "rs3 has a log");
      const { pid } = (await shownSpare()).get("rs3")!;
      await control(spareHost, ["kill", "-KILL", String(pid)]);
      await untilSpare("rs3", "is another process", (now) => now.pid !== 0 && now.pid !== pid);
      await untilSpare("rs3", "is ready again", isReadyStandby);
      const said = () =>
        /spare is being sent \d+ brackets behind \d+, which it has/.test(
          of("rs3").process!.output(),
        );
      await until(said, WAIT_MS, "rs3 sends what is lacked");
      expect(await upCounts("rs3")).toEqual(NOTHING_LOST);
    });

    test("has a side that hangs while it is active: its other side takes over, and all others go on", async () => {
      const { pid } = (await shownSpare()).get("rs1")!;
      await control(spareHost, ["kill", "-STOP", String(pid)]);
      await untilSpare(
        "rs1",
        "is silent",
        ({ answers, process: is }) => !answers && is === "running",
      );
      await expectRoutes("rs1", of("rs1").host, 5);
      // With packets of its own in its queue, that nobody serves.
      await expectRoutes("rs2", spareHost, 5);
      await control(spareHost, ["kill", "-KILL", String(pid)]);
      await untilSpare("rs1", "is the standby again", isReadyStandby);
      await expectRoutes("rs1", of("rs1").host, 6);
      for (const cluster of CLUSTERS) expect(await upCounts(cluster)).toEqual(NOTHING_LOST);
    });

    test("gives a role back when it is told so", async () => {
      await bringBack(of("rs2"));
      await untilSpare("rs2", "is protected", isProtectedActive);
      const none = await tsbgp(spareHost, "switchover", "-s", spareSocket());
      expect([none.code, none.stderr]).toEqual([
        1,
        expect.stringMatching(/name one of its pairs, rs1/),
      ]);
      const { code, stdout } = await tsbgp(spareHost, "switchover", "rs2", "-s", spareSocket());
      expect([code, stdout]).toEqual([
        0,
        "the other side is active now: 2 of 2 sessions went on\n",
      ]);
      await untilSpare("rs2", "is the standby", isReadyStandby);
      await expectRoutes("rs2", of("rs2").host, 6);
      for (const cluster of CLUSTERS) expect(await upCounts(cluster)).toEqual(NOTHING_LOST);
    });

    test("takes in and lets go of pairs by a reload, and touches no other", async () => {
      const before = await shownSpare();
      configureSpare(["rs1", "rs3"]);
      const gone = await tsbgp(spareHost, "reload", "-s", spareSocket());
      expect([gone.code, gone.stdout]).toEqual([0, "removed: 1 (rs2)\n"]);
      expect([...(await shownSpare()).keys()].sort()).toEqual(["rs1", "rs3"]);
      configureSpare(CLUSTERS);
      const added = await tsbgp(spareHost, "reload", "-s", spareSocket());
      expect([added.code, added.stdout]).toEqual([0, "added: 1 (rs2)\n"]);
      await untilSpare("rs2", "is ready", isReadyStandby);
      const after = await shownSpare();
      for (const cluster of ["rs1", "rs3"] as const) {
        const { pid, since_ms } = before.get(cluster)!;
        expect(after.get(cluster)).toMatchObject({ pid, since_ms });
      }
    });

    test("has a side stand back, and begin anew that takes more memory than it may", async () => {
      const before = await shownSpare();
      const protects = ["rs1.yaml", "rs2.yaml", { file: "rs3.yaml", nice: 5 }];
      configureSpare([], { protects });
      const changed = await tsbgp(spareHost, "reload", "-s", spareSocket());
      expect([changed.code, changed.stdout]).toEqual([0, "restarted: 1 (rs3)\n"]);
      const { pid } = await untilSpare("rs3", "is ready", isReadyStandby);
      const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
      expect(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[16]).toBe("5");
      // No side gets by with so little.
      const heavy = { file: "rs3.yaml", nice: 5, "memory-max-mb": 100 };
      configureSpare([], { protects: ["rs1.yaml", "rs2.yaml", heavy] });
      const limited = await tsbgp(spareHost, "reload", "-s", spareSocket());
      expect([limited.code, limited.stdout]).toEqual([0, "nothing differs\n"]);
      const ended = await untilSpare("rs3", "begins anew", (now) => /memory/.test(now.last_end));
      expect(ended.memory_max_octets).toBe(1e8);
      configureSpare([], { protects });
      expect((await tsbgp(spareHost, "reload", "-s", spareSocket())).code).toBe(0);
      await untilSpare("rs3", "is ready again", isReadyStandby);
      const after = await shownSpare();
      for (const cluster of ["rs1", "rs2"] as const) {
        const { pid: same, since_ms } = before.get(cluster)!;
        expect(after.get(cluster)).toMatchObject({ pid: same, since_ms });
      }
      expect(await upCounts("rs3")).toEqual(NOTHING_LOST);
    });

    test("stops in order: what it is active for goes back first", async () => {
      const switched = await tsbgp(
        of("rs1").host,
        "switchover",
        "-s",
        socketOf(of("rs1").host, "rs1"),
      );
      expect(switched.code).toBe(0);
      await untilSpare("rs1", "is protected", isProtectedActive);
      const pids = [...(await shownSpare()).values()].map(({ pid }) => pid);
      spare.signal("SIGTERM");
      await until(() => spare.ended() !== null, 3 * WAIT_MS, "the spare has ended");
      expect(spare.ended()).toBe("exit 0");
      for (const pid of pids) expect(() => readFileSync(`/proc/${pid}/stat`)).toThrow();
      await expectRoutes("rs1", of("rs1").host, 7);
      for (const cluster of CLUSTERS) expect(await upCounts(cluster)).toEqual(NOTHING_LOST);
    });
  },
);
