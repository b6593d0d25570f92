/** Parts of routes as BIRD's looking glasses have them: numbers in lists, and times as texts. */

import type { ShownReason, ShownRoute } from "@ts-bgp/views";

/** Communities by reason, see `HttpConfig`. */
export type Reasons = Readonly<Record<string, string>>;

/** Numbers of communities: `[[64500, 1]]`. */
export interface ForeignCommunities {
  readonly communities: number[][];
  readonly large_communities: number[][];
}

/** @returns the communities of a route, and with them the one that stands for why it was rejected */
export function communitiesOf(
  { communities = [], large_communities = [], reason }: ShownRoute,
  reasons: Reasons,
): ForeignCommunities {
  const own = reason === undefined ? undefined : communityOf(reason, reasons);
  const all = own === undefined ? [] : [own];
  const numbers = (text: string) => text.split(":").map(Number);
  return {
    communities: [...communities, ...all].map(numbers).filter(({ length }) => length === 2),
    large_communities: [...large_communities, ...all]
      .map(numbers)
      .filter(({ length }) => length === 3),
  };
}

function communityOf({ code, policy = "", rule = "" }: ShownReason, reasons: Reasons) {
  return reasons[`${policy}/${rule}`] ?? reasons[code] ?? reasons["default"];
}

/** @returns kind and two numbers, as texts; what has other parts is left out */
export function extendedCommunitiesOf({ extended_communities = [] }: ShownRoute): string[][] {
  return extended_communities
    .map((text) => text.split(":"))
    .filter((parts) => parts.length === 3)
    .map(([kind = "", ...numbers]) => [kind, ...numbers.map((each) => each.replace(/L$/, ""))]);
}

/** @returns AS numbers from left to right; those of a set stand where the set does */
export function asPathOf({ as_path = "" }: ShownRoute): string[] {
  return as_path.match(/\d+/g) ?? [];
}

/** @returns `IGP`, `EGP` or `Incomplete` */
export function originOf({ origin }: ShownRoute): string {
  return origin === "INCOMPLETE" ? "Incomplete" : String(origin ?? "");
}

/** @returns the AS number in Only to Customer (RFC 9234), null without it */
export function otcOf({ other = [] }: ShownRoute): string | null {
  const found = other.find(({ name }) => name === "OTC");
  return found === undefined ? null : String(found.value);
}

/** @returns `2026-01-02 03:04:05`, in UTC */
export function timeText(ms: number): string {
  return new Date(ms).toISOString().slice(0, 19).replace("T", " ");
}

/** @returns `2026-01-02T03:04:05Z` */
export function isoTime(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19)}Z`;
}

/** Sums of the families of a neighbor. */
export function routeCounts(families: readonly ForeignFamily[]) {
  const sum = (count: (family: ForeignFamily) => number) =>
    families.reduce((all, family) => all + count(family), 0);
  const imported = sum(({ accepted }) => accepted);
  return {
    imported,
    filtered: sum(({ rejected }) => rejected),
    exported: sum(({ advertised }) => advertised),
    preferred: imported,
  };
}

interface ForeignFamily {
  readonly accepted: number;
  readonly rejected: number;
  readonly advertised: number;
}

/**
 * @param timeOf - how the looking glass writes times
 * @param more - attributes that it has besides, or writes in a way of its own
 * @returns a route as looking glasses of BIRD have it
 */
export function birdRoute(
  route: ShownRoute,
  reasons: Reasons,
  timeOf: (ms: number) => string,
  more: object,
): object {
  const { prefix, next_hop = "", neighbor, since_ms, status, local_pref } = route;
  return {
    network: prefix,
    gateway: next_hop,
    interface: "",
    from_protocol: neighbor,
    age: since_ms === undefined ? "" : timeOf(since_ms),
    learnt_from: neighbor,
    primary: status === "best",
    metric: 100,
    type: ["BGP", "univ"],
    bgp: {
      origin: originOf(route),
      as_path: asPathOf(route),
      next_hop,
      local_pref: String(local_pref ?? 100),
      ...communitiesOf(route, reasons),
      ...more,
    },
  };
}
