import { parseAddress } from "@ts-bgp/wire-codec";
import { describe, expect, test } from "vitest";
import {
  addReasons,
  type Conditions,
  type Modifications,
  Policies,
  type Policy,
  ReasonTable,
  type Rule,
} from "../src/index.ts";
import { LISTS, LOCAL_AS } from "./arbitraries.ts";
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

const PEER = peerFacts({
  address: "192.0.2.1",
  as: 65001,
  group: "clients",
  sameAsAddresses: [parseAddress("192.0.2.1")!, parseAddress("192.0.2.9")!],
});
const SOURCE = { ...PEER, number: 2, routeType: "ibgp" as const };

function policyOf(rules: Partial<Rule>[], fallback: Policy["default"] = "reject"): Policy {
  const source = { file: "rs.yaml", line: 7 };
  return {
    name: "p",
    source,
    default: fallback,
    rules: rules.map((rule, k) => ({
      name: `rule ${k + 1}`,
      source: { file: "rs.yaml", line: 10 + k },
      if: {},
      set: {},
      action: "next" as const,
      ...rule,
    })),
  };
}

function decide(policy: Policy, route: RouteValue, prefix = "203.0.113.0/24") {
  const sets = new WatchfulSets();
  const reasons = new ReasonTable();
  const values = { ...LISTS, policies: { p: policy } };
  addReasons(values, reasons);
  const policies = new Policies(values, sets, reasons);
  const attr = sets.add(encodeRoute(route));
  const at = prefixArguments(prefix);
  const verdict = policies.filter(["p"], LOCAL_AS).decide(attr, SOURCE, PEER, ...at);
  return {
    ...verdict,
    route: verdict.accept ? decodeRoute(sets.copyOf(verdict.attr)) : null,
    text: verdict.accept ? "" : reasons.text(verdict.reason),
  };
}

const SET = { type: "AS_SET" as const, as: [65003, 65004] };
const V6 = "2001:db8:1::/48";

describe("a condition holds or does not", () => {
  const rows: [Conditions, Partial<RouteValue>, boolean, string?][] = [
    [{}, {}, true],
    [{ prefix: ["203.0.113.0/24"] }, {}, true],
    [{ prefix: ["203.0.112.0/23"] }, {}, false],
    [{ prefix: ["203.0.112.0/23 le 24"] }, {}, true],
    [{ prefix: ["203.0.112.0/23 ge 25"] }, {}, false],
    [{ prefix: ["bogons", "203.0.113.0/24"] }, {}, true],
    [{ prefix: ["bogons"] }, {}, true, "10.9.9.9/32"],
    [{ prefix: ["bogons"] }, {}, false, "192.168.0.0/16"],
    [{ prefix: ["customers"] }, {}, true, V6],
    [{ prefix: ["::/0 le 128"] }, {}, false],
    [{ prefixLength: { min: 24 } }, {}, true],
    [{ prefixLength: { min: 25 } }, {}, false],
    [{ prefixLength: { max: 23 } }, {}, false],
    [{ family: "ipv4-unicast" }, {}, true],
    [{ family: "ipv4-unicast" }, {}, false, V6],
    [{ family: "ipv6-unicast", prefixLength: { max: 48 } }, {}, true, V6],
    [{ asPath: { first: ["65001"] } }, {}, true],
    [{ asPath: { first: ["$peer-as"] } }, {}, true],
    [{ asPath: { first: ["$peer-as"] } }, { asPath: sequence(65002) }, false],
    [{ asPath: { first: ["$local-as"] } }, { asPath: sequence(65000, 1) }, true],
    [{ asPath: { first: ["65001"] } }, { asPath: [] }, false],
    [{ asPath: { first: ["0-4294967295"] } }, { asPath: [SET] }, false],
    [{ asPath: { origin: ["65002"] } }, {}, true],
    [{ asPath: { origin: ["transit"] } }, {}, true],
    [{ asPath: { origin: ["0-4294967295"] } }, { asPath: [...sequence(1), SET] }, false],
    [{ asPath: { contains: ["large"] } }, { asPath: sequence(1, 4200000000, 2) }, true],
    [{ asPath: { contains: ["65004"] } }, { asPath: [...sequence(1), SET] }, true],
    [{ asPath: { contains: ["65004"] } }, {}, false],
    [{ asPath: { length: { max: 1 } } }, {}, false],
    [{ asPath: { length: { min: 3, max: 3 } } }, { asPath: [...sequence(1, 2), SET] }, true],
    [{ asPath: { regex: "^65001 65002$" } }, {}, true],
    [{ asPath: { regex: "_5001_" } }, {}, false],
    [{ neighborAs: ["65001"] }, {}, true],
    [{ neighborAs: ["transit", "$local-as"] }, {}, false],
    [{ peer: ["192.0.2.1"] }, {}, true],
    [{ peer: ["others", "clients"] }, {}, true],
    [{ peer: ["others", "192.0.2.11"] }, {}, false],
    [{ community: { anyOf: ["65000:1"] } }, {}, false],
    [{ community: { anyOf: ["1:1", "65000:*"] } }, { communities: ["65000:1"] }, true],
    [{ community: { anyOf: ["*:1"] } }, { communities: ["65000:2", "65000:1"] }, true],
    [{ community: { anyOf: ["0:$peer-as"] } }, { communities: ["0:65001"] }, true],
    [{ community: { anyOf: ["0:$peer-as"] } }, { communities: ["0:65002"] }, false],
    [{ community: { anyOf: ["no-export"] } }, { communities: ["65535:65281"] }, true],
    [{ community: { allOf: ["0:*", "65000:1"] } }, { communities: ["0:1", "65000:1"] }, true],
    [{ community: { allOf: ["0:*", "65000:1"] } }, { communities: ["0:1", "65000:2"] }, false],
    [{ community: { anyOf: ["actions"] } }, { communities: ["0:65001"] }, true],
    [{ largeCommunity: { anyOf: ["$local-as:*:7"] } }, { large: ["65000:4294967295:7"] }, true],
    [{ largeCommunity: { anyOf: ["65000:1:1"] } }, { large: ["65000:1:2"] }, false],
    [{ largeCommunity: { anyOf: ["info"] } }, { large: ["65000:9:65001"] }, true],
    [{ extendedCommunity: { anyOf: ["rt:65000:1"] } }, { extended: ["rt:65000:1"] }, true],
    [{ extendedCommunity: { anyOf: ["rt:65000:1"] } }, { extended: ["ro:65000:1"] }, false],
    [{ extendedCommunity: { anyOf: ["rt:*:1"] } }, { extended: ["rt:192.0.2.1:1"] }, true],
    [{ extendedCommunity: { anyOf: ["rt:*:1"] } }, { extended: ["rt:4200000001:1"] }, true],
    [{ extendedCommunity: { anyOf: ["rt:*:70000"] } }, { extended: ["rt:1:70000"] }, true],
    [{ extendedCommunity: { anyOf: ["rt:$peer-as:*"] } }, { extended: ["rt:65001:9"] }, true],
    [{ extendedCommunity: { anyOf: ["ro:1:$peer-as"] } }, { extended: ["ro:1:65001"] }, true],
    [{ extendedCommunity: { anyOf: ["ov:invalid"] } }, { extended: ["ov:invalid"] }, true],
    [
      { communityCount: { min: 3 } },
      { communities: ["1:1"], large: ["1:1:1"], extended: ["rt:1:1"] },
      true,
    ],
    [{ communityCount: { min: 1 } }, {}, false],
    [{ nextHop: ["peer-address"] }, {}, true],
    [{ nextHop: ["peer-address"] }, { nextHop: "192.0.2.9" }, false],
    [{ nextHop: ["same-as"] }, { nextHop: "192.0.2.9" }, true],
    [{ nextHop: ["192.0.2.0/29"] }, {}, true],
    [{ nextHop: ["192.0.2.2", "2001:db8::/32"] }, { nextHop: "2001:db8::7" }, true],
    [{ localPref: { min: 100, max: 100 } }, {}, true],
    [{ localPref: { min: 101 } }, { localPref: 4294967295 }, true],
    [{ med: "none" }, {}, true],
    [{ med: { max: 10 } }, {}, false],
    [{ med: { min: 0 } }, { med: 0 }, true],
    [{ origin: ["igp"] }, {}, true],
    [{ origin: ["egp", "incomplete"] }, {}, false],
    [{ routeType: ["ibgp", "ebgp"] }, {}, true],
    [{ routeType: ["ebgp"] }, {}, false],
    [{ not: { origin: ["igp"] } }, {}, false],
    [{ not: { origin: ["igp"], med: { min: 1 } } }, {}, true],
    [{ origin: ["igp"], med: { min: 1 } }, {}, false],
    [{ any: [{ origin: ["egp"] }, { med: "none" }] }, {}, true],
    [{ any: [{ origin: ["egp"] }, { med: { min: 1 } }] }, {}, false],
    [{ not: { any: [{ origin: ["egp"] }, { med: { min: 1 } }] } }, {}, true],
    [{ not: { not: { prefix: ["bogons"] } } }, {}, true, "10.0.0.0/8"],
  ];
  test.each(rows)("%j on %j: %j %s", (conditions, route, holds, prefix) => {
    const policy = policyOf([{ if: conditions, action: "accept" }]);
    expect(decide(policy, { ...BASE, ...route }, prefix).accept).toBe(holds);
  });
});

describe("a modification changes what it names and nothing else", () => {
  const long = Array.from({ length: 255 }, (_, k) => k + 1);
  const many = Array.from({ length: 80 }, (_, k) => `1:${k}`);
  const rows: [Modifications, Partial<RouteValue>, Partial<RouteValue>][] = [
    [{}, {}, {}],
    [{ localPref: { set: 200 } }, {}, { localPref: 200 }],
    [{ localPref: { add: 10 } }, {}, { localPref: 110 }],
    [{ localPref: { subtract: 300 } }, { localPref: 200 }, { localPref: 0 }],
    [{ localPref: { add: 10 } }, { localPref: 4294967290 }, { localPref: 4294967295 }],
    [{ med: 5 }, {}, { med: 5 }],
    [{ med: "none" }, { med: 5 }, { med: null }],
    [{ med: "none" }, {}, {}],
    [{ origin: "incomplete" }, {}, { origin: 2 }],
    [{ nextHop: "self" }, {}, { nextHop: "192.0.2.254" }],
    [{ nextHop: "self" }, { nextHop: "2001:db8::1" }, { nextHop: "2001:db8::254" }],
    [{ nextHop: "peer-address" }, { nextHop: "192.0.2.77" }, { nextHop: "192.0.2.1" }],
    [{ nextHop: "2001:db8::66" }, {}, { nextHop: "2001:db8::66" }],
    [{ nextHop: "unchanged" }, {}, {}],
    [{ community: { add: ["65000:7"] } }, {}, { communities: ["65000:7"] }],
    [{ community: { add: ["1:1"] } }, { communities: ["1:1", "2:2"] }, {}],
    [{ community: { add: ["$local-as:$peer-as"] } }, {}, { communities: ["65000:65001"] }],
    [{ community: { remove: ["*:*"] } }, { communities: ["1:1", "2:2"] }, { communities: [] }],
    [{ community: { remove: ["1:*"] } }, { communities: ["1:1", "2:2"] }, { communities: ["2:2"] }],
    [
      { community: { remove: ["1:*"] } },
      { communities: [...many, "2:2"] },
      { communities: ["2:2"] },
    ],
    [{ community: { set: [] } }, { communities: ["1:1"] }, { communities: [] }],
    [
      { community: { set: ["no-export"] } },
      { communities: ["1:1"] },
      { communities: ["no-export"] },
    ],
    [
      { community: { remove: ["1:*"], add: ["1:9"] } },
      { communities: ["1:1"] },
      { communities: ["1:9"] },
    ],
    [{ largeCommunity: { remove: ["65000:*:*"] } }, { large: ["65000:1:2"] }, { large: [] }],
    [{ largeCommunity: { add: ["$local-as:1:$peer-as"] } }, {}, { large: ["65000:1:65001"] }],
    [{ extendedCommunity: { add: ["rt:$peer-as:1"] } }, {}, { extended: ["rt:65001:1"] }],
    [
      { extendedCommunity: { remove: ["targets"] } },
      { extended: ["rt:65000:9", "rt:65001:9", "ro:192.0.2.1:1"] },
      { extended: ["rt:65001:9"] },
    ],
    [
      { prepend: { as: "$local-as", count: 2 } },
      {},
      { asPath: sequence(65000, 65000, 65001, 65002) },
    ],
    [{ prepend: { as: "first", count: 1 } }, {}, { asPath: sequence(65001, 65001, 65002) }],
    [{ prepend: { as: "first", count: 1 } }, { asPath: [] }, {}],
    [{ prepend: { as: "7", count: 1 } }, { asPath: [] }, { asPath: sequence(7) }],
    [{ prepend: { as: "7", count: 1 } }, { asPath: [SET] }, { asPath: [...sequence(7), SET] }],
    [
      { prepend: { as: "7", count: 1 } },
      { asPath: sequence(...long) },
      { asPath: [...sequence(7), ...sequence(...long)] },
    ],
  ];
  test.each(rows)("%j on %j", (set, before, after) => {
    const route = { ...BASE, ...before };
    const verdict = decide(policyOf([{ set, action: "accept" }]), route);
    expect(verdict.route).toEqual({ ...route, ...after });
    expect(verdict.nextHopFixed).toBe(set.nextHop !== undefined);
  });
});

test("later rules see what earlier ones changed", () => {
  const policy = policyOf([
    { set: { community: { add: ["1:1"] } } },
    { if: { community: { anyOf: ["1:1"] } }, set: { localPref: { set: 50 } } },
    { if: { localPref: { max: 50 } }, action: "accept" },
  ]);
  expect(decide(policy, BASE).route).toEqual({ ...BASE, localPref: 50, communities: ["1:1"] });
});

describe("a rejected route has a reason that names what spoke", () => {
  const rule: Partial<Rule> = { name: "bogons", if: { prefix: ["bogons"] }, action: "reject" };
  const byRule = 'rejected by policy: rule "bogons" of policy "p" (rs.yaml:10)';
  const byDefault = 'no rule accepted it: policy "p" (rs.yaml:7)';
  const rows: [Policy["default"], string, string][] = [
    ["accept", "10.0.0.0/8", byRule],
    ["accept", "203.0.113.0/24", ""],
    ["reject", "203.0.113.0/24", byDefault],
    ["next", "203.0.113.0/24", byDefault],
  ];
  test.each(rows)("default %s, %s: %s", (fallback, prefix, text) => {
    expect(decide(policyOf([rule], fallback), BASE, prefix).text).toBe(text);
  });

  test("a next hop of a family that the session has no address of", () => {
    const policy = policyOf([{ set: { nextHop: "192.0.2.5" }, action: "accept" }]);
    const verdict = decide(policy, { ...BASE, nextHop: "2001:db8::1" });
    expect(verdict.text).toMatch(/^no own address/);
  });

  test("attributes beyond what any message can carry", () => {
    const large = Array.from({ length: 5440 }, (_, k) => `1:1:${k}`);
    const policy = policyOf([
      { set: { largeCommunity: { add: ["2:2:2", "3:3:3"] } } },
      { set: { prepend: { as: "7", count: 64 } }, action: "accept" },
    ]);
    expect(decide(policy, { ...BASE, large }).text).toMatch(/^attributes do not fit/);
    expect(decide(policy, { ...BASE, large: large.slice(0, 5000) }).accept).toBe(true);
  });
});

test("without a policy every route is rejected, with accept-all none", () => {
  const sets = new WatchfulSets();
  const reasons = new ReasonTable();
  const policies = new Policies({ ...LISTS, policies: {} }, sets, reasons);
  const attr = sets.add(encodeRoute(BASE));
  const none = policies.filter([], LOCAL_AS);
  const verdict = none.decide(attr, PEER, PEER, ...prefixArguments("10.0.0.0/8"));
  expect(reasons.get(verdict.reason).code).toBe("no-policy");
  expect(none.rejectsAll).toBe(verdict.reason);
  const all = policies.filter(["accept-all"], LOCAL_AS);
  expect(all.acceptsAll).toBe(true);
  expect(all.decide(attr, PEER, PEER, ...prefixArguments("10.0.0.0/8"))).toMatchObject({
    accept: true,
    attr,
  });
  expect(policies.filter([], LOCAL_AS)).toBe(none);
  expect(policies.has(["accept-all"])).toBe(true);
  expect(policies.has(["accept-all", "toString"])).toBe(false);
});

test("an explanation shows each rule with its conditions, what was found, what it changed", () => {
  const policy = policyOf([
    { name: "too long", if: { asPath: { length: { min: 3 } }, origin: ["igp"] }, action: "reject" },
    { name: "mark", if: { prefix: ["bogons"] }, set: { med: 7, community: { add: ["1:2"] } } },
    { name: "rest", if: { not: { community: { anyOf: ["1:2"] } } }, action: "reject" },
  ]);
  const sets = new WatchfulSets();
  const policies = new Policies({ ...LISTS, policies: { p: policy } }, sets, new ReasonTable());
  const attr = sets.add(encodeRoute(BASE));
  const filter = policies.filter(["p"], LOCAL_AS);
  const { rules } = filter.explain(attr, PEER, PEER, ...prefixArguments("10.1.0.0/16"));
  expect(rules).toEqual([
    {
      policy: "p",
      rule: "too long",
      source: { file: "rs.yaml", line: 10 },
      matches: false,
      conditions: [
        { condition: "origin: igp", holds: true, found: "igp" },
        { condition: "as-path length: at least 3", holds: false, found: "2" },
      ],
      modifications: [],
      action: "reject",
    },
    {
      policy: "p",
      rule: "mark",
      source: { file: "rs.yaml", line: 11 },
      matches: true,
      conditions: [
        {
          condition: "prefix: bogons",
          holds: true,
          found: "10.1.0.0/16 by 10.0.0.0/8 le 32 of bogons",
        },
      ],
      modifications: ["med: 7", "community: add 1:2"],
      action: "next",
    },
    {
      policy: "p",
      rule: "rest",
      source: { file: "rs.yaml", line: 12 },
      matches: false,
      conditions: [{ condition: "not { community: 1:2 }", holds: false, found: "1:2" }],
      modifications: [],
      action: "reject",
    },
    {
      policy: "p",
      rule: "",
      source: { file: "rs.yaml", line: 7 },
      matches: true,
      conditions: [],
      modifications: [],
      action: "reject",
    },
  ]);
});

test("a filter says beforehand what its rules may do", () => {
  const facts = (set: Modifications, when: Conditions = {}) => {
    const policies = { p: policyOf([{ if: when, set }]) };
    const compiled = new Policies({ ...LISTS, policies }, new WatchfulSets(), new ReasonTable());
    const { setsMed, setsNextHop, asksPrefix } = compiled.filter(["p"], LOCAL_AS);
    return { setsMed, setsNextHop, asksPrefix };
  };
  const nothing = { setsMed: false, setsNextHop: false, asksPrefix: false };
  expect(facts({ localPref: { set: 1 } })).toEqual(nothing);
  expect(facts({ med: "none" })).toEqual({ ...nothing, setsMed: true });
  expect(facts({ nextHop: "unchanged" })).toEqual({ ...nothing, setsNextHop: true });
  const nested = { not: { any: [{ family: "ipv4-unicast" as const }] } };
  expect(facts({}, nested)).toEqual({ ...nothing, asksPrefix: true });
});

test("an action community tells the peers apart that it names, and no others", () => {
  const policy = policyOf(
    [
      { if: { community: { anyOf: ["$local-as:$peer-as"] } }, action: "accept" },
      { if: { community: { anyOf: ["0:$peer-as", "0:$local-as"] } }, action: "reject" },
    ],
    "accept",
  );
  const sets = new WatchfulSets();
  const policies = new Policies({ ...LISTS, policies: { p: policy } }, sets, new ReasonTable());
  const filter = policies.filter(["p"], LOCAL_AS);
  const group = { ...PEER, number: 900, anyPeer: true };
  const ask = (communities: string[]) => {
    const attr = sets.add(encodeRoute({ ...BASE, communities }));
    const verdict = filter.decide(attr, SOURCE, group, ...prefixArguments("10.0.0.0/8"));
    return [verdict.accept, [...verdict.exceptions].sort()];
  };
  expect(ask(["1:1"])).toEqual([true, []]);
  expect(ask(["0:65001", "0:65007"])).toEqual([true, [65001, 65007]]);
  expect(ask(["0:65000", "65000:65002"])).toEqual([false, [65000, 65002]]);
  expect(filter.groupKey(PEER)).toBe(filter.groupKey({ ...PEER, as: 65009, number: 9 }));
});
