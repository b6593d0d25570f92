/** Another configuration for a running router: only the difference acts. */

import { showGroups } from "@ts-bgp/views";
import { CEASE } from "@ts-bgp/wire-codec";
import { describe, expect, test } from "vitest";
import { explain } from "../../../testkit/asking.ts";
import { isEmpty, Lab, type Peer, yamlOf } from "../../../testkit/router.ts";
import { type PeerOptions, ROUTER_AS } from "../../../testkit/sketch.ts";

const A = "192.0.2.1";
const B = "192.0.2.2";
const C = "192.0.2.3";
const ALL = "import: accept-all, export: accept-all, passive: true";
const POLICIES = `
policies:
  in: [{ if: { prefix: bogons }, then: reject }, { then: accept }]
  mark: [{ set: { community: { add: ["64500:1"] } }, then: accept }]
  out: [{ if: { prefix: hidden }, then: reject }, { then: accept }]
prefix-lists: { bogons: [10.66.0.0/16], hidden: [10.77.0.0/16] }
`;

/** A configuration with neighbors of AS 65001, 65002 and 65003. */
function yaml(
  options: Readonly<Record<string, string | null>> = {},
  defaults = ALL,
  rest = POLICIES,
  router?: string,
): string {
  const lines = [A, B, C].flatMap((address, i) => {
    const own = options[address];
    return own === null ? [] : [`  - { address: ${address}, as: ${65001 + i}, ${own ?? ""} }`];
  });
  return yamlOf(`defaults: { ${defaults} }\nneighbors:\n${lines.join("\n")}\n${rest}`, router);
}

function three(first = yaml(), options: Partial<PeerOptions> = {}) {
  const lab = new Lab(first);
  const [a, b, c] = [A, B, C].map((address, i) =>
    lab.peer(address, { as: 65001 + i, ...options }).up(),
  ) as [Peer, Peer, Peer];
  a.announce(["10.1.0.0/16", "10.66.0.0/16", "10.77.0.0/16"], { communities: ["65001:1"] });
  b.announce(["10.2.0.0/16"]);
  lab.run();
  for (const { wire } of [a, b, c]) wire.forget();
  return { lab, a, b, c };
}

const octets = (...peers: Peer[]) => peers.map(({ wire }) => wire.octets);
const changes = (...peers: Peer[]) => peers.map(({ wire }) => wire.changes.toSorted());
const areUp = (...peers: Peer[]) => peers.every((peer) => peer.isUp);

describe("a reload sends not one octet", () => {
  test.each<[string, string]>([
    ["of the same text", yaml()],
    ["of other places in the text", `# a comment\n\n${yaml()}`],
    ["of other descriptions", yaml({ [A]: "description: new" })],
    ["of another policy that nobody uses", yaml({}, ALL, POLICIES.replace("64500:1", "64500:9"))],
    [
      "of policies that come to the same",
      yaml(
        {},
        "import: in2, export: out2, passive: true",
        `
policies:
  in2: [{ then: accept }]
  out2: [{ if: { prefix: 172.16.0.0/12 }, then: reject }, { then: accept }]
`,
      ),
    ],
    [
      "of an export policy that may do what it does not",
      yaml(
        {},
        "import: accept-all, export: never, passive: true",
        `
policies:
  never: [{ if: { prefix: 172.16.0.0/12 }, then: accept }, { then: accept }]
`,
      ),
    ],
  ])("%s", (_title, next) => {
    const { lab, a, b, c } = three();
    lab.reload(next).run();
    expect(areUp(a, b, c)).toBe(true);
    expect(octets(a, b, c)).toEqual([0, 0, 0]);
    // And the router goes on as before.
    a.announce(["10.5.0.0/16"]);
    lab.run();
    expect(changes(a, b, c)).toEqual([[], ["10.5.0.0/16"], ["10.5.0.0/16"]]);
  });
});

describe("another import policy", () => {
  test("judges the routes that are there anew, without asking the peer", () => {
    const { lab, a, b, c } = three();
    lab.reload(yaml({ [A]: "import: in" })).run();
    expect(areUp(a, b, c)).toBe(true);
    expect(octets(a)).toEqual([0]);
    expect(changes(b, c)).toEqual([["-10.66.0.0/16"], ["-10.66.0.0/16"]]);
    lab.reload(yaml({ [A]: "import: mark" })).run();
    expect(b.table["10.1.0.0/16"]).toMatchObject({ communities: ["65001:1", "64500:1"] });
    lab.reload(yaml()).run();
    expect(b.table["10.1.0.0/16"]).toMatchObject({ communities: ["65001:1"] });
    expect(Object.keys(c.table)).toHaveLength(4);
    expect(octets(a)).toEqual([0]);
  });

  test("may be the same one with another list", () => {
    const first = yaml({ [A]: "import: in" });
    const { lab, b } = three(first);
    lab.reload(yaml({ [A]: "import: in" }, ALL, POLICIES.replace("10.66.0.0", "10.1.0.0"))).run();
    expect(changes(b)).toEqual([["-10.1.0.0/16", "10.66.0.0/16"]]);
  });

  test("that keeps no rejected routes forgets those it had", () => {
    const { lab } = three(yaml({ [A]: "import: in" }));
    expect(lab.router.tables.rib(1).paths.size).toBe(4);
    lab.reload(yaml({ [A]: "import: in, keep-rejected: false" })).run();
    expect(lab.router.tables.rib(1).paths.size).toBe(3);
  });

  test("asks the peer for what was not kept, if it can be asked", () => {
    for (const routeRefresh of [true, false]) {
      const first = yaml({ [A]: "import: in, keep-rejected: false" });
      const { lab, a } = three(first, { routeRefresh });
      lab.reload(yaml({ [A]: "keep-rejected: false" })).run();
      expect(a.wire.of("ROUTE-REFRESH")).toHaveLength(routeRefresh ? 1 : 0);
      expect(lab.logsOf("refresh").map(({ level }) => level)).toEqual([
        routeRefresh ? "info" : "warn",
      ]);
    }
  });

  test("counts from the first new UPDATE on, while the old routes are still being judged", () => {
    const { lab, a, b } = three();
    for (let n = 0; n < 40; n++) {
      a.announce(Array.from({ length: 250 }, (_, i) => `11.${n}.${i}.0/24`));
    }
    lab.run();
    lab.reload(yaml({ [A]: "import: mark" }));
    lab.slice();
    lab.reload(yaml({ [A]: "import: in" }));
    a.announce(["10.66.0.0/16", "10.9.0.0/16"]);
    lab.run();
    expect(b.table).not.toHaveProperty(["10.66.0.0/16"]);
    expect(
      Object.values(b.table).some((seen) => seen["communities"]?.toString() === "64500:1"),
    ).toBe(false);
  });

  test("is not put to the routes of a session that is over by the old one", () => {
    const { lab, a, b } = three(yaml(), { gracefulRestart: {} });
    for (let n = 0; n < 40; n++) {
      a.announce(Array.from({ length: 250 }, (_, i) => `11.${n}.${i}.0/24`));
    }
    lab.run();
    lab.reload(yaml({ [A]: "import: mark" }));
    lab.slice();
    a.hangUp();
    a.up();
    lab.reload(yaml());
    a.announce(["10.1.0.0/16", "11.39.1.0/24", "11.0.1.0/24"]).endOfRib();
    lab.run();
    for (const key of ["10.1.0.0/16", "11.39.1.0/24", "11.0.1.0/24"]) {
      expect(b.table[key]).not.toHaveProperty("communities");
    }
  });
});

describe("another export policy", () => {
  test("of one member sends it exactly the differences, and the others nothing", () => {
    const { lab, a, b, c } = three();
    lab.reload(yaml({ [C]: "export: out" })).run();
    expect(areUp(a, b, c)).toBe(true);
    expect(changes(a, b, c)).toEqual([[], [], ["-10.77.0.0/16"]]);
    c.wire.forget();
    lab.reload(yaml()).run();
    expect(changes(a, b, c)).toEqual([[], [], ["10.77.0.0/16"]]);
    expect(showGroups(lab.router)).toHaveLength(1);
  });

  test("of all of them, changed in place, sends the differences", () => {
    const everyone = "import: accept-all, export: out, passive: true";
    const { lab, a, b, c } = three(yaml({}, everyone));
    lab.reload(yaml({}, everyone, POLICIES.replace("[10.77.0.0/16]", "[10.1.0.0/16]"))).run();
    expect(changes(a, b, c)).toEqual([
      [],
      ["-10.1.0.0/16", "10.77.0.0/16"],
      ["-10.1.0.0/16", "10.77.0.0/16"],
    ]);
  });

  test("and back again before the move was done leaves the member where it was", () => {
    const { lab, a, c } = three();
    lab.reload(yaml({ [C]: "export: out" }));
    lab.reload(yaml()).run();
    expect(octets(c)).toEqual([0]);
    expect(showGroups(lab.router).map(({ members }) => members)).toEqual([3]);
    a.announce(["10.77.0.0/16"], { path: [65001, 7] });
    lab.run();
    expect(c.table["10.77.0.0/16"]).toMatchObject({ path: "64500 65001 7" });
  });

  test("twice before the first move was done moves the member to where it belongs", () => {
    const { lab, c } = three();
    lab.reload(yaml({ [C]: "export: mark" }));
    lab.reload(yaml({ [C]: "export: out" })).run();
    expect(changes(c)).toEqual([["-10.77.0.0/16"]]);
    expect(showGroups(lab.router).map(({ policies }) => policies)).toEqual([
      ["accept-all"],
      ["out"],
    ]);
  });

  test("that tells members apart does not treat one as another for a moment", () => {
    const apart = POLICIES.replace(
      "out: [",
      `out: [{ if: { peer: ${B} }, then: accept }, { if: { prefix: 10.1.0.0/16 }, then: reject }, `,
    );
    const everyone = "import: accept-all, export: out, passive: true";
    const { lab, a, b, c } = three(yaml({}, everyone));
    lab.reload(yaml({}, everyone, apart)).run();
    expect(changes(a, b, c)).toEqual([[], ["10.77.0.0/16"], ["-10.1.0.0/16"]]);
    const other = apart.replace(`peer: ${B}`, `peer: ${C}`);
    for (const { wire } of [a, b, c]) wire.forget();
    lab.reload(yaml({}, everyone, other)).run();
    expect(changes(a, b, c)).toEqual([
      [],
      ["-10.1.0.0/16", "-10.77.0.0/16"],
      ["10.1.0.0/16", "10.77.0.0/16"],
    ]);
    for (const { wire } of [a, b, c]) wire.forget();
    lab.reload(yaml({}, everyone)).run();
    expect(changes(a, b, c)).toEqual([[], ["10.1.0.0/16"], ["-10.77.0.0/16"]]);
  });

  test("that goes away and comes back as another one under its name is that one", () => {
    const { lab, c } = three(yaml({ [C]: "export: out" }));
    const other = POLICIES.replace("[10.77.0.0/16]", "[10.1.0.0/16]");
    lab.reload(yaml({}, ALL, ""));
    lab.reload(yaml({ [C]: "export: out" }, ALL, other)).run();
    expect(changes(c)).toEqual([["-10.1.0.0/16", "10.77.0.0/16"]]);
  });

  test("comes into force for a member that has not sent everything yet, with its End-of-RIB", () => {
    const lab = new Lab(yaml());
    const a = lab.peer(A, { as: 65001 }).up();
    a.announce(["10.1.0.0/16", "10.77.0.0/16"]);
    lab.run();
    const c = lab.peer(C, { as: 65003 });
    c.connect();
    // The session is up, and the router has sent nothing of its table.
    lab.router.slice(lab.nowMs, () => false);
    lab.reload(yaml({ [C]: "export: out" })).run();
    expect(Object.keys(c.table)).toEqual(["10.1.0.0/16"]);
    expect(c.wire.endsOfRib).toEqual(["ipv4-unicast"]);
  });

  test("comes into force for a member in a refresh, which is ended", () => {
    const { lab, c } = three();
    c.refresh(0);
    lab.router.slice(lab.nowMs, () => false);
    lab.reload(yaml({ [C]: "export: out" })).run();
    expect(c.wire.of("ROUTE-REFRESH").map(({ subtype_name }) => subtype_name)).toEqual([
      "BoRR",
      "EoRR",
    ]);
    expect(c.table).not.toHaveProperty(["10.77.0.0/16"]);
  });

  test("comes into force for a slow member once it reads, and holds nobody back", () => {
    const { lab, a, b, c } = three();
    c.wire.reads = false;
    for (let n = 0; n < 40; n++) {
      a.announce(Array.from({ length: 250 }, (_, i) => `11.${n}.${i}.0/24`));
    }
    lab.run();
    lab.reload(yaml({ [B]: "export: out", [C]: "export: out" }));
    lab.run();
    expect(b.table).not.toHaveProperty(["10.77.0.0/16"]);
    a.announce(["10.1.0.0/16"], { path: [65001, 9] });
    lab.run();
    expect(b.table["10.1.0.0/16"]).toMatchObject({ path: "64500 65001 9" });
    c.wire.drain();
    lab.run();
    expect(c.table).toEqual({
      ...b.table,
      "10.2.0.0/16": { path: "64500 65002", nextHop: "192.0.2.254" },
    });
  });
});

describe("options of one neighbor", () => {
  test.each<[string, string, string[][]]>([
    ["honor-well-known-communities", "honor-well-known-communities: false", [["10.3.0.0/16"], []]],
    ["enforce-first-as", "enforce-first-as: false", [[], []]],
  ])("%s: no session is touched", (_title, option, expected) => {
    const { lab, a, b, c } = three();
    a.announce(["10.3.0.0/16"], { communities: ["no-export"] });
    lab.run();
    lab.reload(yaml({ [B]: option })).run();
    expect(areUp(a, b, c)).toBe(true);
    expect(changes(b, c)).toEqual(expected);
  });

  test.each(["hold-time: 30", "role: provider", "next-hop: unchanged", "extended-message: true"])(
    "%s: its own session begins anew, the others stay",
    (option) => {
      const { lab, a, b, c } = three();
      lab.reload(yaml({ [B]: option })).run();
      expect(b.wire.notification).toBe(`6/${CEASE.OTHER_CONFIGURATION_CHANGE}`);
      expect(areUp(a, c)).toBe(true);
      lab.advance(2_000);
      expect(b.up(option.startsWith("role") ? { role: 3 } : {}).isUp).toBe(true);
      expect(Object.keys(b.table)).toHaveLength(3);
    },
  );

  test("enabled: false ends its session, and true begins it again", () => {
    const { lab, b } = three();
    lab
      .reload(yaml({ [B]: "enabled: false" }))
      .run()
      .advance(10_000);
    expect(b.wire.notification).toBe(`6/${CEASE.ADMINISTRATIVE_SHUTDOWN}`);
    expect(lab.neighbor(B).fsmState).toBe("idle");
    lab.reload(yaml()).run();
    expect(b.up().isUp).toBe(true);
  });

  test("passive: false makes the router connect, also where it waits already", () => {
    const lab = new Lab(yaml());
    lab.advance(10_000);
    expect(lab.attempts).toEqual([]);
    lab
      .reload(yaml({ [B]: "passive: false, port: 1790" }, ALL))
      .run()
      .advance(5_000);
    expect(lab.attempts).toMatchObject([{ address: B, port: 1790 }]);
  });

  test("passive: false leaves a session alone that is up", () => {
    const { lab, b } = three();
    lab.reload(yaml({ [B]: "passive: false" })).run();
    expect(octets(b)).toEqual([0]);
    expect(b.isUp).toBe(true);
  });
});

describe("neighbors", () => {
  test("that are added start, and others hear nothing of it", () => {
    const { lab, a, b, c } = three();
    c.hangUp();
    lab.run();
    lab.reload(yaml({ [C]: null })).run();
    expect(lab.router.neighbors.has(C)).toBe(false);
    lab.reload(yaml()).run();
    expect(c.up().isUp).toBe(true);
    expect(Object.keys(c.table)).toHaveLength(4);
    expect(octets(a, b)).toEqual([0, 0]);
  });

  test("that are removed are told so, and their routes go", () => {
    const { lab, a, b, c } = three();
    lab.reload(yaml({ [A]: null })).run();
    expect(a.wire.notification).toBe(`6/${CEASE.PEER_DECONFIGURED}`);
    expect(Object.keys(b.table)).toEqual([]);
    expect(changes(c)).toEqual([["-10.1.0.0/16", "-10.66.0.0/16", "-10.77.0.0/16"]]);
    expect(() => a.connect()).toThrow("not configured");
  });

  test("with another AS number are other neighbors", () => {
    const { lab, a, b } = three();
    const next = yaml().replace("as: 65001", "as: 65101");
    lab.reload(next).run();
    expect(a.isUp).toBe(false);
    expect(b.table).toEqual({});
    lab.advance(2_000);
    a.up({ as: 65101 }).announce(["10.1.0.0/16"]);
    lab.run();
    expect(b.table["10.1.0.0/16"]).toMatchObject({ path: "64500 65101" });
  });

  test("that are removed and added again at once start with nothing of before", () => {
    const { lab, a, b } = three();
    lab.reload(yaml({ [A]: null }));
    lab.reload(yaml());
    a.up().announce(["10.9.0.0/16"]);
    lab.run();
    expect(Object.keys(b.table)).toEqual(["10.9.0.0/16"]);
  });

  test("that share an AS are each other's same-as addresses, whichever is exchanged", () => {
    const hygiene = `
policies:
  hygiene: [{ if: { not: { next-hop: same-as } }, then: reject }, { then: accept }]
`;
    const with2 = (address: string) =>
      yamlOf(`
defaults: { import: hygiene, export: accept-all, passive: true }
neighbors:
  - { address: ${A}, as: 65001 }
  - { address: ${address}, as: 65001 }
  - { address: ${C}, as: 65003 }
${hygiene}`);
    const lab = new Lab(with2("192.0.2.11"));
    const a = lab.peer(A, { as: 65001 }).up();
    const c = lab.peer(C, { as: 65003 }).up();
    a.announce(["10.11.0.0/16"], { nextHop: "192.0.2.11" });
    a.announce(["10.12.0.0/16"], { nextHop: "192.0.2.12" });
    lab.run();
    expect(Object.keys(c.table)).toEqual(["10.11.0.0/16"]);
    lab.reload(with2("192.0.2.12")).run();
    expect(Object.keys(c.table)).toEqual(["10.12.0.0/16"]);
    expect(areUp(a, c)).toBe(true);
  });

  test("that exchange their AS numbers are others' same-as addresses from then on", () => {
    const yaml = (as11: number, as12: number) =>
      yamlOf(`
defaults: { import: hygiene, export: accept-all, passive: true }
neighbors:
  - { address: ${A}, as: 65001 }
  - { address: 192.0.2.11, as: ${as11} }
  - { address: 192.0.2.12, as: ${as12} }
  - { address: ${C}, as: 65003 }
policies:
  hygiene: [{ if: { not: { next-hop: same-as } }, then: reject }, { then: accept }]
`);
    const lab = new Lab(yaml(65001, 65002));
    const a = lab.peer(A, { as: 65001 }).up();
    const c = lab.peer(C, { as: 65003 }).up();
    a.announce(["10.11.0.0/16"], { nextHop: "192.0.2.11" });
    a.announce(["10.12.0.0/16"], { nextHop: "192.0.2.12" });
    lab.run();
    expect(Object.keys(c.table)).toEqual(["10.11.0.0/16"]);
    lab.reload(yaml(65002, 65001)).run();
    expect(Object.keys(c.table)).toEqual(["10.12.0.0/16"]);
    expect(areUp(a, c)).toBe(true);
  });
});

describe("the router itself", () => {
  test("with another AS number begins all sessions anew, with it", () => {
    const { lab, a, b, c } = three();
    const router = `{ as: 64599, id: 192.0.2.254 }`;
    lab.reload(yaml({}, ALL, POLICIES, router)).run();
    expect(areUp(a, b, c)).toBe(false);
    lab.advance(2_000);
    a.up().announce(["10.1.0.0/16"]);
    b.up();
    expect(b.table["10.1.0.0/16"]).toMatchObject({ path: "64599 65001" });
    expect(a.wire.of("OPEN")[0]!["as"]).toBe(64599);
  });

  test("with another identifier begins all sessions anew", () => {
    const { lab, a, b } = three();
    lab.reload(yaml({}, ALL, POLICIES, `{ as: ${ROUTER_AS}, id: 192.0.2.253 }`)).run();
    expect(a.wire.notification).toBe(`6/${CEASE.OTHER_CONFIGURATION_CHANGE}`);
    lab.advance(2_000);
    expect(b.up().wire.of("OPEN")[0]!["bgp_identifier"]).toBe("192.0.2.253");
  });
});

test("while routes churn and one member is slow, each reload ends in the right tables", () => {
  const variants = [
    yaml(),
    yaml({ [A]: "import: in", [C]: "export: out" }),
    yaml({ [B]: "export: mark", [C]: "export: mark" }),
    yaml({ [A]: "import: mark" }, ALL.replace("export: accept-all", "export: out")),
  ];
  const { lab, a, b, c } = three();
  c.wire.reads = false;
  for (let n = 0; n < 60; n++) {
    a.announce([`10.${n % 9}.0.0/16`, "10.66.0.0/16"], { path: [65001, 65100 + n] });
    if (n % 3 === 0) a.withdraw([`10.${(n + 4) % 9}.0.0/16`]);
    lab.slice();
    if (n % 7 === 0) lab.reload(variants[(n / 7) % 4]!);
    if (n % 20 === 10) c.wire.drain();
    if (n % 20 === 15) c.wire.reads = false;
  }
  c.wire.drain();
  lab.reload(variants[1]!).run();
  const expected = { ...b.table };
  delete expected["10.77.0.0/16"];
  const { "10.2.0.0/16": _, ...seen } = c.table;
  delete expected["10.2.0.0/16"];
  expect(seen).toEqual(expected);
  expect(b.table).not.toHaveProperty(["10.66.0.0/16"]);
  expect(c.wire.redundant + b.wire.redundant).toBe(0);
});

test("after everything is gone, nothing stays in memory, whatever was reloaded", () => {
  const { lab, a, b, c } = three();
  lab.reload(yaml({ [A]: "import: in", [C]: "export: out" })).run();
  lab.reload(yaml({ [B]: "export: mark" })).slice();
  lab.reload(yaml({ [A]: "import: mark" }, ALL, POLICIES.replace("10.77", "10.78"))).run();
  for (const peer of [a, b, c]) peer.hangUp();
  lab.run();
  expect(isEmpty(lab)).toBe(true);
});

describe("another number of paths for add-path send", () => {
  const config = (send: string) => yaml({ [C]: `add-path: { send: ${send} }` });
  function withPaths(send: string) {
    const made = three(config(send), { addPath: "receive" });
    const { lab, a, b, c } = made;
    for (const peer of [a, b]) peer.announce(["10.8.0.0/16", "10.9.0.0/16"]);
    lab.run();
    c.wire.forget();
    return made;
  }

  test.each([
    ["all", "1", 2, "-"],
    ["1", "all", 2, ""],
    ["2", "1", 2, "-"],
    ["2", "all", 0, ""],
  ])("from %s to %s sends the difference, without a reset", (before, after, count, sign) => {
    const { lab, c } = withPaths(before);
    lab.reload(config(after)).run();
    expect(c.isUp).toBe(true);
    expect(c.wire.changes).toHaveLength(count);
    for (const change of c.wire.changes) expect(change).toMatch(`${sign}10.`);
    const fresh = withPaths(after);
    expect(Object.keys(c.table).sort()).toEqual(Object.keys(fresh.c.table).sort());
  });

  test("from all to none takes a reset", () => {
    const { lab, c } = withPaths("all");
    lab.reload(config("0")).run();
    expect(c.wire.notification).toBe(`6/${CEASE.OTHER_CONFIGURATION_CHANGE}`);
  });
});

describe("what a reload does not touch", () => {
  const options = { [A]: "import: in, export: out", [B]: "import: mark, export: out" };
  const importerOf = (lab: Lab, address: string) => lab.neighbor(address).import!.importer;

  test("stays the same objects, with what policies remember", () => {
    const { lab } = three(yaml(options));
    const [a, b] = [A, B].map((address) => importerOf(lab, address));
    const { prefixLists, policies, neighbors } = lab.router.tables.config;
    const facts = lab.neighbor(B).facts;
    lab.reload(yaml(options).replace("10.66.0.0/16", "10.66.0.0/17")).run();
    expect(importerOf(lab, A)).not.toBe(a);
    expect(importerOf(lab, B)).toBe(b);
    expect(lab.neighbor(B).facts).toBe(facts);
    const { config } = lab.router.tables;
    expect(config.prefixLists["bogons"]).not.toBe(prefixLists["bogons"]);
    expect(config.prefixLists["hidden"]).toBe(prefixLists["hidden"]);
    expect(config.policies["in"]).toBe(policies["in"]);
    expect(config.neighbors[0]).toBe(neighbors[0]);
    expect(importerOf(lab, B).filter).toMatchObject({ policies: lab.router.tables.policies });
  });

  test("is still told by its place in the file", () => {
    const { lab, a, b } = three(yaml(options));
    const sourceOf = () => lab.neighbor(A).config.source.line;
    const ruleOf = () => JSON.stringify(explain(lab, "import", "10.66.0.0/16", A).paths[0]!.steps);
    expect([sourceOf(), ruleOf()]).toEqual([4, expect.stringContaining("lab.yaml:9")]);
    lab.reload(`# moved\n${yaml(options)}`).run();
    expect([sourceOf(), ruleOf()]).toEqual([5, expect.stringContaining("lab.yaml:10")]);
    expect(octets(a, b)).toEqual([0, 0]);
  });
});
