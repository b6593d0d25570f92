/** What external and internal peers are sent: RFC 4271 section 5.1, RFC 4456, RFC 1997, RFC 9234. */

import { describe, expect, test } from "vitest";
import { Lab, type Peer, yamlOf } from "../../../testkit/router.ts";
import { type PeerOptions, ROUTER_AS } from "../../../testkit/sketch.ts";
import type { Seen } from "../../../testkit/wire.ts";
import { explainRoute, showGroups, showNeighbor, showRoutes } from "../src/index.ts";

const OUTSIDE = "192.0.2.1";
const OTHER = "192.0.2.2";

interface Cast {
  /** Options in the configuration, and what the peer offers. */
  readonly [address: string]: readonly [config: string, options: PeerOptions];
}

const ROUTER = `{ as: ${ROUTER_AS}, id: 192.0.2.254, cluster-id: 10.0.0.9 }`;
const EBGP: readonly [string, PeerOptions] = ["as: 65001", { as: 65001 }];
const EBGP2: readonly [string, PeerOptions] = ["as: 65002", { as: 65002 }];
const IBGP: readonly [string, PeerOptions] = [`as: ${ROUTER_AS}`, { as: ROUTER_AS }];
const CLIENT: readonly [string, PeerOptions] = [
  `as: ${ROUTER_AS}, route-reflector-client: true`,
  { as: ROUTER_AS },
];

function labOf(cast: Cast, rest = ""): { lab: Lab; peers: Record<string, Peer> } {
  const lines = Object.entries(cast).map(
    ([address, [config]]) => `  - { address: "${address}", ${config} }`,
  );
  const lab = new Lab(
    yamlOf(
      `defaults: { import: accept-all, export: accept-all, passive: true }\nneighbors:\n${lines.join("\n")}\n${rest}`,
      ROUTER,
    ),
  );
  const peers: Record<string, Peer> = {};
  for (const [address, [, options]] of Object.entries(cast)) {
    peers[address] = lab.peer(address, options).up();
  }
  return { lab, peers };
}

/** What `to` is sent of a route that `from` announces. */
function sent(
  from: readonly [string, PeerOptions],
  to: readonly [string, PeerOptions],
  sketch: Parameters<Peer["announce"]>[1],
  rest = "",
): Seen | undefined {
  const { lab, peers } = labOf({ [OUTSIDE]: from, [OTHER]: to }, rest);
  peers[OUTSIDE]!.announce(["10.1.0.0/16"], sketch);
  lab.run();
  return peers[OTHER]!.table["10.1.0.0/16"];
}

describe("an external peer is sent a route", () => {
  const full = {
    path: [65001, 65100],
    med: 50,
    communities: ["65001:1", "graceful-shutdown"],
    large: ["65001:1:1"],
    extended: ["rt:65001:5"],
    more: [{ type: 200, value: "0102" }],
  };

  test("of another one with our AS in front, our next hop and without MED", () => {
    expect(sent(EBGP, EBGP2, full)).toEqual({
      path: "64500 65001 65100",
      nextHop: "192.0.2.254",
      communities: ["65001:1", "65535:0"],
      large: full.large,
      extended: full.extended,
      UNKNOWN: "0102",
    });
  });

  test("of an internal one without LOCAL_PREF, ORIGINATOR_ID and CLUSTER_LIST", () => {
    const seen = sent(IBGP, EBGP2, {
      path: [65009],
      localPref: 300,
      originator: "10.0.0.1",
      clusters: ["10.0.0.2"],
      med: 7,
    });
    expect(seen).toEqual({ path: "64500 65009", nextHop: "192.0.2.254" });
  });

  test("with the AS that it knows us by", () => {
    expect(sent(EBGP, ["as: 65002, local-as: 64999", { as: 65002 }], {})).toMatchObject({
      path: "64999 65001",
    });
  });

  test("with the next hop that it came with, where the configuration says so", () => {
    expect(sent(EBGP, ["as: 65002, next-hop: unchanged", { as: 65002 }], {})).toMatchObject({
      nextHop: OUTSIDE,
    });
  });

  const SETS_MED = `
policies:
  med: [{ if: { prefix: 10.0.0.0/8 le 24 }, set: { med: 99 }, then: accept }]
  half: [{ if: { community: "65001:1" }, set: { med: 99 } }, { then: accept }]
`;
  test("with the MED that policy sets, and not with the one that came", () => {
    const to = (name: string): readonly [string, PeerOptions] => [
      `as: 65002, export: ${name}`,
      { as: 65002 },
    ];
    expect(sent(EBGP, to("med"), { med: 50 }, SETS_MED)?.["med"]).toBe(99);
    expect(sent(EBGP, to("half"), { med: 50, communities: ["65001:1"] }, SETS_MED)?.["med"]).toBe(
      99,
    );
    expect(sent(EBGP, to("half"), { med: 50 }, SETS_MED)).toEqual({
      path: "64500 65001",
      nextHop: "192.0.2.254",
    });
  });

  test.each([
    ["self", "192.0.2.254"],
    ["192.0.2.99", "192.0.2.99"],
    ["unchanged", OUTSIDE],
  ])("with the next hop that policy sets: %s is %s", (nextHop, expected) => {
    const rest = `
policies:
  hop: [{ if: { community: "65001:1" }, set: { next-hop: ${nextHop} } }, { then: accept }]
`;
    const to = ["as: 65002, export: hop", { as: 65002 }] as const;
    expect(sent(EBGP, to, { communities: ["65001:1"] }, rest)?.["nextHop"]).toBe(expected);
    expect(sent(EBGP, to, {}, rest)?.["nextHop"]).toBe("192.0.2.254");
  });

  test("of its own neither back nor as a withdrawal", () => {
    const { lab, peers } = labOf({ [OUTSIDE]: EBGP, [OTHER]: EBGP2 });
    peers[OUTSIDE]!.wire.forget();
    peers[OUTSIDE]!.announce(["10.1.0.0/16"]).withdraw(["10.1.0.0/16"]).announce(["10.1.0.0/16"]);
    lab.run();
    expect(peers[OUTSIDE]!.wire.octets).toBe(0);
    expect(Object.keys(peers[OTHER]!.table)).toEqual(["10.1.0.0/16"]);
  });

  test("only where policy lets it in and out (RFC 8212), which one line switches off", () => {
    const yaml = (options: string) =>
      yamlOf(`
neighbors:
  - { address: ${OUTSIDE}, as: 65001, passive: true, ${options} }
  - { address: ${OTHER}, as: 65002, passive: true, ${options} }
`);
    const lab = new Lab(yaml(""));
    const a = lab.peer(OUTSIDE, { as: 65001 }).up();
    const b = lab.peer(OTHER, { as: 65002 }).up();
    a.announce(["10.1.0.0/16"]);
    lab.run();
    expect(b.table).toEqual({});
    expect(lab.router.tables.rib(1).paths.accepted[lab.neighbor(OUTSIDE).row]).toBe(0);
    lab.reload(yaml("ebgp-requires-policy: false")).run();
    expect(Object.keys(b.table)).toEqual(["10.1.0.0/16"]);
    expect(a.isUp && b.isUp).toBe(true);
  });
});

describe("an internal peer is sent a route", () => {
  test("of an external one as it is, with LOCAL_PREF 100 and nothing of a reflector", () => {
    expect(sent(EBGP, IBGP, { path: [65001], med: 5, communities: ["65001:1"] })).toEqual({
      path: "65001",
      nextHop: OUTSIDE,
      med: 5,
      localPref: 100,
      communities: ["65001:1"],
    });
    expect(sent(EBGP, CLIENT, {})).toEqual({ path: "65001", nextHop: OUTSIDE, localPref: 100 });
  });

  test("with the LOCAL_PREF that import policy gave it", () => {
    const rest = `
policies:
  prefer: [{ set: { local-pref: 250 }, then: accept }]
`;
    const from = ["as: 65001, import: prefer", { as: 65001 }] as const;
    expect(sent(from, IBGP, {}, rest)?.["localPref"]).toBe(250);
  });

  test("with our next hop where the configuration says so", () => {
    const to = [`as: ${ROUTER_AS}, next-hop: self`, { as: ROUTER_AS }] as const;
    expect(sent(EBGP, to, {})?.["nextHop"]).toBe("192.0.2.254");
  });

  test.each([
    ["of one client to another", CLIENT, CLIENT],
    ["of a neighbor to a client", IBGP, CLIENT],
    ["of a client to a neighbor", CLIENT, IBGP],
  ])("with its own next hop when it is reflected (RFC 4456 section 10): %s", (_title, from, to) => {
    const self = [`${to[0]}, next-hop: self`, to[1]] as const;
    expect(sent(from, self, {})?.["nextHop"]).toBe(OUTSIDE);
    expect(sent(EBGP, self, {})?.["nextHop"]).toBe("192.0.2.254");
    const rest = 'policies: { hop: [{ set: { next-hop: "192.0.2.99" }, then: accept }] }';
    const policy = [`${self[0]}, export: hop`, to[1]] as const;
    expect(sent(from, policy, {}, rest)?.["nextHop"]).toBe("192.0.2.99");
  });

  test("of another internal one not at all, unless one of the two is a client", () => {
    expect(sent(IBGP, IBGP, {})).toBeUndefined();
  });

  test.each([
    ["client to client", CLIENT, CLIENT],
    ["client to non-client", CLIENT, IBGP],
    ["non-client to client", IBGP, CLIENT],
  ])("reflected, with ORIGINATOR_ID and our cluster in front: %s", (_title, from, to) => {
    expect(sent(from, to, { localPref: 200, path: [65009], med: 3 })).toEqual({
      path: "65009",
      nextHop: OUTSIDE,
      med: 3,
      localPref: 200,
      originator: OUTSIDE,
      clusters: ["10.0.0.9"],
    });
    const again = sent(from, to, { originator: "10.0.0.1", clusters: ["10.0.0.2", "10.0.0.3"] });
    expect(again).toMatchObject({
      originator: "10.0.0.1",
      clusters: ["10.0.0.9", "10.0.0.2", "10.0.0.3"],
    });
  });

  test("of each kind of peer by the table of RFC 4456 section 6", () => {
    const cast: Cast = {
      "192.0.2.1": EBGP,
      "192.0.2.2": EBGP2,
      "192.0.2.11": CLIENT,
      "192.0.2.12": CLIENT,
      "192.0.2.21": IBGP,
      "192.0.2.22": IBGP,
    };
    const { lab, peers } = labOf(cast);
    const all = Object.keys(cast);
    for (const [i, address] of all.entries()) {
      const path = address === "192.0.2.1" ? [65001] : address === "192.0.2.2" ? [65002] : [];
      peers[address]!.announce([`10.${i}.0.0/16`], { path });
    }
    lab.run();
    const table = all.map((address) =>
      all.map((_, i) => (`10.${i}.0.0/16` in peers[address]!.table ? "x" : ".")).join(""),
    );
    expect(table).toEqual([
      ".xxxxx", // external: everything but its own
      "x.xxxx",
      "xx.xxx", // client: everything but its own
      "xxx.xx",
      "xxxx..", // non-client: nothing of non-clients
      "xxxx..",
    ]);
    const seen = peers["192.0.2.11"]!.table;
    expect(seen["10.0.0.0/16"]).not.toHaveProperty("originator");
    expect(seen["10.0.0.0/16"]).not.toHaveProperty("clusters");
    expect(seen["10.3.0.0/16"]).toMatchObject({ originator: "192.0.2.12", clusters: ["10.0.0.9"] });
    expect(seen["10.5.0.0/16"]).toMatchObject({ originator: "192.0.2.22" });
  });

  test("anew when it comes from another client with the same attributes", () => {
    const { lab, peers } = labOf({
      "192.0.2.11": CLIENT,
      "192.0.2.12": CLIENT,
      "192.0.2.13": CLIENT,
    });
    const sketch = { nextHop: "192.0.2.77" };
    peers["192.0.2.11"]!.announce(["10.1.0.0/16"], sketch);
    peers["192.0.2.12"]!.announce(["10.1.0.0/16"], sketch);
    lab.run();
    const { table } = peers["192.0.2.13"]!;
    expect(table["10.1.0.0/16"]).toMatchObject({ originator: "192.0.2.11" });
    peers["192.0.2.11"]!.withdraw(["10.1.0.0/16"]);
    lab.run();
    expect(peers["192.0.2.13"]!.table["10.1.0.0/16"]).toMatchObject({ originator: "192.0.2.12" });
  });
});

describe("well-known communities (RFC 1997)", () => {
  test.each([
    ["no-export", false, true],
    ["no-advertise", false, false],
    ["no-export-subconfed", false, true],
    ["no-peer", true, true],
    ["65001:65281", true, true],
  ])("%s: to external peers %s, to internal ones %s", (community, outside, inside) => {
    const sketch = { communities: [community] };
    expect(sent(EBGP, EBGP2, sketch) !== undefined).toBe(outside);
    expect(sent(EBGP, IBGP, sketch) !== undefined).toBe(inside);
  });

  test("are only passed on where the configuration says so", () => {
    const to = ["as: 65002, honor-well-known-communities: false", { as: 65002 }] as const;
    expect(sent(EBGP, to, { communities: ["no-export"] })).toMatchObject({
      communities: ["65535:65281"],
    });
  });

  test("that export policy adds are for the receiver to obey", () => {
    const rest = `
policies:
  keep: [{ set: { community: { add: [no-export] } }, then: accept }]
`;
    const to = ["as: 65002, export: keep", { as: 65002 }] as const;
    expect(sent(EBGP, to, {}, rest)).toMatchObject({ communities: ["65535:65281"] });
  });
});

describe("RFC 9234, what goes out", () => {
  // Our role, the peer's number; OTC of a route without one, whether one with OTC goes.
  test.each([
    ["provider", 3, ROUTER_AS, true],
    ["rs", 2, ROUTER_AS, true],
    ["peer", 4, ROUTER_AS, false],
    ["customer", 0, undefined, false],
    ["rs-client", 1, undefined, false],
  ] as const)("as %s of a peer with role %s", (role, number, otc, passes) => {
    const to = [`as: 65002, role: ${role}`, { as: 65002, role: number }] as const;
    expect(sent(EBGP, to, {})?.["otc"]).toBe(otc);
    expect(sent(EBGP, to, { otc: 65777 })?.["otc"]).toBe(passes ? 65777 : undefined);
    expect(sent(EBGP, to, { otc: 65777 }) !== undefined).toBe(passes);
  });
});

describe("sessions of other kinds", () => {
  test("with 2-octet AS numbers get AS4_PATH where it says more", () => {
    const to = ["as: 65002", { as: 65002, fourOctetAs: false }] as const;
    expect(sent(EBGP, to, { path: [65001, 4_200_000_001] })).toMatchObject({
      path: "64500 65001 23456",
      AS4_PATH: { text: "64500 65001 4200000001" },
    });
    expect(sent(EBGP, to, { path: [65001, 65100] })).not.toHaveProperty("AS4_PATH");
  });

  test("with 2-octet AS numbers have their AS4_PATH merged", () => {
    const from = ["as: 65001", { as: 65001, fourOctetAs: false }] as const;
    const as4 = {
      type: 17,
      value: { segments: [{ type: "AS_SEQUENCE", as: [65001, 4_200_000_001] }] },
    };
    expect(sent(from, EBGP2, { path: [65001, 23456], more: [as4] })).toEqual({
      path: "64500 65001 4200000001",
      nextHop: "192.0.2.254",
    });
  });

  test("over IPv6 get IPv4 routes with an IPv6 next hop where both sides can (RFC 8950)", () => {
    const both = "families: [ipv4-unicast, ipv6-unicast]";
    const cast = (extended: boolean): Cast => ({
      [OUTSIDE]: EBGP,
      "2001:db8::2": [
        `as: 65002, ${both}, extended-next-hop: true`,
        { as: 65002, families: ["ipv4", "ipv6"], extendedNextHop: extended },
      ],
    });
    for (const extended of [true, false]) {
      const { lab, peers } = labOf(cast(extended));
      peers[OUTSIDE]!.announce(["10.1.0.0/16"]);
      lab.run();
      const { table } = peers["2001:db8::2"]!;
      if (extended) expect(table["10.1.0.0/16"]).toMatchObject({ nextHop: "2001:db8::254" });
      else expect(table).toEqual({});
    }
  });

  test("get an IPv4 route that came with an IPv6 next hop only where they can have it", () => {
    const from = "2001:db8::1";
    const { lab, peers } = labOf({
      [from]: [
        "as: 65001, families: [ipv4-unicast], extended-next-hop: true",
        { as: 65001, families: ["ipv4"], extendedNextHop: true },
      ],
      "192.0.2.2": ["as: 65002, next-hop: unchanged", { as: 65002 }],
      "192.0.2.3": EBGP_3,
      "192.0.2.4": [
        "as: 65004, next-hop: unchanged, extended-next-hop: true",
        { as: 65004, extendedNextHop: true },
      ],
    });
    peers[from]!.announce(["10.1.0.0/16"], { nextHop: from });
    lab.run();
    expect(peers["192.0.2.2"]!.table).toEqual({});
    expect(peers["192.0.2.3"]!.table["10.1.0.0/16"]).toMatchObject({ nextHop: "192.0.2.254" });
    expect(peers["192.0.2.4"]!.table["10.1.0.0/16"]).toMatchObject({ nextHop: from });
  });

  test("over IPv4 get IPv6 routes where policy gives them a next hop, and not otherwise", () => {
    const options = { as: 65002, families: ["ipv4", "ipv6"] } as const;
    const rest = `
policies:
  hop: [{ if: { community: "65001:1" }, set: { next-hop: "2001:db8::99" } }, { then: accept }]
`;
    const { lab, peers } = labOf(
      {
        "2001:db8::1": EBGP,
        "192.0.2.2": ["as: 65002, families: [ipv4-unicast, ipv6-unicast]", options],
        "192.0.2.3": [
          "as: 65003, families: [ipv4-unicast, ipv6-unicast], export: hop",
          { ...options, as: 65003 },
        ],
      },
      rest,
    );
    peers["2001:db8::1"]!.announce(["2001:db8:1::/48"], { communities: ["65001:1"] });
    peers["2001:db8::1"]!.announce(["2001:db8:2::/48"]);
    lab.run();
    expect(peers["192.0.2.2"]!.table).toEqual({});
    expect(peers["192.0.2.3"]!.table).toMatchObject({
      "2001:db8:1::/48": { nextHop: "2001:db8::99" },
    });
    expect(Object.keys(peers["192.0.2.3"]!.table)).toEqual(["2001:db8:1::/48"]);
  });

  const BOTH = "families: [ipv4-unicast, ipv6-unicast]";
  test.each([
    ["192.0.2.2", "as: 65002", "2001:db8::77", "192.0.2.254", "2001:db8::77"],
    [
      "192.0.2.2",
      `as: ${ROUTER_AS}, next-hop: self`,
      "2001:db8::77",
      "192.0.2.254",
      "2001:db8::77",
    ],
    ["192.0.2.2", "as: 65002, export: hop", "2001:db8::77", "192.0.2.254", "2001:db8::77"],
    ["2001:db8::2", "as: 65002", "192.0.2.77", "192.0.2.77", "2001:db8::254"],
    [
      "2001:db8::2",
      "as: 65002, extended-next-hop: true",
      "192.0.2.77",
      "2001:db8::254",
      "2001:db8::254",
    ],
    [
      "2001:db8::2",
      "as: 65002, extended-next-hop: true, export: hop",
      "192.0.2.77",
      "2001:db8::254",
      "2001:db8::254",
    ],
  ])(
    "as %s, %s, get the address %s of the interface for the other family",
    (address, config, other, ipv4, ipv6) => {
      const as = config.includes("65002") ? 65002 : ROUTER_AS;
      const families = ["ipv4", "ipv6"] as const;
      const rest = "policies: { hop: [{ set: { next-hop: self }, then: accept }] }";
      const options = { as, families, extendedNextHop: config.includes("extended") };
      const lab = new Lab(
        yamlOf(`
defaults: { import: accept-all, export: accept-all, passive: true, ${BOTH} }
neighbors:
  - { address: ${OUTSIDE}, as: 65001 }
  - { address: "${address}", ${config} }
${rest}`),
      );
      const from = lab.peer(OUTSIDE, { as: 65001, families }).up();
      const to = lab.peer(address, options);
      to.otherAddress = other;
      to.up();
      from.announce(["10.1.0.0/16", "2001:db8:1::/48"]);
      lab.run();
      expect(to.table).toMatchObject({
        "10.1.0.0/16": { nextHop: ipv4 },
        "2001:db8:1::/48": { nextHop: ipv6 },
      });
      expect(lab.logsOf("next-hop-unavailable").map(({ neighbor }) => neighbor)).toEqual([OUTSIDE]);
    },
  );

  test("over IPv4 alone: a log line says that IPv6 routes are not sent, except reflected ones", () => {
    const families = ["ipv4", "ipv6"] as const;
    const { lab, peers } = labOf({
      "2001:db8::1": EBGP,
      "2001:db8::3": CLIENT,
      [OTHER]: [`as: ${ROUTER_AS}, next-hop: self, ${BOTH}`, { as: ROUTER_AS, families }],
    });
    peers["2001:db8::1"]!.announce(["2001:db8:1::/48"]);
    peers["2001:db8::3"]!.announce(["2001:db8:3::/48"]);
    lab.run();
    expect(Object.keys(peers[OTHER]!.table)).toEqual(["2001:db8:3::/48"]);
    expect(lab.logsOf("next-hop-unavailable")).toEqual([
      {
        id: "next-hop-unavailable",
        level: "warn",
        neighbor: OTHER,
        message:
          "ipv6-unicast routes that need our next hop are not sent: " +
          "the interface of 192.0.2.254 has no address for it",
        fields: { family: "ipv6-unicast", local_address: "192.0.2.254" },
      },
    ]);
  });

  test("with two next hops pass both on where they are left alone (RFC 2545)", () => {
    const { lab, peers } = labOf({
      "2001:db8::1": EBGP,
      "2001:db8::2": ["as: 65002, next-hop: unchanged", { as: 65002 }],
      "2001:db8::3": ["as: 65003", { as: 65003 }],
    });
    const hops = "2001:db8::1 fe80::1";
    const mp = { afi: 2, safi: 1, next_hop: hops, nlri: ["2001:db8:1::/48"] };
    const path = { segments: [{ type: "AS_SEQUENCE", as: [65001] }] };
    const a = peers["2001:db8::1"]!;
    a.send(
      a.encode(
        [],
        [
          { type: 1, value: "IGP" },
          { type: 2, value: path },
          { type: 14, value: mp },
        ],
        [],
      ),
    );
    lab.run();
    expect(peers["2001:db8::2"]!.table["2001:db8:1::/48"]).toMatchObject({ nextHop: hops });
    expect(peers["2001:db8::3"]!.table["2001:db8:1::/48"]).toMatchObject({
      nextHop: "2001:db8::254",
    });
  });
});

const EBGP_3: readonly [string, PeerOptions] = ["as: 65003", { as: 65003 }];

describe("a route whose next hop is the receiver's own address is not sent to it", () => {
  const [A, B, C] = ["192.0.2.1", "192.0.2.2", "192.0.2.3"];
  const SERVER = "route-server-client: true";
  const route = { nextHop: B };
  /** Two sessions of AS 65002, of which one is the next hop. */
  const cast = (options: string, offers: Partial<PeerOptions> = {}): Cast => ({
    [A]: [`as: 65001, ${options}`, { as: 65001, ...offers }],
    [B]: [`as: 65002, ${options}`, { as: 65002, ...offers }],
    [C]: [`as: 65002, ${options}`, { as: 65002, ...offers }],
  });
  const tables = (peers: Record<string, Peer>) => [B, C].map((at) => Object.keys(peers[at]!.table));
  const shown = (lab: Lab, address: string) => {
    const neighbor = lab.neighbor(address);
    const query = { family: 1, prefix: null, match: "exact", neighbor: address } as const;
    const { routes } = showRoutes(
      lab.router,
      { ...query, view: "advertised", bestOnly: false },
      null,
    );
    return [showNeighbor(neighbor).families[0]!.advertised, routes.length];
  };

  test.each([
    ["route server clients, told apart by AS", SERVER, {}],
    ["route server clients, told apart by session", `${SERVER}, send-same-as: true`, {}],
    ["an external session that keeps next hops", "next-hop: unchanged", {}],
    ["ADD-PATH", `${SERVER}, add-path: { send: all }`, { addPath: "receive" }],
  ] as const)("but to its AS's other session: %s", (_title, options, offers) => {
    const { lab, peers } = labOf(cast(options, offers));
    peers[A]!.announce(["10.1.0.0/16"], route).announce(["10.2.0.0/16"]);
    lab.run();
    const [atB, atC] = tables(peers);
    expect([atB!.length, atC!.length]).toEqual([1, 2]);
    expect(atB![0]).toMatch(/^10\.2\./);
    expect([shown(lab, B), shown(lab, C)]).toEqual([
      [1, 1],
      [2, 2],
    ]);
    // They share what is written.
    const groups = showGroups(lab.router).filter(({ members }) => members > 0);
    expect(groups).toHaveLength(1);
  });

  test("which hears nothing of it, and of a change to and fro just what changes for it", () => {
    const { lab, peers } = labOf(cast(SERVER));
    const heard = (sketch: Parameters<Peer["announce"]>[1] | null) => {
      peers[B]!.wire.forget();
      peers[C]!.wire.forget();
      if (sketch === null) peers[A]!.withdraw(["10.1.0.0/16"]);
      else peers[A]!.announce(["10.1.0.0/16"], sketch);
      lab.run();
      return [B, C].map((at) => peers[at]!.wire.changes);
    };
    const there = ["10.1.0.0/16"];
    const gone = ["-10.1.0.0/16"];
    expect(heard(route)).toEqual([[], there]);
    expect(heard({ ...route, med: 1 })).toEqual([[], there]);
    expect(heard({})).toEqual([there, there]);
    expect(heard({ ...route, med: 2 })).toEqual([gone, there]);
    expect(heard({ ...route, nextHop: C })).toEqual([there, gone]);
    expect(heard(route)).toEqual([gone, there]);
    expect(heard(null)).toEqual([[], gone]);
    expect([shown(lab, B), shown(lab, C)]).toEqual([
      [0, 0],
      [0, 0],
    ]);
  });

  test("also after a refresh, and to one that comes later or moves to another group", () => {
    const own = cast(SERVER);
    const { lab, peers } = labOf(own);
    peers[A]!.announce(["10.1.0.0/16"], route);
    lab.run();
    peers[B]!.refresh(0);
    lab.run();
    expect(tables(peers)).toEqual([[], ["10.1.0.0/16"]]);
    peers[B]!.hangUp();
    lab.run();
    peers[B]!.up();
    expect(tables(peers)).toEqual([[], ["10.1.0.0/16"]]);
    lab.operate(B, { do: "refresh", direction: "out" }).run();
    expect(peers[B]!.table).toEqual({});
    expect(shown(lab, B)).toEqual([0, 0]);
  });

  test("also when it is export policy that says so", () => {
    const rest = "policies: { hop: [{ set: { next-hop: peer-address }, then: accept }] }";
    const to = ["as: 65002, export: hop", { as: 65002 }] as const;
    expect(sent(EBGP, to, {}, rest)).toBeUndefined();
  });

  test("also where a set of attributes goes and another one comes in the same moment", () => {
    const tag = 'policies: { tag: [{ set: { community: { add: ["64500:1"] } }, then: accept }] }';
    const { lab, peers } = labOf(cast(`${SERVER}, export: tag`), tag);
    peers[A]!.announce(["10.9.0.0/16"], route).announce(["10.1.0.0/16"]);
    lab.run();
    expect(Object.keys(peers[B]!.table)).toEqual(["10.1.0.0/16"]);
    peers[A]!.withdraw(["10.1.0.0/16"]).announce(["10.2.0.0/16"], route);
    lab.run();
    expect(tables(peers)).toEqual([[], ["10.2.0.0/16", "10.9.0.0/16"]]);
  });

  test("and is counted so by a member that a reload has moved to another group", () => {
    const yaml = (export_: string) =>
      yamlOf(
        `defaults: { import: accept-all, ${SERVER}, passive: true }
neighbors:
  - { address: ${A}, as: 65001, export: accept-all }
  - { address: ${B}, as: 65002, export: ${export_} }
policies: { no-one: [{ if: { prefix: 10.1.0.0/16 }, then: reject }, { then: accept }] }
`,
        ROUTER,
      );
    const lab = new Lab(yaml("accept-all"));
    const [a, b] = [lab.peer(A, { as: 65001 }).up(), lab.peer(B, { as: 65002 }).up()];
    a.announce(["10.1.0.0/16"], route).announce(["10.2.0.0/16"]);
    lab.run();
    expect(shown(lab, B)).toEqual([1, 1]);
    lab.reload(yaml("no-one")).run();
    expect(shown(lab, B)).toEqual([1, 1]);
    a.withdraw(["10.1.0.0/16", "10.2.0.0/16"]);
    lab.run();
    expect(shown(lab, B)).toEqual([0, 0]);
    expect(b.table).toEqual({});
  });

  test("nor another path in place of it, which explain says", () => {
    const { lab, peers } = labOf({
      ...cast(SERVER),
      "192.0.2.4": [`as: 65004, ${SERVER}`, { as: 65004 }],
    });
    peers[A]!.announce(["10.1.0.0/16"], route);
    peers["192.0.2.4"]!.announce(["10.1.0.0/16"], { path: [65004, 65005] });
    lab.run();
    expect(tables(peers)).toEqual([[], ["10.1.0.0/16"]]);
    const key = { words: [0x0a010000, 0, 0, 0], bits: 16 } as const;
    const question = { direction: "export", family: 1, key, text: "10.1.0.0/16" } as const;
    const { verdict, paths } = explainRoute(lab.router, { ...question, neighbor: B });
    expect(verdict).toBe("not advertised");
    expect(paths.map(({ steps }) => steps.at(-1)!.reason?.code)).toEqual([
      "next-hop-receiver",
      "not-best",
    ]);
    const other = explainRoute(lab.router, { ...question, neighbor: C });
    expect(other.verdict).toBe("advertised (1 path)");
  });

  test.each([
    ["the global one", "2001:db8::2", "2001:db8::2", ""],
    ["the global one beside a link-local one", "2001:db8::2", "2001:db8::2", "fe80::9"],
    ["the link-local one beside a global one", "fe80::2", "2001:db8::9", "fe80::2"],
  ])("of IPv6: %s", (_title, address, global, local) => {
    const receiver = address.startsWith("fe80") ? `${address}%eth0` : address;
    const { lab, peers } = labOf({
      "2001:db8::1": [`as: 65001, ${SERVER}`, { as: 65001 }],
      [receiver]: [`as: 65002, ${SERVER}`, { as: 65002 }],
      "2001:db8::3": [`as: 65003, ${SERVER}`, { as: 65003 }],
    });
    const nextHop = local === "" ? global : `${global} ${local}`;
    peers["2001:db8::1"]!.announce(["2001:db8:1::/48"], { nextHop });
    lab.run();
    expect(Object.keys(peers["2001:db8::3"]!.table)).toEqual(["2001:db8:1::/48"]);
    expect(peers[receiver]!.table).toEqual({});
  });

  test("but when the next hop becomes our own, it is", () => {
    const { lab, peers } = labOf(cast(""));
    peers[A]!.announce(["10.1.0.0/16"], route);
    lab.run();
    expect(tables(peers)).toEqual([["10.1.0.0/16"], ["10.1.0.0/16"]]);
  });
});
