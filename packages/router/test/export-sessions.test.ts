/** What sessions with 2-octet AS numbers are sent, and one family over the other (RFC 6793, 8950, 2545). */

import { describe, expect, test } from "vitest";
import { Lab, yamlOf } from "../../../testkit/router.ts";
import { ROUTER_AS } from "../../../testkit/sketch.ts";
import { type Cast, CLIENT, EBGP, EBGP2, EBGP3, labOf, OTHER, OUTSIDE, sent } from "./cast.ts";

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
      "192.0.2.3": EBGP3,
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
