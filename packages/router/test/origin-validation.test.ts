/** Origin validation: what changes with payloads, what waits for them, and until when they count. */

import { FAMILY, KEEPALIVE_OCTETS } from "@ts-bgp/wire-codec";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { runs } from "../../../test/mode.ts";
import { type Payload, say, stateBy } from "../../../testkit/payloads.ts";
import { Lab, type LabOptions, yamlOf } from "../../../testkit/router.ts";

const A = "192.0.2.1";
const B = "192.0.2.2";
const CACHE = "192.0.2.53:323";
const OTHER = "192.0.2.54:323";
const FILE = "/roas.json";
const BOTH = "{ address: 192.0.2.53 }, { address: 192.0.2.54, preference: 200 }";

const yaml = (rpki: string, more = "") =>
  yamlOf(`
rpki: ${rpki}
defaults: { import: origins, export: accept-all, passive: true }
neighbors: [{ address: ${A}, as: 65001 ${more} }, { address: ${B}, as: 65002 }]
policies: { origins: [ { if: { rpki: invalid }, then: reject }, { then: accept } ] }
`);

function labOf(rpki: string, more = "", options: LabOptions = {}) {
  const lab = new Lab(yaml(rpki, more), options);
  const a = lab.peer(A, { as: 65001 }).up();
  const b = lab.peer(B, { as: 65002 }).up();
  return { lab, a, b };
}

const AT_ONCE = `{ caches: [${BOTH}], start-limit: 0 }`;

describe("when payloads change", () => {
  test("exactly the paths that they cover are judged again, and nobody is asked", () => {
    const { lab, a, b } = labOf(AT_ONCE);
    a.announce(["10.1.0.0/16", "10.1.1.0/24", "10.2.0.0/16", "11.0.0.0/8"], { path: [65001] });
    lab.run();
    const { origins } = lab.router.tables;
    say(lab, CACHE, ["10.1.0.0/16 AS65001", "12.0.0.0/8 AS1"]);
    lab.run();
    expect([origins.judged, origins.changed]).toEqual([2, 1]);
    expect(Object.keys(b.table)).toEqual(["10.1.0.0/16", "10.2.0.0/16", "11.0.0.0/8"]);
    say(lab, CACHE, ["10.1.0.0/16-24 AS65001"], ["10.1.0.0/16 AS65001"]);
    lab.run();
    expect([origins.judged, origins.changed]).toEqual([4, 2]);
    expect(Object.keys(b.table)).toHaveLength(4);
    say(lab, CACHE, ["10.0.0.0/8 AS1"]);
    lab.run();
    expect(Object.keys(b.table)).toEqual(["11.0.0.0/8"]);
    expect(lab.neighbor(A).sent.routeRefresh).toBe(0);
  });

  test("of one neighbor, others are left alone whose policy does not ask", () => {
    const { lab, b } = labOf(AT_ONCE, ", import: accept-all");
    lab.peers.get(A)!.announce(["10.1.0.0/16"]);
    lab.run();
    say(lab, CACHE, ["10.0.0.0/8 AS1"]);
    lab.run();
    expect(lab.router.tables.origins.judged).toBe(0);
    expect(Object.keys(b.table)).toEqual(["10.1.0.0/16"]);
  });

  test("a limit of accepted prefixes counts those that became valid", () => {
    const limit = ", max-prefix: { ipv4-unicast: 1, action: shutdown, count: accepted }";
    const { lab, a } = labOf(AT_ONCE, limit);
    say(lab, CACHE, ["10.0.0.0/8 AS1"]);
    lab.run();
    a.announce(["10.1.0.0/16", "10.2.0.0/16"]);
    lab.run();
    expect(a.isUp).toBe(true);
    say(lab, CACHE, []);
    lab.run();
    expect(a.isUp).toBe(false);
  });

  test("a configuration without the source, or with other local exceptions, is a change as well", () => {
    const { lab, a, b } = labOf(AT_ONCE);
    a.announce(["10.1.0.0/16"]);
    say(lab, CACHE, ["10.0.0.0/8 AS1"]);
    lab.run();
    expect(Object.keys(b.table)).toEqual([]);
    lab.reload(yaml("{ caches: [{ address: 192.0.2.54 }], start-limit: 0 }")).run();
    expect(Object.keys(b.table)).toEqual(["10.1.0.0/16"]);
    expect(a.isUp).toBe(true);
  });
});

describe("paths are judged again whose rows are moved meanwhile", () => {
  /** Neighbors with 100 routes in rows from `first` on, which are many more than are in use. */
  const sparse = (first: number) => {
    const made = labOf(AT_ONCE, "", { budget: () => 0 });
    const { lab, a } = made;
    const routes = Array.from({ length: 70_000 }, (_, k) => {
      return `${10 + (k >> 16)}.${(k >> 8) & 255}.${k & 255}.0/24`;
    });
    const gone = routes.filter((_, k) => k < first || k >= first + 100);
    for (let k = 0; k < routes.length; k += 500) a.announce(routes.slice(k, k + 500));
    lab.run();
    for (let k = 0; k < gone.length; k += 500) a.withdraw(gone.slice(k, k + 500));
    lab.run();
    const { origins } = lab.router.tables;
    const { compaction } = lab.router.tables.rib(FAMILY.IPV4_UNICAST);
    return { ...made, origins, compaction };
  };

  test("behind the place where the walk is", () => {
    const { lab, b, origins, compaction } = sparse(69_900);
    say(lab, CACHE, ["8.0.0.0/5 AS1"]);
    while (origins.validation.isBusy) lab.slice();
    lab.slice();
    lab.slice();
    expect([origins.judged, compaction.moves]).toEqual([0, 0]);
    lab.nowMs += 11_000;
    lab.run();
    expect([origins.judged, compaction.moves]).toEqual([100, 100]);
    expect(b.table).toEqual({});
  });

  test("also when there are no rows any more where it is", () => {
    const { lab, b, origins, compaction } = sparse(12_400);
    lab.nowMs += 11_000;
    // The walk is close to these rows in the slice that gives up the last of them.
    lab.slice();
    lab.slice();
    say(lab, CACHE, ["8.0.0.0/5 AS1"]);
    lab.run();
    expect([origins.judged, compaction.moves]).toEqual([100, 100]);
    expect(b.table).toEqual({});
  });
});

test("whatever comes in whatever order, every path is at last what the payloads make it", () => {
  const payload = fc
    .tuple(
      fc.constantFrom("10.0.0.0/8", "10.1.0.0/16", "10.1.1.0/24", "10.2.0.0/15", "0.0.0.0/0"),
      fc.constantFrom(0, 4, 8),
      fc.constantFrom(65001, 65002, 65003),
    )
    .map(([prefix, more, as]): Payload => {
      const bits = Number(prefix.split("/")[1]);
      return `${prefix}-${Math.min(32, bits + more)} AS${as}`;
    });
  const route = fc.constantFrom(
    "10.0.0.0/8",
    "10.1.0.0/16",
    "10.1.1.0/24",
    "10.2.0.0/16",
    "9.0.0.0/8",
  );
  const step = fc.record({
    do: fc.constantFrom("say", "announce", "withdraw", "slice", "rest"),
    source: fc.constantFrom(CACHE, OTHER),
    payloads: fc.uniqueArray(payload, { maxLength: 6 }),
    routes: fc.uniqueArray(route, { minLength: 1, maxLength: 3 }),
    origin: fc.constantFrom(65001, 65003),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 25 }), fc.constantFrom(0, 3, 1000), (steps, budget) => {
      const { lab, a, b } = labOf(AT_ONCE, "", { budget: () => budget });
      const said = new Map<string, readonly Payload[]>();
      const has = new Map<string, number>();
      for (const { do: what, source, payloads, routes, origin } of steps) {
        if (what === "say") {
          say(lab, source, payloads);
          said.set(source, payloads);
        } else if (what === "announce") {
          a.announce(routes, { path: origin === 65001 ? [65001] : [65001, origin] });
          for (const prefix of routes) has.set(prefix, origin);
        } else if (what === "withdraw") {
          a.withdraw(routes);
          for (const prefix of routes) has.delete(prefix);
        } else if (what === "slice") lab.slice();
        else lab.run();
      }
      lab.run();
      const counting = said.get(CACHE) ?? said.get(OTHER) ?? [];
      const accepted = [...has].filter(
        ([prefix, origin]) => stateBy(counting, prefix, origin) !== "invalid",
      );
      expect(Object.keys(b.table).sort()).toEqual(accepted.map(([prefix]) => prefix).sort());
      const { ipv4 } = lab.router.tables.origins.validation;
      expect(ipv4.hasChanges).toBe(false);
      expect(lab.router.tables.jobs.size).toBe(0);
    }),
    { numRuns: runs(1000) },
  );
});

describe("when ASPAs change", () => {
  const paths = yamlOf(`
rpki: { caches: [{ address: 192.0.2.53 }], start-limit: 0 }
defaults: { import: paths, export: accept-all, passive: true }
neighbors: [{ address: ${A}, as: 65001, role: provider }, { address: ${B}, as: 65002, role: customer }]
policies: { paths: [ { if: { aspa: invalid }, then: reject }, { then: accept } ] }
`);

  test("exactly the paths with a customer of theirs are judged again, by the role of the neighbor", () => {
    const lab = new Lab(paths);
    const a = lab.peer(A, { as: 65001 }).up();
    const b = lab.peer(B, { as: 65002 }).up();
    a.announce(["10.1.0.0/16", "10.1.0.0/24"], { path: [65001, 65003] });
    a.announce(["10.2.0.0/16"], { path: [65001] });
    b.announce(["10.3.0.0/16"], { path: [65002, 65001, 65003] });
    lab.run();
    expect(Object.keys(b.table)).toHaveLength(3);
    const { origins } = lab.router.tables;
    // 65003 has another provider than the customer that it comes from; 65002 may have it from its peer.
    say(lab, CACHE, ["65003: 65009", "65001: 0"]);
    lab.run();
    expect([origins.judged, origins.changed]).toEqual([4, 2]);
    expect(Object.keys(b.table)).toEqual(["10.2.0.0/16"]);
    say(lab, CACHE, ["65003: 65001"], ["65001: 0"]);
    lab.run();
    expect(Object.keys(b.table)).toHaveLength(3);
    expect(Object.keys(a.table)).toEqual(["10.3.0.0/16"]);
    expect(lab.neighbor(A).sent.routeRefresh).toBe(0);
  });
});

describe("after a start", () => {
  const LONG = `{ caches: [${BOTH}], files: [${FILE}], start-limit: 300 }`;

  test("routes wait until all files and one cache have said all", () => {
    const { lab, a, b } = labOf(LONG);
    a.announce(["10.1.0.0/16", "10.2.0.0/16"]);
    lab.advance(299_000);
    expect(Object.keys(b.table)).toEqual([]);
    say(lab, FILE, ["10.1.0.0/16 AS1"]);
    lab.run();
    expect(Object.keys(b.table)).toEqual([]);
    say(lab, CACHE, ["10.2.0.0/16 AS65001"]);
    lab.run();
    expect(Object.keys(b.table)).toEqual(["10.2.0.0/16"]);
    // The session was up all the time, however long it was not read.
    expect(lab.neighbor(A).establishedCount).toBe(1);
    expect(lab.logsOf("rpki-gate").map(({ message }) => message)).toEqual([
      "routes wait for origin validation no longer: data is there",
    ]);
  });

  test("or so long has passed", () => {
    const { lab, a, b } = labOf(LONG.replace("300", "60"));
    a.announce(["10.1.0.0/16"]);
    lab.advance(59_000);
    expect(Object.keys(b.table)).toEqual([]);
    lab.advance(2000);
    expect(Object.keys(b.table)).toEqual(["10.1.0.0/16"]);
    expect(lab.logsOf("rpki-gate")).toMatchObject([{ level: "warn" }]);
  });

  test.each([
    ["whose policy does not ask", ", import: accept-all"],
    ["of the own AS", ", as: 64500"],
  ])("neighbors %s wait for nothing", (_, more) => {
    const as = more.includes("64500") ? 64500 : 65001;
    const lab = new Lab(
      yaml(LONG, "").replace(
        "as: 65001 ",
        more.includes("as:") ? "as: 64500 " : `as: 65001 ${more}`,
      ),
    );
    const a = lab.peer(A, { as }).up();
    const b = lab.peer(B, { as: 65002 }).up();
    a.announce(["10.1.0.0/16"], as === 64500 ? { path: [], localPref: 100 } : {});
    lab.run();
    expect(Object.keys(b.table)).toEqual(["10.1.0.0/16"]);
  });

  test("a session that ends meanwhile is over, and what it said is thrown away", () => {
    const { lab, a, b } = labOf(LONG);
    a.announce(["10.1.0.0/16"]);
    lab.run();
    a.hangUp();
    lab.run();
    expect(lab.neighbor(A).session).toBeNull();
    lab.peer(A, { as: 65001 }).up().announce(["10.2.0.0/16"]);
    lab.advance(301_000);
    expect(Object.keys(b.table)).toEqual(["10.2.0.0/16"]);
  });

  test("also one whose end comes with all that it said", () => {
    const { lab } = labOf(LONG);
    lab.peers.get(A)!.hangUp();
    lab.run();
    const a = lab.peer(A, { as: 65001 });
    a.connect(false);
    a.send(a.open).send(KEEPALIVE_OCTETS).announce(["10.1.0.0/16"]).hangUp();
    lab.run();
    const { session, establishedCount } = lab.neighbor(A);
    expect([session, establishedCount]).toEqual([null, 2]);
  });
});

test("what does not count is said when it comes", () => {
  const { lab } = labOf(AT_ONCE);
  say(lab, CACHE, ["10.0.0.0/8 AS1"], []);
  lab.run();
  expect(lab.logsOf("rpki-source").at(-1)).toMatchObject({
    level: "warn",
    message: `${CACHE} has sent what is new, which does not count: there is nothing that it is new to`,
  });
});

test("what is too old does not count, and is said", () => {
  const { lab, a, b } = labOf(AT_ONCE);
  a.announce(["10.1.0.0/16"]);
  say(lab, CACHE, ["10.0.0.0/8 AS1"]);
  say(lab, OTHER, ["10.1.0.0/16 AS65001"]);
  lab.advance(7_199_000);
  expect(Object.keys(b.table)).toEqual([]);
  // The other one has said something in time.
  say(lab, OTHER, ["10.1.0.0/16 AS65001"]);
  lab.advance(1000);
  expect(Object.keys(b.table)).toEqual(["10.1.0.0/16"]);
  expect(lab.logsOf("rpki-source").at(-1)).toMatchObject({
    level: "error",
    message: `what ${CACHE} has sent is too old to count: nothing new for 7200 s`,
  });
  const { sources } = lab.router.tables.origins.validation;
  expect([sources.get(CACHE)!.end, sources.get(CACHE)!.bit]).toEqual([null, 0]);
});
