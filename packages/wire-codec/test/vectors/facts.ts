/**
 * What a program says about a message, in one form for all programs. Each says what it can; only
 * what both sides say is compared.
 */

import {
  ATTR,
  type DecodedAttribute,
  type DecodedMessage,
  formatHex,
  parseCommunityOf,
  type Route,
} from "../../src/index.ts";

export interface Facts {
  /** The program takes the message as it is. */
  accepted?: boolean;
  /** Unicast and multicast routes, sorted; path identifiers as "id prefix" where there are any. */
  announced?: string[];
  withdrawn?: string[];
  /** The routes of the IPv4 fields without lengths. */
  fieldAddresses?: string[];
  withdrawnFieldAddresses?: string[];
  types?: number[];
  origin?: string;
  asPath?: string;
  /** First or only next hop of unicast routes. */
  nextHop?: string;
  med?: number;
  localPref?: number;
  atomic?: boolean;
  aggregator?: string;
  communities?: string[];
  large?: string[];
  /** Hexadecimal. */
  extended?: string[];
  originatorId?: string;
  clusterList?: string[];
  otc?: number;
  /** Of an OPEN. */
  as?: number;
  myAs?: number;
  holdTime?: number;
  bgpIdentifier?: string;
  capabilities?: number[];
  /** Of a NOTIFICATION. */
  code?: number;
  subcode?: number;
}

const PLAIN = ["ipv4-unicast", "ipv6-unicast", "ipv4-multicast", "ipv6-multicast"];

/** Facts of a decoded message. `attributes` are those that count: the canonical ones of a route. */
export function factsOf(
  message: DecodedMessage,
  attributes: DecodedAttribute[] = (message["attributes"] as DecodedAttribute[]) ?? [],
): Facts {
  const accepted = message.error === undefined || message.error.action === "attribute-discard";
  if (message.type === "UPDATE") return { accepted, ...updateFacts(message, attributes) };
  if (message.type === "OPEN") {
    const capabilities = message["capabilities"] as { code: number }[];
    return {
      accepted,
      as: message["as"] as number,
      myAs: message["my_as"] as number,
      holdTime: message["hold_time"] as number,
      bgpIdentifier: message["bgp_identifier"] as string,
      capabilities: capabilities.map(({ code }) => code),
    };
  }
  if (message.type !== "NOTIFICATION") return { accepted };
  return { accepted, code: message["code"] as number, subcode: message["subcode"] as number };
}

function updateFacts(message: DecodedMessage, attributes: DecodedAttribute[]): Facts {
  const sent = message["attributes"] as DecodedAttribute[];
  const reach = mpRoutes(sent, ATTR.MP_REACH_NLRI);
  const announced = [...routes(message["nlri"]), ...reach].sort();
  const withdrawn = [
    ...routes(message["withdrawn"]),
    ...mpRoutes(sent, ATTR.MP_UNREACH_NLRI),
  ].sort();
  return {
    announced,
    withdrawn,
    fieldAddresses: routes(message["nlri"]).map(address).sort(),
    withdrawnFieldAddresses: routes(message["withdrawn"]).map(address).sort(),
    types: sent.map(({ type }) => type).sort((a, b) => a - b),
    ...attributeFacts(attributes, reach.length > 0),
  };
}

function attributeFacts(attributes: DecodedAttribute[], mp: boolean): Facts {
  const value = (type: number) =>
    attributes.find((attribute) => attribute.type === type)?.value as never;
  const facts: Facts = {};
  const set = <K extends keyof Facts>(key: K, found: Facts[K] | undefined) => {
    if (found !== undefined) facts[key] = found;
  };
  const reach = value(ATTR.MP_REACH_NLRI) as { family: string; next_hop: string } | undefined;
  set("origin", value(ATTR.ORIGIN));
  set("asPath", (value(ATTR.AS_PATH) as { text: string } | undefined)?.text);
  set("nextHop", (mp && reach ? reach.next_hop : (value(ATTR.NEXT_HOP) as string))?.split(" ")[0]);
  set("med", value(ATTR.MULTI_EXIT_DISC));
  set("localPref", value(ATTR.LOCAL_PREF));
  set("atomic", value(ATTR.ATOMIC_AGGREGATE));
  const aggregator = value(ATTR.AGGREGATOR) as { as: number; address: string } | undefined;
  set("aggregator", aggregator && `${aggregator.as} ${aggregator.address}`);
  set("communities", (value(ATTR.COMMUNITIES) as string[] | undefined)?.map(numeric).sort());
  const large = value(ATTR.LARGE_COMMUNITIES) as string[] | undefined;
  set("large", large && [...new Set(large)].sort());
  set("extended", (value(ATTR.EXTENDED_COMMUNITIES) as string[] | undefined)?.map(hexOf).sort());
  set("originatorId", value(ATTR.ORIGINATOR_ID));
  set("clusterList", value(ATTR.CLUSTER_LIST));
  set("otc", value(ATTR.OTC));
  return facts;
}

/** "65000:1" for a community by name, too. */
export function numeric(community: string): string {
  const octets = parseCommunityOf("standard", community)!;
  return `${octets[0]! * 256 + octets[1]!}:${octets[2]! * 256 + octets[3]!}`;
}

const hexOf = (community: string): string => formatHex(parseCommunityOf("extended", community)!);

function mpRoutes(attributes: DecodedAttribute[], type: number): string[] {
  const value = attributes.find((attribute) => attribute.type === type)?.value as
    | { family: string; nlri: Route[] }
    | undefined;
  return value && PLAIN.includes(value.family) ? routes(value.nlri) : [];
}

function routes(list: unknown): string[] {
  return (list as Route[]).map((route) =>
    typeof route === "string" ? route : `${route.path_id} ${route.prefix}`,
  );
}

const address = (route: string): string => route.replace(/^\d+ /, "").replace(/\/.*/, "");

/** The keys that both sides have, and not the same. */
export function differences(ours: Facts, theirs: Facts): string[] {
  return Object.entries(theirs)
    .filter(([key, value]) => {
      const own = ours[key as keyof Facts];
      // A program that says nothing of an absent attribute says 0 or an empty list.
      return value !== undefined && JSON.stringify(own ?? empty(value)) !== JSON.stringify(value);
    })
    .map(
      ([key, value]) => `${key}: ours ${brief(ours[key as keyof Facts])}, theirs ${brief(value)}`,
    );
}

function empty(value: unknown): unknown {
  if (Array.isArray(value)) return [];
  return typeof value === "number" ? 0 : typeof value === "boolean" ? false : "";
}

const brief = (value: unknown): string => JSON.stringify(value)?.slice(0, 120) ?? "nothing";
