/** Random policies and routes over small worlds, so that conditions often hold. */

import fc from "fast-check";
import type {
  Action,
  CommunityChange,
  CommunityTest,
  Conditions,
  Lists,
  Modifications,
  PeerFacts,
  Policy,
  Rule,
} from "../src/index.ts";
import { peerFacts, type RouteValue } from "./model.ts";

export const LOCAL_AS = 65000;
const AS = [65000, 65001, 65002, 65003, 4200000001];

export const LISTS: Lists = {
  prefixLists: {
    bogons: ["10.0.0.0/8 le 32", "192.168.0.0/16 ge 24", "2001:db8::/32 le 128"],
    customers: ["10.1.0.0/16", "203.0.113.0/24", "2001:db8:1::/48 le 64"],
  },
  asLists: { transit: ["65002", "65003-65010"], large: ["4200000000-4294967294"] },
  communityLists: {
    actions: ["0:$peer-as", "65000:*"],
    info: ["65000:1:*", "65000:*:$peer-as"],
    targets: ["rt:65000:*", "ro:*:1"],
  },
};

export const PREFIXES = [
  "10.0.0.0/8",
  "10.1.0.0/16",
  "10.1.2.0/24",
  "192.168.0.0/16",
  "192.168.1.0/24",
  "203.0.113.0/24",
  "2001:db8::/32",
  "2001:db8:1::/48",
  "2001:db8:1:2::/64",
  "0.0.0.0/0",
];

export const PEERS: PeerFacts[] = [
  peerFacts({ number: 1, address: "192.0.2.1", as: 65001, group: "clients" }),
  peerFacts({ number: 2, address: "192.0.2.2", as: 65002, group: "clients" }),
  peerFacts({ number: 3, address: "192.0.2.3", as: 65003, routeType: "ibgp" }),
  peerFacts({ number: 4, address: "192.0.2.4", as: 4200000001, group: "others" }),
];

const asTerm = fc.constantFrom("65001", "65002-65003", "transit", "large", "$peer-as", "$local-as");
const staticAsTerm = fc.constantFrom("65001", "65002-65003", "transit", "large", "$local-as");
const some = <T>(arbitrary: fc.Arbitrary<T>) => fc.array(arbitrary, { minLength: 1, maxLength: 3 });
const range = (max: number) =>
  fc.tuple(fc.nat(max), fc.nat(max), fc.nat(2)).map(([a, b, kind]) => {
    const [min, most] = a < b ? [a, b] : [b, a];
    return [{ min }, { max: most }, { min, max: most }][kind]!;
  });

const STANDARD = ["0:65001", "0:65002", "65000:1", "65000:65001", "no-export"];
const LARGE = ["65000:0:65001", "65000:1:65002", "65000:1:4200000001", "1:2:3"];
const EXTENDED = [
  "rt:65000:1",
  "rt:4200000001:1",
  "ro:65001:1",
  "rt:192.0.2.1:1",
  "ro:65000:65001",
];
const STANDARD_TERMS = [...STANDARD, "0:$peer-as", "$local-as:$peer-as", "*:1", "0:*", "actions"];
const LARGE_TERMS = [...LARGE, "$local-as:0:$peer-as", "*:1:*", "$local-as:*:*", "info"];
const EXTENDED_TERMS = [...EXTENDED, "rt:*:*", "ro:$peer-as:1", "ro:$local-as:$peer-as", "targets"];

const communityTest = (terms: string[]): fc.Arbitrary<CommunityTest> =>
  fc.oneof(
    some(fc.constantFrom(...terms)).map((anyOf) => ({ anyOf })),
    some(fc.constantFrom(...terms)).map((allOf) => ({ allOf })),
  );
const communityChange = (terms: string[], all: string[]): fc.Arbitrary<CommunityChange> =>
  fc.oneof(
    some(fc.constantFrom(...all)).map((add) => ({ add })),
    some(fc.constantFrom(...terms)).map((remove) => ({ remove })),
    fc.array(fc.constantFrom(...all), { maxLength: 2 }).map((set) => ({ set })),
  );

const condition: fc.Arbitrary<Conditions> = fc.oneof(
  some(fc.constantFrom("bogons", "customers", "10.0.0.0/8 ge 16", "203.0.113.0/24")).map(
    (prefix) => ({ prefix }),
  ),
  range(64).map((prefixLength) => ({ prefixLength })),
  fc.constantFrom("ipv4-unicast" as const, "ipv6-unicast" as const).map((family) => ({ family })),
  some(asTerm).map((first) => ({ asPath: { first } })),
  some(asTerm).map((origin) => ({ asPath: { origin } })),
  some(asTerm).map((contains) => ({ asPath: { contains } })),
  range(5).map((length) => ({ asPath: { length } })),
  fc.constantFrom("_65002_", "^65001", "65003$", "^$", "[{,]6500").map((regex) => ({
    asPath: { regex },
  })),
  some(staticAsTerm).map((neighborAs) => ({ neighborAs })),
  some(fc.constantFrom("192.0.2.2", "clients", "others")).map((peer) => ({ peer })),
  communityTest(STANDARD_TERMS).map((community) => ({ community })),
  communityTest(LARGE_TERMS).map((largeCommunity) => ({ largeCommunity })),
  communityTest(EXTENDED_TERMS).map((extendedCommunity) => ({ extendedCommunity })),
  range(6).map((communityCount) => ({ communityCount })),
  some(fc.constantFrom("peer-address", "same-as", "192.0.2.2", "192.0.2.0/24")).map((nextHop) => ({
    nextHop,
  })),
  range(200).map((localPref) => ({ localPref })),
  fc.oneof(range(100), fc.constant("none" as const)).map((med) => ({ med })),
  some(fc.constantFrom("igp" as const, "egp" as const)).map((origin) => ({ origin })),
  some(fc.constantFrom("ebgp" as const, "ibgp" as const)).map((routeType) => ({ routeType })),
);

const merged = (parts: Conditions[]): Conditions => Object.assign({}, ...parts);
const conditions: fc.Arbitrary<Conditions> = fc
  .record({
    all: fc.array(condition, { maxLength: 2 }),
    every: fc.array(some(condition).map(merged), { maxLength: 2 }),
    any: fc.array(some(condition).map(merged), { maxLength: 2 }),
    none: fc.array(condition, { maxLength: 2 }),
  })
  .map(({ all, every, any, none }) => ({
    ...merged(all),
    ...(every.length === 0 ? {} : { all: every }),
    ...(any.length === 0 ? {} : { any }),
    ...(none.length === 0 ? {} : { not: merged(none) }),
  }));

const modification: fc.Arbitrary<Modifications> = fc.oneof(
  fc
    .oneof(
      fc.nat(300).map((set) => ({ set })),
      fc.nat(300).map((add) => ({ add })),
      fc.nat(300).map((subtract) => ({ subtract })),
    )
    .map((localPref) => ({ localPref })),
  fc.oneof(fc.nat(100), fc.constant("none" as const)).map((med) => ({ med })),
  fc.constantFrom("egp" as const, "incomplete" as const).map((origin) => ({ origin })),
  fc
    .constantFrom("self", "peer-address", "unchanged", "192.0.2.2", "2001:db8::9")
    .map((nextHop) => ({
      nextHop,
    })),
  communityChange(STANDARD_TERMS, [...STANDARD, "0:$peer-as"]).map((community) => ({ community })),
  communityChange(LARGE_TERMS, [...LARGE, "$local-as:1:$peer-as"]).map((largeCommunity) => ({
    largeCommunity,
  })),
  communityChange(EXTENDED_TERMS, [...EXTENDED, "rt:$peer-as:7"]).map((extendedCommunity) => ({
    extendedCommunity,
  })),
  fc
    .record({
      as: fc.constantFrom("first", "$local-as", "$peer-as", "65002"),
      count: fc.integer({ min: 1, max: 3 }),
    })
    .map((prepend) => ({ prepend })),
);

const last = fc.constantFrom<Policy["default"]>("accept", "reject", "next", "next");
const action: fc.Arbitrary<Action> = fc.constantFrom("accept", "reject", "next", "next", "return");

/** A chain of one or two policies. */
export const chains: fc.Arbitrary<Policy[]> = fc
  .array(
    fc.record({
      rules: fc.array(
        fc.record({ if: conditions, set: fc.array(modification, { maxLength: 2 }), action }),
        { maxLength: 5 },
      ),
      default: last,
    }),
    { minLength: 1, maxLength: 2 },
  )
  .map((policies) =>
    policies.map((policy, p) => ({
      name: `p${p}`,
      source: { file: "test.yaml", line: 100 * p + 1 },
      default: policy.default,
      rules: policy.rules.map(
        (rule, r): Rule => ({
          name: `p${p} rule ${r}`,
          source: { file: "test.yaml", line: 100 * p + r + 2 },
          if: rule.if,
          set: Object.assign({}, ...rule.set),
          action: rule.action,
        }),
      ),
    })),
  );

const segments = fc.array(
  fc.record({
    type: fc.constantFrom("AS_SEQUENCE" as const, "AS_SEQUENCE" as const, "AS_SET" as const),
    as: fc.array(fc.constantFrom(...AS), { minLength: 1, maxLength: 3 }),
  }),
  { maxLength: 2 },
);
const listOf = (all: string[]) => fc.uniqueArray(fc.constantFrom(...all), { maxLength: 3 });

export const routes: fc.Arbitrary<RouteValue> = fc.record({
  origin: fc.nat(2),
  asPath: segments,
  nextHop: fc.constantFrom("192.0.2.1", "192.0.2.2", "2001:db8::1"),
  med: fc.option(fc.nat(100)),
  localPref: fc.option(fc.nat(200)),
  communities: listOf(STANDARD),
  large: listOf(LARGE),
  extended: listOf(EXTENDED),
});
