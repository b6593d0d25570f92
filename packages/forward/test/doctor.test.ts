/** Whether a host suits a forwarding module: judged from numbers, and looked at in a namespace. */
import { spawnSync } from "node:child_process";
import { describe, expect, test } from "vitest";
import { until } from "../../../test/lab/until.ts";
import { enterOwnNetwork } from "../../../testkit/own-network.ts";
import { diagnoseForward, type ForwardProbes, probeForward } from "../src/index.ts";

const reason = enterOwnNetwork();
const PLACE = {
  ...{ table: 254, metric: 32, nextHopTable: 254, linkLocalInterface: "", nextHopGroups: true },
  families: ["ipv4", "ipv6"] as const,
};
const FAMILY = { forwards: 1, own: 0, inTheWay: 0, otherMetrics: [], resolving: 3 };
const GOOD: ForwardProbes = {
  hasNetAdmin: true,
  families: [
    { family: "ipv4", ...FAMILY },
    { family: "ipv6", ...FAMILY },
  ],
  strictInterfaces: [],
  usesNeighbors: 1,
  ipv6RoutesMax: 0x7fffffff,
  hasLinkLocalInterface: false,
  hasNextHopGroups: true,
  hasZebra: false,
  compatMode: 0,
};

function wrong(probes: Partial<ForwardProbes>, place: object = {}): string[] {
  return diagnoseForward({ ...PLACE, ...place }, { ...GOOD, ...probes })
    .filter(({ ok }) => !ok)
    .map(({ what, isMinor, detail }) => `${isMinor ? "--" : "NO"} ${what}: ${detail}`);
}

const of6 = (more: object) => ({
  families: [{ family: "ipv6" as const, ...FAMILY, ...more }],
});

test.each<[Partial<ForwardProbes>, object, string[]]>([
  [{}, {}, []],
  [{ hasNetAdmin: false }, {}, ["NO CAP_NET_ADMIN: missing"]],
  [
    of6({ own: 7, inTheWay: 2 }),
    {},
    ["-- ipv6 table 254: 7 own routes, 2 of others with metric 32"],
  ],
  [of6({ otherMetrics: [20, 40] }), {}, ["-- ipv6 other bgp routes: metric 20, 40"]],
  [of6({ otherMetrics: [40] }), {}, []],
  [of6({ resolving: 0 }), {}, ["-- ipv6 next hops: 0 routes of table 254 lead to them"]],
  [of6({ forwards: 0 }), {}, ["-- ipv6 forwarding: off"]],
  [
    { hasNextHopGroups: false },
    {},
    ["-- next-hop groups: the kernel has none: each route has its own"],
  ],
  [{ hasNextHopGroups: false, hasZebra: true, compatMode: 1 }, { nextHopGroups: false }, []],
  [{ hasZebra: true }, {}, ["-- FRR: zebra runs here, or has left next hops"]],
  [
    { compatMode: 1 },
    {},
    ["-- compat mode: on: 16 groups at most, and each change of one is told for each route"],
  ],
  [{ compatMode: null }, {}, []],
  [{ strictInterfaces: ["a0", "b0"] }, {}, ["-- reverse path: strict on a0, b0"]],
  [{ usesNeighbors: 0 }, {}, ["-- next hops used: all of several, whether they answer or not"]],
  [{ ipv6RoutesMax: 4096 }, {}, ["-- room for ipv6 routes: 4096"]],
  [{ ipv6RoutesMax: 4096, strictInterfaces: ["a0"] }, { families: [] }, []],
  [
    {},
    { linkLocalInterface: "a0" },
    ["NO interface a0: is not there, or has no link-local address"],
  ],
])("of %j, %j it says %j", (probes, place, expected) => {
  expect(wrong(probes, place)).toEqual(expected);
  for (const { ok, whatToDo } of diagnoseForward(PLACE, { ...GOOD, ...probes })) {
    expect(whatToDo === "").toBe(ok);
  }
});

describe.skipIf(reason !== null)(`a host${reason === null ? "" : ` (${reason})`}`, () => {
  test("is looked at as it is", async () => {
    const input = `link add d0 type veth peer name d1
address add 192.0.2.1/24 dev d0
link set d1 up
link set d0 up
route add default via 192.0.2.9
route add 10.1.0.0/16 via 192.0.2.9 metric 32
route add 10.2.0.0/16 via 192.0.2.9 metric 32 proto bgp
route add 10.3.0.0/16 via 192.0.2.9 metric 20 proto bgp
`;
    const { status, stderr } = spawnSync("ip", ["-batch", "-"], { input, encoding: "utf8" });
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    const settings = ["net.ipv4.ip_forward=0", "net.ipv4.conf.d0.rp_filter=1"];
    spawnSync("sysctl", ["-qw", ...settings, "net.ipv4.conf.all.rp_filter=0"]);
    const look = () => {
      const found = probeForward({ ...PLACE, linkLocalInterface: "d0" });
      return found.hasLinkLocalInterface ? found : null;
    };
    const probes = await until(look, 10_000, "the interface has a link-local address");
    // IPv6 routes resolve next hops as well: two link-local ones at most, since the test has no others.
    const { resolving, ...ipv4 } = probes.families[0]!;
    expect([3, 4]).toContain(resolving);
    expect(ipv4).toEqual({
      ...{ family: "ipv4", forwards: 0, own: 1, inTheWay: 1, otherMetrics: [20] },
    });
    expect(probes.hasNetAdmin).toBe(true);
    expect(probes.hasNextHopGroups).toBe(spawnSync("ip", ["nexthop"]).status === 0);
    expect(probes.strictInterfaces).toContain("d0");
    if (probes.hasNextHopGroups) {
      expect(probes).toMatchObject({ hasZebra: false, compatMode: 1 });
      spawnSync("sysctl", ["-qw", "net.ipv4.nexthop_compat_mode=0"]);
      spawnSync("ip", ["nexthop", "add", "id", "7", "dev", "d0", "proto", "zebra"]);
      expect(probeForward(PLACE)).toMatchObject({ hasZebra: true, compatMode: 0 });
    }
    spawnSync("sysctl", ["-qw", "net.ipv4.conf.all.rp_filter=2", "net.ipv4.ip_forward=1"]);
    expect(probeForward(PLACE).strictInterfaces).toEqual([]);
    expect(probeForward(PLACE).families[0]!.forwards).toBe(1);
  });
});
