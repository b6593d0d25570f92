/** Many routes by groups of next hops, in a real kernel: links that flap, and others that change routes all the time. */
import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import {
  Forwarder,
  probeForward,
  RouteSocket,
  RouteTable,
  type ShownFamily,
} from "@ts-bgp/forward";
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { until } from "../../../test/lab/until.ts";
import { enterOwnNetwork } from "../../../testkit/own-network.ts";
import { WAIT_MS } from "../../../testkit/speaker.ts";
import { run } from "./support/forwarding.ts";

const reason =
  enterOwnNetwork() ??
  (spawnSync("ip", ["nexthop"]).status === 0 ? null : "the kernel has no next hops as objects");
const FLAP_MS = 50;
const ZEBRA = "/usr/lib/frr/zebra";
/** What it has found of an earlier one goes when it has read all. */
const ZEBRA_SWEEPS_MS = 2000;

const probe = () =>
  probeForward({
    ...{ table: 254, metric: 32, nextHopTable: 254, linkLocalInterface: "" },
    ...{ nextHopGroups: true, families: ["ipv4"] },
  });

describe.skipIf(reason !== null)(`groups${reason === null ? "" : ` (${reason})`}`, () => {
  let forwarder: Forwarder;

  beforeAll(() => {
    run("sysctl -qw net.ipv4.nexthop_compat_mode=0");
    run("ip link add d0 type veth peer name d1");
    run("ip link set d1 up");
    run("ip address add 192.0.2.1/24 dev d0");
    run("ip link set d0 up");
  });
  afterAll(() => void spawnSync("ip", ["link", "delete", "d0"]));
  afterEach(() => {
    forwarder.stop();
    vi.restoreAllMocks();
    spawnSync("ip", ["nexthop", "flush", "proto", "186"]);
    spawnSync("ip", ["route", "flush", "proto", "bgp"]);
  });

  const shown = (): ShownFamily => forwarder.show()[0]!;

  /** @param hops - next hops, which routes have in turn */
  async function start(routes: number, hops: readonly Uint8Array[]): Promise<void> {
    forwarder = new Forwarder({
      ...{ table: 254, metric: 32, nextHopTable: 254, linkLocalInterface: "", seed: 1 },
      ...{ nextHopGroups: true, families: [1], say: () => {} },
    });
    forwarder.start();
    const [table] = forwarder.followed;
    const ids = hops.map((hop) => table!.hops.intern(hop));
    for (let n = 0; n < routes; n++) {
      table!.set(0x10000000 + (n << 8), 0, 0, 0, 24, ids[n % ids.length]!);
    }
    forwarder.complete();
    await until(() => shown().installed === routes, WAIT_MS, "all routes are there");
  }

  test("come back with all routes when a link flaps, and nothing else is read meanwhile", async () => {
    const ROUTES = 200_000;
    const HOPS = 50;
    const hops = Array.from({ length: HOPS }, (_, k) => Uint8Array.of(192, 0, 2, 10 + k));
    await start(ROUTES, hops);
    const { read } = RouteSocket.prototype;
    const readings: number[] = [];
    vi.spyOn(RouteSocket.prototype, "read").mockImplementation(function (
      this: RouteSocket,
      ...words
    ) {
      const [, , protocol] = words;
      if (protocol === 0) readings.push(shown().installed);
      read.apply(this, words);
    });
    for (let round = 0; round < 3; round++) {
      const { added } = shown();
      run("ip link set d1 down");
      await sleep(FLAP_MS);
      run("ip link set d1 up");
      // The kernel tells of a link a while later, and some may be written in between.
      const areBack = () => shown().added >= added + ROUTES && shown().installed === ROUTES;
      await until(areBack, WAIT_MS, "all routes are there again");
      expect(shown()).toMatchObject({ groups: HOPS, refused: {}, unresolved: {}, replaced: 0 });
    }
    const text = run("ip route show proto bgp");
    expect(text.match(/^\S+ nhid \d+ /gm)).toHaveLength(ROUTES);
    // All routes are read when they are there, or none is, and not while they are written.
    expect(readings.filter((installed) => installed > 0 && installed < ROUTES)).toEqual([]);
  });

  test("go when no route leads by them any more, some at a time", async () => {
    const HOPS = 150;
    const ids = () => (run("ip nexthop").match(/^id /gm) ?? []).length;
    const hops = Array.from({ length: HOPS }, (_, k) => Uint8Array.of(192, 0, 2, 10 + k));
    await start(40 * HOPS, hops);
    expect([shown().groups, ids()]).toEqual([HOPS, 2 * HOPS]);
    const changes = vi.spyOn(RouteSocket.prototype, "changeObjects");
    const [table] = forwarder.followed;
    const one = table!.hops.intern(hops[0]!);
    for (let n = 0; n < 40 * HOPS; n++) table!.set(0x10000000 + (n << 8), 0, 0, 0, 24, one);
    forwarder.changed();
    await until(() => ids() === 2, WAIT_MS, "those that are left over go");
    const counts = changes.mock.calls.map(([messages]) => messages.length);
    expect(Math.max(...counts)).toBeLessThanOrEqual(32);
    expect(counts.reduce((sum, each) => sum + each)).toBe(2 * HOPS - 2);
    expect(shown()).toMatchObject({ installed: 40 * HOPS, groups: 1, deleted: 0 });
  });

  // Without compat mode the kernel does not say beside a route where its object leads.
  test.each(["read", "readNextHops"] as const)(
    "lead on where others change routes and their objects right after %s",
    async (name) => {
      run("ip nexthop add id 1 via 192.0.2.9 dev d0 proto static");
      run("ip route add 203.0.113.0/24 nhid 1 proto static");
      try {
        await start(1000, [Uint8Array.of(203, 0, 113, 5)]);
        const before = shown();
        let swaps = 0;
        // As routing daemons do: a new object, the route by it, and the old object goes.
        const swap = () => {
          const [from, to] = swaps++ % 2 === 0 ? [1, 2] : [2, 1];
          run(`ip nexthop add id ${to} via 192.0.2.9 dev d0 proto static`);
          run(`ip route replace 203.0.113.0/24 nhid ${to} proto static`);
          run(`ip nexthop delete id ${from}`);
        };
        const real = RouteSocket.prototype[name] as (...words: unknown[]) => void;
        vi.spyOn(RouteSocket.prototype, name).mockImplementation(function (
          this: RouteSocket,
          ...words: unknown[]
        ) {
          real.apply(this, words);
          if (swaps > 0 && swaps < 6) swap();
        });
        const resolve = vi.spyOn(RouteTable.prototype, "resolveBy");
        swap();
        await until(() => swaps === 6, WAIT_MS, "it was read");
        const calls = resolve.mock.calls.length;
        await until(() => resolve.mock.calls.length > calls, WAIT_MS, "the last change was heard");
        expect(shown()).toEqual(before);
      } finally {
        spawnSync("ip", ["route", "flush", "proto", "static"]);
        for (const id of [1, 2]) spawnSync("ip", ["nexthop", "delete", "id", `${id}`]);
      }
    },
  );

  test.skipIf(!existsSync(ZEBRA))(
    "stay as they are when FRR's zebra starts beside, runs and ends",
    async () => {
      const ROUTES = 1000;
      await start(ROUTES, [Uint8Array.of(192, 0, 2, 20), Uint8Array.of(192, 0, 2, 21)]);
      const routes = () => run("ip route show proto bgp");
      const before = routes();
      const bgpObjects = () => run("ip nexthop").match(/.* proto bgp/g);
      const objects = bgpObjects();
      expect(probe().hasZebra).toBe(false);
      const directory = mkdtempSync(join(tmpdir(), "tsbgp-zebra-"));
      const file = (name: string) => join(directory, name);
      writeFileSync(file("zebra.conf"), "");
      run(`chown -R frr:frr ${directory}`);
      const words = ["-f", file("zebra.conf"), "-i", file("zebra.pid"), "-P", "0"];
      const sockets = ["--vty_socket", directory, "-z", file("zserv")];
      const zebra = spawn(ZEBRA, [...words, ...sockets], { stdio: "ignore" });
      const gone = new Promise((resolve) => zebra.once("exit", resolve));
      try {
        // It has objects of its own when it has read those of others.
        await until(() => run("ip nexthop").includes("proto zebra"), WAIT_MS, "zebra runs");
        expect(probe().hasZebra).toBe(true);
        await sleep(ZEBRA_SWEEPS_MS);
        expect(routes()).toBe(before);
        expect(bgpObjects()).toEqual(objects);
        run("ip route add 192.0.2.20/32 via 192.0.2.99");
        await until(() => shown().regrouped === 1, WAIT_MS, "a group leads elsewhere");
        await sleep(ZEBRA_SWEEPS_MS);
        const lines = routes().trimEnd().split("\n");
        expect(lines).toHaveLength(ROUTES);
        const group = /^16\.0\.0\.0\/24 nhid (\d+) /m.exec(lines.join("\n"))![1]!;
        expect(lines.filter((line) => line.includes(` nhid ${group} `))).toHaveLength(ROUTES / 2);
        const [, member] = / group (\d+) /.exec(run(`ip nexthop get id ${group}`))!;
        expect(run(`ip nexthop get id ${member}`)).toContain(" via 192.0.2.99 ");
        expect(shown()).toMatchObject({ added: ROUTES, replaced: 0, deleted: 0, regrouped: 1 });
      } finally {
        zebra.kill("SIGTERM");
        await gone;
        spawnSync("ip", ["route", "delete", "192.0.2.20/32"]);
        rmSync(directory, { recursive: true });
      }
      await until(() => shown().regrouped === 2, WAIT_MS, "the group leads back");
      expect(routes()).toBe(before);
      expect(shown()).toMatchObject({ added: ROUTES, replaced: 0, deleted: 0 });
      // What zebra has left tells of it, and its process does without.
      run("ip nexthop flush proto 11");
      expect(probe().hasZebra).toBe(false);
    },
  );
});
