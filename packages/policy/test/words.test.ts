/** Conditions and changes that ask for values of peers, sources, pairs of prefix and origin, and ranges. */

import { encodeAsPath } from "@ts-bgp/wire-codec";
import { describe, expect, test } from "vitest";
import { AsSet } from "../src/as-set.ts";
import {
  addReasons,
  type Conditions,
  compileAsPathRegex,
  type Lists,
  type Modifications,
  type PeerFacts,
  Policies,
  type Policy,
  parseRouteEntry,
  ReasonTable,
  RouteSet,
} from "../src/index.ts";
import { newPrefixEntry } from "../src/prefix-entry.ts";
import {
  BASE,
  decodeRoute,
  encodeRoute,
  peerFacts,
  prefixArguments,
  type RouteValue,
  sequence,
  WatchfulSets,
} from "./model.ts";

const LOCAL_AS = 65000;
const LISTS: Lists = {
  prefixLists: { own: ["203.0.113.0/24 le 32"], hops: ["192.0.2.1/32", "2001:db8::/64 le 128"] },
  asLists: { transit: ["174", "3320-3329", "65100-65199"], members: ["65001", "65002"] },
  communityLists: {},
  routeLists: { objects: ["203.0.113.0/24 le 25 65002", "2001:db8::/32 65003"] },
};

function policyOf(when: Conditions, set: Modifications, action: "accept" | "reject"): Policy {
  const source = { file: "t.yaml", line: 1 };
  const rule = { name: "r", source, if: when, set, action };
  return { name: "p", source, rules: [rule], default: action === "accept" ? "reject" : "accept" };
}

class Setup {
  readonly sets = new WatchfulSets();
  readonly policies: Policies;

  constructor(when: Conditions, set: Modifications = {}, action: "accept" | "reject" = "accept") {
    const values = { ...LISTS, policies: { p: policyOf(when, set, action) } };
    const reasons = new ReasonTable();
    addReasons(values, reasons);
    this.policies = new Policies(values, this.sets, reasons);
  }

  decide(route: RouteValue, source: PeerFacts, peer: PeerFacts, prefix = "203.0.113.0/24") {
    const filter = this.policies.filter(["p"], LOCAL_AS, peer.vars);
    const attr = this.sets.add(encodeRoute(route));
    const at = prefixArguments(prefix);
    const verdict = filter.decide(attr, source, peer, ...at);
    // What is remembered says the same.
    expect(filter.decide(attr, source, peer, ...at).accept).toBe(verdict.accept);
    const { accept, exceptions } = verdict;
    return {
      accept,
      exceptions: [...exceptions],
      route: accept ? decodeRoute(this.sets.copyOf(verdict.attr)) : null,
    };
  }
}

const A = peerFacts({ address: "192.0.2.1", as: 65001, number: 1, group: "east" });
const B = peerFacts({
  ...{ address: "192.0.2.2", as: 4200000001, number: 2 },
  vars: { alias: ["64601"], rtt: ["10", "20"], nets: ["own"], site: ["fra"], pref: ["150"] },
});
const C = peerFacts({ address: "192.0.2.3", as: 65003, number: 3, vars: { rtt: ["30"] } });

const HOLDS: [string, Conditions, Partial<RouteValue>, string, boolean][] = [
  ["a list of the peer", { prefix: ["$nets"] }, {}, "203.0.113.0/24", true],
  ["a list of the peer", { prefix: ["$nets"] }, {}, "198.51.100.0/24", false],
  [
    "an AS of the peer",
    { asPath: { contains: ["$alias"] } },
    { asPath: sequence(1, 64601) },
    "203.0.113.0/24",
    true,
  ],
  [
    "an AS of the peer",
    { asPath: { contains: ["$alias"] } },
    { asPath: sequence(1, 64602) },
    "203.0.113.0/24",
    false,
  ],
  [
    "a field",
    { community: { anyOf: ["0:$alias"] } },
    { communities: ["0:64601"] },
    "203.0.113.0/24",
    true,
  ],
  [
    "a field",
    { community: { anyOf: ["0:$alias"] } },
    { communities: ["0:64602"] },
    "203.0.113.0/24",
    false,
  ],
  [
    "one of several",
    { community: { anyOf: ["5:$rtt"] } },
    { communities: ["5:20"] },
    "203.0.113.0/24",
    true,
  ],
  [
    "none of several",
    { community: { anyOf: ["5:$rtt"] } },
    { communities: ["5:30"] },
    "203.0.113.0/24",
    false,
  ],
  [
    "a value that there is not",
    { community: { anyOf: ["5:$x"] } },
    { communities: ["5:30"] },
    "203.0.113.0/24",
    false,
  ],
  ["a list that there is not", { not: { prefix: ["$x"] } }, {}, "203.0.113.0/24", true],
  [
    "a range in a field",
    { community: { anyOf: ["1-9,20:*"] } },
    { communities: ["9:1"] },
    "203.0.113.0/24",
    true,
  ],
  [
    "a range in a field",
    { community: { anyOf: ["1-9,20:*"] } },
    { communities: ["20:1"] },
    "203.0.113.0/24",
    true,
  ],
  [
    "beside the range",
    { community: { anyOf: ["1-9,20:*"] } },
    { communities: ["10:1"] },
    "203.0.113.0/24",
    false,
  ],
  [
    "ranges in all fields",
    { largeCommunity: { anyOf: ["1-2:3-4:5-6"] } },
    { large: ["2:3:6"] },
    "203.0.113.0/24",
    true,
  ],
  [
    "ranges in all fields",
    { largeCommunity: { anyOf: ["1-2:3-4:5-6"] } },
    { large: ["2:5:6"] },
    "203.0.113.0/24",
    false,
  ],
  [
    "site of origin",
    { extendedCommunity: { anyOf: ["soo:1:1"] } },
    { extended: ["ro:1:1"] },
    "203.0.113.0/24",
    true,
  ],
  [
    "site of origin",
    { extendedCommunity: { anyOf: ["soo:*:1-5"] } },
    { extended: ["ro:192.0.2.1:5"] },
    "203.0.113.0/24",
    true,
  ],
  [
    "a type",
    { extendedCommunity: { anyOf: ["0x0002:*"] } },
    { extended: ["rt:1:1"] },
    "203.0.113.0/24",
    true,
  ],
  [
    "a type",
    { extendedCommunity: { anyOf: ["0x0002:*"] } },
    { extended: ["ro:1:1"] },
    "203.0.113.0/24",
    false,
  ],
  [
    "a type with fields",
    { extendedCommunity: { anyOf: ["0x0202:70000:1-3"] } },
    { extended: ["rt:70000:2"] },
    "203.0.113.0/24",
    true,
  ],
  [
    "a count",
    { community: { count: { min: 2 } } },
    { communities: ["1:1", "1:2"], large: ["1:1:1"] },
    "203.0.113.0/24",
    true,
  ],
  [
    "a count of another kind",
    { largeCommunity: { count: { min: 2 } } },
    { communities: ["1:1", "1:2"], large: ["1:1:1"] },
    "203.0.113.0/24",
    false,
  ],
  [
    "behind the first",
    { asPath: { behindFirst: ["transit"] } },
    { asPath: sequence(174, 174, 1) },
    "203.0.113.0/24",
    false,
  ],
  [
    "behind the first",
    { asPath: { behindFirst: ["transit"] } },
    { asPath: sequence(1, 174, 1) },
    "203.0.113.0/24",
    true,
  ],
  [
    "the first again",
    { asPath: { behindFirst: ["transit"] } },
    { asPath: sequence(174, 1, 174) },
    "203.0.113.0/24",
    true,
  ],
  [
    "behind a set",
    { asPath: { behindFirst: ["transit"] } },
    { asPath: [{ type: "AS_SET", as: [174] }] },
    "203.0.113.0/24",
    true,
  ],
  [
    "before the origin",
    { asPath: { beforeOrigin: ["transit"] } },
    { asPath: sequence(1, 174, 174) },
    "203.0.113.0/24",
    false,
  ],
  [
    "before the origin",
    { asPath: { beforeOrigin: ["transit"] } },
    { asPath: sequence(174, 1) },
    "203.0.113.0/24",
    true,
  ],
  [
    "the origin before",
    { asPath: { beforeOrigin: ["transit"] } },
    { asPath: sequence(174, 1, 174) },
    "203.0.113.0/24",
    true,
  ],
  [
    "a list in an expression",
    { asPath: { regex: "^1_<transit>_" } },
    { asPath: sequence(1, 3325, 7) },
    "203.0.113.0/24",
    true,
  ],
  [
    "a list in an expression",
    { asPath: { regex: "^1_<transit>_" } },
    { asPath: sequence(1, 3330, 174) },
    "203.0.113.0/24",
    false,
  ],
  [
    "prefix and origin",
    { route: ["objects"] },
    { asPath: sequence(1, 65002) },
    "203.0.113.128/25",
    true,
  ],
  [
    "another origin",
    { route: ["objects"] },
    { asPath: sequence(1, 65003) },
    "203.0.113.128/25",
    false,
  ],
  [
    "another prefix",
    { route: ["objects"] },
    { asPath: sequence(1, 65002) },
    "203.0.113.0/26",
    false,
  ],
  [
    "a wide prefix and origin",
    { route: ["objects"] },
    { asPath: sequence(65003) },
    "2001:db8::/32",
    true,
  ],
  [
    "a set for origin",
    { route: ["objects"] },
    { asPath: [{ type: "AS_SET", as: [65002] }] },
    "203.0.113.0/24",
    false,
  ],
  ["a list of next hops", { nextHop: ["hops"] }, { nextHop: "192.0.2.1" }, "203.0.113.0/24", true],
  [
    "a list of next hops",
    { nextHop: ["hops"] },
    { nextHop: "2001:db8::7" },
    "203.0.113.0/24",
    true,
  ],
  [
    "a list of next hops",
    { nextHop: ["hops", "192.0.2.3"] },
    { nextHop: "192.0.2.2" },
    "203.0.113.0/24",
    false,
  ],
  ["the source's AS", { source: { as: ["members"] } }, {}, "203.0.113.0/24", true],
  ["the source's group", { source: { peer: ["east"] } }, {}, "203.0.113.0/24", true],
  ["the source's address", { source: { peer: ["192.0.2.2"] } }, {}, "203.0.113.0/24", false],
  [
    "the source's value",
    { source: { vars: { site: ["fra", "ber"] } } },
    {},
    "203.0.113.0/24",
    false,
  ],
];

test.each(HOLDS)("%s: %j of %j, %s", (_title, when, parts, prefix, holds) => {
  const setup = new Setup(when);
  expect(setup.decide({ ...BASE, ...parts }, A, B, prefix).accept).toBe(holds);
});

test("values of the source, compared with those of the peer", () => {
  const setup = new Setup({ source: { vars: { site: ["$site"] } } });
  const source = { ...A, vars: { site: ["ber", "fra"] } };
  expect(setup.decide(BASE, source, B).accept).toBe(true);
  expect(setup.decide(BASE, { ...source, number: 9, vars: { site: ["ber"] } }, B).accept).toBe(
    false,
  );
  expect(setup.decide(BASE, source, C).accept).toBe(false);
});

const CHANGES: [Modifications, Partial<RouteValue>, Partial<RouteValue>][] = [
  [{ med: { add: 5 } }, { med: 10 }, { med: 15 }],
  [{ med: { add: 5 } }, {}, { med: 5 }],
  [{ med: { subtract: 11 } }, { med: 10 }, { med: 0 }],
  [{ med: { add: 4294967295 } }, { med: 10 }, { med: 4294967295 }],
  [{ localPref: { set: "$pref" }, med: "$pref" }, {}, { localPref: 150, med: 150 }],
  [{ localPref: { set: "$none" } }, {}, {}],
  [{ community: { add: ["7:$rtt"] } }, {}, { communities: ["7:10", "7:20"] }],
  [
    { extendedCommunity: { add: ["soo:$alias:1", "0x4302:1:2"] } },
    {},
    { extended: ["ro:64601:1", "0x4302000100000002"] },
  ],
  [
    { community: { remove: ["1-9:*"] } },
    { communities: ["1:1", "10:1", "9:9"] },
    { communities: ["10:1"] },
  ],
  [
    { asPath: { removePrivate: true } },
    { asPath: sequence(1, 64512, 2, 4200000000) },
    { asPath: sequence(1, 2) },
  ],
  [
    { asPath: { removePrivate: true } },
    { asPath: [...sequence(64512), { type: "AS_SET", as: [7] }] },
    { asPath: [{ type: "AS_SET", as: [7] }] },
  ],
  [{ asPath: { removePrivate: true } }, { asPath: sequence(64512, 65534) }, { asPath: [] }],
  [
    { asPath: { removePrivate: true } },
    { asPath: sequence(64511, 65535) },
    { asPath: sequence(64511, 65535) },
  ],
  [
    { asPath: { replace: ["$peer-as", "2"] }, prepend: { as: "$local-as", count: 1 } },
    { asPath: sequence(2, 4200000001, 3) },
    { asPath: sequence(65000, 65000, 65000, 3) },
  ],
  [
    { removeAttributes: [4, 32] },
    { med: 1, large: ["1:1:1"], communities: ["1:1"] },
    { communities: ["1:1"] },
  ],
  [{ removeAttributes: [4], med: 7 }, { med: 1 }, { med: 7 }],
];

test.each(CHANGES)("%j of %j", (set, parts, expected) => {
  const { route } = new Setup({}, set).decide({ ...BASE, ...parts }, A, B);
  const { med, large } = BASE;
  const removed = set.removeAttributes === undefined ? {} : { med, large };
  expect(route).toEqual({ ...BASE, ...parts, ...removed, ...expected });
});

describe("members of an update group may have values of their own", () => {
  const everyone = { ...A, number: 100, anyPeer: true };
  const table: [Conditions, Partial<RouteValue>, (number | string)[]][] = [
    [{ community: { anyOf: ["5:$rtt"] } }, { communities: ["5:20", "5:30"] }, ["rtt=20", "rtt=30"]],
    [
      { community: { anyOf: ["0:$peer-as", "0:$alias"] } },
      { communities: ["0:64601"] },
      [64601, "alias=64601"],
    ],
    [
      { asPath: { contains: ["$alias"] } },
      { asPath: sequence(1, 64601) },
      ["alias=1", "alias=64601"],
    ],
    [{ source: { as: ["$alias"] } }, {}, ["alias=65003"]],
  ];
  test.each(table)("%j of %j", (when, parts, exceptions) => {
    const setup = new Setup(when, {}, "reject");
    const filter = setup.policies.filter(["p"], LOCAL_AS);
    for (const peer of [A, B, C])
      expect(setup.policies.filter(["p"], LOCAL_AS, peer.vars)).toBe(filter);
    for (const peer of [A, B, C]) expect(filter.groupKey(peer)).toBe(filter.groupKey(everyone));
    const shared = setup.decide({ ...BASE, ...parts }, C, everyone);
    expect(shared.accept).toBe(true);
    expect(new Set(shared.exceptions)).toEqual(new Set(exceptions));
  });

  test("unless they differ within an AS", () => {
    const setup = new Setup({ community: { anyOf: ["5:$rtt"] } }, {}, "reject");
    const one = { ...B, sameAsVars: [B.vars!, { ...B.vars, rtt: ["40"] }] };
    const other = { ...one, number: 5, vars: { ...B.vars, rtt: ["40"] } };
    const same = { ...B, sameAsVars: [B.vars!, { ...B.vars, alias: ["7"] }] };
    const filter = setup.policies.filter(["p"], LOCAL_AS);
    expect(new Set([A, one, other].map((peer) => filter.groupKey(peer))).size).toBe(3);
    expect(filter.groupKey(same)).toBe(filter.groupKey(A));
    expect([one, same].map((peer) => filter.varsAreFixed(peer))).toEqual([true, false]);
    const group = { ...one, number: 101, anyPeer: true };
    const route = { ...BASE, communities: ["5:10"] };
    expect(setup.decide(route, C, group)).toMatchObject({ accept: false, exceptions: [] });
    expect(setup.decide({ ...route, communities: ["5:40"] }, C, group).accept).toBe(true);
  });

  test("what has to stand in the rules makes filters of its own, shared by equal values", () => {
    const setup = new Setup({ prefix: ["$nets"], asPath: { origin: ["$origins"] } });
    const { policies } = setup;
    const of = (vars: PeerFacts["vars"]) => policies.filter(["p"], LOCAL_AS, vars);
    expect(of({ nets: ["own"], rtt: ["1"] })).toBe(of({ nets: ["own"], rtt: ["2"] }));
    expect(of({ nets: ["own"] })).not.toBe(of({ nets: ["203.0.113.0/24"] }));
    expect(of({ nets: ["own"], origins: ["1"] })).toBe(of({ nets: ["own"], origins: ["2"] }));
    expect(of({ nets: ["own"], origins: ["members"] })).not.toBe(of({ nets: ["own"] }));
    const keys = [{ nets: ["own"] }, { nets: [] }].map((vars) => of(vars).groupKey({ ...A, vars }));
    expect(new Set(keys).size).toBe(2);
    expect(policies.has(["p"], { nets: ["own"] })).toBe(true);
    expect(policies.has(["p"], { nets: ["gone"] })).toBe(false);
    // As it is made from an image: by what stands in it.
    const filter = of({ nets: ["own"], origins: ["members"], rtt: ["1"] });
    expect(policies.filter(filter.names, LOCAL_AS, filter.constants)).toBe(filter);
  });
});

test("an expression takes the numbers of a list and no others", () => {
  const list = new AsSet(["7", "10-12", "95-1203", "65100-65199", "4199999998-4200000101"]);
  const regex = compileAsPathRegex("^<x>$", () => list);
  if ("message" in regex) throw new Error(regex.message);
  const near = [0, 6, 7, 8, 9, 10, 12, 13, 94, 95, 99, 100, 999, 1000, 1203, 1204, 65099, 65100];
  const far = [
    65199, 65200, 4199999997, 4199999998, 4199999999, 4200000000, 4200000101, 4200000102,
  ];
  for (const as of [...near, ...far]) {
    const path = encodeAsPath(sequence(as), 4);
    expect([as, regex.test(path, 0, path.length)]).toEqual([as, list.has(as)]);
  }
  expect(compileAsPathRegex("_<x")).toEqual({ at: 1, message: expect.stringMatching(/name/) });
});

test("a large list of routes is asked by hash", () => {
  const entries: string[] = [];
  for (let k = 0; k < 100_000; k++) {
    entries.push(`${10 + (k >> 16)}.${(k >> 8) & 255}.${k & 255}.0/24 ${65000 + (k % 700)}`);
  }
  const set = new RouteSet(entries);
  for (const k of [0, 1, 65_535, 99_999]) {
    const text = entries[k]!.split(" ")[0]!;
    const at = prefixArguments(text);
    expect(set.has(...at, 65000 + (k % 700))).toBe(true);
    expect(set.has(...at, 64999)).toBe(false);
  }
  const origins = Array.from({ length: 200 }, (_, k) => k + 1);
  const even = origins.filter((as) => as % 2 === 0);
  const of = new RouteSet(even.flatMap((as) => [`10.0.0.0/24 ${as}`, `2001:db8::/32 le 48 ${as}`]));
  for (const prefix of ["10.0.0.0/24", "2001:db8:1::/48"]) {
    const at = prefixArguments(prefix);
    expect(origins.filter((as) => of.has(...at, as))).toEqual(even);
  }
  const entry = newPrefixEntry();
  expect(parseRouteEntry("10.0.0.0/8 le 24 AS65001", entry)).toBe(65001);
  for (const wrong of ["10.0.0.0/8", "10.0.0.0/8 le 24", "10.0.0.0/8 0", "10.1.0.0/8 1", "x 1"]) {
    expect(parseRouteEntry(wrong, entry)).toEqual(expect.any(String));
  }
});
