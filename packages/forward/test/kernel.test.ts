/** Routes of a real kernel: written as `ip` shows them, read as they are, and never another's. */
import { spawnSync } from "node:child_process";
import type { Family } from "@ts-bgp/wire-codec";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { until } from "../../../test/lab/until.ts";
import { enterOwnNetwork } from "../../../testkit/own-network.ts";
import {
  type Change,
  Forwarder,
  type KernelRoute,
  RouteMessages,
  RouteSocket,
  RTPROT_BGP,
} from "../src/index.ts";
import { RouteMonitor } from "../src/route-socket.ts";

const reason = enterOwnNetwork();
const WAIT_MS = 10_000;
const [EEXIST, ENOENT, ESRCH] = [17, 2, 3];
const HOP4 = Uint8Array.of(192, 0, 2, 9);
const HOP6 = Uint8Array.from([0x20, 1, 0xd, 0xb8, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9]);
const WORDS4 = [0x0a010000, 0, 0, 0] as const;
const WORDS6 = [0x20010db8, 0x00010000, 0, 0] as const;

function ip(words: string): string {
  const { status, stdout, stderr } = spawnSync("ip", words.split(" "), { encoding: "utf8" });
  if (status !== 0) throw new Error(`ip ${words}: ${stderr}`);
  return stdout;
}

/** Routes by groups go with these: `ip route flush` does not flush such. */
function flush(): void {
  ip("nexthop flush proto 186");
  for (const family of ["-4", "-6"]) ip(`${family} route flush proto bgp`);
}

describe.skipIf(reason !== null)(`the kernel${reason === null ? "" : ` (${reason})`}`, () => {
  let socket: RouteSocket;
  let index = 0;

  beforeAll(() => {
    ip("link add d0 type veth peer name d1");
    ip("link set d1 up");
    ip("address add 192.0.2.1/24 dev d0");
    ip("address add 2001:db8:2::1/64 dev d0 nodad");
    ip("link set d0 up");
    index = JSON.parse(ip("-j link show d0"))[0].ifindex;
    socket = new RouteSocket();
  });

  afterAll(() => socket?.close());

  function bgpRoutes(family: Family, table: number): KernelRoute[] {
    const found: KernelRoute[] = [];
    const begin = () => {
      found.length = 0;
    };
    socket.read(family, table, RTPROT_BGP, begin, (route) => void found.push(route));
    return found;
  }

  /** @returns the kernel's reason, 0 when it was done */
  function change(
    kind: Change,
    family: Family,
    gateways: readonly Uint8Array[],
    table = 254,
  ): number {
    const messages = new RouteMessages(1);
    const words = family === 1 ? WORDS4 : WORDS6;
    const hops =
      kind === "delete" ? [] : gateways.map((gateway) => ({ gateway, interface: index }));
    messages.add(kind, { table, metric: 32 }, family, words, family === 1 ? 16 : 48, hops);
    let found = 0;
    socket.change(messages.take(), 1, (_, refused) => {
      found = refused;
    });
    return found;
  }

  test.each([
    [1 as const, HOP4, "10.1.0.0/16 via 192.0.2.9 dev d0 metric 32 "],
    [2 as const, HOP6, "2001:db8:1::/48 via 2001:db8:2::9 dev d0 metric 32 pref medium"],
  ])("takes routes of family %i, and gives them back", (family, hop, shown) => {
    expect(change("replace", family, [hop])).toBe(ENOENT);
    expect(change("add", family, [hop])).toBe(0);
    const list = () => ip(`-${family === 1 ? 4 : 6} route show proto bgp`).trimEnd();
    expect(list()).toBe(shown.trimEnd());
    expect(change("add", family, [hop])).toBe(EEXIST);
    const [route, ...others] = bgpRoutes(family, 254);
    expect(others).toEqual([]);
    expect(route).toMatchObject({
      ...{ family, table: 254, protocol: RTPROT_BGP, metric: 32, isOther: false, isDead: false },
      ...{ hops: [{ gateway: hop, interface: index }], bits: family === 1 ? 16 : 48 },
    });
    const second = hop.slice();
    second[second.length - 1] = 8;
    expect(change("replace", family, [second])).toBe(0);
    expect(bgpRoutes(family, 254)).toMatchObject([{ hops: [{ gateway: second }] }]);
    expect(change("replace", family, [second, hop])).toBe(0);
    const [several, ...more] = bgpRoutes(family, 254);
    expect(more).toEqual([]);
    expect(several).toMatchObject({ isOther: false, isSpecial: false });
    const gateways = several!.hops.map(({ gateway }) => gateway!.at(-1));
    expect(gateways.sort()).toEqual([8, 9]);
    expect(list().match(/nexthop via/g)).toHaveLength(2);
    expect(change("replace", family, [hop])).toBe(0);
    expect(bgpRoutes(family, 254)).toMatchObject([{ hops: [{ gateway: hop }] }]);
    expect(change("replace", family, [second, hop])).toBe(0);
    expect(change("delete", family, [])).toBe(0);
    expect(change("delete", family, [])).toBe(ESRCH);
    expect(list()).toBe("");
  });

  test("takes IPv4 routes to IPv6 gateways, alone and beside IPv4 ones, and gives them back", () => {
    const list = () => ip("-4 route show proto bgp").trimEnd();
    const gateways = () => {
      const [route, ...others] = bgpRoutes(1, 254);
      expect(others).toEqual([]);
      expect(route).toMatchObject({ isOther: false, isSpecial: false });
      return route!.hops.map(({ gateway }) => gateway);
    };
    expect(change("add", 1, [HOP6])).toBe(0);
    expect(list()).toBe("10.1.0.0/16 via inet6 2001:db8:2::9 dev d0 metric 32");
    expect(gateways()).toEqual([HOP6]);
    expect(change("replace", 1, [HOP6, HOP4])).toBe(0);
    expect(list()).toMatch(/nexthop via inet6 2001:db8:2::9 .*\n.*nexthop via 192\.0\.2\.9 /);
    expect(gateways()).toEqual([HOP6, HOP4]);
    const most = Array.from({ length: 16 }, (_, n) => {
      const gateway = HOP6.slice();
      gateway[15] = 16 + n;
      return gateway;
    });
    expect(change("replace", 1, most)).toBe(0);
    expect(gateways()).toEqual(most);
    expect(change("replace", 1, [HOP4])).toBe(0);
    expect(gateways()).toEqual([HOP4]);
    expect(change("delete", 1, [])).toBe(0);
  });

  test("says what an IPv6 gateway that is refused may need", async () => {
    const said: string[] = [];
    const forwarder = new Forwarder({
      ...{ table: 254, metric: 32, nextHopTable: 254, linkLocalInterface: "", seed: 1 },
      ...{ nextHopGroups: false, families: [1] },
      say: (_level, id, message) => void said.push(`${id}: ${message}`),
    });
    try {
      // The kernel takes no gateway that is an address of its own.
      const own = HOP6.slice();
      own[15] = 1;
      forwarder.start();
      const [table] = forwarder.followed;
      table!.set(...WORDS4, 16, table!.hops.intern(own));
      forwarder.changed();
      const isRefused = () => forwarder.show()[0]!.refused["EINVAL"] === 1;
      await until(isRefused, WAIT_MS, "the kernel refuses it");
      const hint = "IPv4 routes by IPv6 gateways are for Linux 5.2 and later";
      expect(said).toEqual([
        `kernel-refused: the kernel refuses to add: EINVAL; ${hint}, and interfaces with IPv6`,
      ]);
    } finally {
      forwarder.stop();
    }
  });

  test("has other tables, which are not there at first", () => {
    expect(bgpRoutes(1, 1000)).toEqual([]);
    expect(change("add", 1, [HOP4], 1000)).toBe(0);
    expect(bgpRoutes(1, 1000)).toHaveLength(1);
    expect(bgpRoutes(1, 254)).toEqual([]);
    expect(change("delete", 1, [], 1000)).toBe(0);
  });

  test("keeps another's route of the same prefix, table and metric", () => {
    ip("route add 10.1.0.0/16 via 192.0.2.7 metric 32 proto static");
    expect(change("add", 1, [HOP4])).toBe(EEXIST);
    expect(change("delete", 1, [])).toBe(ESRCH);
    expect(ip("route show 10.1.0.0/16")).toMatch(/via 192\.0\.2\.7/);
    ip("route del 10.1.0.0/16");
  });

  test("says which routes of many it refuses", () => {
    const messages = new RouteMessages(200);
    const place = { table: 254, metric: 32 };
    for (let n = 0; n < 200; n++) {
      const gateway = n % 50 === 7 ? Uint8Array.of(203, 0, 113, 1) : HOP4;
      const words = [0x0a000000 + (n << 8), 0, 0, 0] as const;
      messages.add("add", place, 1, words, 24, [{ gateway, interface: index }]);
    }
    const refused: number[] = [];
    socket.change(messages.take(), 200, (number) => refused.push(number));
    expect(refused).toEqual([7, 57, 107, 157]);
    expect(bgpRoutes(1, 254)).toHaveLength(196);
    ip("route flush proto bgp");
  });

  test("tells of what others change, and not of routes of protocol bgp", () => {
    const monitor = new RouteMonitor();
    const put: KernelRoute[] = [];
    const hear = () => monitor.hear((route) => void put.push(route));
    expect(hear()).toBe("nothing");
    expect(change("add", 1, [HOP4])).toBe(0);
    expect(change("delete", 1, [])).toBe(0);
    expect(hear()).toBe("nothing");
    for (const [words, expected] of [
      ["route add 10.9.0.0/16 via 192.0.2.9", "routes"],
      ["route del 10.9.0.0/16", "routes"],
      ["-6 route add 2001:db8:9::/48 via 2001:db8:2::9", "routes"],
      ["address add 192.0.2.5/24 dev d0", "changes"],
      ["link set d0 mtu 1400", "changes"],
    ] as const) {
      ip(words);
      expect(hear(), words).toBe(expected);
    }
    expect(put.slice(0, 2)).toMatchObject([
      { family: 1, bits: 16, hops: [{ gateway: HOP4 }], table: 254, metric: 0 },
      { family: 2, bits: 48, table: 254, metric: 1024 },
    ]);
    monitor.close();
  });

  type Words = readonly [number, number, number, number];
  const PLACES: readonly [Family, Words, number, string, Uint8Array][] = [
    [1, WORDS4, 16, "10.1.0.0/16 via 192.0.2.", HOP4],
    [2, WORDS6, 48, "2001:db8:1::/48 via 2001:db8:2::", HOP6],
  ];

  test.each([true, false].flatMap((groups) => PLACES.map((place) => [groups, ...place] as const)))(
    "with groups: %s keeps another's route of family %i that has come in the place of an own one",
    async (nextHopGroups, family, words, bits, shown, hop) => {
      const forwarder = new Forwarder({
        ...{
          table: 254,
          metric: 32,
          nextHopTable: 254,
          linkLocalInterface: "",
          nextHopGroups,
          families: [family],
          seed: 1,
        },
        say: () => {},
      });
      const [table] = forwarder.followed;
      const tell = (last: number) => {
        const next = hop.slice();
        next[next.length - 1] = last;
        table!.set(...words, bits, table!.hops.intern(next));
        forwarder.changed();
      };
      const place = shown.split(" ")[0]!;
      const command = (words: string) => ip(`-${family === 1 ? 4 : 6} route ${words}`);
      const isOwn = (last: number) => {
        const text = command(`show ${place}`);
        const via = ` ${shown.split(" ").slice(1).join(" ")}${last} dev d0 `;
        return text.includes(" proto bgp metric 32 ") && text.includes(via);
      };
      try {
        forwarder.start();
        // It may be heard of by a look between two changes as well.
        for (let round = 0; round < 5; round++) {
          tell(9);
          await until(() => isOwn(9), WAIT_MS, "the route is there");
          command(`del ${place} proto bgp metric 32`);
          command(`add ${shown}7 proto static metric 32`);
          tell(8);
          const isRefused = () => forwarder.show()[0]!.refused["EEXIST"] === 1;
          await until(isRefused, WAIT_MS, "the kernel refuses it");
          expect(command(`show ${place}`)).toContain(`${shown}7 dev d0 proto static metric 32`);
          command(`del ${place} proto static metric 32`);
          tell(9);
        }
      } finally {
        forwarder.stop();
        flush();
        command("flush proto static");
      }
    },
  );

  test.each([true, false])(
    "is not written to when it does not answer, until it has been read; groups: %s",
    async (nextHopGroups) => {
      const said: string[] = [];
      const forwarder = new Forwarder({
        ...{ table: 254, metric: 32, nextHopTable: 254, linkLocalInterface: "", seed: 1 },
        ...{ nextHopGroups, families: [1, 2] },
        say: (_level, _id, message) => void said.push(message),
      });
      const send = vi.spyOn(RouteSocket.prototype, "change");
      const sendObjects = vi.spyOn(RouteSocket.prototype, "changeObjects");
      const { socket: own } = forwarder as unknown as { socket: { fd: number } };
      const { fd } = own;
      try {
        forwarder.start();
        const [table4, table6] = forwarder.followed;
        for (let n = 0; n < 200; n++) {
          table4!.set(0x10000000 + (n << 8), 0, 0, 0, 24, table4!.hops.intern(HOP4));
          const hop = HOP6.slice();
          hop[15] = 8 + (n % 2);
          table6!.set(0x20020000, (n << 16) >>> 0, 0, 0, 48, table6!.hops.intern(hop));
        }
        // As a socket that has failed for good.
        own.fd = -1;
        forwarder.changed();
        await until(() => said.length > 0, WAIT_MS, "it is said");
        expect(send.mock.calls.length + sendObjects.mock.calls.length).toBe(1);
        own.fd = fd;
        // It would be asked again anyhow, some seconds later.
        ip("link set d0 mtu 1300");
        await until(
          () => forwarder.show().every(({ installed }) => installed === 200),
          WAIT_MS,
          "all routes are there when it is asked again",
        );
        expect(said).toHaveLength(1);
      } finally {
        own.fd = fd;
        vi.restoreAllMocks();
        forwarder.stop();
        flush();
      }
    },
  );

  test.each([
    ["d0 down", "d0 up", true],
    ["d1 down", "d1 up", true],
    ["d0 down", "d0 up", false],
    ["d1 down", "d1 up", false],
  ])(
    "has routes again after a link, or the other end of it, was %s and is %s, with groups: %s",
    async (down, up, nextHopGroups) => {
      const said: string[] = [];
      const forwarder = new Forwarder({
        ...{
          table: 254,
          metric: 32,
          nextHopTable: 254,
          linkLocalInterface: "",
          nextHopGroups,
          families: [1],
          seed: 1,
        },
        say: (_level, _id, message) => void said.push(message),
      });
      const [table] = forwarder.followed;
      try {
        expect(forwarder.start()).toBe(0);
        for (let n = 0; n < 1000; n++) {
          table!.set(0x10000000 + (n << 8), 0, 0, 0, 24, table!.hops.intern(HOP4));
        }
        forwarder.changed();
        const installed = () => bgpRoutes(1, 254).length;
        await until(() => installed() === 1000, WAIT_MS, "all routes are there");
        ip(`link set ${down}`);
        const isLost = () => forwarder.show()[0]!.unresolved["no-route"] === 1000;
        await until(isLost, WAIT_MS, "next hops lead nowhere");
        await until(() => installed() === 0, WAIT_MS, "no routes are there");
        ip(`link set ${up}`);
        await until(() => installed() === 1000, WAIT_MS, "all routes are there again");
        expect(forwarder.show()[0]).toMatchObject({
          ...{ family: "ipv4", routes: 1000, installed: 1000, unresolved: {}, refused: {} },
        });
        expect(said).toEqual([]);
      } finally {
        forwarder.stop();
        flush();
      }
    },
  );
});
