/**
 * What birdwatcher answers of a BIRD with a single table, for Alice-LG. A protocol is a neighbor, and has
 * its address as its name; the description will do for it.
 */

import type { ShownNeighbor, ShownRoute } from "@ts-bgp/views";
import { type Ask, familyOfTable, itemOf, type Text, wrapped } from "./foreign.ts";
import {
  birdRoute,
  extendedCommunitiesOf,
  isoTime,
  otcOf,
  type Reasons,
  routeCounts,
  timeText,
} from "./foreign-routes.ts";

/** The version of birdwatcher whose answers these are. */
const VERSION = "2.2.6";

interface Status {
  readonly version: string;
  readonly id: string;
  readonly started_ms: number;
  readonly configured_ms: number;
}

/** @returns the answer to a path, null when there is none */
export function birdwatcher(
  words: readonly string[],
  ask: Ask,
  reasons: Reasons,
  _query: URLSearchParams | null = null,
  ageMs: number | null = null,
): Text | null {
  const head = envelope(ageMs);
  const [first = "", second = "", third = "", fourth] = words;
  switch (`${first}/${second}`) {
    case "status/":
      return status(head, ask);
    case "protocols/":
    case "protocols/bgp":
      return protocols(head, ask, protocol);
    case "protocols/short":
      return protocols(head, ask, shortProtocol);
  }
  if (first !== "routes" || third === "") return null;
  const shape = (route: ShownRoute) => JSON.stringify(routeText(route, reasons));
  const routes = (request: object) =>
    wrapped(`${head},"routes":[`, ask({ command: "show-routes", ...request }), shape, "]}\n");
  if (second === "table") {
    const family = familyOfTable(third);
    if (fourth === "filtered") return routes({ view: "rejected", ...family });
    return fourth === undefined ? routes({ view: "accepted", ...family }) : null;
  }
  if (fourth !== undefined || !Object.hasOwn(VIEWS, second)) return null;
  return routes({ neighbor: third, view: VIEWS[second as keyof typeof VIEWS] });
}

const VIEWS = {
  protocol: "accepted",
  filtered: "rejected",
  export: "advertised",
  noexport: "not-advertised",
} as const;

/**
 * A mirror's answers are like those from a cache.
 *
 * @param ageMs - how old they are; null for not at all
 * @returns the members that each answer has, without the brace at their end
 */
function envelope(ageMs: number | null): string {
  const date = isoTime(Date.now() - (ageMs ?? 0));
  const cached_at = { date, timezone_type: "UTC", timezone: "UTC" };
  const api = { Version: VERSION, result_from_cache: ageMs !== null, cache_status: { cached_at } };
  return JSON.stringify({ api, ttl: isoTime(Date.now()), cached_at: date }).slice(0, -1);
}

async function* status(head: string, ask: Ask): Text {
  const { version, id, started_ms, configured_ms } = await itemOf<Status>(
    ask({ command: "show-status" }),
  );
  const told = {
    version: `ts-bgp ${version}`,
    router_id: id,
    current_server: timeText(Date.now()),
    last_reboot: timeText(started_ms),
    last_reconfig: timeText(configured_ms),
    message: "Daemon is up and running",
  };
  yield `${head},"status":${JSON.stringify(told)}}\n`;
}

function protocols(head: string, ask: Ask, shape: (neighbor: ShownNeighbor) => object): Text {
  const text = (neighbor: ShownNeighbor) =>
    `${JSON.stringify(neighbor.address)}:${JSON.stringify(shape(neighbor))}`;
  const pieces = ask({ command: "show-neighbors" });
  return wrapped(`${head},"protocols":{`, pieces, text, "}}\n");
}

const changedAt = ({ since_ms, last_down }: ShownNeighbor) => since_ms ?? last_down?.at_ms ?? null;
const stateOf = ({ state }: ShownNeighbor) => (state === "Established" ? "up" : "start");

function shortProtocol(neighbor: ShownNeighbor): object {
  const changed = changedAt(neighbor);
  return {
    proto: "BGP",
    table: "master",
    state: stateOf(neighbor),
    since: changed === null ? "" : timeText(changed),
    info: neighbor.state,
  };
}

function protocol(neighbor: ShownNeighbor): object {
  const { address, as, description, state, families, last_down } = neighbor;
  const changed = changedAt(neighbor);
  const channels = families.map((family) => {
    const counts = routeCounts([family]);
    return [family.family.split("-")[0], { routes: counts, routes_count: counts }];
  });
  return {
    protocol: address,
    bird_protocol: "BGP",
    table: "master",
    state: stateOf(neighbor),
    state_changed: changed === null ? "" : timeText(changed),
    connection: state,
    bgp_state: state,
    description,
    neighbor_address: address,
    neighbor_as: as,
    learnt_from: address,
    last_error: since(neighbor) ? "" : (last_down?.reason ?? ""),
    routes: routeCounts(families),
    channels: Object.fromEntries(channels),
  };
}

const since = ({ since_ms }: ShownNeighbor) => since_ms !== null;

function routeText(route: ShownRoute, reasons: Reasons): object {
  const otc = otcOf(route);
  return birdRoute(route, reasons, timeText, {
    med: String(route.med ?? 0),
    ...(otc === null ? {} : { otc }),
    ext_communities: extendedCommunitiesOf(route),
  });
}
