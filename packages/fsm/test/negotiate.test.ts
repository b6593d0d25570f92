import type { Capability } from "@ts-bgp/wire-codec";
import { describe, expect, test } from "vitest";
import { buildOpen, type Negotiated, negotiate } from "../src/index.ts";
import { CONFIG, HIGHER_ID, MP_IPV4, MP_IPV6, peerOpen } from "./model.ts";

const IPV4 = { afi: 1, safi: 1 };
const IPV6 = { afi: 2, safi: 1 };
const EVPN = { afi: 25, safi: 70 };
const both = { receive: true, send: true };
const receive = { receive: true, send: false };
const send = { receive: false, send: true };

type Known<N extends Capability["name"]> = Extract<Capability, { name: N }>;
const addPath = (...families: Known<"add-path">["families"]): Capability => {
  return { code: 69, name: "add-path", families };
};
const nextHop = (...families: Known<"extended-next-hop">["families"]): Capability => {
  return { code: 5, name: "extended-next-hop", families };
};
const restart = (change: Partial<Known<"graceful-restart">>): Capability => ({
  code: 64,
  name: "graceful-restart",
  restarting: false,
  notification: false,
  restartTimeSeconds: 0,
  families: [],
  ...change,
});
const longLived = (...families: Known<"long-lived-graceful-restart">["families"]): Capability => ({
  code: 71,
  name: "long-lived-graceful-restart",
  families,
});
const role = (value: number): Capability => ({ code: 9, name: "role", role: value });
const refresh: Capability = { code: 2, name: "route-refresh" };
const enhanced: Capability = { code: 70, name: "enhanced-route-refresh" };
const extended: Capability = { code: 6, name: "extended-message" };

function outcome(ours: Capability[], theirs: Capability[]): Negotiated {
  const local = { ...buildOpen(CONFIG), capabilities: ours };
  return negotiate(local, peerOpen({ capabilities: theirs }));
}

type Row = [string, Capability[], Capability[], Partial<Negotiated>];

const MP = [MP_IPV4, MP_IPV6];

const ROWS: Row[] = [
  ["families are those of both, IPv4 being one like any other", MP, [MP_IPV6], { families: 2 }],
  ["without multiprotocol it is IPv4 unicast", MP, [], { families: 1 }],
  ["a family that we do not route is left out", MP, [{ ...MP_IPV4, ...EVPN }], { families: 0 }],
  ["route refresh needs both", [refresh], [], { routeRefresh: false }],
  ["route refresh needs us too", [], [refresh], { routeRefresh: false }],
  ["route refresh with both", [refresh], [refresh], { routeRefresh: true }],
  ["enhanced route refresh", [enhanced], [enhanced], { enhancedRouteRefresh: true }],
  ["enhanced route refresh one way", [enhanced], [], { enhancedRouteRefresh: false }],
  ["extended messages", [extended], [extended], { extendedMessage: true }],
  ["extended messages one way", [], [extended], { extendedMessage: false }],
  [
    "paths go where one sends and the other receives",
    [...MP, addPath({ ...IPV4, ...send }, { ...IPV6, ...receive })],
    [...MP, addPath({ ...IPV4, ...receive }, { ...IPV6, ...send })],
    { addPathSend: 1, addPathReceive: 2 },
  ],
  [
    "paths do not go where both send",
    [...MP, addPath({ ...IPV4, ...send })],
    [...MP, addPath({ ...IPV4, ...send })],
    { addPathSend: 0, addPathReceive: 0 },
  ],
  [
    "paths go both ways, over several instances",
    [...MP, addPath({ ...IPV4, ...both }, { ...IPV6, ...both })],
    [...MP, addPath({ ...IPV4, ...both }), addPath({ ...IPV6, ...both })],
    { addPathSend: 3, addPathReceive: 3 },
  ],
  [
    "paths go only in families of the session",
    [...MP, addPath({ ...IPV4, ...both }, { ...IPV6, ...both })],
    [MP_IPV4, addPath({ ...IPV4, ...both }, { ...IPV6, ...both })],
    { addPathSend: 1, addPathReceive: 1 },
  ],
  [
    "an IPv6 next hop for IPv4",
    [MP_IPV4, nextHop({ ...IPV4, nextHopAfi: 2 })],
    [MP_IPV4, nextHop({ ...EVPN, nextHopAfi: 2 }, { ...IPV4, nextHopAfi: 2 })],
    { extendedNextHop: 1 },
  ],
  [
    "an IPv6 next hop for IPv6 says nothing new",
    [...MP, nextHop({ ...IPV6, nextHopAfi: 2 })],
    [...MP, nextHop({ ...IPV6, nextHopAfi: 2 })],
    { extendedNextHop: 0 },
  ],
  ["graceful restart needs both", [restart({})], [], { gracefulRestart: null }],
  [
    "graceful restart is the peer's, the last instance counts",
    [...MP, restart({ notification: true, restartTimeSeconds: 5 })],
    [
      MP_IPV4,
      restart({ restartTimeSeconds: 1 }),
      restart({
        restarting: true,
        notification: true,
        restartTimeSeconds: 120,
        families: [
          { ...IPV4, forwarding: true },
          { ...IPV6, forwarding: true },
        ],
      }),
    ],
    {
      gracefulRestart: {
        restarting: true,
        notification: true,
        restartTimeSeconds: 120,
        families: 1,
        forwarding: 1,
      },
    },
  ],
  [
    "graceful restart for NOTIFICATION needs both",
    [restart({})],
    [restart({ notification: true })],
    {
      gracefulRestart: {
        restarting: false,
        notification: false,
        restartTimeSeconds: 0,
        families: 0,
        forwarding: 0,
      },
    },
  ],
  [
    "long-lived graceful restart without the other is nothing",
    [...MP, longLived()],
    [...MP, longLived({ ...IPV4, forwarding: true, staleTimeSeconds: 60 })],
    { longLivedGracefulRestart: null },
  ],
  [
    "long-lived graceful restart is the peer's",
    [...MP, restart({}), longLived()],
    [
      ...MP,
      restart({}),
      longLived(
        { ...IPV6, forwarding: false, staleTimeSeconds: 3600 },
        { ...EVPN, forwarding: false, staleTimeSeconds: 1 },
      ),
    ],
    { longLivedGracefulRestart: [{ family: 2, forwarding: false, staleTimeSeconds: 3600 }] },
  ],
  ["roles", [role(1)], [role(2)], { localRole: "rs", peerRole: "rs-client" }],
  ["roles that nobody states", [], [], { localRole: null, peerRole: null }],
  ["a role that is not assigned", [], [role(77)], { peerRole: null }],
  [
    "no roles on an internal session",
    [role(1), { code: 65, name: "four-octet-as", as: 65001 }],
    [role(2)],
    { localRole: null, peerRole: null },
  ],
  [
    "AS numbers in two octets unless both can do four",
    [{ code: 65, name: "four-octet-as", as: 1 }],
    [],
    { fourOctetAs: false, peerAs: 65001 },
  ],
];

describe("negotiation", () => {
  test.each(ROWS)("%s", (_, ours, theirs, expected) => {
    expect(outcome(ours, theirs)).toMatchObject(expected);
  });

  test.each([
    [90, 180, 90, 30],
    [180, 90, 90, 30],
    [100, 100, 100, 33],
    [3, 90, 3, 1],
    [0, 90, 0, 0],
    [90, 0, 0, 0],
  ])("of hold times %d and %d gives %d, with KEEPALIVE every %d", (ours, theirs, hold, every) => {
    const local = buildOpen({ ...CONFIG, holdTimeSeconds: ours });
    const { holdTimeSeconds, keepaliveSeconds } = negotiate(
      local,
      peerOpen({ holdTimeSeconds: theirs }),
    );
    expect([holdTimeSeconds, keepaliveSeconds]).toEqual([hold, every]);
  });

  test("keeps who the peer is and what it offered", () => {
    const peer = peerOpen();
    const { peerAs, peerIdentifier, peerCapabilities } = negotiate(buildOpen(CONFIG), peer);
    expect([peerAs, peerIdentifier, peerCapabilities]).toEqual([
      65001,
      HIGHER_ID,
      peer.capabilities,
    ]);
  });
});
