/**
 * Lists and policies that need no definition. Their names begin with "@". Those that a file uses become
 * part of its configuration, so that who takes that over has what is in force, whatever its own are.
 */

import type { Conditions, Lists, Policy, RejectReason, Rule } from "@ts-bgp/policy";

/**
 * Prefixes that nobody may announce: the special-purpose registries of IANA (RFC 6890) as far as they
 * are not globally reachable, with what became of 6to4 (RFC 7526) and 6bone (RFC 3701), multicast, and
 * the default routes.
 */
const BOGONS = [
  ...["0.0.0.0/0", "0.0.0.0/8 le 32", "10.0.0.0/8 le 32", "100.64.0.0/10 le 32"],
  ...["127.0.0.0/8 le 32", "169.254.0.0/16 le 32", "172.16.0.0/12 le 32", "192.0.0.0/24 le 32"],
  ...["192.0.2.0/24 le 32", "192.88.99.0/24 le 32", "192.168.0.0/16 le 32", "198.18.0.0/15 le 32"],
  ...["198.51.100.0/24 le 32", "203.0.113.0/24 le 32", "224.0.0.0/4 le 32", "240.0.0.0/4 le 32"],
  ...["::/0", "::/8 le 128", "100::/64 le 128", "2001::/32 le 128", "2001:2::/48 le 128"],
  ...["2001:10::/28 le 128", "2001:20::/28 le 128", "2001:db8::/32 le 128", "2002::/16 le 128"],
  ...["3ffe::/16 le 128", "3fff::/20 le 128", "5f00::/16 le 128", "fc00::/7 le 128"],
  ...["fe80::/10 le 128", "fec0::/10 le 128", "ff00::/8 le 128"],
];

/**
 * AS numbers that stand in no path of the Internet: AS_TRANS (RFC 6793), documentation (RFC 5398),
 * private use (RFC 6996), the last of each size (RFC 7300), and what IANA has reserved between.
 */
const BOGON_AS = ["23456", "64496-131071", "4200000000-4294967295"];

/**
 * Networks that buy transit of nobody, as IXP Manager and arouteserver list them: a path through one of
 * them, from anybody else, is a leak.
 */
const TRANSIT_FREE = [
  ...["174", "701", "1299", "2914", "3257", "3320", "3356", "3491"],
  ...["4134", "5511", "6453", "6461", "6762", "6830", "7018", "12956"],
];

const PREFIX_LISTS: Lists["prefixLists"] = { "@bogons": BOGONS };
const AS_LISTS: Lists["asLists"] = { "@bogon-as": BOGON_AS, "@transit-free": TRANSIT_FREE };

type Check = readonly [name: string, why: RejectReason, when: Conditions];

const V4 = { family: "ipv4-unicast" } as const;
const V6 = { family: "ipv6-unicast" } as const;

/** What a route server asks of every route (RFC 7454, RFC 7948). */
const HYGIENE: readonly Check[] = [
  ["next hop", "next-hop", { not: { nextHop: ["peer-address", "same-as"] } }],
  ["AS path too long", "as-path-too-long", { asPath: { length: { min: 65 } } }],
  ["AS that is not in use", "bogon-as", { asPath: { contains: ["@bogon-as"] } }],
  ["behind a transit-free AS", "transit-free", { asPath: { behindFirst: ["@transit-free"] } }],
  ["too many communities", "too-many-communities", { communityCount: { min: 101 } }],
  ["bogon", "bogon-prefix", { prefix: ["@bogons"] }],
  ["not global unicast", "not-global-unicast", { ...V6, not: { prefix: ["2000::/3 le 128"] } }],
  ["longer than /24", "prefix-too-long", { ...V4, prefixLength: { min: 25 } }],
  ["shorter than /8", "prefix-too-short", { ...V4, prefixLength: { max: 7 } }],
  ["longer than /48", "prefix-too-long", { ...V6, prefixLength: { min: 49 } }],
  ["shorter than /12", "prefix-too-short", { ...V6, prefixLength: { max: 11 } }],
];

const RPKI: readonly Check[] = [["RPKI invalid", "rpki-invalid", { rpki: ["invalid"] }]];

function policyOf(name: string, checks: readonly Check[]): Policy {
  const rules = checks.map(
    ([rule, why, when], k): Rule => ({
      name: rule,
      source: { file: name, line: k + 1 },
      if: when,
      set: {},
      action: "reject",
      why,
    }),
  );
  return { name, source: { file: name, line: 1 }, rules, default: "next" };
}

const POLICIES: Readonly<Record<string, Policy>> = {
  "@hygiene": policyOf("@hygiene", HYGIENE),
  "@rpki": policyOf("@rpki", RPKI),
};

/** Lists that policies use. */
const USED_LISTS: ReadonlyMap<string, readonly string[]> = new Map([
  ["@hygiene", ["@bogons", "@bogon-as", "@transit-free"]],
]);

/** @returns the names that are built in, of one kind */
export function builtinNames(kind: string): readonly string[] {
  if (kind === "prefix-list") return Object.keys(PREFIX_LISTS);
  if (kind === "as-list") return Object.keys(AS_LISTS);
  return kind === "policy" ? Object.keys(POLICIES) : [];
}

/** What a configuration takes of what is built in, to be put beside its own. */
export interface Builtin {
  readonly policies: Readonly<Record<string, Policy>>;
  readonly prefixLists: Lists["prefixLists"];
  readonly asLists: Lists["asLists"];
}

/** @param used - names of whatever kind, others among them */
export function builtinOf(used: Iterable<string>): Builtin {
  const names = new Set([...used].flatMap((name) => [name, ...(USED_LISTS.get(name) ?? [])]));
  const pick = <T>(all: Readonly<Record<string, T>>) =>
    Object.fromEntries(Object.entries(all).filter(([name]) => names.has(name)));
  return { policies: pick(POLICIES), prefixLists: pick(PREFIX_LISTS), asLists: pick(AS_LISTS) };
}
