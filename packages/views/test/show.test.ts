/** What operators are shown, and whether explanations agree with what happened. */

import { REASON, type ReasonCode } from "@ts-bgp/policy";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { explain, keyOf } from "../../../testkit/asking.ts";
import { Lab, type Peer, yamlOf } from "../../../testkit/router.ts";
import { type PeerOptions, ROUTER_AS, type Sketch } from "../../../testkit/sketch.ts";
import {
  type Explained,
  type RoutePlace,
  type RouteQuery,
  type ShownRoute,
  showGroups,
  showNeighborDetail,
  showNeighbors,
  showRoutes,
  showTables,
} from "../src/index.ts";

const A = "192.0.2.1";
const B = "192.0.2.2";
const C = "192.0.2.3";

function routes(lab: Lab, query: Partial<RouteQuery> & { text?: string }): ShownRoute[] {
  const { text, ...rest } = query;
  const prefix = text === undefined ? null : keyOf(text).key;
  const all = {
    family: 1,
    match: "exact",
    neighbor: null,
    view: "accepted",
    bestOnly: false,
  } as const;
  const found: ShownRoute[] = [];
  let from: RoutePlace | null = null;
  do {
    const { routes: some, next } = showRoutes(lab.router, { ...all, prefix, ...rest }, from);
    found.push(...some);
    from = next;
  } while (from.row !== 0);
  return found;
}

/** The reason of the last step that was not passed. */
function reasonOf({ paths }: Explained): string | undefined {
  return paths[0]?.steps.findLast(({ passed }) => !passed)?.reason?.code;
}

describe("explain import gives the reason that the route was rejected with", () => {
  const POLICIES = `
policies:
  rules: [{ name: no-communities, if: { community-count: { min: 1 } }, then: reject }, { then: accept }]
  fallback: [{ if: { community-count: { min: 1 } }, then: accept }]
`;
  interface Case {
    code: ReasonCode;
    config?: string;
    options?: Partial<PeerOptions>;
    sketch?: Sketch;
    prefix?: string;
    internal?: boolean;
  }
  const all = "import: accept-all";
  const cases: Case[] = [
    { code: "policy-rule", config: "import: rules", sketch: { communities: ["1:1"] } },
    { code: "policy-default", config: "import: fallback" },
    { code: "no-policy", config: "" },
    { code: "no-policy", config: "", prefix: "224.0.0.0/4" },
    { code: "as-path-loop", config: all, sketch: { path: [65001, ROUTER_AS] } },
    { code: "first-as-mismatch", config: all, sketch: { path: [65009] } },
    { code: "next-hop-self", config: all, sketch: { nextHop: "192.0.2.254" } },
    { code: "originator-loop", config: all, internal: true, sketch: { originator: "192.0.2.254" } },
    { code: "cluster-loop", config: all, internal: true, sketch: { clusters: ["192.0.2.254"] } },
    { code: "route-leak", config: `${all}, role: provider`, sketch: { otc: 1 } },
    { code: "malformed", config: all, sketch: { more: [{ type: 8, value: [] }] } },
    { code: "prefix-invalid", config: all, prefix: "224.0.0.0/4" },
    { code: "as-path-too-long", config: `${all}, max-as-path: 1`, sketch: { path: [65001, 1] } },
    {
      code: "too-many-communities",
      config: `${all}, max-communities: 0`,
      sketch: { communities: ["1:1"] },
    },
    {
      code: "max-prefix",
      config: `${all}, max-prefix: { ipv4-unicast: 0, action: block, count: accepted }`,
    },
  ];
  test.each(cases)("$code", ({ code, config, options, sketch = {}, prefix, internal }) => {
    const as = internal === true ? ROUTER_AS : 65001;
    const limit = config?.replace("ipv4-unicast: 0", "ipv4-unicast: 1") ?? "";
    const lab = new Lab(
      yamlOf(`neighbors: [{ address: ${A}, as: ${as}, passive: true, ${limit} }]\n${POLICIES}`),
    );
    const a = lab.peer(A, { as, ...options }).up();
    if (code === "max-prefix") a.announce(["10.0.0.0/16"]);
    a.announce([prefix ?? "10.1.0.0/16"], sketch);
    lab.run();
    const [route] = routes(lab, { neighbor: A, view: "rejected" });
    expect(route!.reason!.code).toBe(code);
    const explained = explain(lab, "import", route!.prefix, A);
    expect(reasonOf(explained)).toBe(code);
    expect(explained.verdict).toBe(`rejected: ${route!.reason!.text}`);
  });

  test("attributes-too-long", () => {
    const lab = new Lab(
      yamlOf(
        `neighbors: [{ address: ${A}, as: 65001, passive: true, ${all}, extended-message: true }]`,
      ),
    );
    const a = lab.peer(A, { as: 65001, extendedMessage: true, fourOctetAs: false }).up();
    const segments = Array.from({ length: 120 }, () => ({
      type: "AS_SEQUENCE",
      as: Array(255).fill(65001),
    }));
    a.announce(["10.1.0.0/16"], { more: [{ type: 2, value: { segments } }] });
    lab.run();
    expect(reasonOf(explain(lab, "import", "10.1.0.0/16", A))).toBe("attributes-too-long");
  });

  test("with the rule, its conditions, and what they found", () => {
    const lab = new Lab(
      yamlOf(
        `neighbors: [{ address: ${A}, as: 65001, passive: true, import: rules }]\n${POLICIES}`,
      ),
    );
    lab
      .peer(A, { as: 65001 })
      .up()
      .announce(["10.1.0.0/16"], { communities: ["1:1"] });
    lab.run();
    const [path] = explain(lab, "import", "10.1.0.0/16", A).paths;
    const policy = path!.steps.find(({ step }) => step === "policy")!;
    expect(policy.reason).toMatchObject({
      policy: "rules",
      rule: "no-communities",
      source: "lab.yaml:5",
    });
    expect(policy.rules![0]!.conditions[0]).toMatchObject({ holds: true, found: "1" });
  });

  test("and what else there is to say", () => {
    const lab = new Lab(
      yamlOf(`
defaults: { import: accept-all, export: accept-all, passive: true }
neighbors: [{ address: ${A}, as: 65001 }, { address: ${B}, as: 65002 }]
`),
    );
    const verdict = (address: string, prefix = "10.1.0.0/16") =>
      explain(lab, "import", prefix, address).verdict;
    expect(verdict(A)).toBe("no session is established");
    const a = lab.peer(A, { as: 65001 }).up();
    const b = lab.peer(B, { as: 65002 }).up();
    a.announce(["10.1.0.0/16"]);
    b.announce(["10.1.0.0/16"], { path: [65002, 65100] });
    lab.run();
    expect(verdict(A)).toBe("accepted, and the best path");
    expect(verdict(B)).toBe("accepted, but another path is preferred");
    expect(verdict(A, "10.2.0.0/16")).toBe("not received");
    expect(verdict(A, "2001:db8::/32")).toBe("ipv6-unicast was not negotiated");
    expect(explain(lab, "import", "10.1.0.0/16", B).paths[0]!.steps.at(-1)!.text).toBe(
      "the path of 192.0.2.1 is preferred: shorter AS_PATH (1 against 2)",
    );
  });
});

describe("explain export gives the reason that a path is not sent with", () => {
  interface Case {
    code: ReasonCode;
    /** Options of the receiver, and of the sender. */
    to?: string;
    from?: string;
    peer?: Partial<PeerOptions>;
    sketch?: Sketch;
    toAs?: number;
    fromAs?: number;
    about?: string;
    families?: string;
    prefix?: string;
  }
  const all = "export: accept-all";
  const cases: Case[] = [
    { code: "policy-rule", to: "export: rules", sketch: { communities: ["1:1"] } },
    { code: "policy-default", to: "export: fallback" },
    { code: "no-policy", to: "" },
    { code: "well-known-community", to: all, sketch: { communities: ["no-export"] } },
    { code: "own-route", to: all, about: A },
    { code: "same-as", to: `${all}, route-server-client: true`, toAs: 65001 },
    { code: "not-reflected", to: all, toAs: ROUTER_AS, fromAs: ROUTER_AS },
    { code: "route-leak", to: `${all}, role: customer`, peer: { role: 0 }, sketch: { otc: 1 } },
    {
      code: "attributes-too-long",
      to: all,
      sketch: { more: [{ type: 200, value: "00".repeat(5000) }] },
    },
    { code: "next-hop-unavailable", to: all, prefix: "2001:db8:1::/48" },
  ];
  test.each(cases)("$code", ({ code, to, toAs = 65002, fromAs = 65001, about = B, ...rest }) => {
    const { peer, sketch = {}, prefix = "10.1.0.0/16" } = rest;
    const lab = new Lab(
      yamlOf(`
defaults: { import: accept-all, passive: true, families: [ipv4-unicast, ipv6-unicast] }
neighbors:
  - { address: ${A}, as: ${fromAs}, ${all}, extended-message: true }
  - { address: ${B}, as: ${toAs}, ${to} }
policies:
  rules: [{ name: no-communities, if: { community-count: { min: 1 } }, then: reject }, { then: accept }]
  fallback: [{ if: { community-count: { min: 1 } }, then: accept }]
`),
    );
    const families = ["ipv4", "ipv6"] as const;
    const a = lab.peer(A, { as: fromAs, families, extendedMessage: true }).up();
    const b = lab.peer(B, { as: toAs, families, ...peer }).up();
    a.announce([prefix], sketch);
    lab.run();
    expect(about === B ? b.table : a.table).toEqual({});
    const explained = explain(lab, "export", prefix, about);
    expect(explained.verdict).toBe("not advertised");
    expect(reasonOf(explained)).toBe(code);
  });

  test("and every reason of the table that the router can give is among these cases", () => {
    const given = new Set<ReasonCode>([
      ...([
        "policy-rule",
        "policy-default",
        "no-policy",
        "as-path-loop",
        "first-as-mismatch",
      ] as const),
      ...(["next-hop-self", "originator-loop", "cluster-loop", "route-leak", "malformed"] as const),
      ...(["prefix-invalid", "max-prefix", "attributes-too-long", "well-known-community"] as const),
      ...(["as-path-too-long", "too-many-communities"] as const),
      ...(["own-route", "same-as", "not-reflected", "not-best", "next-hop-unavailable"] as const),
    ]);
    // The codec, policy and negotiation see to these, before the router is asked.
    // next-hop-receiver is asked for where it is told of which session it keeps a route from.
    const others = [
      "next-hop-receiver",
      "next-hop-not-peer",
      "next-hop-invalid",
      "family-not-negotiated",
    ];
    expect([...given, ...others].sort()).toEqual(Object.keys(REASON).sort());
  });
});

describe("explain export agrees with what clients were sent", () => {
  const COMMUNITIES = ["0:65001", "0:65002", "0:65003", "0:65004", "0:64500", "64500:65003"];
  const sketch = fc.record({
    length: fc.integer({ min: 0, max: 2 }),
    communities: fc.uniqueArray(fc.constantFrom(...COMMUNITIES), { maxLength: 3 }),
  });
  const route = fc.record({
    client: fc.integer({ min: 0, max: 3 }),
    prefix: fc.integer({ min: 0, max: 2 }),
    sketch,
  });

  test.each([
    ["the best path", "path-hiding: off", {}],
    ["the best path that each may have", "path-hiding: mitigate", {}],
    ["several paths", "add-path: { send: all }", { addPath: "receive" }],
    ["the best two paths", "add-path: { send: 2 }", { addPath: "receive" }],
  ] as const)("%s", (_title, options, peer) => {
    fc.assert(
      fc.property(fc.array(route, { maxLength: 12 }), (announced) => {
        const lab = new Lab(
          yamlOf(`
defaults: { import: accept-all, export: to-clients, passive: true, route-server-client: true, ${options} }
neighbors: [${[1, 2, 3, 4].map((n) => `{ address: 192.0.2.${n}, as: 6500${n} }`).join(", ")}]
policies:
  to-clients:
    - { name: not to it, if: { community: "0:$peer-as" }, then: reject }
    - { name: some, if: { community: "0:$local-as", not: { community: "$local-as:$peer-as" } }, then: reject }
    - { then: accept }
`),
        );
        const clients = [1, 2, 3, 4].map((n) =>
          lab.peer(`192.0.2.${n}`, { as: 65000 + n, ...peer }).up(),
        );
        for (const {
          client,
          prefix,
          sketch: { length, communities },
        } of announced) {
          const path = [65001 + client, ...Array(length).fill(65100)];
          clients[client]!.announce([`10.${prefix}.0.0/16`], { path, communities });
        }
        lab.run();
        for (const client of clients) {
          for (const prefix of ["10.0.0.0/16", "10.1.0.0/16", "10.2.0.0/16"]) {
            expect(toldOf(lab, client, prefix)).toEqual(sentOf(client, prefix));
            const shown = routes(lab, {
              text: prefix,
              neighbor: client.address,
              view: "advertised",
            });
            expect(shown.map(({ as_path }) => as_path).sort()).toEqual(sentOf(client, prefix));
            for (const { neighbor_as, as_path } of shown) {
              expect(as_path!.startsWith(String(neighbor_as))).toBe(true);
            }
          }
        }
      }),
      { numRuns: 25 },
    );
  });

  /** Paths that the explanation says are advertised. */
  function toldOf(lab: Lab, client: Peer, prefix: string): unknown[] {
    const { paths } = explain(lab, "export", prefix, client.address);
    const sent = paths.filter(
      ({ steps }) => steps.at(-1)!.step === "advertised" && steps.at(-1)!.passed,
    );
    return sent.map(({ path }) => path.as_path).sort();
  }

  function sentOf({ wire }: Peer, prefix: string): unknown[] {
    const keys = [...wire.table.keys()].filter((key) => key.split(" ")[0] === prefix);
    return keys.map((key) => wire.table.get(key)!["path"]).sort();
  }
});

describe("show", () => {
  const yaml = yamlOf(`
defaults: { import: accept-all, export: accept-all, passive: true }
neighbors:
  - { address: ${A}, as: 65001, description: First, max-prefix: 10000 }
  - { address: ${B}, as: 65002, import: odd }
  - { address: ${C}, as: ${ROUTER_AS}, route-reflector-client: true }
policies:
  odd: [{ if: { prefix: 10.1.0.0/16 }, set: { med: 9 }, then: accept }]
`);
  function three() {
    const lab = new Lab(yaml);
    const a = lab.peer(A, { as: 65001 }).up();
    const b = lab.peer(B, { as: 65002 }).up();
    const c = lab.peer(C, { as: ROUTER_AS }).up();
    a.announce(["10.1.0.0/16", "10.2.0.0/16", "10.2.3.0/24"], { path: [65001, 65100] });
    b.announce(["10.1.0.0/16", "10.2.0.0/16"], { communities: ["65002:1"], large: ["65002:1:1"] });
    lab.run();
    return { lab, a, b, c };
  }

  test("neighbors counts what was received, accepted, rejected and advertised", () => {
    const { lab, a } = three();
    const [first, second, third] = showNeighbors(lab.router);
    expect(first).toMatchObject({
      address: A,
      description: "First",
      state: "Established",
      disabled: false,
      last_down: null,
      established_count: 1,
      messages: { received: { open: 1, update: 1 }, sent: { open: 1, keepalive: 1 } },
    });
    const counts = [first, second, third].map((n) => {
      const { received, accepted, rejected, advertised } = n!.families[0]!;
      return [received, accepted, rejected, advertised];
    });
    expect(counts).toEqual([
      [3, 3, 0, 1],
      [2, 1, 1, 2],
      [0, 0, 0, 3],
    ]);
    expect(first!.families[0]!.max_prefix).toEqual({ limit: 10000, action: "shutdown", count: 3 });
    const heard = a.wire.messages.filter(({ type }) => type === "UPDATE").length;
    expect(first!.messages.sent.update).toBe(heard);
  });

  test("one neighbor tells what was negotiated, and does so without a session, too", () => {
    const { lab, a } = three();
    expect(showNeighborDetail(lab.neighbor(A))).toMatchObject({
      local_as: ROUTER_AS,
      local_address: "192.0.2.254",
      identifier: A,
      hold_time: 90,
      keepalive_time: 30,
      capabilities: { four_octet_as: true, enhanced_route_refresh: true, add_path_send: [] },
    });
    expect(showNeighborDetail(lab.neighbor(A)).capabilities?.peer).toContainEqual({
      code: 1,
      name: "multiprotocol",
      afi: 1,
      safi: 1,
      family: "ipv4-unicast",
    });
    a.hangUp();
    lab.run();
    expect(showNeighborDetail(lab.neighbor(A))).toMatchObject({
      state: "Idle",
      identifier: null,
      capabilities: null,
      octets: null,
      families: [],
    });
  });

  test("routes by prefix, in all four ways", () => {
    const { lab } = three();
    const found = (text: string, match: RouteQuery["match"]) =>
      routes(lab, { text, match, bestOnly: true }).map(({ prefix }) => prefix);
    expect(found("10.2.0.0/16", "exact")).toEqual(["10.2.0.0/16"]);
    expect(found("10.2.3.4/32", "longest")).toEqual(["10.2.3.0/24"]);
    expect(found("10.2.3.4/32", "covering")).toEqual(["10.2.3.0/24", "10.2.0.0/16"]);
    expect(found("10.2.0.0/15", "covered").sort()).toEqual(["10.2.0.0/16", "10.2.3.0/24"]);
    expect(found("172.16.0.0/12", "longest")).toEqual([]);
  });

  test("routes with all paths in order of preference, and their attributes", () => {
    const { lab } = three();
    const [best, other] = routes(lab, { text: "10.1.0.0/16" });
    expect(best).toMatchObject({
      neighbor: B,
      status: "best",
      as_path: "65002",
      next_hop: B,
      origin: "IGP",
      med: 9,
      communities: ["65002:1"],
      large_communities: ["65002:1:1"],
    });
    expect(other).toMatchObject({ neighbor: A, status: "accepted", as_path: "65001 65100" });
  });

  test("routes of a neighbor as received, accepted, rejected and advertised", () => {
    const { lab } = three();
    const at = (neighbor: string, view: RouteQuery["view"]) =>
      routes(lab, { neighbor, view }).map(({ prefix, med }) => `${prefix} ${med ?? "-"}`);
    expect(at(B, "received").sort()).toEqual(["10.1.0.0/16 -", "10.2.0.0/16 -"]);
    expect(at(B, "accepted")).toEqual(["10.1.0.0/16 9"]);
    expect(at(B, "rejected")).toEqual(["10.2.0.0/16 -"]);
    expect(at(C, "advertised").sort()).toEqual(["10.1.0.0/16 9", "10.2.0.0/16 -", "10.2.3.0/24 -"]);
    const [sent] = routes(lab, { neighbor: A, view: "advertised" });
    expect(sent).toMatchObject({
      prefix: "10.1.0.0/16",
      as_path: "64500 65002",
      next_hop: "192.0.2.254",
      neighbor: B,
    });
    expect(routes(lab, { neighbor: "203.0.113.1" })).toEqual([]);
  });

  test("groups and tables", () => {
    const { lab } = three();
    const groups = showGroups(lab.router);
    expect(groups.map(({ kind, members }) => [kind, members])).toEqual([
      ["external", 2],
      ["reflector-client", 1],
    ]);
    const tables = showTables(lab.router);
    expect(tables.families[0]).toMatchObject({ prefixes: 3, paths: 5 });
    expect(tables.attribute_sets.count).toBeGreaterThan(2);
  });

  test("a large table is shown in pieces, whole", () => {
    const { lab, a } = three();
    for (let n = 0; n < 20; n++) {
      a.announce(Array.from({ length: 250 }, (_, i) => `172.16.${n}.${i}/32`));
    }
    lab.run();
    expect(routes(lab, { neighbor: A, view: "received" })).toHaveLength(5003);
    const all = {
      family: 1,
      prefix: null,
      match: "exact",
      neighbor: null,
      view: "accepted",
    } as const;
    const { routes: piece, next } = showRoutes(lab.router, { ...all, bestOnly: false }, null);
    expect(piece.length).toBeLessThan(300);
    expect(next.row).toBeGreaterThan(1);
  });

  test("nothing that was explained or shown stays in memory", () => {
    const { lab } = three();
    const { attrs } = lab.router.tables;
    const before = attrs.size;
    for (let n = 0; n < 3; n++) {
      for (const neighbor of [A, B, C]) {
        explain(lab, "import", "10.1.0.0/16", neighbor);
        explain(lab, "export", "10.1.0.0/16", neighbor);
        routes(lab, { neighbor, view: "advertised" });
      }
    }
    expect(attrs.size).toBe(before);
  });
});

test("what a peer offers is shown as decode shows it, octets in hexadecimal", () => {
  const lab = new Lab(yamlOf(`neighbors: [{ address: ${A}, as: 65001, passive: true }]`));
  const a = lab.peer(A, { as: 65001, gracefulRestart: { seconds: 30 } });
  const { open } = a;
  // One more parameter: capability 200 with two octets.
  const octets = Uint8Array.from([...open, 2, 4, 200, 2, 0xab, 0xcd]);
  octets[17] = octets.length;
  octets[28] = octets.length - 29;
  Object.defineProperty(a, "open", { value: octets });
  a.up();
  const shown = showNeighborDetail(lab.neighbor(A)).capabilities!.peer;
  expect(shown).toContainEqual({ code: 200, name: "unknown", value: "abcd" });
  const families = [{ afi: 1, safi: 1, forwarding: true, family: "ipv4-unicast" }];
  const restart = { restarting: false, notification: false, restart_time_seconds: 30, families };
  expect(shown).toContainEqual({ code: 64, name: "graceful-restart", ...restart });
});
