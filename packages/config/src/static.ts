/** Routes that the speaker originates. */

import { communityText, type PatternKind } from "@ts-bgp/policy";
import { parseHostAddress, parsePlainPrefix } from "./addresses.ts";
import type { Checker } from "./checker.ts";
import type { FileShape, FileStaticRoute } from "./file-shape.ts";
import type { StaticRoute } from "./route-types.ts";

const LOCAL_PREF = 100;
/**
 * What AS path and communities of a route may take, in octets. An UPDATE of 4,096 has 125 for all else but an IPv6
 * prefix with its path identifier, which takes 21; what is left is for AS numbers and communities that policies add.
 */
const LISTS_OCTETS_MAX = 3500;
const AS_OCTETS = 4;

export function checkStatic({ static: routes = [] }: FileShape, checker: Checker): StaticRoute[] {
  const { yaml } = checker;
  const places = new Map<string, number>();
  return routes.flatMap((route) => {
    const prefix = checkPrefix(route, checker);
    const nextHop = checkNextHop(route, checker);
    const communities = COMMUNITIES.map(({ key, kind }) => texts(route, key, kind, checker));
    if (prefix === null || nextHop === null) return [];
    const at = yaml.valueAt(route, "prefix");
    const first = places.get(prefix);
    if (first !== undefined) {
      yaml.add(at, `${prefix} appears twice, first ${yaml.whereOf(first, at)}`);
      return [];
    }
    places.set(prefix, at);
    if (prefix.includes(":") && !nextHop.includes(":")) {
      const message = `${prefix} cannot have the IPv4 next hop ${nextHop}`;
      yaml.add(yaml.valueAt(route, "next-hop"), message);
    }
    const [standard = [], large = [], extended = []] = communities;
    const asPath = route["as-path"] ?? [];
    const octets = COMMUNITIES.reduce(
      (sum, { octets: each }, k) => sum + each * communities[k]!.length,
      AS_OCTETS * asPath.length,
    );
    if (octets > LISTS_OCTETS_MAX) {
      const message = `AS path and communities of ${prefix} take ${octets} octets, at most ${LISTS_OCTETS_MAX}`;
      yaml.add(at, message);
    }
    return {
      prefix,
      nextHop,
      origin: route.origin ?? "igp",
      asPath,
      med: route.med ?? null,
      localPref: route["local-pref"] ?? LOCAL_PREF,
      communities: standard,
      largeCommunities: large,
      extendedCommunities: extended,
    };
  });
}

/** @returns the prefix in canonical form; null once it is noted what is wrong with it */
function checkPrefix(route: FileStaticRoute, { yaml }: Checker): string | null {
  const at = yaml.valueAt(route, "prefix");
  const prefix = parsePlainPrefix(route.prefix);
  if (typeof prefix === "string") {
    yaml.add(at, prefix);
    return null;
  }
  const { multicast, linkLocal, loopback } = prefix.address;
  if (multicast || linkLocal || loopback) yaml.add(at, `${prefix.text} cannot be routed`);
  return prefix.text;
}

/** @returns the address in canonical text; null once it is noted what is wrong with it */
function checkNextHop(route: FileStaticRoute, { yaml }: Checker): string | null {
  const text = route["next-hop"];
  const address = parseHostAddress(text);
  const at = yaml.valueAt(route, "next-hop");
  if (typeof address === "string") yaml.add(at, address);
  else if (address.multicast || address.linkLocal || address.unspecified || address.loopback) {
    yaml.add(at, `${text} is not the address of one host`);
  } else return address.text;
  return null;
}

const COMMUNITIES = [
  { key: "community", kind: "standard", octets: 4, example: "65000:1" },
  { key: "large-community", kind: "large", octets: 12, example: "65000:1:2" },
  { key: "extended-community", kind: "extended", octets: 8, example: "rt:65000:1" },
] as const;

/** @returns the communities of a key in canonical text, each once */
function texts(
  route: FileStaticRoute,
  key: (typeof COMMUNITIES)[number]["key"],
  kind: PatternKind,
  { yaml, localAs }: Checker,
): string[] {
  const found = new Set<string>();
  const given = route[key] ?? [];
  for (const [k, text] of given.entries()) {
    const canonical = communityText(kind, text, localAs);
    if (canonical !== null) found.add(canonical);
    else {
      const { example } = COMMUNITIES.find((each) => each.key === key)!;
      yaml.add(yaml.valueAt(given, k), `"${text}" is not one ${key} such as ${example}`);
    }
  }
  return [...found];
}
