/** What there is under `/api/v1`: who may ask for it, with what, and which command answers. */

export type Role = "operator" | "reader" | "member" | "none";

/** Of a value in a query, or in a body. */
export type ValueKind = "text" | "number" | "flag";

export interface Endpoint {
  readonly method: "GET" | "POST";
  /** With `{address}` for a neighbor. */
  readonly path: string;
  /** `none`: those without a token, whatever they may do otherwise. */
  readonly roles: readonly Role[];
  /** In the query of GET, in the body of POST. */
  readonly values: Readonly<Record<string, ValueKind>>;
  readonly answer: "one" | "list" | "end" | "whoami" | "openapi" | "events";
  /** Of the control socket; empty for what needs none. */
  readonly command: string;
}

export const API: string = "/api/v1";

const READERS: readonly Role[] = ["operator", "reader"];
const MEMBERS: readonly Role[] = ["operator", "reader", "member"];
const ALL: readonly Role[] = ["operator", "reader", "member", "none"];
const PAGE = { limit: "number", cursor: "text" } as const;

function get(
  path: string,
  answer: Endpoint["answer"],
  command: string,
  roles: readonly Role[] = READERS,
  values: Endpoint["values"] = {},
): Endpoint {
  return { method: "GET", path: API + path, roles, values, answer, command };
}

function post(
  path: string,
  command: string,
  values: Endpoint["values"] = {},
  roles: readonly Role[] = ["operator"],
): Endpoint {
  return { method: "POST", path: API + path, roles, values, answer: "end", command };
}

const ROUTES = {
  neighbor: "text",
  view: "text",
  prefix: "text",
  match: "text",
  family: "number",
  best: "flag",
  as: "number",
  community: "text",
  reason: "text",
  rpki: "text",
  ...PAGE,
} as const;

export const ENDPOINTS: readonly Endpoint[] = [
  get("/openapi.json", "openapi", "", ALL),
  get("/whoami", "whoami", "", ALL),
  get("/status", "one", "show-status"),
  get("/neighbors", "list", "show-neighbors", MEMBERS, { as: "number", state: "text", ...PAGE }),
  get("/neighbors/{address}", "one", "show-neighbor", MEMBERS),
  get("/routes", "list", "show-routes", MEMBERS, ROUTES),
  get("/rejections", "list", "show-rejections", READERS, { neighbor: "text" }),
  get("/history", "one", "show-history"),
  get("/explain", "one", "explain", MEMBERS, {
    neighbor: "text",
    prefix: "text",
    direction: "text",
  }),
  get("/nsr", "one", "show-nsr"),
  get("/mirrors", "one", "show-mirrors"),
  get("/followers", "one", "show-followers"),
  get("/cluster", "one", "show-cluster"),
  get("/record", "one", "show-record"),
  get("/record/routes", "list", "past-routes", READERS, { time: "text", ...ROUTES }),
  get("/record/neighbors", "list", "past-neighbors", READERS, {
    ...{ time: "text", as: "number", state: "text" },
    ...PAGE,
  }),
  get("/record/explain", "one", "past-explain", READERS, {
    ...{ time: "text", neighbor: "text", prefix: "text", direction: "text" },
  }),
  get("/record/diff", "list", "past-diff", READERS, {
    ...{ from: "text", to: "text", prefix: "text", longer: "flag", limit: "number" },
  }),
  get("/record/history", "list", "past-history", READERS, {
    ...{ prefix: "text", from: "text", to: "text", limit: "number" },
  }),
  get("/rpki", "one", "show-rpki"),
  get("/groups", "list", "show-groups"),
  get("/quarantine", "list", "show-quarantine"),
  get("/bfd", "list", "show-bfd"),
  get("/feeds", "one", "show-feeds"),
  get("/memory", "one", "show-memory"),
  get("/reloads", "one", "show-reloads"),
  get("/what-if", "one", "what-if", ["operator"], { neighbor: "text", canary: "text" }),
  get("/events", "events", "", READERS),
  post("/neighbors/{address}/refresh", "refresh", { direction: "text" }, ["operator", "member"]),
  post("/neighbors/{address}/reset", "reset", { text: "text" }),
  post("/neighbors/{address}/disable", "disable", { text: "text" }),
  post("/neighbors/{address}/enable", "enable"),
  post("/neighbors/{address}/release", "release"),
  post("/graceful-shutdown", "graceful-shutdown", { state: "text" }),
  post("/reload", "reload", {
    ...{ force: "flag", dry_run: "flag", confirm: "number" },
    ...{ canary: "text", abort_if: "text" },
  }),
  post("/confirm", "confirm"),
  post("/rollback", "rollback", { to: "number" }),
  post("/switchover", "switchover", { to: "text" }),
  post("/stop", "stop", { graceful: "flag" }),
];

/** An endpoint, and the neighbor that stands in the path; null when there is none. */
export interface Found {
  readonly endpoint: Endpoint;
  readonly neighbor: string | null;
}

/** @returns the endpoints of a path, one for each method */
export function endpointsAt(path: string): Found[] {
  const words = path.split("/");
  return ENDPOINTS.flatMap((endpoint) => {
    const pattern = endpoint.path.split("/");
    const at = pattern.indexOf("{address}");
    const fits =
      pattern.length === words.length &&
      pattern.every((word, i) => i === at || word === words[i]) &&
      words[at] !== "";
    return fits ? [{ endpoint, neighbor: at < 0 ? null : decoded(words[at]!) }] : [];
  });
}

/** @returns what stands in a path; what cannot be read is no neighbor's name */
function decoded(word: string): string {
  try {
    return decodeURIComponent(word);
  } catch {
    return word;
  }
}
