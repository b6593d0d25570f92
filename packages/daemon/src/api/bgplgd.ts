/**
 * What OpenBGPD's looking glass answers, for Alice-LG and others that read its JSON. Routes that were
 * rejected are among the others, as with its `include filtered`.
 */

import type { ShownNeighbor, ShownRoute } from "@ts-bgp/views";
import type { ControlRequest } from "../control.ts";
import { type Ask, type Text, wrapped } from "./foreign.ts";
import { asPathOf, communitiesOf, originOf, type Reasons, routeCounts } from "./foreign-routes.ts";
import { Problem } from "./problem.ts";
import { queryValues } from "./values.ts";

const FAMILIES: Readonly<Record<string, 1 | 2>> = { ipv4: 1, ipv6: 2 };
const RIB = {
  neighbor: "text",
  prefix: "text",
  af: "text",
  as: "number",
  community: "text",
  "large-community": "text",
  ovs: "text",
  best: "flag",
  filtered: "flag",
  all: "flag",
  "or-shorter": "flag",
} as const;
const DAY_SECONDS = 86_400;

/** @returns the answer to a path, null when there is none */
export function bgplgd(
  words: readonly string[],
  ask: Ask,
  reasons: Reasons,
  query: URLSearchParams,
): Text | null {
  if (words.length !== 1) return null;
  switch (words[0]) {
    case "neighbors":
    case "summary": {
      const { neighbor } = queryValues(query.toString(), { neighbor: "text" });
      const request =
        neighbor === undefined
          ? { command: "show-neighbors" }
          : { command: "show-neighbor", neighbor };
      const shape = (each: ShownNeighbor) => JSON.stringify(neighborOf(each));
      return wrapped('{"neighbors":[', ask(request), shape, "]}\n");
    }
    case "rib": {
      const shape = (route: ShownRoute) => JSON.stringify(routeOf(route, reasons));
      return wrapped('{"rib":[', ask(requestFor(query)), shape, "]}\n");
    }
  }
  return null;
}

/** Throws a `Problem` for what is unknown, or does not go together. */
function requestFor(query: URLSearchParams): ControlRequest {
  const values = queryValues(query.toString(), RIB);
  const { neighbor, prefix, af, as, community, best, filtered, all } = values;
  const large = values["large-community"];
  if (community !== undefined && large !== undefined) {
    throw new Problem(400, "community and large-community exclude each other");
  }
  if (af !== undefined && !Object.hasOwn(FAMILIES, String(af))) {
    throw new Problem(400, '"af" must be ipv4 or ipv6');
  }
  const match = all === true ? "covered" : values["or-shorter"] === true ? "covering" : undefined;
  const view = best === true ? "accepted" : filtered === true ? "rejected" : "received";
  const given = {
    ...{ neighbor, prefix, as, match, view },
    best: neighbor === undefined ? best : undefined,
    family: af === undefined ? undefined : FAMILIES[String(af)],
    community: community ?? large,
    rpki: values["ovs"],
  };
  const there = Object.entries(given).filter(([, value]) => value !== undefined);
  return { command: "show-routes", ...Object.fromEntries(there) };
}

function neighborOf(neighbor: ShownNeighbor): object {
  const { address, as, description, group, state, since_ms, last_down, families } = neighbor;
  const { imported, filtered, exported } = routeCounts(families);
  const changed = since_ms ?? last_down?.at_ms ?? null;
  const seconds = changed === null ? 0 : secondsSince(changed);
  return {
    remote_as: String(as),
    remote_addr: address,
    bgpid: address,
    description,
    group,
    state,
    last_updown: changed === null ? "Never" : durationText(seconds),
    last_updown_sec: seconds,
    stats: { prefixes: { sent: exported, received: imported + filtered } },
  };
}

function routeOf(route: ShownRoute, reasons: Reasons): object {
  const { prefix, next_hop = "", neighbor, status: is, local_pref, med, since_ms } = route;
  const { extended_communities = [], rpki, stale } = route;
  const { communities, large_communities } = communitiesOf(route, reasons);
  const seconds = since_ms === undefined ? 0 : secondsSince(since_ms);
  const text = (numbers: number[]) => numbers.join(":");
  return {
    prefix,
    aspath: asPathOf(route).join(" "),
    exit_nexthop: next_hop,
    true_nexthop: next_hop,
    neighbor: { remote_addr: neighbor, description: "", bgp_id: neighbor },
    valid: true,
    filtered: is === "rejected",
    best: is === "best",
    stale: stale !== undefined,
    source: "external",
    ...(rpki === undefined ? {} : { ovs: rpki }),
    origin: originOf(route),
    metric: med ?? 0,
    localpref: local_pref ?? 100,
    weight: 0,
    last_update: durationText(seconds),
    last_update_sec: seconds,
    communities: communities.map(text),
    large_communities: large_communities.map(text),
    extended_communities: extended_communities.map((each) => each.replace(":", " ")),
  };
}

function secondsSince(ms: number): number {
  return Math.max(0, Math.floor((Date.now() - ms) / 1000));
}

/** @returns `01:02:03`, `1d02h03m` or `01w3d01h` */
function durationText(seconds: number): string {
  const two = (number: number) => String(Math.floor(number)).padStart(2, "0");
  const hours = two((seconds % DAY_SECONDS) / 3600);
  const minutes = two((seconds % 3600) / 60);
  const days = Math.floor(seconds / DAY_SECONDS);
  if (days === 0) return `${hours}:${minutes}:${two(seconds % 60)}`;
  if (days < 7) return `${days}d${hours}h${minutes}m`;
  return `${two(days / 7)}w${days % 7}d${hours}h`;
}
