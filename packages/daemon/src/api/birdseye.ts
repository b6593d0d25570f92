/**
 * What Bird's Eye answers, for IXP Manager. A protocol is a neighbor, and has its address as its name; the
 * description will do for it, such as pb_0001_as64501.
 */

import type { ShownNeighbor, ShownRoute } from "@ts-bgp/views";
import type { ControlRequest } from "../control.ts";
import { type Ask, familyOfTable, itemOf, itemsOf, type Text, wrapped } from "./foreign.ts";
import { birdRoute, communitiesOf, isoTime, type Reasons, routeCounts } from "./foreign-routes.ts";
import { Problem } from "./problem.ts";

const VERSION = "1.2.1";
/** More are not shown at once: IXP Manager makes tables of them. */
const ROUTES_MAX = 1000;
const TABLES = ["master4", "master6"];
const VIEWS: Readonly<Record<string, string>> = { protocol: "accepted", export: "advertised" };

interface Status {
  readonly version: string;
  readonly id: string;
  readonly started_ms: number;
  readonly configured_ms: number;
}

/** @returns the answer to a path, null when there is none */
export function birdseye(words: readonly string[], ask: Ask, reasons: Reasons): Text | null {
  const [first = "", ...rest] = words;
  switch (first) {
    case "api":
      return birdseye(rest, ask, reasons);
    case "status":
      return rest.length === 0 ? one("status", () => status(ask)) : null;
    case "symbols":
      return symbols(rest, ask);
    case "protocols":
      return rest.join("/") === "bgp" ? protocols(ask) : null;
    case "protocol":
      if (rest.length !== 1) return null;
      return one("protocol", async () => protocol(await neighborOf(rest[0]!, ask)));
    case "routes":
      return routes(rest, ask, reasons);
    case "route": {
      const [net = "", kind = "table", name = "master", ...more] = rest;
      const found = more.length > 0 ? null : queryOf(kind, name);
      if (found === null) return null;
      return few({ ...found, prefix: net, match: "longest" }, ask, reasons);
    }
  }
  return null;
}

function routes(words: readonly string[], ask: Ask, reasons: Reasons): Text | null {
  const [kind = "", name = "", ...more] = words;
  if (kind === "lc-zwild" && name === "protocol" && more.length === 3) {
    const [neighbor, x, y] = more;
    const has = ([a, b]: number[]) => `${a}` === x && `${b}` === y;
    const request = { command: "show-routes", neighbor, view: "received" };
    const shape = (route: ShownRoute) => {
      const { large_communities } = communitiesOf(route, reasons);
      return large_communities.some(has) ? JSON.stringify(routeOf(route, reasons)) : null;
    };
    return wrapped(`${envelope()},"routes":[`, ask(request), shape, "]}\n");
  }
  if (kind === "count") {
    const query = more.length === 1 ? queryOf(name, more[0]!) : null;
    return query === null ? null : one("count", () => count(query, ask));
  }
  const query = more.length === 0 ? queryOf(kind, name) : null;
  return query === null ? null : few(query, ask, reasons);
}

/** @returns what asks for the routes of a protocol, export or table; null for another kind */
function queryOf(kind: string, name: string): ControlRequest | null {
  if (name === "") return null;
  if (kind === "table") return { command: "show-routes", ...familyOfTable(name) };
  if (!Object.hasOwn(VIEWS, kind)) return null;
  return { command: "show-routes", neighbor: name, view: VIEWS[kind] };
}

async function count(query: ControlRequest, ask: Ask): Promise<object> {
  let all = 0;
  for await (const lines of ask(query)) if (lines !== "") all += lines.split("\n").length;
  return { routes: all };
}

/** The routes, unless there are too many. */
async function* few(query: ControlRequest, ask: Ask, reasons: Reasons): Text {
  const found = await itemsOf<ShownRoute>(ask({ ...query, limit: ROUTES_MAX + 1 }));
  if (found.length > ROUTES_MAX) {
    throw new Problem(403, `there are more than ${ROUTES_MAX} routes: look for a prefix`);
  }
  const told = found.map((route) => routeOf(route, reasons));
  yield `${envelope()},"routes":${JSON.stringify(told)}}\n`;
}

async function* one(key: string, make: () => Promise<object>): Text {
  yield `${envelope()},${JSON.stringify(key)}:${JSON.stringify(await make())}}\n`;
}

/** The member that each answer has, without the brace at its end. */
function envelope(): string {
  const api = { version: VERSION, max_routes: ROUTES_MAX, from_cache: false };
  return JSON.stringify({ api }).slice(0, -1);
}

async function status(ask: Ask): Promise<object> {
  const told = await itemOf<Status>(ask({ command: "show-status" }));
  return {
    version: `ts-bgp ${told.version}`,
    router_id: told.id,
    server_time: isoTime(Date.now()),
    last_reboot: isoTime(told.started_ms),
    last_reconfig: isoTime(told.configured_ms),
    message: "Daemon is up and running",
  };
}

function symbols(words: readonly string[], ask: Ask): Text | null {
  const [which, ...more] = words;
  const known = async () => {
    const neighbors = await itemsOf<ShownNeighbor>(ask({ command: "show-neighbors" }));
    return { "routing table": TABLES, protocol: neighbors.map(({ address }) => address) };
  };
  if (more.length > 0) return null;
  switch (which) {
    case undefined:
      return one("symbols", known);
    case "tables":
      return one("symbols", async () => TABLES);
    case "protocols":
      return one("symbols", async () => (await known()).protocol);
  }
  return null;
}

function protocols(ask: Ask): Text {
  const text = (neighbor: ShownNeighbor) =>
    `${JSON.stringify(neighbor.address)}:${JSON.stringify(protocol(neighbor))}`;
  const pieces = ask({ command: "show-neighbors" });
  return wrapped(`${envelope()},"protocols":{`, pieces, text, "}}\n");
}

function neighborOf(
  neighbor: string,
  ask: Ask,
): Promise<ShownNeighbor & { hold_time?: number | null }> {
  return itemOf(ask({ command: "show-neighbor", neighbor }));
}

function protocol(neighbor: ShownNeighbor & { hold_time?: number | null }): object {
  const { address, as, description, state, families, since_ms, last_down, hold_time } = neighbor;
  const changed = since_ms ?? last_down?.at_ms ?? null;
  const limits = families.flatMap(({ max_prefix }) => (max_prefix === null ? [] : [max_prefix]));
  const [limit] = limits;
  return {
    protocol: address,
    bird_protocol: "BGP",
    table: address.includes(":") ? "master6" : "master4",
    state: state === "Established" ? "up" : "start",
    state_changed: changed === null ? "" : isoTime(changed),
    connection: state,
    description,
    description_short: description,
    neighbor_address: address,
    neighbor_as: as,
    bgp_state: state,
    routes: routeCounts(families),
    ...(limit === undefined
      ? {}
      : { import_limit: limit.limit, limit_action: limit.action, route_limit_at: limit.count }),
    ...(typeof hold_time === "number" ? { hold_timer: hold_time } : {}),
  };
}

function routeOf(route: ShownRoute, reasons: Reasons): object {
  const { med } = route;
  return birdRoute(route, reasons, isoTime, med === undefined ? {} : { med });
}
