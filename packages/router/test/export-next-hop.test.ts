/** A route is not sent to the neighbor that is its next hop (RFC 4271 section 5.1.3). */

import { explainRoute, showGroups, showNeighbor, showRoutes } from "@ts-bgp/views";
import { describe, expect, test } from "vitest";
import { Lab, type Peer, yamlOf } from "../../../testkit/router.ts";
import type { PeerOptions } from "../../../testkit/sketch.ts";
import { type Cast, EBGP, labOf, ROUTER, sent } from "./cast.ts";

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
