/** What external and internal peers are sent: RFC 4271 section 5.1, RFC 4456, RFC 1997, RFC 9234. */

import { describe, expect, test } from "vitest";
import { Lab, yamlOf } from "../../../testkit/router.ts";
import { type PeerOptions, ROUTER_AS } from "../../../testkit/sketch.ts";
import { type Cast, CLIENT, EBGP, EBGP2, IBGP, labOf, OTHER, OUTSIDE, sent } from "./cast.ts";

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
