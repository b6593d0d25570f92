/** The API of a speaker with sessions: what it answers, and who may ask. */

import { once } from "node:events";
import { readFileSync } from "node:fs";
import { request } from "node:http";
import { connect } from "node:net";
import { Ajv2020 } from "ajv/dist/2020.js";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { until } from "../../../test/lab/until.ts";
import { WAIT_MS } from "../../../testkit/speaker.ts";
import { updateMessage } from "../../../testkit/updates.ts";
import { ENDPOINTS, type Endpoint, type Role } from "../src/api/endpoints.ts";
import openapi from "../src/api/openapi.json" with { type: "json" };
import {
  A,
  type Asked,
  AWAY,
  attributesWith,
  B,
  ROUTES_OF_B,
  SmallExchange,
  TOKENS,
} from "./support/small-exchange.ts";

const ROLES: readonly Role[] = ["operator", "reader", "member", "none"];

let exchange: SmallExchange;

beforeAll(async () => {
  exchange = await SmallExchange.create();
});

afterAll(() => exchange?.remove());

const ask = (path: string, asked: Asked = {}) => exchange.ask(`/api/v1${path}`, asked);

async function json(path: string, asked: Asked = {}): Promise<Record<string, unknown>> {
  const response = await ask(path, asked);
  const text = await response.text();
  expect([path, response.status, text]).toEqual([path, 200, expect.any(String)]);
  return JSON.parse(text);
}

const post = (path: string, body: object, as: Role = "operator") =>
  ask(path, {
    method: "POST",
    body: JSON.stringify(body),
    headers: { "content-type": "application/json" },
    as,
  });

/** Of a request whose headers are given, of which `fetch` gives some itself. */
async function statusOf(
  path: string,
  headers: Record<string, string>,
  method: "GET" | "POST" = "GET",
): Promise<number> {
  const { port } = exchange;
  const asked = request({ host: "127.0.0.1", port, path, headers, method, agent: false });
  const [response] = await once(asked.end(), "response");
  response.resume();
  return response.statusCode;
}

interface Page {
  readonly items: Record<string, unknown>[];
  readonly next: string | null;
}

const page = async (path: string, asked: Asked = {}) =>
  (await json(path, asked)) as unknown as Page;

/** @returns the items of all pages, and how many pages there were */
async function allPages(path: string): Promise<{ items: Page["items"]; pages: number }> {
  const items: Page["items"] = [];
  let cursor: string | null = null;
  let pages = 0;
  do {
    const more: string = cursor === null ? "" : `&cursor=${encodeURIComponent(cursor)}`;
    const { items: some, next }: Page = await page(path + more);
    items.push(...some);
    cursor = next;
    pages++;
  } while (cursor !== null);
  return { items, pages };
}

describe("the document", () => {
  const described = Object.entries(openapi.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({
      path: `/api/v1${path}`,
      method: method.toUpperCase(),
      ...(operation as {
        "x-roles": string[];
        parameters?: { name: string; in: string }[];
        requestBody?: {
          content: { "application/json": { schema: { properties: Record<string, unknown> } } };
        };
      }),
    })),
  );

  test("has each endpoint with its roles and values, and no other", () => {
    const told = described.map(({ path, method, parameters = [], requestBody, ...more }) => [
      `${method} ${path}`,
      more["x-roles"],
      [
        ...parameters.filter((each) => each.in === "query").map(({ name }) => name),
        ...Object.keys(requestBody?.content["application/json"].schema.properties ?? {}),
      ].sort(),
    ]);
    const known = ENDPOINTS.map(({ method, path, roles, values }) => [
      `${method} ${path}`,
      roles,
      Object.keys(values).sort(),
    ]);
    expect(told.sort()).toEqual(known.sort());
  });

  test("has all that the command can ask and order, but for files on the host and other members", () => {
    const text = ["commands.ts", "past/past-commands.ts"]
      .map((name) => readFileSync(new URL(`../src/${name}`, import.meta.url), "utf8"))
      .join("\n");
    const names = text.matchAll(/^ {2}"?([a-z-]+)"?: async function\*/gm);
    const commands = [...names].map(([, name = ""]) => name.replace(/^explain-.*/, "explain"));
    const served = ENDPOINTS.map(({ command }) => command).filter((command) => command !== "");
    expect(new Set([...served, "dump", "ask-cluster"])).toEqual(new Set(commands));
  });

  test("is served to whoever asks", async () => {
    expect(await json("/openapi.json", { as: "none" })).toEqual(openapi);
  });

  test.each([
    "/whoami",
    "/status",
    "/neighbors",
    `/neighbors/${A}`,
    `/neighbors/${AWAY}`,
    "/routes?limit=20",
    `/routes?neighbor=${A}&view=rejected`,
    `/routes?neighbor=${A}&view=advertised&limit=5`,
    `/explain?neighbor=${A}&prefix=10.1.2.128/25`,
    `/explain?neighbor=${B}&prefix=10.1.0.0/16&direction=export`,
    "/nsr",
    "/mirrors",
    "/rejections",
    `/rejections?neighbor=${A}`,
    "/history",
    "/groups",
    "/quarantine",
    "/bfd",
    "/feeds",
    "/memory",
    "/reloads",
    "/what-if",
    `/what-if?neighbor=${A}`,
  ])("says what %s answers", async (path) => {
    const [bare = ""] = path.split("?");
    const words = bare.startsWith("/neighbors/") ? "/neighbors/{address}" : bare;
    const pointer = `#/paths/${words.replaceAll("~", "~0").replaceAll("/", "~1")}`;
    const ajv = new Ajv2020({ strict: false });
    ajv.addSchema({ $id: "api", ...openapi });
    const rest = "/get/responses/200/content/application~1json/schema";
    const validate = ajv.compile({ $ref: `api${encodeURI(pointer)}${rest}` });
    const answer = await json(path);
    validate(answer);
    expect(validate.errors).toBe(null);
  });
});

describe("who may do what", () => {
  /** What is asked of an endpoint where the role may: for what is the member's, and for what is not. */
  const pathOf = ({ path, command, method }: Endpoint, neighbor: string) => {
    const query =
      command === "explain"
        ? `?neighbor=${neighbor}&prefix=16.0.0.0/24`
        : command === "show-routes"
          ? `?neighbor=${neighbor}`
          : "";
    return (
      path.slice("/api/v1".length).replace("{address}", neighbor) + (method === "GET" ? query : "")
    );
  };
  /** Nothing of this ends the speaker or its sessions. */
  const HARMLESS = new Set(["refresh", "enable", "release", "switchover", "reload"]);
  const CASES = ENDPOINTS.flatMap((endpoint) => ROLES.map((role) => [endpoint, role] as const)).map(
    ([endpoint, role]) => [`${endpoint.method} ${endpoint.path}`, role, endpoint] as const,
  );

  test.each(CASES)("%s as %s", async (_, role, endpoint) => {
    const may = endpoint.roles.includes(role);
    // What would end something is tried only by those who may not.
    if (may && endpoint.method === "POST" && !HARMLESS.has(endpoint.command)) return;
    const { method } = endpoint;
    const response = await ask(pathOf(endpoint, A), { method, as: role });
    if (may) expect([200, 404, 409]).toContain(response.status);
    else {
      expect(response.status).toBe(role === "none" ? 401 : 403);
      expect(response.headers.get("content-type")).toBe("application/problem+json");
    }
    await response.body?.cancel();
    if (!may || role !== "member" || !endpoint.path.includes("{address}")) return;
    expect((await ask(pathOf(endpoint, B), { method, as: role })).status).toBe(404);
  });

  test("whoever asks can find out what they are", async () => {
    expect(await json("/whoami", { as: "member" })).toEqual({
      role: "member",
      name: "as65001",
      as: 65001,
      anonymous: false,
    });
    expect(await json("/whoami", { as: "none" })).toEqual({
      ...{ role: "none", name: null, as: null, anonymous: true },
    });
  });

  test("a member sees its own neighbors and routes alone", async () => {
    const { items } = await page("/neighbors", { as: "member" });
    expect(items.map(({ address }) => address)).toEqual([A]);
    expect((await page("/neighbors?as=65002", { as: "member" })).items).toHaveLength(1);
    for (const path of [
      `/routes?neighbor=${B}`,
      `/routes?neighbor=${B}&view=advertised`,
      `/explain?neighbor=${B}&prefix=16.0.0.0/24`,
    ]) {
      expect([path, (await ask(path, { as: "member" })).status]).toEqual([path, 404]);
    }
    for (const path of ["/routes", "/routes?view=rejected", "/explain?prefix=16.0.0.0/24"]) {
      expect([path, (await ask(path, { as: "member" })).status]).toEqual([path, 400]);
    }
    const others = `/routes?neighbor=${A}&view=not-advertised`;
    expect((await ask(others, { as: "member" })).status).toBe(403);
    const own = await page(`/routes?neighbor=${A}&view=rejected`, { as: "member" });
    expect(own.items).toMatchObject([{ prefix: "10.1.2.128/25", reason: { rule: "too long" } }]);
    expect(JSON.stringify(own)).not.toContain("tsbgp.yaml");
    // A search in which pieces of the table have nothing.
    const none = `/routes?neighbor=${A}&view=advertised&community=1:1`;
    expect((await page(none, { as: "member" })).items).toEqual([]);
    const all = await page(`/routes?neighbor=${A}&view=rejected`);
    expect(JSON.stringify(all)).toContain("tsbgp.yaml");
  });

  test("a member is not told whose path is preferred, nor of paths that it is not sent", async () => {
    const own = `/explain?neighbor=${A}&prefix=16.0.0.0/24`;
    const told = async (path: string, as: Role) => JSON.stringify(await json(path, { as }));
    expect(await told(own, "reader")).toContain(B);
    expect(await told(own, "member")).not.toContain(B);
    expect(await told(own, "member")).toContain("another path is preferred");
    const hidden = `/explain?neighbor=${A}&prefix=10.1.0.0/16&direction=export`;
    expect((await json(hidden, { as: "reader" }))["paths"]).toHaveLength(1);
    expect((await json(hidden, { as: "member" }))["paths"]).toEqual([]);
  });

  test("without a word about it, programs on this host alone may read", async () => {
    exchange.configure({ anonymous: undefined, tokens: [] });
    await exchange.speaker.ask({ command: "reload" });
    const asked: [host: string, headers: Record<string, string>, status: number][] = [
      [`127.0.0.1:${exchange.port}`, {}, 200],
      ["localhost", {}, 200],
      ["LOCALHOST:80", {}, 200],
      ["[::1]:9790", {}, 200],
      ["rebound.example", {}, 401],
      [`rebound.example:${exchange.port}`, {}, 401],
      ["localhost.rebound.example", {}, 401],
      ["127.0.0.1.rebound.example", {}, 401],
      ["localhost", { forwarded: "for=198.51.100.7" }, 401],
      ["localhost", { "x-forwarded-for": "198.51.100.7" }, 401],
      ["localhost", { via: "1.1 proxy" }, 401],
    ];
    const answers: (typeof asked)[number][] = [];
    const isTaken = async () => (await ask("/status", { as: "none" })).status === 200;
    await until(isTaken, WAIT_MS, "the file is taken");
    for (const [host, headers] of asked) {
      answers.push([host, headers, await statusOf("/api/v1/status", { ...headers, host })]);
    }
    const others = { host: "rebound.example" };
    const openAll = await Promise.all(["/metrics", "/healthz"].map((at) => statusOf(at, others)));
    exchange.configure();
    await exchange.speaker.ask({ command: "reload" });
    const isBack = async () => (await ask("/status", { as: "none" })).status === 401;
    await until(isBack, WAIT_MS, "the old file is taken");
    expect(answers).toEqual(asked);
    expect(openAll).toEqual([200, 200]);
    const authorization = `Bearer ${TOKENS.reader}`;
    expect(await statusOf("/api/v1/status", { ...others, authorization })).toBe(200);
  });

  test.each([
    ["Bearer nobody-0123456789", 401],
    ["Bearer", 401],
    ["Digest x", 401],
    [`bearer ${TOKENS.reader}`, 200],
    [`Basic ${Buffer.from(`any:${TOKENS.reader}`).toString("base64")}`, 200],
    [`Basic ${Buffer.from(TOKENS.reader).toString("base64")}`, 401],
  ])("%s is answered with %d", async (authorization, status) => {
    const response = await ask("/status", { as: "none", headers: { authorization } });
    expect(response.status).toBe(status);
  });
});

describe("routes", () => {
  test("come in pages that have all of them once", async () => {
    const whole = await allPages("/routes?limit=10000");
    const paged = await allPages("/routes?limit=700");
    expect(paged.pages).toBe(8);
    expect(paged.items).toEqual(whole.items);
    expect(new Set(paged.items.map(({ prefix, neighbor }) => `${prefix} ${neighbor}`)).size).toBe(
      ROUTES_OF_B + 3,
    );
  });

  test("come as a stream of lines", async () => {
    const response = await ask(`/routes?neighbor=${B}`, {
      headers: { accept: "application/x-ndjson" },
    });
    expect(response.headers.get("content-type")).toBe("application/x-ndjson");
    const lines = (await response.text()).trimEnd().split("\n");
    expect(lines).toHaveLength(ROUTES_OF_B);
    for (const line of lines) expect(JSON.parse(line)["neighbor"]).toBe(B);
  });

  test.each([
    ["prefix=10.1.2.3", 1],
    ["prefix=10.1.2.0/24&match=covering", 2],
    ["prefix=16.0.0.0/24", 2],
    ["prefix=16.0.0.0/24&best=1", 1],
    ["as=65100", 3],
    ["as=6510", 0],
    ["community=65001:7", 3],
    ["community=65001:1:2", 3],
    ["community=65001:1", 0],
    ["view=rejected", 1],
    ["view=rejected&reason=policy-rule", 1],
    ["view=rejected&reason=checked/too%20long", 1],
    ["view=rejected&reason=max-prefix", 0],
    ["view=received&as=65100", 4],
    ["rpki=valid", 0],
    ["family=2", 0],
    [`neighbor=${A}&view=received`, 4],
    ["neighbor=First%20client&view=accepted", 3],
    [`neighbor=${B}&view=advertised`, 3],
    [`neighbor=${A}&view=not-advertised`, 0],
    [`neighbor=${B}&view=not-advertised`, 0],
  ])("%s are %d", async (query, count) => {
    const { items } = await allPages(`/routes?${query}`);
    expect(items).toHaveLength(count);
  });

  test("an answer has a tag, by which it is not sent again", async () => {
    const first = await ask(`/routes?neighbor=${A}&view=rejected`);
    const etag = first.headers.get("etag")!;
    const headers = { "if-none-match": etag };
    const again = await ask(`/routes?neighbor=${A}&view=rejected`, { headers });
    expect([again.status, await again.text()]).toEqual([304, ""]);
    expect([first.headers.has("content-length"), again.headers.has("content-length")]).toEqual([
      ...[true, false],
    ]);
    expect((await ask(`/routes?neighbor=${A}`, { headers })).status).toBe(200);
  });

  test("HEAD has the status alone", async () => {
    const response = await ask("/routes?limit=10000", { method: "HEAD" });
    expect([response.status, await response.text()]).toEqual([200, ""]);
  });
});

test("neighbors come in pages, by AS and by state", async () => {
  const { items, pages } = await allPages("/neighbors?limit=2");
  expect([items.map(({ address }) => address), pages]).toEqual([[A, B, AWAY], 2]);
  expect((await page("/neighbors?as=65002")).items).toMatchObject([{ address: B }]);
  expect((await page("/neighbors?state=Established")).items).toHaveLength(2);
});

describe("what cannot be answered is a problem", () => {
  test.each([
    ["/nothing", 404, "nothing is here: see /api/v1/openapi.json"],
    ["", 404, "nothing is here: see /api/v1/openapi.json"],
    ["/status?x=1", 400, '"x" is unknown here'],
    ["/routes?limit=0", 400, '"limit" must be from 1 to 10000'],
    ["/routes?limit=-1", 400, '"limit" must be a whole number, not "-1"'],
    ["/routes?limit=1&limit=2", 400, '"limit" appears twice'],
    ["/routes?cursor=x", 400, '"x" is no cursor of this list'],
    ["/routes?cursor=7", 400, '"7" is no cursor of this list'],
    ["/routes?prefix=10.0.0.1/8", 400, '"10.0.0.1/8" has bits behind its length'],
    [
      "/routes?view=all",
      400,
      '"view" must be received or accepted or rejected or advertised or not-advertised, not "all"',
    ],
    ["/routes?view=advertised", 400, '"view" advertised needs a neighbor'],
    ["/routes?best=maybe", 400, '"best" must be 1 or 0, not "maybe"'],
    ["/routes?neighbor=192.0.2.99", 404, "no neighbor has the address 192.0.2.99"],
    ["/neighbors/192.0.2.99", 404, "no neighbor has the address 192.0.2.99"],
    ["/neighbors/%zz", 404, "no neighbor has the address %zz"],
    ["/neighbors?cursor=192.0.2.99", 400, '"192.0.2.99" is no cursor of this list'],
    ["/explain?neighbor=127.1.2.1", 400, '"" is not a prefix or an address'],
    ["/explain?direction=up", 400, '"direction" must be import or export'],
    ["/rpki", 404, "the configuration has no section rpki"],
  ])("%s is %d", async (path, status, detail) => {
    const response = await ask(path);
    const problem = await response.json();
    expect(problem).toMatchObject({ type: "about:blank", status, detail });
    expect([response.status, response.headers.get("content-type")]).toEqual([
      status,
      "application/problem+json",
    ]);
  });

  test.each<[string, RequestInit, number]>([
    ["no JSON", { body: "{" }, 400],
    ["a list", { body: "[]" }, 400],
    ["an unknown member", { body: '{"x":1}' }, 400],
    ["a member of another type", { body: '{"direction":1}' }, 400],
    ["another word", { body: '{"direction":"up"}' }, 400],
    ["another type of content", { body: "{}", headers: { "content-type": "text/plain" } }, 415],
    ["too much", { body: " ".repeat(20_000) }, 413],
  ])("a body that is %s", async (_, init, status) => {
    const headers = { "content-type": "application/json", ...init.headers };
    const response = await ask(`/neighbors/${A}/refresh`, { ...init, method: "POST", headers });
    expect(response.status).toBe(status);
  });

  test("another method names those that there are", async () => {
    const response = await ask("/reload");
    expect([response.status, response.headers.get("allow")]).toEqual([405, "POST"]);
    expect((await ask("/status", { method: "POST" })).headers.get("allow")).toBe("GET, HEAD");
    expect((await ask("/status", { method: "DELETE" })).status).toBe(405);
  });
});

describe("orders", () => {
  test("are carried out, and the log says whose they were", async () => {
    expect(
      await (await post(`/neighbors/${A}/refresh`, { direction: "out" }, "member")).json(),
    ).toEqual({ neighbor: A, direction: "out" });
    expect(await (await post(`/neighbors/${AWAY}/disable`, { text: "by hand" })).json()).toEqual({
      neighbor: AWAY,
    });
    expect(await json(`/neighbors/${AWAY}`)).toMatchObject({ disabled: true });
    await post(`/neighbors/${AWAY}/enable`, {});
    expect(await json(`/neighbors/${AWAY}`)).toMatchObject({ disabled: false });
    const isLogged = () => {
      const orders = exchange.speaker.log().filter(({ id }) => id === "api-order");
      return (
        orders.some(({ msg }) => msg === `as65001 orders: refresh ${A}`) &&
        orders.some(({ msg }) => msg === `noc orders: disable ${AWAY}`)
      );
    };
    await until(isLogged, WAIT_MS, "the log says whose");
    expect((await post(`/neighbors/${B}/refresh`, {}, "member")).status).toBe(404);
    expect((await post("/neighbors/192.0.2.99/reset", {})).status).toBe(404);
    expect((await post("/switchover", {})).status).toBe(409);
    // That one is logged behind what a member was not let do.
    const isLater = () =>
      exchange.speaker.log().some(({ msg }) => msg === "noc orders: switchover");
    await until(isLater, WAIT_MS, "the log says what came later");
    const orders = exchange.speaker.log().filter(({ id }) => id === "api-order");
    expect(orders.filter(({ msg }) => String(msg).endsWith(`refresh ${B}`))).toEqual([]);
  });

  test.each([
    ["http://rs.example", "rs.example", 200],
    ["https://rs.example", "RS.example", 200],
    ["http://localhost:9790", "localhost:9790", 200],
    ["http://localhost:9791", "localhost:9790", 403],
    ["http://other.example", "rs.example", 403],
    ["null", "rs.example", 403],
    ["", "rs.example", 403],
  ])("of a page at '%s' for host %s are answered with %d", async (origin, host, status) => {
    const authorization = `Bearer ${TOKENS.operator}`;
    const path = `/api/v1/neighbors/${A}/refresh`;
    expect(await statusOf(path, { authorization, origin, host }, "POST")).toBe(status);
    expect(await statusOf("/api/v1/status", { authorization, origin, host })).toBe(200);
  });

  test("a reload has others let in, and connections stay", async () => {
    const secret = "another-0123456789";
    exchange.configure({
      anonymous: "reader",
      tokens: [{ name: "new", role: "operator", secret }],
    });
    expect((await post("/reload", {})).status).toBe(200);
    const isNew = async () => (await ask("/status", { as: "none" })).status === 200;
    await until(isNew, WAIT_MS, "others are let in");
    expect((await ask("/status", { as: "reader" })).status).toBe(401);
    expect((await ask("/reload", { as: "none", method: "POST" })).status).toBe(401);
    exchange.configure();
    const authorization = `Bearer ${secret}`;
    const back = await ask("/reload", { as: "none", method: "POST", headers: { authorization } });
    expect(await back.json()).toMatchObject({ global: ["http"] });
    const isOld = async () => (await ask("/status", { as: "none" })).status === 401;
    await until(isOld, WAIT_MS, "they are not any more");
  });
});

describe("events", () => {
  test("come as they happen, to all who listen", async () => {
    const responses = await Promise.all([ask("/events"), ask("/events", { as: "reader" })]);
    const texts = responses.map(({ body }) => ({ text: "", body: body! }));
    for (const each of texts) {
      void (async () => {
        for await (const chunk of each.body) each.text += Buffer.from(chunk).toString();
      })().catch(() => {});
    }
    await until(() => texts.every(({ text }) => text !== ""), WAIT_MS, "both are heard");
    await post(`/neighbors/${AWAY}/disable`, {});
    await post(`/neighbors/${AWAY}/enable`, {});
    const isTold = () => texts.every(({ text }) => /^event: operator$/m.test(text));
    await until(isTold, WAIT_MS, "both are told");
    const data = /^event: operator\ndata: (.*)$/m.exec(texts[0]!.text)![1]!;
    expect(JSON.parse(data)).toMatchObject({ id: "operator", neighbor: AWAY, level: "info" });
    expect(responses[0]!.headers.get("content-type")).toBe("text/event-stream");
    for (const { body } of responses) await body?.cancel().catch(() => {});
  });

  test("are not for those who may not listen any more", async () => {
    const may = await ask("/events");
    const mayNot = await ask("/events", { as: "reader" });
    let text = "";
    void (async () => {
      for await (const chunk of may.body!) text += Buffer.from(chunk).toString();
    })().catch(() => {});
    let ended: string | null = null;
    void mayNot.text().then((all) => {
      ended = all;
    });
    const { operator: secret } = TOKENS;
    exchange.configure({ tokens: [{ name: "noc", role: "operator", secret }] });
    await exchange.speaker.ask({ command: "reload" });
    await until(() => ended !== null, WAIT_MS, "one of them hears no more");
    await post(`/neighbors/${AWAY}/disable`, {});
    await post(`/neighbors/${AWAY}/enable`, {});
    await until(() => text.includes(AWAY), WAIT_MS, "the other goes on listening");
    expect(ended).not.toContain(AWAY);
    await may.body?.cancel().catch(() => {});
    exchange.configure();
    await exchange.speaker.ask({ command: "reload" });
    const isBack = async () => (await ask("/status", { as: "reader" })).status === 200;
    await until(isBack, WAIT_MS, "the old file is taken");
  });

  test("tell of a neighbor's first route that is rejected for a reason", async () => {
    const response = await ask("/events");
    let text = "";
    void (async () => {
      for await (const chunk of response.body!) text += Buffer.from(chunk).toString();
    })().catch(() => {});
    await until(() => text !== "", WAIT_MS, "it is heard");
    // The own AS number stands in its path.
    const prefix = [24, 198, 51, 100];
    const looped = updateMessage([], attributesWith([65002, 64500]), prefix);
    // One that comes before the first look is not told: until one is, it goes and comes again now and then.
    let isThere = false;
    let nextMs = performance.now() + WAIT_MS / 2;
    const tells = () => {
      if (performance.now() > nextMs) {
        exchange.peers[1]!.send(isThere ? updateMessage(prefix, [], []) : looped);
        isThere = !isThere;
        nextMs = performance.now() + WAIT_MS;
      }
      return text.includes("event: first-rejection");
    };
    await until(tells, 6 * WAIT_MS, "it is told");
    const told = [...text.matchAll(/^event: first-rejection\ndata: (.*)$/gm)].map(([, data = ""]) =>
      JSON.parse(data),
    );
    expect(told).toMatchObject([{ neighbor: B, code: "as-path-loop", policy: null }]);
    await response.body?.cancel().catch(() => {});
  });
});

test("a client that reads nothing of a large answer holds nothing up", async () => {
  const sockets = Array.from({ length: 8 }, () => connect(exchange.port, "127.0.0.1"));
  await Promise.all(sockets.map((socket) => once(socket, "connect")));
  for (const socket of sockets) {
    socket.on("error", () => {});
    socket.write(
      `GET /api/v1/routes?view=received HTTP/1.1\r\nHost: x\r\nAccept: application/x-ndjson\r\n` +
        `Authorization: Bearer ${TOKENS.reader}\r\n\r\n`,
    );
  }
  expect((await page("/routes?limit=10")).items.length).toBeGreaterThanOrEqual(10);
  for (const socket of sockets) socket.destroy();
});
