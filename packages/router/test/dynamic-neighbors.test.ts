/** Neighbors that are made when they connect, and forgotten when they have gone. */

import { showNeighbor } from "@ts-bgp/views";
import { CEASE } from "@ts-bgp/wire-codec";
import { describe, expect, test } from "vitest";
import { Lab, yamlOf } from "../../../testkit/router.ts";

const LISTED = "192.0.2.9";
const A = "192.0.2.1";
const B = "192.0.2.2";
const C = "192.0.2.3";
const PREFIX = "192.0.2.0/24";

const yamlWith = (range: string, group = "route-server-client: true", more = "") =>
  yamlOf(`
groups: { clients: { import: accept-all, export: accept-all, ${group} } }
neighbors: [{ address: ${LISTED}, as: 65009, group: clients, passive: true }]
dynamic-neighbors: [{ prefix: ${PREFIX}, group: clients, ${range} }]
${more}`);

const YAML = yamlWith("as-numbers: [65001-65003, 70000]");

const addresses = (lab: Lab) => [...lab.router.neighbors.keys()];

describe("somebody who connects from a prefix", () => {
  test("becomes a neighbor with the AS number of its OPEN, and exchanges routes", () => {
    const lab = new Lab(YAML);
    const listed = lab.peer(LISTED, { as: 65009 }).up();
    expect(addresses(lab)).toEqual([LISTED]);
    const a = lab.peer(A, { as: 65001 }).up();
    const b = lab.peer(B, { as: 70000 }).up();
    expect(addresses(lab)).toEqual([LISTED, A, B]);
    a.announce(["10.1.0.0/16"], { path: [65001, 65100] });
    b.announce(["10.2.0.0/16"], { path: [70000] });
    listed.announce(["10.9.0.0/16"], { path: [65009] });
    lab.run();
    expect(listed.table).toMatchObject({
      "10.1.0.0/16": { path: "65001 65100", nextHop: A },
      "10.2.0.0/16": { path: "70000", nextHop: B },
    });
    expect(Object.keys(b.table)).toEqual(["10.1.0.0/16", "10.9.0.0/16"]);
    expect(showNeighbor(lab.neighbor(A))).toMatchObject({
      as: 65001,
      group: "clients",
      dynamic: PREFIX,
    });
    expect(showNeighbor(lab.neighbor(LISTED)).dynamic).toBeNull();
    expect(lab.attempts).toEqual([]);
  });

  test("is told apart by its AS number, as those of the file are", () => {
    const lab = new Lab(YAML);
    const [a, b, c] = [
      lab.peer(A, { as: 65001 }).up(),
      lab.peer(B, { as: 65001 }).up(),
      lab.peer(C, { as: 65002 }).up(),
    ];
    a.announce(["10.1.0.0/16"], { path: [65001] });
    lab.run();
    // A route server sends nothing of an AS back to it.
    expect([b, c].map(({ table }) => Object.keys(table))).toEqual([[], ["10.1.0.0/16"]]);
  });

  test.each([
    [65004, "another AS number"],
    [64500, "the own one"],
  ])("with AS %i (%s) gets no session", (as) => {
    const lab = new Lab(YAML);
    const wire = lab.peer(A, { as }).connect();
    lab.run();
    expect(wire.notification).toMatch(/^2\/2/);
    expect(lab.neighbor(A).session).toBeNull();
  });

  test("from elsewhere is not let in", () => {
    const lab = new Lab(YAML);
    const take = (address: string) => lab.router.accepted(address, 1, "192.0.2.254", null, 0);
    expect([take("192.0.3.1"), take("2001:db8::1")]).toEqual([null, null]);
    expect(lab.router.refusalOf("192.0.3.1")).toBe("unknown");
  });

  test.each([
    ["as-numbers: 65001", "session: external", { as: 65001 }, "64500 65001"],
    ["as-numbers: 64500", "session: internal", { as: 64500 }, ""],
  ])(
    "with the only AS of the range (%s) has what such a neighbor has",
    (range, _, options, path) => {
      const lab = new Lab(yamlWith(range, "hold-time: 90"));
      const listed = lab.peer(LISTED, { as: 65009 }).up();
      const a = lab.peer(A, options).up();
      a.announce(["10.1.0.0/16"]);
      lab.run();
      const seen = listed.table["10.1.0.0/16"]!;
      expect(seen.path).toBe(path === "" ? "64500" : path);
    },
  );
});

describe("by policy that names the AS of who it is for", () => {
  const D = "192.0.2.8";
  const named = (listed: string, range: string) => `
groups: { clients: { import: accept-all, export: out, route-server-client: true } }
neighbors:
  - { address: ${LISTED}, as: 65009, group: clients, passive: true, vars: { x: 19 } }
  - { address: ${D}, as: 65008, group: clients, passive: true, vars: { x: 18 } }
${listed}
dynamic-neighbors: [{ prefix: ${PREFIX}, group: clients, ${range} }]
policies:
  out:
    - { if: { community: "0:$x" }, then: reject }
    - { if: { community: "0:$peer-as" }, then: reject }
    - { then: accept }
`;

  /** Neighbors of the file, one of which has sent a route that is for nobody of AS 65001. */
  function kept(range: string): Lab {
    const lab = new Lab(yamlOf(named("", range)));
    const source = lab.peer(D, { as: 65008 }).up();
    lab.peer(LISTED, { as: 65009 }).up();
    source.announce(["10.1.0.0/16"], { path: [65008], communities: ["0:65001"] });
    source.announce(["10.2.0.0/16"], { path: [65008] });
    lab.run();
    expect(Object.keys(lab.peers.get(LISTED)!.table)).toEqual(["10.1.0.0/16", "10.2.0.0/16"]);
    return lab;
  }

  test.each(["as-numbers: 65001-65003", "as-numbers: 65001"])(
    "one that comes later (%s) is never sent what is kept from its AS",
    (range) => {
      const lab = kept(range);
      const a = lab.peer(A, { as: 65001 }).up();
      lab.run();
      expect(Object.keys(a.table)).toEqual(["10.2.0.0/16"]);
      // Not even for a moment: one message has the other route.
      expect(lab.neighbor(A).session!.families[0]!.member.messages).toBe(1);
      expect(lab.neighbor(A).session!.families[0]!.endOfRibSent).toBe(true);
    },
  );

  test.each(["as-numbers: 65001-65003", "as-numbers: 65001"])(
    "who connects and sends no OPEN (%s) has no group look at its table again",
    (range) => {
      const lab = kept(range);
      const a = lab.peer(A, { as: 65001 }).up();
      // One that is told apart by its place in the tables, which the next one gets.
      lab.peers.get(D)!.announce(["10.3.0.0/16"], { path: [65008], communities: ["0:65001"] });
      lab.run();
      a.hangUp();
      lab.advance(400_000);
      expect(addresses(lab)).toEqual([LISTED, D]);
      const { entries } = lab.router.tables.groups;
      lab.peer(B, { as: 65001 }).connect(false);
      expect(addresses(lab)).toEqual([LISTED, D, B]);
      expect(entries.map(({ group }) => group.isComplete)).toEqual(entries.map(() => true));
    },
  );

  test.each([
    ["send-same-as: true", false],
    ["send-same-as: true", true],
    ["send-same-as: false", false],
    ["send-same-as: false", true],
  ])("one of a listed AS has other values than that (%s, listed later: %s)", (option, isLate) => {
    const yaml = (isListed: boolean) => {
      const one = `  - { address: ${B}, as: 65001, group: clients, passive: true, vars: { x: 10 } }`;
      const text = named(isListed ? one : "", "as-numbers: 65001-65003");
      return yamlOf(text.replace("route-server-client: true", `$&, ${option}`));
    };
    const lab = new Lab(yaml(!isLate));
    const source = lab.peer(D, { as: 65008 }).up();
    const a = lab.peer(A, { as: 65001 }).up();
    if (isLate) lab.reload(yaml(true)).run();
    const b = lab.peer(B, { as: 65001 }).up();
    source.announce(["10.3.0.0/16"], { path: [65008], communities: ["0:65001"] });
    lab.run();
    source.announce(["10.1.0.0/16"], { path: [65008], communities: ["0:10"] });
    lab.run();
    expect([a, b].map(({ table }) => Object.keys(table))).toEqual([["10.1.0.0/16"], []]);
  });
});

describe("a neighbor that has gone", () => {
  test("is forgotten after its time, and comes back before that as who it was", () => {
    const lab = new Lab(yamlWith("as-numbers: 65001-65003, forget-after: 30"));
    const a = lab.peer(A, { as: 65001 }).up();
    a.hangUp();
    lab.advance(29_000);
    expect(addresses(lab)).toEqual([LISTED, A]);
    a.up();
    expect(lab.neighbor(A).establishedCount).toBe(2);
    a.hangUp();
    lab.advance(31_000);
    expect(addresses(lab)).toEqual([LISTED]);
    expect(lab.logsOf("dynamic-neighbor")).toHaveLength(1);
    expect(lab.router.tables.peers.count).toBe(1);
    // And as another AS after that.
    a.up({ as: 65002 });
    expect(showNeighbor(lab.neighbor(A))).toMatchObject({ as: 65002, established_count: 1 });
  });

  test("stays while its routes are kept, or an operator has disabled it", () => {
    const lab = new Lab(yamlWith("as-numbers: 65001-65003, forget-after: 5"));
    const a = lab.peer(A, { as: 65001, gracefulRestart: { seconds: 60 } }).up();
    const listed = lab.peer(LISTED, { as: 65009 }).up();
    a.announce(["10.1.0.0/16"], { path: [65001] }).endOfRib();
    lab.run();
    a.hangUp();
    lab.advance(50_000);
    expect(Object.keys(listed.table)).toEqual(["10.1.0.0/16"]);
    expect(addresses(lab)).toEqual([LISTED, A]);
    lab.operate(A, { do: "disable", text: null });
    lab.advance(60_000);
    expect(Object.keys(listed.table)).toEqual([]);
    expect(addresses(lab)).toEqual([LISTED, A]);
    lab.operate(A, { do: "enable" });
    lab.advance(1_000);
    expect(addresses(lab)).toEqual([LISTED]);
  });

  test("is forgotten sooner when it has never had a session", () => {
    const lab = new Lab(YAML);
    lab.peer(A, { as: 65009 }).connect();
    lab.peer(B, { as: 65001 }).connect(false);
    lab.run();
    lab.advance(59_000);
    expect(addresses(lab)).toEqual([LISTED, A, B]);
    lab.advance(2_000);
    expect(addresses(lab)).toEqual([LISTED]);
    expect(lab.router.tables.peers.count).toBe(1);
  });
});

describe("of a prefix there are", () => {
  test("no more than its limit, and who never had a session gives up its place", () => {
    const lab = new Lab(yamlWith("as-numbers: 65001-65003, limit: 2"));
    lab.peer(A, { as: 65001 }).up();
    const silent = lab.peer(B, { as: 65002 });
    silent.connect(false);
    lab.run();
    expect(lab.router.refusalOf(C)).toBe("dynamic");
    expect(lab.router.accepted(C, 1, "192.0.2.254", null, lab.nowMs)).toBeNull();
    lab.advance(6_000);
    expect(lab.router.refusalOf(C)).toBeNull();
    lab.peer(C, { as: 65003 }).up();
    expect(addresses(lab)).toEqual([LISTED, A, C]);
    expect(silent.wire.notification).toBe(`6/${CEASE.CONNECTION_REJECTED}`);
    lab.advance(600_000);
    expect(lab.router.refusalOf(B)).toBe("dynamic");
  });
});

describe("with a reload", () => {
  function two(): Lab {
    const lab = new Lab(YAML);
    lab.peer(A, { as: 65001 }).up();
    lab.peer(B, { as: 65002 }).up();
    return lab;
  }
  const counts = (lab: Lab) =>
    [A, B].map((address) => lab.router.neighbors.get(address)?.establishedCount ?? null);

  test("neighbors stay that the prefix still takes, and others go", () => {
    const lab = two();
    lab.reload(yamlWith("as-numbers: 65002-65003, limit: 7")).run();
    expect(counts(lab)).toEqual([null, 1]);
    expect(lab.peers.get(A)!.wire.notification).toBe(`6/${CEASE.PEER_DECONFIGURED}`);
    lab.reload(yamlOf(`neighbors: [{ address: ${LISTED}, as: 65009 }]`)).run();
    expect(counts(lab)).toEqual([null, null]);
  });

  test("they have the options that their group has now", () => {
    const lab = two();
    const next = yamlWith("as-numbers: 65001-65003", "route-server-client: true, max-prefix: 7");
    lab.reload(next).run();
    expect(lab.neighbor(A).config.maxPrefix.ipv4Unicast).toBe(7);
    expect(counts(lab)).toEqual([1, 1]);
    const { changed } = lab.router.configure(lab.router.tables.config, lab.nowMs);
    expect(changed).toEqual([]);
    lab.reload(yamlWith("as-numbers: 65001-65003", "route-server-client: true, hold-time: 30"));
    lab.run();
    expect([A, B].map((address) => lab.neighbor(address).session)).toEqual([null, null]);
  });

  test("one that is listed from now on has its own options, and is not forgotten", () => {
    const lab = two();
    const listed = `neighbors:
  - { address: ${A}, as: 65001, group: clients, passive: true }
  - { address: ${LISTED}, as: 65009, group: clients, passive: true }
`;
    lab.reload(YAML.replace(/^neighbors.*\n/m, listed)).run();
    expect(counts(lab)).toEqual([1, 1]);
    expect(showNeighbor(lab.neighbor(A)).dynamic).toBeNull();
    for (const address of [A, B]) lab.peers.get(address)!.hangUp();
    lab.advance(400_000);
    expect(addresses(lab).sort()).toEqual([A, LISTED]);
  });
});

test("one that is held down for a message of it is so before it comes", () => {
  const lab = new Lab(YAML);
  lab.operate(A, { do: "quarantine", cause: "SIGABRT", count: 1, file: null, seconds: 120 });
  lab.advance(90_000);
  expect(addresses(lab)).toEqual([LISTED, A]);
  const wire = lab.peer(A, { as: 65001 }).connect();
  lab.run();
  expect(wire.notification).toBe(`6/${CEASE.CONNECTION_REJECTED}`);
  lab.advance(90_000);
  expect(addresses(lab)).toEqual([LISTED]);
});
