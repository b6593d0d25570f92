/** The API, in the thread of HTTP: who asks for what, and in which form it is answered. */

import type { ControlRequest } from "../control.ts";
import type { HttpAnswer, HttpQuestion } from "../http-server.ts";
import { bgplgd } from "./bgplgd.ts";
import { birdseye } from "./birdseye.ts";
import { birdwatcher } from "./birdwatcher.ts";
import { answerOf, endText, JSON_TYPE, lineText, listText, whole, withReason } from "./bodies.ts";
import { API, type Endpoint, endpointsAt, type Found, type Role } from "./endpoints.ts";
import { Events } from "./events.ts";
import { type Ask, type Text, wordsOf } from "./foreign.ts";
import type { Reasons } from "./foreign-routes.ts";
import type { ApiReply, ApiRequest, HttpAccess } from "./messages.ts";
import openapi from "./openapi.json" with { type: "json" };
import { Problem } from "./problem.ts";
import { RouterThread } from "./router-thread.ts";
import { type Asker, Tokens } from "./tokens.ts";
import { bodyValues, queryValues } from "./values.ts";

/** Commands that may take minutes until it is known whether there is an answer. */
const OF_PAST = "past-";
const LINES_TYPE = "application/x-ndjson";
/** Of a page, unless it is asked for more, and at most. */
const ROUTES_LIMIT = 1000;
const LIMIT_MAX = 10_000;
/** A page of routes ends after so long, however few it has found: clients wait for an answer only for a while. */
const PAGE_MS = 3000;

/** What there is to know of the thread that routes. */
interface Times {
  /** For how long it has had no turn. */
  readonly silentMs: () => number;
  /** How old what it knows is; null for not at all. */
  readonly ageMs: () => number | null;
}

/**
 * How another program answers: the words of a path, whom to ask, what stands for reasons, and how old what is told
 * is, as `Times` has it.
 */
type Foreign = (
  words: readonly string[],
  ask: Ask,
  reasons: Reasons,
  query: URLSearchParams,
  ageMs: number | null,
) => Text | null;

const FOREIGN: Readonly<Record<string, Foreign>> = { birdwatcher, birdseye, bgplgd };
const FOREIGN_ROLES: readonly Role[] = ["operator", "reader"];

function foreignAt(path: string): Foreign | null {
  const name = path.split("/", 2)[1] ?? "";
  return Object.hasOwn(FOREIGN, name) ? FOREIGN[name]! : null;
}

export class Api {
  private tokens: Tokens;
  private reasons: Reasons;
  private readonly router: RouterThread;
  private readonly ageMs: Times["ageMs"];
  private readonly events: Events;

  /**
   * @param say - tells the thread that routes something
   */
  constructor(access: HttpAccess, say: (what: ApiRequest) => void, { silentMs, ageMs }: Times) {
    this.tokens = new Tokens(access);
    this.reasons = access.reasonCommunities;
    this.router = new RouterThread(say, silentMs);
    this.ageMs = ageMs;
    this.events = new Events((isOn) => say({ ask: "watch", isOn }));
  }

  hear(reply: ApiReply): void {
    if ("question" in reply) this.router.hear(reply);
    else if ("event" in reply) this.events.tell(reply.event);
    else {
      this.tokens = new Tokens(reply.access);
      this.reasons = reply.access.reasonCommunities;
      this.events.review();
    }
  }

  /** Whether a path is one of those here. */
  static has(path: string): boolean {
    return `${path}/`.startsWith(`${API}/`) || foreignAt(path) !== null;
  }

  async answer(question: HttpQuestion): Promise<HttpAnswer> {
    try {
      return await this.answered(question);
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      // Alice-LG shows what stands there.
      const isForeign = foreignAt(question.path) !== null;
      return error.answer(isForeign ? { error: error.message } : {});
    }
  }

  private async answered(question: HttpQuestion): Promise<HttpAnswer> {
    if (question.method === "POST" && isOfAnotherPage(question)) {
      throw new Problem(403, "orders are not taken from pages of others: Origin is not Host");
    }
    const foreign = foreignAt(question.path);
    if (foreign !== null) return this.answeredLike(foreign, question);
    const { endpoint, neighbor } = found(question);
    const asker = this.askerOf(question, endpoint.roles);
    switch (endpoint.answer) {
      case "openapi":
        return whole(`${JSON.stringify(openapi)}\n`, JSON_TYPE, question.headers["if-none-match"]);
      case "whoami": {
        const text = JSON.stringify({ ...asker, anonymous: asker.name === null });
        return whole(`${text}\n`, JSON_TYPE, question.headers["if-none-match"]);
      }
      case "events": {
        queryValues(question.query, {});
        const headers = { "cache-control": "no-store" };
        const may = () => {
          const role = this.tokens.whoIs(question.headers)?.role;
          return role !== undefined && endpoint.roles.includes(role);
        };
        const body = this.events.listen(question.gone, may);
        return { status: 200, contentType: "text/event-stream", headers, body };
      }
    }
    const isLines = endpoint.answer === "list" && wantsLines(question);
    const request = requestOf(endpoint, neighbor, question, isLines);
    const by = endpoint.method === "POST" ? asker.name : null;
    const pieces = this.router.ask(request, asker.as, by);
    const textOf = { one: lineText, end: endText, list: isLines ? lineText : listText }[
      endpoint.answer
    ];
    const isTagged = endpoint.method === "GET";
    const type = isLines ? LINES_TYPE : JSON_TYPE;
    const text = textOf(pieces);
    if (isLines || !endpoint.command.startsWith(OF_PAST)) {
      return answerOf(text, type, question, isTagged);
    }
    const sent = { isBegun: false };
    const ending = withReason(text, endpoint.answer === "list", sent);
    return answerOf(ending, type, question, isTagged, sent);
  }

  /** As another program would: it is one that reads. */
  private async answeredLike(foreign: Foreign, question: HttpQuestion): Promise<HttpAnswer> {
    const { method, path, query } = question;
    this.askerOf(question, FOREIGN_ROLES);
    if (method === "POST")
      throw new Problem(405, "this is for GET, HEAD", {}, { allow: "GET, HEAD" });
    const ask: Ask = (request) => this.router.ask(request, null, null);
    const about = [new URLSearchParams(query), this.ageMs()] as const;
    const text = foreign(wordsOf(path), ask, this.reasons, ...about);
    if (text === null) throw new Problem(404, "nothing is here");
    return answerOf(text, JSON_TYPE, question, false);
  }

  /** Throws a `Problem` when who asks may not. */
  private askerOf({ headers }: HttpQuestion, roles: readonly Role[]): Asker {
    const asker = this.tokens.whoIs(headers);
    const challenge = { "www-authenticate": 'Bearer realm="tsbgp"' };
    if (asker === null) throw new Problem(401, "the token is unknown", {}, challenge);
    if (roles.includes(asker.role)) return asker;
    if (asker.name === null) throw new Problem(401, "this takes a token", {}, challenge);
    throw new Problem(403, `this is not for the role ${asker.role}`);
  }
}

/** A browser says of each order from which page it comes; other programs do not say so. */
function isOfAnotherPage({ headers: { origin, host = "" } }: HttpQuestion): boolean {
  if (origin === undefined) return false;
  return !URL.canParse(origin) || new URL(origin).host !== host.toLowerCase();
}

/** Throws a `Problem` when there is nothing of that name. */
function found({ path, method }: HttpQuestion): Found {
  const all = endpointsAt(path);
  if (all.length === 0) throw new Problem(404, `nothing is here: see ${API}/openapi.json`);
  const wanted = method === "HEAD" ? "GET" : method;
  const one = all.find(({ endpoint }) => endpoint.method === wanted);
  if (one !== undefined) return one;
  const methods = all.map(({ endpoint }) => (endpoint.method === "GET" ? "GET, HEAD" : "POST"));
  throw new Problem(405, `this is for ${methods.join(", ")}`, {}, { allow: methods.join(", ") });
}

function requestOf(
  { command, method, values, answer }: Endpoint,
  neighbor: string | null,
  question: HttpQuestion,
  isLines: boolean,
): ControlRequest {
  const given =
    method === "GET" ? queryValues(question.query, values) : bodyValues(question, values);
  const { limit } = given;
  if (typeof limit === "number" && (limit < 1 || limit > LIMIT_MAX) && !isLines) {
    throw new Problem(400, `"limit" must be from 1 to ${LIMIT_MAX}`);
  }
  const request = { ...given, ...(neighbor === null ? {} : { neighbor }) };
  if (command === "explain") {
    const { direction = "import", ...rest } = request as Readonly<Record<string, unknown>>;
    if (direction === "import" || direction === "export") {
      return { ...rest, command: `explain-${direction}` };
    }
    throw new Problem(400, '"direction" must be import or export');
  }
  if (command !== "show-routes" || answer !== "list" || isLines) return { ...request, command };
  return { limit: ROUTES_LIMIT, ...request, within_ms: PAGE_MS, command };
}

function wantsLines({ headers }: HttpQuestion): boolean {
  return (
    headers.accept?.split(",").some((type) => type.split(";")[0]!.trim() === LINES_TYPE) ?? false
  );
}
