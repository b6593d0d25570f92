/** A restart of the router itself (RFC 4724, the restarting speaker; RFC 8538). */

import { explainRoute, showNeighbor, showRestart, showRoutes } from "@ts-bgp/views";
import { FAMILY } from "@ts-bgp/wire-codec";
import { describe, expect, test } from "vitest";
import { say } from "../../../testkit/payloads.ts";
import { Lab, type Peer, yamlOf } from "../../../testkit/router.ts";

const A = "192.0.2.1";
const B = "192.0.2.2";
const C = "192.0.2.3";
const yaml = (restart: string, neighbors = "", rest = "") =>
  yamlOf(`
defaults: { import: accept-all, export: accept-all, passive: true, graceful-restart: ${restart} }
neighbors: [{ address: ${A}, as: 65001 }, { address: ${B}, as: 65002 } ${neighbors}]
${rest}
`);
const FULL = "full";
const THREE = `, { address: ${C}, as: 65003, max-prefix: { ipv4-unicast: 1, action: shutdown } }`;
const KEEPS = { gracefulRestart: {} } as const;

/** Peers that may keep what they had of the router. */
function labOf(text = yaml(FULL)) {
  const lab = new Lab(text);
  const a = lab.peer(A, { as: 65001, ...KEEPS });
  const b = lab.peer(B, { as: 65002, ...KEEPS });
  const c = lab.peer(C, { as: 65003 });
  return { lab, a, b, c };
}

const restartOf = (peer: Peer) => {
  const capabilities = peer.wire.of("OPEN").at(-1)!["capabilities"] as { code: number }[];
  return capabilities.find(({ code }) => code === 64) as unknown as Record<string, unknown>;
};
const keys = (peer: Peer) => Object.keys(peer.table);

describe("after a start", () => {
  test("OPENs say so, that what is forwarded goes on, and for how long to wait", () => {
    const { a } = labOf(yaml("{ mode: full, restart-time: 77 }"));
    a.up();
    expect(restartOf(a)).toMatchObject({
      restarting: true,
      notification: true,
      restart_time_seconds: 77,
      families: [{ afi: 1, safi: 1, forwarding: true }],
    });
  });

  test("peers that may have kept routes get all, and the end, once all have sent what they have", () => {
    const { lab, a, b } = labOf();
    a.up();
    b.up();
    a.announce(["10.1.0.0/16"], { path: [65001, 65009] }).endOfRib();
    lab.advance(30_000);
    expect([b.wire.changes, b.wire.endsOfRib]).toEqual([[], []]);
    b.announce(["10.1.0.0/16", "10.2.0.0/16"]).endOfRib();
    lab.advance(200);
    // Each was told once, and the best of what there was: of one prefix b has the best itself.
    expect([keys(a), keys(b)]).toEqual([["10.1.0.0/16", "10.2.0.0/16"], []]);
    expect([[...a.wire.changes].sort(), b.wire.changes]).toEqual([keys(a), []]);
    expect([a.wire.endsOfRib, b.wire.endsOfRib]).toEqual([["ipv4-unicast"], ["ipv4-unicast"]]);
  });

  test("those that keep nothing are not made to wait", () => {
    const { lab, a, c } = labOf(yaml(FULL, THREE));
    c.up();
    a.up();
    a.announce(["10.1.0.0/16"]);
    lab.run();
    expect(keys(c)).toEqual(["10.1.0.0/16"]);
  });

  test("nobody waits longer than the limit for who does not come or does not end", () => {
    const { lab, a, b } = labOf(yaml("{ mode: full, defer-limit: 40 }", THREE));
    a.up();
    b.up();
    a.announce(["10.1.0.0/16"]);
    lab.advance(39_000);
    expect(showRestart(lab.router)?.families).toEqual([
      { family: "ipv4-unicast", waits_for: [A, B, C], held: 2 },
    ]);
    expect(b.wire.endsOfRib).toEqual([]);
    lab.advance(1_200);
    expect([keys(b), b.wire.endsOfRib]).toEqual([["10.1.0.0/16"], ["ipv4-unicast"]]);
    expect(showRestart(lab.router)).toBeNull();
    expect(lab.logsOf("restart").at(-1)).toMatchObject({ level: "warn", fields: { count: 2 } });
  });

  test.each([
    ["is disabled", (lab: Lab) => lab.operate(C, { do: "disable", text: null })],
    ["is removed", (lab: Lab) => lab.reload(yaml(FULL))],
    [
      "is held down for a minute, for a message",
      (lab: Lab) =>
        lab.operate(C, { do: "quarantine", cause: "SIGABRT", count: 1, file: null } as const),
    ],
    [
      "has had too many prefixes",
      (lab: Lab) => {
        const c = lab.peers.get(C)!.up(KEEPS);
        c.announce(["10.7.0.0/16", "10.8.0.0/16"]);
        lab.run();
        expect(c.isUp).toBe(false);
      },
    ],
    [
      "is not to be waited for",
      (lab: Lab) =>
        lab.reload(
          yaml(FULL, THREE.replace("65003", "65003, graceful-restart: { defer-limit: 0 }")),
        ),
    ],
  ])("nobody waits for one that %s", (_title, act) => {
    const { lab, a, b } = labOf(yaml(FULL, THREE));
    a.up().endOfRib();
    b.up().announce(["10.2.0.0/16"]).endOfRib();
    lab.advance(1000);
    expect(keys(a)).toEqual([]);
    act(lab);
    lab.advance(200);
    expect(keys(a)).toEqual(["10.2.0.0/16"]);
  });

  test("nor for one that has restarted as well, which may be waiting for us", () => {
    const { lab, a, b } = labOf();
    a.up({ gracefulRestart: { restarting: true } });
    b.up().announce(["10.2.0.0/16"]).endOfRib();
    lab.advance(200);
    expect(keys(a)).toEqual(["10.2.0.0/16"]);
  });

  test("nor for one that has not agreed on it", () => {
    const { lab, b, c } = labOf(
      yaml(FULL, THREE.replace(C, C)).replace(`{ address: ${A}, as: 65001 },`, ""),
    );
    c.up();
    b.up().announce(["10.2.0.0/16"]).endOfRib();
    lab.advance(200);
    expect(b.wire.endsOfRib).toEqual(["ipv4-unicast"]);
  });

  test("a session that comes up afterwards is like any other, and OPEN says nothing of a restart", () => {
    const { lab, a, b } = labOf();
    a.up().announce(["10.1.0.0/16"]).endOfRib();
    b.up().endOfRib();
    lab.advance(200);
    b.hangUp();
    lab.run();
    b.up();
    expect(restartOf(b)).toMatchObject({ restarting: false });
    expect([keys(b), b.wire.endsOfRib]).toEqual([["10.1.0.0/16"], ["ipv4-unicast"]]);
  });

  test.each(["0", "5"])(
    "OPEN says so to each until its first session, with a limit of %s s",
    (limit) => {
      const { lab, a, b } = labOf(yaml(`{ mode: full, defer-limit: ${limit} }`));
      lab.advance(6000);
      a.up().announce(["10.1.0.0/16"]);
      b.up();
      lab.run();
      expect([restartOf(a), restartOf(b)]).toMatchObject([
        { restarting: true },
        { restarting: true },
      ]);
      expect(keys(b)).toEqual(["10.1.0.0/16"]);
      const level = limit === "0" ? "info" : "warn";
      expect(lab.logsOf("restart").at(-1)).toMatchObject({ level });
      b.hangUp();
      lab.run();
      b.up();
      expect(restartOf(b)).toMatchObject({ restarting: false });
    },
  );

  test("a member of the group that takes nothing does not hold the others up", () => {
    const { lab, a, b, c } = labOf(yaml(FULL, `, { address: ${C}, as: 65003 }`));
    c.up();
    a.up();
    b.up();
    c.wire.reads = false;
    for (let n = 0; n < 3000; n++) {
      const value = n.toString(16).padStart(6000, "0");
      a.announce([`10.${n >> 8}.${n & 0xff}.0/24`], { more: [{ type: 200, value }] });
    }
    lab.run();
    expect(lab.router.tables.groups.held[0]!.group.standing.lag).toBeGreaterThan(0);
    a.endOfRib();
    b.endOfRib();
    lab.advance(1000);
    expect(lab.router.tables.groups.held).toHaveLength(2);
    lab.advance(4500);
    expect(lab.router.tables.groups.held).toEqual([]);
  });

  test("what is held back is shown and explained as not sent", () => {
    const { lab, a, b, c } = labOf(yaml(FULL, THREE));
    c.up();
    a.up().announce(["10.1.0.0/16"]);
    b.up();
    lab.run();
    expect(keys(c)).toEqual(["10.1.0.0/16"]);
    const query = { family: 1, prefix: null, match: "exact", bestOnly: false } as const;
    const sentTo = (neighbor: string) =>
      showRoutes(lab.router, { ...query, neighbor, view: "advertised" }, null).routes.length;
    expect([sentTo(B), sentTo(C)]).toEqual([0, 1]);
    const key = { words: [0x0a010000, 0, 0, 0], bits: 16 } as const;
    const question = { family: 1, key, text: "10.1.0.0/16", direction: "export" } as const;
    const why = explainRoute(lab.router, { ...question, neighbor: B });
    expect(why.verdict).toBe("not advertised");
    expect(why.paths[0]!.steps.at(-1)).toMatchObject({ step: "restart", passed: false });
    const other = explainRoute(lab.router, { ...question, neighbor: C });
    expect(other.verdict).toBe("advertised (1 path)");
  });

  test("a session that is held goes, and another one comes, before it is over", () => {
    const { lab, a, b } = labOf();
    a.up().announce(["10.1.0.0/16"]).endOfRib();
    b.up();
    b.hangUp();
    lab.run();
    expect(lab.router.tables.groups.held).toHaveLength(1);
    b.up().endOfRib();
    expect(showNeighbor(lab.neighbor(B)).families[0]).toMatchObject({ held: true, advertised: 0 });
    lab.advance(200);
    expect([keys(b), b.wire.endsOfRib]).toEqual([["10.1.0.0/16"], ["ipv4-unicast"]]);
    a.hangUp();
    b.hangUp();
    lab.operate(A, { do: "disable", text: null }).run();
    expect(lab.router.tables.groups.entries).toEqual([]);
  });

  test("a policy that changes meanwhile counts", () => {
    const policy = `policies: { out: [{ if: { prefix: 10.1.0.0/16 }, then: reject }, { then: accept }] }`;
    const { lab, a, b } = labOf();
    a.up().announce(["10.1.0.0/16", "10.2.0.0/16"]).endOfRib();
    b.up();
    lab.reload(yaml(FULL, "", policy).replace("export: accept-all", "export: out")).run();
    b.endOfRib();
    lab.advance(300);
    expect([keys(b), b.wire.endsOfRib]).toEqual([["10.2.0.0/16"], ["ipv4-unicast"]]);
    expect(b.wire.changes).not.toContain("-10.1.0.0/16");
  });

  test("a peer that asks for everything meanwhile gets it after that", () => {
    const { lab, a, b } = labOf();
    a.up().announce(["10.1.0.0/16"]);
    b.up().refresh(0).endOfRib();
    lab.advance(1000);
    expect(keys(b)).toEqual([]);
    a.endOfRib();
    lab.advance(200);
    expect(keys(b)).toEqual(["10.1.0.0/16"]);
    expect(b.wire.of("ROUTE-REFRESH")).toHaveLength(2);
  });

  test("the limit counts from when routes may be read, not while they wait for origin validation", () => {
    const rest = `
rpki: { caches: [{ address: 192.0.2.53 }], start-limit: 100 }
policies: { origins: [{ if: { rpki: invalid }, then: reject }, { then: accept }] }`;
    const text = yaml("{ mode: full, defer-limit: 30 }", "", rest);
    const { lab, a, b } = labOf(text.replace("import: accept-all", "import: origins"));
    a.up().announce(["10.1.0.0/16", "10.2.0.0/16"]).endOfRib();
    b.up().endOfRib();
    lab.advance(60_000);
    expect([keys(b), b.wire.endsOfRib]).toEqual([[], []]);
    say(lab, "192.0.2.53:323", ["10.1.0.0/16 AS1"]);
    lab.run().advance(200);
    expect([b.wire.changes, b.wire.endsOfRib]).toEqual([["10.2.0.0/16"], ["ipv4-unicast"]]);
  });

  test("without the mode nothing of it happens", () => {
    const { lab, a, b } = labOf(yaml("helper"));
    a.up().announce(["10.1.0.0/16"]);
    b.up();
    lab.run();
    expect(restartOf(a)).toMatchObject({
      restarting: false,
      restart_time_seconds: 0,
      families: [],
    });
    expect([keys(b), b.wire.endsOfRib]).toEqual([["10.1.0.0/16"], ["ipv4-unicast"]]);
    expect(lab.logsOf("restart")).toEqual([]);
  });

  test("a family is over by itself", () => {
    const both = ", families: [ipv4-unicast, ipv6-unicast]";
    const { lab, a, b } = labOf(yaml(FULL).replace("passive: true", `passive: true${both}`));
    const families = ["ipv4", "ipv6"] as const;
    a.up({ families }).announce(["10.1.0.0/16"]).endOfRib();
    b.up({ families }).endOfRib();
    lab.advance(200);
    expect(b.wire.endsOfRib).toEqual(["ipv4-unicast"]);
    expect(lab.router.tables.restart.waiting).toBe(FAMILY.IPV6_UNICAST);
    a.endOfRib("ipv6");
    b.endOfRib("ipv6");
    lab.advance(200);
    expect(b.wire.endsOfRib).toEqual(["ipv4-unicast", "ipv6-unicast"]);
  });
});

describe("at its end", () => {
  const ended = (isRestart: boolean, restart: string, options = {}) => {
    const { lab, a } = labOf(yaml(restart));
    a.up(options);
    lab.router.shutdown("soon back", isRestart, lab.nowMs);
    lab.run();
    return a.wire;
  };

  test("a restart leaves peers that keep routes without a word", () => {
    const wire = ended(true, FULL);
    expect([wire.closed, wire.notification]).toEqual([true, null]);
  });

  test.each([
    ["one that does not", FULL, { gracefulRestart: undefined as never }],
    ["one that was not asked to", "helper", {}],
  ])("and tells %s", (_title, restart, options) => {
    expect(ended(true, restart, options).notification).toBe("6/2 soon back");
  });

  test("a stop tells everybody, and with RFC 8538 that it is for good", () => {
    expect(ended(false, FULL).notification).toBe("6/2 soon back");
    const wire = ended(false, FULL, { gracefulRestart: { notification: true } });
    expect(wire.notification).toBe("6/9 soon back");
  });
});
