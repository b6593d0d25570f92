/** The router as a route server: RFC 7947 and what exchanges expect beyond it. */

import { showRoutes } from "@ts-bgp/views";
import { describe, expect, test } from "vitest";
import { Lab, type Peer, yamlOf } from "../../../testkit/router.ts";
import type { PeerOptions } from "../../../testkit/sketch.ts";

const RS = "route-server-client: true, passive: true";

/** Clients 192.0.2.1 (AS 65001), 192.0.2.2 (AS 65002) and so on. */
function exchange(
  defaults = "export: accept-all",
  clients: readonly (string | undefined)[] = [undefined, undefined, undefined],
  rest = "",
  options: Partial<PeerOptions> = {},
): { lab: Lab; clients: Peer[] } {
  const as = (i: number, own?: string) => Number(/^as: (\d+)/.exec(own ?? "")?.[1] ?? 65001 + i);
  const lines = clients.map((own, i) => {
    const extra = (own ?? "").replace(/^as: \d+,? ?/, "");
    return `  - { address: 192.0.2.${i + 1}, as: ${as(i, own)}, ${extra} }`;
  });
  const lab = new Lab(
    yamlOf(
      `defaults: { ${RS}, ${defaults}${/import/.test(defaults) ? "" : ", import: accept-all"} }\nneighbors:\n${lines.join("\n")}\n${rest}`,
    ),
  );
  const peers = clients.map((own, i) =>
    lab.peer(`192.0.2.${i + 1}`, { as: as(i, own), ...options }).up(),
  );
  return { lab, clients: peers };
}

/** Who has a prefix, by the last octet of the client's address, with the path. */
function holders(clients: readonly Peer[], prefix: string): Record<number, unknown> {
  return Object.fromEntries(
    clients.flatMap(({ wire }, i) => {
      const seen = wire.table.get(prefix);
      return seen === undefined ? [] : [[i + 1, seen["path"]]];
    }),
  );
}

const ACTIONS = `
policies:
  to-clients:
    - { name: not to it, if: { community: "0:$peer-as" }, then: reject }
    - name: only to some
      if:
        any: [{ community: "0:$local-as" }, { large-community: "$local-as:0:0" }]
        not: { any: [{ community: "$local-as:$peer-as" }, { large-community: "$local-as:1:$peer-as" }] }
      then: reject
    - name: prepend
      if: { large-community: "$local-as:101:$peer-as" }
      set: { prepend: { as: first, count: 1 } }
    - { set: { community: { remove: ["0:*", "64500:*"] } }, then: accept }
`;

describe("a client is sent a route of another one", () => {
  test("as it came: path, next hop, MED and communities", () => {
    const { lab, clients } = exchange();
    clients[0]!.announce(["10.1.0.0/16"], {
      path: [65001, 65100],
      med: 7,
      nextHop: "192.0.2.1",
      communities: ["65001:1", "no-export"],
    });
    lab.run();
    expect(clients[1]!.table).toEqual({
      "10.1.0.0/16": {
        path: "65001 65100",
        med: 7,
        nextHop: "192.0.2.1",
        communities: ["65001:1", "65535:65281"],
      },
    });
    expect(clients[0]!.table).toEqual({});
  });

  test("with NO_EXPORT not at all where the route server is to obey it", () => {
    const { lab, clients } = exchange("export: accept-all, honor-well-known-communities: true");
    clients[0]!.announce(["10.1.0.0/16"], { communities: ["no-export"] });
    lab.run();
    expect(clients[1]!.table).toEqual({});
  });

  test("never of another session of its own AS, unless configured", () => {
    const own = [undefined, "as: 65001", undefined] as const;
    for (const sends of [false, true]) {
      const { lab, clients } = exchange(`export: accept-all, send-same-as: ${sends}`, own);
      clients[0]!.announce(["10.1.0.0/16"]);
      lab.run();
      const others = sends ? { 2: "65001", 3: "65001" } : { 3: "65001" };
      expect(holders(clients, "10.1.0.0/16")).toEqual(others);
    }
  });

  test("over a session with IPv4 and IPv6 in both families", () => {
    const { lab, clients } = exchange(
      "export: accept-all, families: [ipv4-unicast, ipv6-unicast]",
      [undefined, undefined],
      "",
      { families: ["ipv4", "ipv6"] },
    );
    clients[0]!.announce(["10.1.0.0/16", "2001:db8:1::/48"]);
    lab.run();
    expect(Object.keys(clients[1]!.table)).toEqual(["10.1.0.0/16", "2001:db8:1::/48"]);
    expect(clients[1]!.table["2001:db8:1::/48"]).toMatchObject({ nextHop: "2001:db8::1" });
  });
});

describe("path hiding (RFC 7947 section 2.3.1)", () => {
  /** Client 1 has the best path and does not want client 3 to have it; client 2 has another. */
  function hidden(options: string) {
    const { lab, clients } = exchange(`export: to-clients, ${options}`, undefined, ACTIONS);
    clients[0]!.announce(["10.1.0.0/16"], { communities: ["0:65003"] });
    clients[1]!.announce(["10.1.0.0/16"], { path: [65002, 65100] });
    lab.run();
    return { lab, clients };
  }

  test("is mitigated: a client for whom the best path is filtered gets the next one", () => {
    const { lab, clients } = hidden("path-hiding: mitigate");
    const at = () => holders(clients, "10.1.0.0/16");
    expect(at()).toEqual({ 1: "65002 65100", 2: "65001", 3: "65002 65100" });
    clients[0]!.announce(["10.1.0.0/16"]);
    lab.run();
    expect(at()).toEqual({ 1: "65002 65100", 2: "65001", 3: "65001" });
    clients[0]!.withdraw(["10.1.0.0/16"]);
    lab.run();
    expect(at()).toEqual({ 1: "65002 65100", 3: "65002 65100" });
    clients[1]!.withdraw(["10.1.0.0/16"]);
    lab.run();
    expect(at()).toEqual({});
    expect(clients.map(({ wire }) => wire.redundant)).toEqual([0, 0, 0]);
  });

  test("is there where the configuration leaves it", () => {
    const { clients } = hidden("path-hiding: off");
    expect(holders(clients, "10.1.0.0/16")).toEqual({ 2: "65001" });
  });

  test("is mitigated within one AS too, where its sessions are told apart", () => {
    const own = [undefined, "as: 65001", "as: 65001"];
    const { lab, clients } = exchange("export: accept-all, send-same-as: true", own);
    clients[0]!.announce(["10.1.0.0/16"]);
    clients[1]!.announce(["10.1.0.0/16"], { path: [65001, 65100] });
    lab.run();
    expect(holders(clients, "10.1.0.0/16")).toEqual({ 1: "65001 65100", 2: "65001", 3: "65001" });
  });

  test("is shown with the neighbor that the route really came from", () => {
    const { lab } = hidden("path-hiding: mitigate");
    const from = ["192.0.2.1", "192.0.2.2", "192.0.2.3"].map((neighbor) => {
      const query = {
        family: 1,
        prefix: null,
        match: "exact",
        neighbor,
        view: "advertised",
      } as const;
      return showRoutes(lab.router, { ...query, bestOnly: false }, null).routes[0]?.neighbor;
    });
    expect(from).toEqual(["192.0.2.2", "192.0.2.1", "192.0.2.2"]);
  });
});

describe("action communities", () => {
  test.each<[string, string[], string[], Record<number, string>]>([
    ["to all", [], [], { 2: "65001", 3: "65001", 4: "65001" }],
    ["not to one", ["0:65003"], [], { 2: "65001", 4: "65001" }],
    ["not to two", ["0:65002", "0:65003"], [], { 4: "65001" }],
    ["to nobody", ["0:64500"], [], {}],
    ["only to one", ["0:64500", "64500:65003"], [], { 3: "65001" }],
    [
      "only to two, by large communities",
      [],
      ["64500:0:0", "64500:1:65002", "64500:1:65004"],
      { 2: "65001", 4: "65001" },
    ],
    ["prepended to one", [], ["64500:101:65003"], { 2: "65001", 3: "65001 65001", 4: "65001" }],
    ["not to an AS that is not here", ["0:64999"], [], { 2: "65001", 3: "65001", 4: "65001" }],
  ])("%s", (_title, communities, large, expected) => {
    const { lab, clients } = exchange("export: to-clients", [...Array(4)], ACTIONS);
    clients[0]!.announce(["10.1.0.0/16"], { communities, large });
    lab.run();
    expect(holders(clients, "10.1.0.0/16")).toEqual(expected);
    const kept = clients.flatMap(({ table }) => table["10.1.0.0/16"]?.["communities"] ?? []);
    expect(kept).toEqual([]);
  });

  test("change what is sent, client by client and with nothing else", () => {
    const { lab, clients } = exchange("export: to-clients", [...Array(4)], ACTIONS);
    clients[0]!.announce(["10.1.0.0/16"]);
    lab.run();
    for (const { wire } of clients) wire.forget();
    clients[0]!.announce(["10.1.0.0/16"], { communities: ["0:65003"] });
    lab.run();
    expect(clients.map(({ wire }) => wire.changes)).toEqual([[], [], ["-10.1.0.0/16"], []]);
    clients[0]!.announce(["10.1.0.0/16"], { communities: ["0:65002"] });
    lab.run();
    expect(clients.map(({ wire }) => wire.changes)).toEqual([
      [],
      ["-10.1.0.0/16"],
      ["-10.1.0.0/16", "10.1.0.0/16"],
      [],
    ]);
  });

  test("for an AS mean all its sessions, whatever else tells them apart", () => {
    const rest = `
policies:
  to-clients:
    - { name: not that router, if: { peer: 192.0.2.2, prefix: 10.2.0.0/16 }, then: reject }
    - { name: not to it, if: { community: "0:$peer-as" }, then: reject }
    - { name: prepend, if: { large-community: "$local-as:101:$peer-as" }, set: { prepend: 1 }, then: accept }
    - { then: accept }
`;
    const { lab, clients } = exchange(
      "export: to-clients",
      [undefined, undefined, "as: 65002", undefined],
      rest,
    );
    clients[0]!.announce(["10.1.0.0/16"], { communities: ["0:65002"] });
    clients[0]!.announce(["10.2.0.0/16"], { large: ["64500:101:65002"] });
    lab.run();
    expect(holders(clients, "10.1.0.0/16")).toEqual({ 4: "65001" });
    expect(holders(clients, "10.2.0.0/16")).toEqual({ 3: "64500 65001", 4: "65001" });
  });
});

describe("ADD-PATH (RFC 7911)", () => {
  const MANY = { addPath: "receive" } as const;

  test("gives a client several paths, and takes them away one by one", () => {
    const { lab, clients } = exchange(
      "export: accept-all, add-path: { send: all }",
      undefined,
      "",
      MANY,
    );
    clients[0]!.announce(["10.1.0.0/16"]);
    clients[1]!.announce(["10.1.0.0/16"], { path: [65002, 65100] });
    lab.run();
    const paths = (i: number) => Object.values(clients[i]!.table).map(({ path }) => path);
    expect(paths(2).sort()).toEqual(["65001", "65002 65100"]);
    expect(paths(0)).toEqual(["65002 65100"]);
    expect(paths(1)).toEqual(["65001"]);
    clients[0]!.withdraw(["10.1.0.0/16"]);
    lab.run();
    expect(paths(2)).toEqual(["65002 65100"]);
    expect(clients.map(({ wire }) => wire.redundant)).toEqual([0, 0, 0]);
  });

  test("gives no more than the best ones where the configuration says how many", () => {
    const { lab, clients } = exchange(
      "export: accept-all, add-path: { send: 2 }",
      [...Array(4)],
      "",
      MANY,
    );
    for (const [i, peer] of clients.slice(0, 3).entries()) {
      peer.announce(["10.1.0.0/16"], { path: [65001 + i, ...Array(i).fill(65100)] });
    }
    lab.run();
    const paths = () => Object.values(clients[3]!.table).map(({ path }) => path);
    expect(paths().sort()).toEqual(["65001", "65002 65100"]);
    clients[0]!.withdraw(["10.1.0.0/16"]);
    lab.run();
    expect(paths().sort()).toEqual(["65002 65100", "65003 65100 65100"]);
  });

  test("takes several paths of a client, and chooses among them", () => {
    const { lab, clients } = exchange(
      "export: accept-all",
      ["add-path: { receive: true }", undefined, undefined],
      "",
      { addPath: "send" },
    );
    const route = (path_id: number) => ({ prefix: "10.1.0.0/16", path_id });
    clients[0]!.announce([route(7)], { path: [65001, 65100] });
    clients[0]!.announce([route(9)], { path: [65001] });
    lab.run();
    expect(clients[1]!.table["10.1.0.0/16"]).toMatchObject({ path: "65001" });
    clients[0]!.withdraw([route(9)]);
    lab.run();
    expect(clients[1]!.table["10.1.0.0/16"]).toMatchObject({ path: "65001 65100" });
    clients[0]!.withdraw([route(9), route(7)]);
    lab.run();
    expect(clients[1]!.table).toEqual({});
  });

  test("is for those who have it: others get the best path", () => {
    const { lab, clients } = exchange("export: accept-all, add-path: { send: all }");
    clients[0]!.announce(["10.1.0.0/16"]);
    clients[1]!.announce(["10.1.0.0/16"], { path: [65002, 65100] });
    lab.run();
    expect(Object.keys(clients[2]!.table)).toEqual(["10.1.0.0/16"]);
  });
});

describe("policy", () => {
  test("of import may ask for the addresses of all sessions of the client's AS", () => {
    const rest = `
policies:
  hygiene: [{ name: foreign next hop, if: { not: { next-hop: same-as } }, then: reject }, { then: accept }]
`;
    const { lab, clients } = exchange(
      "export: accept-all, import: hygiene",
      [undefined, "as: 65001", undefined],
      rest,
    );
    clients[0]!.announce(["10.1.0.0/16"], { nextHop: "192.0.2.2" });
    clients[0]!.announce(["10.2.0.0/16"], { nextHop: "192.0.2.3" });
    lab.run();
    expect(Object.keys(clients[2]!.table)).toEqual(["10.1.0.0/16"]);
  });

  test("sees the AS number that each client knows the route server by", () => {
    const rest = `
policies:
  to-clients: [{ if: { community: "0:$local-as" }, then: reject }, { then: accept }]
`;
    const { lab, clients } = exchange(
      "export: to-clients",
      [undefined, "local-as: 64777", undefined],
      rest,
    );
    clients[0]!.announce(["10.1.0.0/16"], { communities: ["0:64777"] });
    lab.run();
    expect(holders(clients, "10.1.0.0/16")).toEqual({ 3: "65001" });
  });
});
