/**
 * What Alice-LG and IXP Manager are told, held against what they take for granted: each check here stands for
 * a place in those programs that fails, or shows nonsense, where the answer is another one.
 */

import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { A, AWAY, B, ROUTES_OF_B, SmallExchange, TOKENS } from "./support/small-exchange.ts";

type Json = Record<string, unknown>;

let exchange: SmallExchange;

beforeAll(async () => {
  exchange = await SmallExchange.create({
    "reason-communities": { "checked/too long": "64500:1101:3", default: "64500:65535" },
  });
});

afterAll(() => exchange?.remove());

async function answer(path: string): Promise<Json> {
  const response = await exchange.ask(path, { as: "reader" });
  const text = await response.text();
  expect([path, response.status, text]).toEqual([path, 200, expect.any(String)]);
  return JSON.parse(text);
}

/** A time as Go reads "2006-01-02 15:04:05", or none. */
const SHORT_TIME = /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$|^$/;
const LONG_TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(Z|[+-]\d\d:\d\d)$/;

describe("Alice-LG, by birdwatcher with a single table", () => {
  async function told(path: string): Promise<Json> {
    const all = await answer(`/birdwatcher${path}`);
    const { Version, result_from_cache, cache_status } = all["api"] as Json;
    expect([typeof Version, typeof result_from_cache]).toEqual(["string", "boolean"]);
    const { cached_at } = cache_status as { cached_at: Json };
    expect([all["ttl"], cached_at["date"]]).toEqual([
      expect.stringMatching(LONG_TIME),
      expect.stringMatching(LONG_TIME),
    ]);
    return all;
  }

  async function routes(path: string): Promise<Json[]> {
    const found = (await told(path))["routes"] as Json[];
    for (const route of found.slice(0, 100)) checkRoute(route);
    return found;
  }

  function checkRoute(route: Json): void {
    for (const name of ["network", "gateway", "interface", "from_protocol", "learnt_from"]) {
      expect([name, typeof route[name]]).toEqual([name, "string"]);
    }
    expect(route["network"]).toMatch(/^[0-9a-f.:]+\/\d+$/);
    expect(route["gateway"]).not.toBe("");
    expect(route["age"]).toMatch(SHORT_TIME);
    expect([typeof route["primary"], typeof route["metric"]]).toEqual(["boolean", "number"]);
    expect(route["type"]).toEqual(["BGP", "univ"]);
    const bgp = route["bgp"] as Json;
    for (const name of ["origin", "next_hop", "local_pref", "med"]) {
      expect([name, typeof bgp[name]]).toEqual([name, "string"]);
    }
    for (const name of ["local_pref", "med"]) expect(bgp[name]).toMatch(/^\d+$/);
    for (const as of bgp["as_path"] as unknown[]) expect(as).toMatch(/^\d+$/);
    for (const [name, length] of [
      ["communities", 2],
      ["large_communities", 3],
    ] as const) {
      for (const numbers of bgp[name] as unknown[][]) {
        expect(numbers.map((each) => typeof each)).toEqual(Array(length).fill("number"));
      }
    }
    for (const parts of bgp["ext_communities"] as unknown[][]) {
      expect(parts.map((each) => typeof each)).toEqual(Array(3).fill("string"));
      for (const number of parts.slice(1)) expect(number).toMatch(/^\d+$/);
    }
  }

  test("status", async () => {
    const status = (await told("/status"))["status"] as Json;
    expect(status).toMatchObject({ router_id: "192.0.2.1", message: expect.any(String) });
    expect(status["version"]).toMatch(/^ts-bgp \d/);
    for (const name of ["current_server", "last_reboot", "last_reconfig"]) {
      expect(status[name]).toMatch(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$/);
    }
  });

  test("neighbors", async () => {
    const protocols = (await told("/protocols/bgp"))["protocols"] as Record<string, Json>;
    expect(Object.keys(protocols)).toEqual([A, B, AWAY]);
    for (const each of Object.values(protocols)) {
      expect(each["state_changed"]).toMatch(SHORT_TIME);
      for (const name of ["last_error", "neighbor_address", "state", "description"]) {
        expect([name, typeof each[name]]).toEqual([name, "string"]);
      }
      const counts = Object.values(each["routes"] as Json);
      expect(counts.map((count) => typeof count)).toEqual(Array(4).fill("number"));
    }
    const counts = { imported: 3, filtered: 1, exported: ROUTES_OF_B, preferred: 3 };
    expect(protocols[A]).toMatchObject({
      ...{ neighbor_address: A, neighbor_as: 65001, state: "up", routes: counts },
      channels: { ipv4: { routes_count: counts } },
    });
    expect(protocols[AWAY]).toMatchObject({ state: "start", routes: { imported: 0 } });
    expect(Object.keys((await told("/protocols"))["protocols"] as Json)).toHaveLength(3);
  });

  test("states of neighbors", async () => {
    const short = (await told("/protocols/short?uncached=true"))["protocols"] as Record<
      string,
      Json
    >;
    expect(Object.keys(short)).toEqual([A, B, AWAY]);
    for (const { state, since, info } of Object.values(short)) {
      expect(["up", "start"]).toContain(state);
      expect([since, typeof info]).toEqual([expect.stringMatching(SHORT_TIME), "string"]);
    }
  });

  test("routes of a neighbor, accepted and rejected, come from one gateway or neighbor", async () => {
    const accepted = await routes(`/routes/protocol/${A}`);
    expect(accepted.map(({ network }) => network)).toEqual([
      ...["10.1.0.0/16", "10.1.2.0/24", "16.0.0.0/24"],
    ]);
    expect(accepted[0]).toMatchObject({
      ...{ gateway: "192.0.2.11", learnt_from: A, from_protocol: A, primary: true },
      bgp: {
        ...{ origin: "IGP", as_path: ["65001", "65100"], next_hop: "192.0.2.11" },
        communities: [[65001, 7]],
        large_communities: [[65001, 1, 2]],
        ext_communities: [["rt", "65001", "42"]],
      },
    });
    const rejected = await routes(`/routes/filtered/${A}`);
    expect(rejected).toMatchObject([
      { network: "10.1.2.128/25", learnt_from: A, gateway: "192.0.2.11" },
    ]);
    expect(accepted.map(({ network }) => network)).not.toContain(rejected[0]!["network"]);
  });

  test("why a route was rejected is told as a community", async () => {
    const [rejected] = await routes(`/routes/filtered/${A}`);
    expect(rejected).toMatchObject({
      bgp: {
        large_communities: [
          [65001, 1, 2],
          [64500, 1101, 3],
        ],
      },
    });
  });

  test("routes that are not exported", async () => {
    expect(await routes(`/routes/noexport/${A}`)).toEqual([]);
  });

  test("the whole table, and all that is filtered", async () => {
    expect(await routes("/routes/table/master4")).toHaveLength(ROUTES_OF_B + 3);
    expect(await routes("/routes/table/master")).toHaveLength(ROUTES_OF_B + 3);
    expect(await routes("/routes/table/master6")).toEqual([]);
    expect(await routes("/routes/table/master4/filtered")).toHaveLength(1);
  });

  test("an unknown neighbor is an error in words", async () => {
    const response = await exchange.ask("/birdwatcher/routes/protocol/192.0.2.99");
    expect([response.status, await response.json()]).toEqual([
      404,
      expect.objectContaining({ error: "no neighbor has the address 192.0.2.99" }),
    ]);
  });

  test("a token may stand in the address, as curl and Go take it from there", async () => {
    const run = promisify(execFile);
    const url = (user: string) => `http://${user}127.0.0.1:${exchange.port}/birdwatcher/status`;
    const { stdout } = await run("curl", ["-s", url(`alice:${TOKENS.reader}@`)]);
    expect(JSON.parse(stdout)).toHaveProperty("status");
    const { stdout: refused } = await run("curl", ["-s", url("")]);
    expect(JSON.parse(refused)).toMatchObject({ status: 401, error: "this takes a token" });
  });
});

describe("IXP Manager, by Bird's Eye", () => {
  async function told(path: string): Promise<Json> {
    const all = await answer(`/birdseye/api${path}`);
    expect(all["api"]).toMatchObject({
      ...{ version: expect.any(String), max_routes: 1000, from_cache: false },
    });
    return all;
  }

  async function routes(path: string): Promise<Json[]> {
    const found = (await told(path))["routes"] as Json[];
    for (const route of found) {
      expect(route["network"]).toMatch(/^[0-9a-f.:]+\/\d+$/);
      expect([typeof route["primary"], typeof route["gateway"]]).toEqual(["boolean", "string"]);
      expect(route["age"]).toMatch(/^$|T/);
      expect(route["type"]).toBeInstanceOf(Array);
      const { as_path, communities, large_communities, local_pref, med } = route["bgp"] as Json;
      for (const as of as_path as unknown[]) expect(typeof as).toBe("string");
      for (const each of [...(communities as []), ...(large_communities as [])] as unknown[][]) {
        for (const number of each) expect(typeof number).toBe("number");
      }
      expect([typeof local_pref, ["number", "undefined"].includes(typeof med)]).toEqual([
        "string",
        true,
      ]);
    }
    return found;
  }

  test("status", async () => {
    const { status } = (await told("/status")) as { status: Json };
    expect(status).toMatchObject({ router_id: "192.0.2.1", version: expect.any(String) });
    for (const name of ["server_time", "last_reboot", "last_reconfig"]) {
      expect(status[name]).toMatch(LONG_TIME);
    }
  });

  test("symbols name what can be looked into", async () => {
    const { symbols } = (await told("/symbols")) as { symbols: Json };
    expect(symbols).toEqual({ "routing table": ["master4", "master6"], protocol: [A, B, AWAY] });
    expect((await told("/symbols/tables"))["symbols"]).toEqual(["master4", "master6"]);
    expect((await told("/symbols/protocols"))["symbols"]).toEqual([A, B, AWAY]);
  });

  test("neighbors have what its page takes from them", async () => {
    const { protocols } = (await told("/protocols/bgp")) as { protocols: Record<string, Json> };
    for (const [name, each] of Object.entries(protocols)) {
      for (const key of ["table", "state", "bgp_state", "description", "neighbor_address"]) {
        expect([key, typeof each[key]]).toEqual([key, "string"]);
      }
      const { imported, exported } = each["routes"] as Json;
      expect([imported, exported].every(Number.isInteger)).toBe(true);
      expect((await told(`/protocol/${name}`))["protocol"]).toMatchObject({
        neighbor_address: name,
      });
    }
    const { protocol } = (await told("/protocol/pb_0002_as65002")) as { protocol: Json };
    expect(protocol).toMatchObject({ neighbor_address: B, state: "up", hold_timer: 90 });
  });

  test("routes of a neighbor, of a table, and sent to a neighbor", async () => {
    expect(await routes(`/routes/protocol/${A}`)).toHaveLength(3);
    expect(await routes("/routes/export/pb_0002_as65002")).toHaveLength(3);
    expect(await routes("/routes/table/master6")).toEqual([]);
    expect((await told("/routes/count/table/master4"))["count"]).toEqual({
      routes: ROUTES_OF_B + 3,
    });
    expect((await told(`/routes/count/protocol/${A}`))["count"]).toEqual({ routes: 3 });
  });

  test("more than its page can take is refused", async () => {
    const response = await exchange.ask("/birdseye/api/routes/table/master4");
    expect([response.status, response.headers.get("content-type")]).toEqual([
      403,
      "application/problem+json",
    ]);
  });

  test("a look for a prefix", async () => {
    const net = encodeURIComponent("10.1.2.0/24");
    for (const where of [`/table/master4`, `/protocol/${A}`, `/export/${B}`, ""]) {
      expect([where, await routes(`/route/${net}${where}`)]).toMatchObject([
        where,
        [{ network: "10.1.2.0/24" }],
      ]);
    }
    expect(await routes(`/route/${encodeURIComponent("10.1.9.1/32")}/table/master4`)).toMatchObject(
      [{ network: "10.1.0.0/16" }],
    );
  });

  test("filtered routes, by the large communities that stand for reasons", async () => {
    const found = await routes(`/routes/lc-zwild/protocol/${A}/64500/1101`);
    expect(found).toMatchObject([
      {
        network: "10.1.2.128/25",
        bgp: {
          large_communities: [
            [65001, 1, 2],
            [64500, 1101, 3],
          ],
        },
      },
    ]);
    expect(await routes(`/routes/lc-zwild/protocol/${A}/64500/1`)).toEqual([]);
  });
});

describe("Alice-LG, by OpenBGPD's bgplgd", () => {
  /** As it reads durations. */
  const DURATION = /^(\d\d:\d\d:\d\d|\d+d\d\dh\d\dm|\d\dw\dd\d\dh|Never)$/;

  async function rib(query: string): Promise<Json[]> {
    const found = (await answer(`/bgplgd/rib${query}`))["rib"] as Json[];
    for (const route of found.slice(0, 50)) {
      expect([typeof route["localpref"], typeof route["best"]]).toEqual(["number", "boolean"]);
      expect(route["last_update"]).toMatch(DURATION);
      expect(route["aspath"]).toMatch(/^\d+( \d+)*$/);
      for (const each of route["extended_communities"] as string[]) {
        expect(each).toMatch(/^\w+ \d+:\d+$/);
      }
    }
    return found;
  }

  test.each(["/neighbors", "/summary"])("%s", async (path) => {
    const { neighbors } = (await answer(`/bgplgd${path}`)) as { neighbors: Json[] };
    expect(neighbors.map(({ remote_addr }) => remote_addr)).toEqual([A, B, AWAY]);
    for (const { last_updown } of neighbors) expect(last_updown).toMatch(DURATION);
    expect(neighbors[0]).toMatchObject({
      ...{ remote_as: "65001", state: "Established", description: "First client" },
      stats: { prefixes: { sent: ROUTES_OF_B, received: 4 } },
    });
  });

  test("routes, with those that were rejected and why", async () => {
    const found = await rib(`?neighbor=${A}`);
    expect(found).toHaveLength(4);
    expect(found.filter(({ filtered }) => filtered)).toMatchObject([
      {
        ...{ prefix: "10.1.2.128/25", aspath: "65001 65100", true_nexthop: "192.0.2.11" },
        large_communities: ["65001:1:2", "64500:1101:3"],
        extended_communities: ["rt 65001:42"],
      },
    ]);
    expect(await rib("")).toHaveLength(ROUTES_OF_B + 4);
    expect(await rib("?af=ipv6")).toEqual([]);
    expect(await rib("?best=1&prefix=16.0.0.0/24")).toMatchObject([
      { neighbor: { remote_addr: B } },
    ]);
    expect(await rib("?prefix=10.1.2.0/24&or-shorter=1")).toHaveLength(2);
    expect(await rib("?prefix=10.0.0.0/8&all=1")).toHaveLength(3);
    expect(await rib("?large-community=65001:1:2&filtered=1")).toHaveLength(1);
  });

  test.each(["?x=1", "?af=vpnv4", "?neighbor=a&neighbor=b"])("%s is an error", async (query) => {
    expect((await exchange.ask(`/bgplgd/rib${query}`)).status).toBe(400);
  });
});

test.each([
  "/bgplgd/metrics",
  "/birdwatcher",
  "/birdwatcher/routes",
  "/birdwatcher/routes/odd/x",
  "/birdwatcher/routes/constructor/x",
  "/birdseye/symbols/odd",
  "/birdseye/api/route",
  "/birdseye/nothing",
])("%s is not there", async (path) => {
  const response = await exchange.ask(path);
  expect(response.status).toBe(path === "/birdseye/api/route" ? 400 : 404);
});

test.each([
  ["reader", 200],
  ["operator", 200],
  ["member", 403],
  ["none", 401],
] as const)("a looking glass as %s: %d", async (as, status) => {
  expect((await exchange.ask("/birdwatcher/status", { as })).status).toBe(status);
  expect((await exchange.ask("/birdseye/status", { as })).status).toBe(status);
  const posted = await exchange.ask("/birdseye/status", { as, method: "POST" });
  expect(posted.status).toBe(status === 200 ? 405 : status);
});
