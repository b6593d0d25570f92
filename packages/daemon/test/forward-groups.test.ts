/** Routes by groups of next hops in a real kernel: what changes with a group, what takes one away, and whose they are. */
import { spawnSync } from "node:child_process";
import { Forwarder, type ForwarderOptions, type ShownFamily } from "@ts-bgp/forward";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { until } from "../../../test/lab/until.ts";
import { enterOwnNetwork } from "../../../testkit/own-network.ts";
import { WAIT_MS } from "../../../testkit/speaker.ts";
import { Hosts, RouteWatch, run } from "./support/forwarding.ts";

const ROUTES = 1000;
const reason =
  enterOwnNetwork() ??
  (spawnSync("ip", ["nexthop"]).status === 0 ? null : "the kernel has no next hops as objects");

/** Next hops that resolve by a route of its own, to either of two links or both. */
interface Place {
  readonly name: string;
  readonly family: 1 | 2;
  readonly next: Uint8Array;
  readonly network: string;
  readonly gateways: readonly [string, string];
}

const PLACES: readonly Place[] = [
  {
    ...{ name: "IPv4", family: 1, network: "203.0.113.0/24" },
    next: Uint8Array.of(203, 0, 113, 5),
    gateways: ["192.0.2.9", "198.51.100.9"],
  },
  {
    ...{ name: "IPv6", family: 2, network: "2001:db8:9900::/48" },
    next: Uint8Array.of(0x20, 1, 0xd, 0xb8, 0x99, ...Array<number>(10).fill(0), 5),
    gateways: ["2001:db8:2::9", "2001:db8:3::9"],
  },
];

interface KernelRoute {
  readonly nhid?: number;
  readonly gateway?: string;
  readonly nexthops?: readonly { readonly gateway: string }[];
}

interface KernelObject {
  readonly id: number;
  readonly protocol: string;
}

function addLinks(links: readonly string[]): void {
  const [four, six] = [
    { d: "192.0.2.1/24", e: "198.51.100.1/24" },
    { d: "2001:db8:2::1/64", e: "2001:db8:3::1/64" },
  ] as Record<string, string>[];
  const lines = links.flatMap((link) => [
    `link add ${link}0 type veth peer name ${link}1`,
    `address add ${four![link]} dev ${link}0`,
    `address add ${six![link]} dev ${link}0 nodad`,
    `link set ${link}0 up`,
    `link set ${link}1 up`,
  ]);
  run("ip -batch -", lines.map((line) => `${line}\n`).join(""));
}

const objects = () => JSON.parse(run("ip -j nexthop") || "[]") as KernelObject[];
const ownIds = () =>
  objects()
    .filter(({ protocol, id }) => protocol === "bgp" && id >= 0x5000_0000)
    .map(({ id }) => id)
    .sort();

describe.skipIf(reason !== null)(`groups${reason === null ? "" : ` (${reason})`}`, () => {
  beforeAll(() => addLinks(["d", "e"]));
  afterAll(() => {
    for (const link of ["d0", "e0"]) spawnSync("ip", ["link", "delete", link]);
  });

  describe.each(PLACES)("of $name", ({ family, next, network, gateways }) => {
    const ip = (words: string) => run(`ip -${family === 1 ? 4 : 6} ${words}`);
    let forwarder: Forwarder;
    let watch: RouteWatch;

    const via = (...which: readonly (0 | 1)[]) =>
      ip(
        `route replace ${network} proto static ${which.map((k) => `nexthop via ${gateways[k]}`).join(" ")}`,
      );

    /** As a module that is started: it reads what there is, is told all routes, and then that these are all. */
    function start(more: Partial<ForwarderOptions> = {}): void {
      forwarder = new Forwarder({
        ...{ table: 254, metric: 32, nextHopTable: 254, linkLocalInterface: "", seed: 1 },
        ...{ nextHopGroups: true, families: [family], say: () => {}, ...more },
      });
      forwarder.start();
      const [table] = forwarder.followed;
      const hop = table!.hops.intern(next);
      for (let n = 0; n < ROUTES; n++) {
        if (family === 1) table!.set(0x10000000 + (n << 8), 0, 0, 0, 24, hop);
        else table!.set(0x20020000, (n << 16) >>> 0, 0, 0, 48, hop);
      }
      forwarder.complete();
    }

    const shown = (): ShownFamily => forwarder.show()[0]!;
    const routes = () => JSON.parse(ip("-j route show proto bgp") || "[]") as KernelRoute[];

    /** @param which - of the gateways all routes are to lead to */
    async function untilAllGo(...which: readonly (0 | 1)[]): Promise<void> {
      const expected = which.map((k) => gateways[k]).join(" ");
      const text = ({ gateway, nexthops }: KernelRoute) =>
        (nexthops?.map((each) => each.gateway) ?? [gateway]).sort().join(" ");
      const are = () => {
        const all = routes();
        return all.length === ROUTES && all.every((each) => text(each) === expected);
      };
      await until(are, WAIT_MS, `all routes lead to ${expected}`);
    }

    beforeEach(async () => {
      via(0);
      start();
      await untilAllGo(0);
      watch = new RouteWatch();
      await watch.take();
    });

    afterEach(() => {
      watch.kill();
      forwarder.stop();
      run("ip nexthop flush proto 186");
      ip("route flush proto bgp");
      ip("route flush proto static");
    });

    test("lead all routes elsewhere by one change", async () => {
      const first = ownIds();
      for (const which of [[1], [0, 1], [0], [1]] as const) {
        via(...which);
        await untilAllGo(...which);
      }
      expect(shown()).toMatchObject({ added: ROUTES, replaced: 0, deleted: 0, regrouped: 4 });
      expect(shown().groups).toBe(1);
      expect(new Set(routes().map(({ nhid }) => nhid)).size).toBe(1);
      // The second next hop has come.
      expect(ownIds()).toHaveLength(first.length + 1);
    });

    test("lose a next hop with its link and have it back, and no route is touched", async () => {
      via(0, 1);
      await untilAllGo(0, 1);
      await watch.take();
      run("ip link set d1 down");
      await untilAllGo(1);
      // Its route has to go another way for a look at what is left to change nothing.
      await until(() => ownIds().length === 2, WAIT_MS, "the kernel has taken the next hop");
      expect(await watch.take()).toEqual([]);
      run("ip link set d1 up");
      via(0, 1);
      await untilAllGo(0, 1);
      expect(shown()).toMatchObject({ added: ROUTES, replaced: 0, deleted: 0 });
    });

    test("come back with all routes after their only link, or its device, was away", async () => {
      run("ip link set d0 down");
      await until(() => shown().installed === 0, WAIT_MS, "all are gone");
      expect(routes()).toEqual([]);
      run("ip link set d0 up");
      if (family === 2) ip("address replace 2001:db8:2::1/64 dev d0 nodad");
      via(0);
      await untilAllGo(0);
      run("ip link delete d0");
      await until(() => shown().installed === 0, WAIT_MS, "all are gone again");
      addLinks(["d"]);
      via(0);
      await untilAllGo(0);
      expect(shown().refused).toEqual({});
    });

    test("come back where somebody deletes them", async () => {
      const [group = 0, single = 0] = [routes()[0]!.nhid, Math.min(...ownIds())];
      for (const words of [
        `nexthop delete id ${group}`,
        `nexthop delete id ${single === group ? Math.max(...ownIds()) : single}`,
        "nexthop flush proto 186",
      ]) {
        run(`ip ${words}`);
        await untilAllGo(0);
        expect(shown().installed).toBe(ROUTES);
      }
    });

    // Without it the kernel does not say beside a route where its group leads.
    test.each([1, 0])(
      "lead on where they do where the module starts again, with others' objects beside; compat mode %i",
      async (mode) => {
        run(`sysctl -qw net.ipv4.nexthop_compat_mode=${mode}`);
        run(`ip nexthop add id 1 via ${gateways[0]} dev d0 proto zebra`);
        run(`ip nexthop add id 2 via ${gateways[0]} dev d0 proto 186`);
        const before = ownIds();
        for (let round = 0; round < 2; round++) {
          forwarder.stop();
          start();
          await until(() => shown().installed === ROUTES, WAIT_MS, "all are known");
        }
        via(0);
        expect(await watch.take()).toEqual([]);
        via(1);
        await until(() => shown().regrouped === 1, WAIT_MS, "the group leads elsewhere");
        run("sysctl -qw net.ipv4.nexthop_compat_mode=1");
        await untilAllGo(1);
        expect(shown()).toMatchObject({ added: 0, replaced: 0, deleted: 0, regrouped: 1 });
        expect(ownIds()).toEqual(expect.arrayContaining(before));
        expect(objects().filter(({ id }) => id < 3)).toHaveLength(2);
        for (const id of [1, 2]) run(`ip nexthop delete id ${id}`);
      },
    );

    test("stay where they are turned off, and are not made for routes that are there, until these change", async () => {
      forwarder.stop();
      start({ nextHopGroups: false });
      await until(() => shown().installed === ROUTES, WAIT_MS, "all are known");
      expect(await watch.take()).toEqual([]);
      via(1);
      await untilAllGo(1);
      expect(shown()).toMatchObject({ replaced: ROUTES, groups: 0 });
      expect(routes().filter(({ nhid }) => nhid !== undefined)).toEqual([]);
      await watch.take();
      forwarder.stop();
      start();
      await until(() => shown().installed === ROUTES, WAIT_MS, "all are known again");
      expect(await watch.take()).toEqual([]);
      via(0, 1);
      await untilAllGo(0, 1);
      expect(shown()).toMatchObject({ replaced: ROUTES, groups: 1 });
    });
  });
});

describe.skipIf(reason !== null)(`several groups${reason === null ? "" : ` (${reason})`}`, () => {
  test("lead where each of them is to lead, and lose a link each for itself", async () => {
    addLinks(["d", "e"]);
    const forwarder = new Forwarder({
      ...{ table: 254, metric: 32, nextHopTable: 254, linkLocalInterface: "", seed: 1 },
      ...{ nextHopGroups: true, families: [1], say: () => {} },
    });
    const GATEWAYS = { d: "192.0.2.9", e: "198.51.100.9", o: "192.0.2.8" };
    type Gateway = keyof typeof GATEWAYS;
    const HOPS = 8;
    const shown = () => forwarder.show()[0]!;
    /** Where each next hop is, by the first letters of gateways. */
    const via = (...ways: readonly string[]) => {
      for (const [k, way] of ways.entries()) {
        const hops = [...way].map((each) => `nexthop via ${GATEWAYS[each as Gateway]}`);
        run(`ip route replace 203.0.${k}.0/24 proto static ${hops.join(" ")}`);
      }
    };
    const untilAllGo = async (...ways: readonly string[]) => {
      const expected = ways.map((way) => [...way].map((each) => GATEWAYS[each as Gateway]).sort());
      const are = () => {
        const all = JSON.parse(run("ip -j route show proto bgp") || "[]") as (KernelRoute & {
          dst: string;
        })[];
        const go = all.every(({ dst, gateway, nexthops }) => {
          const hops = (nexthops?.map((each) => each.gateway) ?? [gateway]).sort();
          return hops.join() === expected[Number(dst.split(".")[2]) % HOPS]!.join();
        });
        return go && all.length === expected.filter((way) => way.length > 0).length * 40;
      };
      await until(are, WAIT_MS, `routes go by ${ways.join(" ")}`);
    };
    try {
      via("d", "e", "o", "de", "d", "eo", "o", "e");
      forwarder.start();
      const [table] = forwarder.followed;
      for (let n = 0; n < 40 * HOPS; n++) {
        const hop = table!.hops.intern(Uint8Array.of(203, 0, n % HOPS, 5));
        table!.set(0x10000000 + (n << 8), 0, 0, 0, 24, hop);
      }
      forwarder.complete();
      await untilAllGo("d", "e", "o", "de", "d", "eo", "o", "e");
      // The groups, and three next hops that they share.
      expect(ownIds()).toHaveLength(HOPS + 3);
      via("e", "d", "de", "o", "d", "e", "eo", "do");
      await untilAllGo("e", "d", "de", "o", "d", "e", "eo", "do");
      expect(shown()).toMatchObject({ added: 40 * HOPS, replaced: 0, deleted: 0, groups: HOPS });
      run("ip link set e1 down");
      await untilAllGo("", "d", "d", "o", "d", "", "o", "do");
      const isHeard = () => shown().unresolved["no-route"] === 80;
      await until(isHeard, WAIT_MS, "the module knows of it");
      expect(shown()).toMatchObject({ installed: 40 * (HOPS - 2), replaced: 0 });
      run("ip link set e1 up");
      await untilAllGo("e", "d", "de", "o", "d", "e", "eo", "do");
      expect(shown()).toMatchObject({ added: 40 * (HOPS + 2), replaced: 0, groups: HOPS });
    } finally {
      forwarder.stop();
      run("ip nexthop flush proto 186");
      for (const link of ["d0", "e0"]) run(`ip link delete ${link}`);
    }
  });
});

describe.skipIf(reason !== null)(`packets${reason === null ? "" : ` (${reason})`}`, () => {
  test("go on while a group gets a next hop, loses one, and leads elsewhere", async () => {
    const hosts = new Hosts("16.0.0.1");
    const forwarder = new Forwarder({
      ...{ table: 254, metric: 32, nextHopTable: 254, linkLocalInterface: "", seed: 1 },
      ...{ nextHopGroups: true, families: [1], say: () => {} },
    });
    try {
      const via = (...last: readonly number[]) =>
        run(
          `ip route replace 203.0.113.0/24 proto static ${last.map((each) => `nexthop via 192.0.2.${each}`).join(" ")}`,
        );
      via(99);
      forwarder.start();
      const [table] = forwarder.followed;
      const hop = table!.hops.intern(Uint8Array.of(203, 0, 113, 5));
      for (let n = 0; n < ROUTES; n++) table!.set(0x10000000 + (n << 8), 0, 0, 0, 24, hop);
      forwarder.complete();
      const shown = () => forwarder.show()[0]!;
      await until(() => shown().installed === ROUTES, WAIT_MS, "all are there");
      hosts.send("16.0.0.1");
      await until(() => hosts.come() > 100, WAIT_MS, "packets come");
      const rounds = [[99, 98], [98], [99, 98], [99], [98], [99]];
      for (const [k, last] of rounds.entries()) {
        const before = hosts.come();
        via(...last);
        await until(() => shown().regrouped === k + 1, WAIT_MS, "the group leads elsewhere");
        await until(() => hosts.come() > before + 50, WAIT_MS, "packets come");
      }
      const { sent, come } = await hosts.counts();
      expect(sent).toBeGreaterThan(400);
      expect(come).toBe(sent);
      expect(shown()).toMatchObject({ replaced: 0, deleted: 0 });
    } finally {
      forwarder.stop();
      hosts.remove();
    }
  });
});
