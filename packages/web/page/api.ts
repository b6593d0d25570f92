/**
 * What the page asks the speaker that serves it: `/api/v1/...`, see docs/http.md.
 *
 * A token stays in the browser's session storage: it goes with the tab.
 */

import type { ShownFollowing, ShownNsr } from "@ts-bgp/nsr";
import type {
  Explained,
  RouteChange,
  ShownNeighbor,
  ShownNeighborDetail,
  ShownRejection,
  ShownRoute,
  ShownRpki,
} from "@ts-bgp/views";

export type { Explained, ShownNeighbor, ShownNsr, ShownRoute };

export interface Page<T> {
  items: T[];
  next: string | null;
}

export interface PastChange extends RouteChange {
  at_ms: number;
  seen: "there" | "gap" | null;
}

export interface Status {
  version: string;
  as: number;
  id: string;
  started_ms: number;
  neighbors: number;
  established: number;
  slice_max_ms: number;
  /** Since when what was can be looked up; null where it cannot. */
  record_from_ms: number | null;
  restart: { until_ms: number } | null;
  /** Null where this is no mirror. */
  mirror: ShownFollowing | null;
}

export interface Whoami {
  role: "operator" | "reader" | "member" | "none";
  name: string | null;
  as: number | null;
  anonymous: boolean;
}

export type Rejection = ShownRejection;

/** @returns what the API calls a reason: the rule, or the code */
export function reasonKey({ code, policy, rule }: Rejection): string {
  return rule === undefined ? code : `${policy}/${rule}`;
}

export type NeighborDetail = ShownNeighborDetail & { congestion_control: string | null };

export type Rpki = Omit<ShownRpki, "sources"> & {
  sources: (ShownRpki["sources"][number] & {
    feed: { state: string; version: number | null; problem: string | null } | null;
  })[];
};

/** The speaker said no; the message is for people. */
export class ApiError extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

const TOKEN = "tsbgp-token";

export function token(): string {
  return sessionStorage.getItem(TOKEN) ?? "";
}

export function setToken(text: string): void {
  if (text === "") sessionStorage.removeItem(TOKEN);
  else sessionStorage.setItem(TOKEN, text);
}

/** @returns a path with those parameters that are not empty */
export function withQuery(path: string, query: Readonly<Record<string, string>>): string {
  const given = Object.entries(query).filter(([, value]) => value !== "");
  return given.length === 0 ? path : `${path}?${new URLSearchParams(given)}`;
}

/** @param path - behind `api/v1/`; rejects with `ApiError`, or as `fetch` does when nobody answers */
export async function get<T>(path: string, signal?: AbortSignal): Promise<T> {
  const answer = await answerOf(await send(path, { signal: signal ?? null }));
  // What is long in coming has begun, as one that is well, before that was known.
  const { error } = path.startsWith("record/") ? (answer as { error?: string }) : {};
  if (error !== undefined) throw new Error(error);
  return answer as T;
}

/** Has the speaker do something. */
export async function post<T>(path: string, body: unknown = {}): Promise<T> {
  const headers = { "content-type": "application/json" };
  const init = { method: "POST", body: JSON.stringify(body), headers };
  return (await answerOf(await send(path, init))) as T;
}

/** @returns an answer that goes on: of events */
export function open(path: string, signal: AbortSignal): Promise<Response> {
  return send(path, { signal });
}

function send(path: string, init: RequestInit): Promise<Response> {
  const headers = new Headers(init.headers);
  if (token() !== "") headers.set("authorization", `Bearer ${token()}`);
  return fetch(`api/v1/${path}`, { ...init, headers });
}

async function answerOf(response: Response): Promise<unknown> {
  if (response.ok) return response.json();
  const problem = await response.json().catch(() => null);
  const { detail, title } = (problem ?? {}) as { detail?: string; title?: string };
  throw new ApiError(response.status, detail ?? title ?? response.statusText);
}
