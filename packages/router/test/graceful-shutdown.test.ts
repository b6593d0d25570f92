/** Graceful shutdown (RFC 8326): of a peer, and of the speaker itself. */

import { describe, expect, test } from "vitest";
import {
  type Cast,
  CLIENT,
  EBGP,
  EBGP2,
  EBGP3,
  IBGP,
  labOf,
  OTHER,
  OUTSIDE,
  sent,
} from "./cast.ts";

const PREFIX = "10.1.0.0/16";
const THIRD = "192.0.2.3";
const RS1: Cast[string] = ["as: 65001, route-server-client: true", { as: 65001 }];
const RS2: Cast[string] = ["as: 65002, route-server-client: true", { as: 65002 }];
const SHUTS = { communities: ["65001:1", "graceful-shutdown"] };

describe("a route with GRACEFUL_SHUTDOWN", () => {
  test("of an external peer is the last one to be preferred", () => {
    const { lab, peers } = labOf({ [OUTSIDE]: EBGP, [OTHER]: EBGP2, [THIRD]: EBGP3 });
    peers[OUTSIDE]!.announce([PREFIX], { path: [65001] });
    peers[OTHER]!.announce([PREFIX], { path: [65002, 65100, 65101] });
    lab.run();
    expect(peers[THIRD]!.table[PREFIX]).toMatchObject({ path: "64500 65001" });
    peers[OUTSIDE]!.announce([PREFIX], { path: [65001], ...SHUTS });
    lab.run();
    expect(peers[THIRD]!.table[PREFIX]).toMatchObject({ path: "64500 65002 65100 65101" });
    peers[OTHER]!.withdraw([PREFIX]);
    lab.run();
    // It is used still, and says to others what it said to us.
    expect(peers[THIRD]!.table[PREFIX]).toMatchObject({
      path: "64500 65001",
      communities: ["65001:1", "65535:0"],
    });
  });

  test.each([
    ["by default", EBGP, 0],
    ["unless it is not honored", ["as: 65001, honor-graceful-shutdown: false", { as: 65001 }], 100],
    ["whatever policy prefers", ["as: 65001, import: high", { as: 65001 }], 0],
    ["unless policy takes the community away", ["as: 65001, import: off", { as: 65001 }], 100],
    ["where policy puts the community on", ["as: 65001, import: on", { as: 65001 }], 0],
  ] as const)("has LOCAL_PREF 0 %s", (_title, from, localPref) => {
    const rest = `
policies:
  high: [{ set: { local-pref: 200 }, then: accept }]
  off: [{ set: { community: { remove: [graceful-shutdown] } }, then: accept }]
  "on": [{ set: { community: { add: [graceful-shutdown] } }, then: accept }]
`;
    expect(sent(from, IBGP, SHUTS, rest)).toMatchObject({ localPref });
  });

  test("of a route server client passes on as it is", () => {
    const { lab, peers } = labOf({ [OUTSIDE]: RS1, [OTHER]: RS2, [THIRD]: EBGP3 });
    peers[OUTSIDE]!.announce([PREFIX], { path: [65001], ...SHUTS });
    lab.run();
    expect(peers[OTHER]!.table[PREFIX]).toEqual({
      path: "65001",
      nextHop: OUTSIDE,
      communities: ["65001:1", "65535:0"],
    });
  });

  test("is judged anew when the option changes", () => {
    const { lab, peers } = labOf({ [OUTSIDE]: EBGP, [OTHER]: IBGP });
    peers[OUTSIDE]!.announce([PREFIX], SHUTS);
    lab.run();
    expect(peers[OTHER]!.table[PREFIX]).toMatchObject({ localPref: 0 });
    const before = lab.neighbor(OUTSIDE).establishedCount;
    const { config } = lab.router.tables;
    const neighbors = config.neighbors.map((one) => ({ ...one, honorGracefulShutdown: false }));
    lab.router.configure({ ...config, neighbors }, lab.nowMs);
    lab.run();
    expect(peers[OTHER]!.table[PREFIX]).toMatchObject({ localPref: 100 });
    expect(lab.neighbor(OUTSIDE).establishedCount).toBe(before);
  });
});

describe("a speaker that is about to shut down", () => {
  const CAST: Cast = { [OUTSIDE]: RS1, [OTHER]: RS2, [THIRD]: CLIENT };

  test("tells all peers with each route, and internal ones by LOCAL_PREF as well", () => {
    const { lab, peers } = labOf(CAST);
    peers[OUTSIDE]!.announce([PREFIX], { path: [65001], communities: ["65001:1"] });
    lab.run();
    const before = [OTHER, THIRD].map((address) => peers[address]!.table[PREFIX]);
    lab.router.shutDownGracefully(true, lab.nowMs);
    lab.run();
    const marked = ["65001:1", "65535:0"];
    expect(peers[OTHER]!.table[PREFIX]).toEqual({ ...before[0], communities: marked });
    expect(peers[THIRD]!.table[PREFIX]).toEqual({
      ...before[1],
      communities: marked,
      localPref: 0,
    });
    // What comes from now on, too.
    peers[OUTSIDE]!.announce(["10.2.0.0/16"], { path: [65001] });
    lab.run();
    expect(peers[OTHER]!.table["10.2.0.0/16"]).toMatchObject({ communities: ["65535:0"] });
    lab.router.shutDownGracefully(false, lab.nowMs);
    lab.run();
    expect([OTHER, THIRD].map((address) => peers[address]!.table[PREFIX])).toEqual(before);
    expect(lab.logsOf("graceful-shutdown").map(({ fields }) => fields)).toEqual([
      { on: true },
      { on: false },
    ]);
  });

  test("says so to whoever comes later, and after a reload", () => {
    const { lab, peers } = labOf(CAST);
    lab.router.shutDownGracefully(true, lab.nowMs);
    peers[OUTSIDE]!.announce([PREFIX], { path: [65001] });
    peers[OTHER]!.hangUp();
    lab.run().advance(30_000);
    peers[OTHER]!.up();
    lab.run();
    expect(peers[OTHER]!.table[PREFIX]).toMatchObject({ communities: ["65535:0"] });
    const { config } = lab.router.tables;
    const neighbors = config.neighbors.map((one) => ({ ...one, pathHiding: "off" as const }));
    lab.router.configure({ ...config, neighbors }, lab.nowMs);
    lab.run();
    expect(peers[OTHER]!.table[PREFIX]).toMatchObject({ communities: ["65535:0"] });
  });

  test("changes nothing when it says so again", () => {
    const { lab, peers } = labOf(CAST);
    peers[OUTSIDE]!.announce([PREFIX], { path: [65001] });
    lab.router.shutDownGracefully(true, lab.nowMs);
    lab.run();
    const messages = () => lab.neighbor(OTHER).session!.families[0]!.member.messages;
    const before = messages();
    lab.router.shutDownGracefully(true, lab.nowMs);
    lab.run();
    expect(messages()).toBe(before);
  });
});
