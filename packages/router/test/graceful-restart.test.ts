/** Graceful restart of a peer (RFC 4724), with the router as the receiving speaker. */

import { explainRoute, showNeighbor, showNeighborDetail, showRoutes } from "@ts-bgp/views";
import { CEASE } from "@ts-bgp/wire-codec";
import { describe, expect, test } from "vitest";
import { isEmpty, Lab, type LabOptions, type Peer, yamlOf } from "../../../testkit/router.ts";
import type { PeerOptions } from "../../../testkit/sketch.ts";

const A = "192.0.2.1";
const B = "192.0.2.2";
const YAML = yamlOf(`
defaults: { import: accept-all, export: accept-all, passive: true }
neighbors: [{ address: ${A}, as: 65001, families: [ipv4-unicast, ipv6-unicast] }, { address: ${B}, as: 65002, families: [ipv4-unicast, ipv6-unicast], next-hop: unchanged }]
`);

/** Peer a has announced 10.1.0.0/16 and 10.2.0.0/16, and b has them. */
function two(restart: PeerOptions["gracefulRestart"] = {}, yaml = YAML, options: LabOptions = {}) {
  const lab = new Lab(yaml, options);
  const b = lab.peer(B, { as: 65002, families: ["ipv4", "ipv6"] }).up();
  const of = { as: 65001, families: ["ipv4", "ipv6"] as const };
  const a = lab.peer(A, { ...of, ...(restart && { gracefulRestart: restart }) }).up();
  a.announce(["10.1.0.0/16", "10.2.0.0/16"]).endOfRib().endOfRib("ipv6");
  lab.run();
  b.wire.forget();
  return { lab, a, b };
}

const keys = (peer: Peer) => Object.keys(peer.table);
const BOTH = ["10.1.0.0/16", "10.2.0.0/16"];

describe("the routes of a peer whose connection is lost", () => {
  test("stay, and nobody hears of it", () => {
    const { lab, a, b } = two();
    a.hangUp();
    lab.run().advance(60_000);
    expect(keys(b)).toEqual(BOTH);
    expect(b.wire.changes).toEqual([]);
  });

  test("stay when two connections have met, of which the peer has ended the other one", () => {
    const { lab, a, b } = two();
    a.notify(6, CEASE.CONNECTION_COLLISION);
    lab.run();
    expect([a.isUp, keys(b)]).toEqual([false, BOTH]);
    a.up().announce(BOTH).endOfRib();
    lab.run();
    expect(b.wire.changes).toEqual([]);
  });

  test("go at once when it cannot restart gracefully", () => {
    const lab = new Lab(YAML);
    const b = lab.peer(B, { as: 65002 }).up();
    const a = lab.peer(A, { as: 65001 }).up();
    a.announce(["10.1.0.0/16"]);
    lab.run();
    a.hangUp();
    lab.run();
    expect(keys(b)).toEqual([]);
  });

  test("go at once when the configuration does not help", () => {
    const yaml = YAML.replace("passive: true", "passive: true, graceful-restart: off");
    const { lab, a, b } = two({}, yaml);
    a.hangUp();
    lab.run();
    expect(keys(b)).toEqual([]);
  });

  test("go when it does not come back in the time that it asked for", () => {
    const { lab, a, b } = two({ seconds: 30 });
    a.hangUp();
    lab.run().advance(29_000);
    expect(keys(b)).toEqual(BOTH);
    lab.advance(2_000);
    expect(keys(b)).toEqual([]);
  });

  test("are shown, and explained, while it is away", () => {
    const { lab, a } = two();
    a.hangUp();
    lab.run();
    const query = { family: 1, prefix: null, match: "exact", neighbor: A } as const;
    const { routes } = showRoutes(
      lab.router,
      { ...query, view: "accepted", bestOnly: false },
      null,
    );
    expect(routes.map(({ prefix }) => prefix)).toEqual(BOTH);
    const key = { words: [0x0a010000, 0, 0, 0], bits: 16 } as const;
    const question = { direction: "import", family: 1, key, text: "10.1.0.0/16" } as const;
    const explained = explainRoute(lab.router, { ...question, neighbor: A });
    expect(explained.verdict).toBe("accepted, and the best path");
  });
});

describe("what is kept is shown and logged", () => {
  const shown = (lab: Lab) => showNeighbor(lab.neighbor(A)).families;
  const logged = (lab: Lab) =>
    lab.logs
      .filter(({ id }) => id === "routes-kept" || id === "routes-removed")
      .map(({ message }) => message);
  const KEPT = "2 ipv4-unicast routes are kept while the neighbor is away: for 30 s at most";

  test("while the neighbor is away, and until it has sent all again", () => {
    const { lab, a } = two({ seconds: 30 });
    expect(shown(lab).map(({ stale_until_ms }) => stale_until_ms)).toEqual([null, null]);
    a.hangUp();
    lab.run();
    const away = { received: 2, accepted: 2, advertised: 0, group: null, synced: false };
    expect(shown(lab)[0]).toMatchObject({ ...away, stale_until_ms: lab.nowMs + 30_000 });
    expect(logged(lab)).toEqual([KEPT]);
    lab.advance(1000);
    a.up({ gracefulRestart: { restarting: true, forwarding: true } });
    a.announce(["10.2.0.0/16"]);
    lab.run();
    expect(shown(lab)[0]).toMatchObject({ received: 2, stale_until_ms: lab.nowMs + 360_000 });
    a.endOfRib();
    lab.run();
    expect(shown(lab)[0]).toMatchObject({ received: 1, stale_until_ms: null });
    const why = "the neighbor did not send them again";
    expect(logged(lab)).toEqual([KEPT, `1 ipv4-unicast routes are removed: ${why}`]);
  });

  test("until the time is up", () => {
    const { lab, a } = two({ seconds: 30 });
    a.hangUp();
    lab.run().advance(31_000);
    expect(shown(lab)).toEqual([]);
    const why = "the neighbor did not come back in time";
    expect(logged(lab)).toEqual([KEPT, `2 ipv4-unicast routes are removed: ${why}`]);
  });

  test("until it comes back without them", () => {
    const { lab, a } = two({ seconds: 30 });
    a.hangUp();
    lab.run();
    a.up({ gracefulRestart: { restarting: true, forwarding: false } });
    const why = "the neighbor came back, and did not keep forwarding";
    expect(logged(lab)).toEqual([KEPT, `2 ipv4-unicast routes are removed: ${why}`]);
  });

  test("and nothing is said of routes that are not kept", () => {
    const { lab, a } = two({ seconds: 30 });
    a.notify(6, CEASE.ADMINISTRATIVE_SHUTDOWN);
    lab.run();
    expect(logged(lab)).toEqual([]);
    expect(shown(lab)).toEqual([]);
  });
});

describe("the routes of a session that a message ended go at once:", () => {
  test.each<[string, (lab: Lab, a: Peer) => void]>([
    ["a NOTIFICATION of the peer", (_lab, a) => a.notify(6, CEASE.ADMINISTRATIVE_SHUTDOWN)],
    ["a NOTIFICATION right before the end", (_lab, a) => a.notify(6, 4).hangUp()],
    ["one of ours", (_lab, a) => a.send(new Uint8Array(19))],
    [
      "the hold timer",
      (lab, a) => {
        a.wire.speaks = false;
        lab.advance(95_000);
      },
    ],
    ["an operator", (lab) => lab.operate(A, { do: "disable", text: null })],
  ])("%s", (_title, end) => {
    const { lab, a, b } = two();
    end(lab, a);
    lab.run();
    expect(a.isUp).toBe(false);
    expect(keys(b)).toEqual([]);
  });
});

describe("a peer that comes back", () => {
  test("and kept forwarding keeps its routes until its End-of-RIB marker, which takes the rest", () => {
    const { lab, a, b } = two();
    a.hangUp();
    lab.run();
    a.up({ gracefulRestart: { restarting: true, forwarding: true } });
    a.announce(["10.2.0.0/16"]).announce(["10.3.0.0/16"]);
    lab.run();
    expect(keys(b)).toEqual([...BOTH, "10.3.0.0/16"]);
    a.endOfRib();
    lab.run();
    expect(keys(b)).toEqual(["10.2.0.0/16", "10.3.0.0/16"]);
    expect(b.wire.changes).toEqual(["10.3.0.0/16", "-10.1.0.0/16"]);
  });

  test("and did not keep forwarding loses its routes at once", () => {
    const { lab, a, b } = two();
    a.hangUp();
    lab.run();
    a.up({ gracefulRestart: { restarting: true, forwarding: false } });
    expect(keys(b)).toEqual([]);
    a.announce(["10.1.0.0/16"]);
    lab.run();
    expect(keys(b)).toEqual(["10.1.0.0/16"]);
  });

  test("without graceful restart loses its routes at once", () => {
    const { lab, a, b } = two();
    a.hangUp();
    lab.run();
    const { gracefulRestart: _, ...options } = a.options;
    a.options = options;
    a.up();
    expect(keys(b)).toEqual([]);
  });

  test("without a family loses that family's routes at once", () => {
    const { lab, a, b } = two();
    a.announce(["2001:db8:1::/48"]);
    lab.run();
    a.hangUp();
    lab.run();
    expect(keys(b)).toHaveLength(3);
    a.up({ families: ["ipv4"] });
    expect(keys(b)).toEqual(BOTH);
  });

  test("and sends no End-of-RIB marker loses what it did not send again after a while", () => {
    const { lab, a, b } = two();
    a.hangUp();
    lab.run();
    a.up().announce(["10.2.0.0/16"]);
    lab.advance(350_000);
    expect(keys(b)).toEqual(BOTH);
    lab.advance(20_000);
    expect(keys(b)).toEqual(["10.2.0.0/16"]);
  });

  test("before its old connection is known to be dead takes its place (RFC 4724 section 4.2)", () => {
    const { lab, a, b } = two();
    const old = a.wire;
    a.up();
    expect(old.closed).toBe(true);
    expect(old.notification).toBeNull();
    expect(keys(b)).toEqual(BOTH);
    a.announce(["10.2.0.0/16"]).endOfRib();
    lab.run();
    expect(keys(b)).toEqual(["10.2.0.0/16"]);
  });

  test("and goes again before its End-of-RIB marker keeps what it sent, and no more", () => {
    const { lab, a, b } = two();
    a.hangUp();
    lab.run();
    a.up().announce(["10.2.0.0/16"]);
    lab.run();
    a.hangUp();
    lab.run();
    expect(keys(b)).toEqual(["10.2.0.0/16"]);
    a.up().announce(["10.4.0.0/16"]).endOfRib();
    lab.run();
    expect(keys(b)).toEqual(["10.4.0.0/16"]);
  });

  test("and goes while what it lost is still being removed is not read before that is done", () => {
    const { lab, a, b } = two();
    const many = Array.from({ length: 20_000 }, (_, i) => `11.${i >> 8}.${i & 255}.0/24`);
    for (let i = 0; i < many.length; i += 1000) a.announce(many.slice(i, i + 1000));
    lab.run();
    a.hangUp();
    lab.run();
    a.up();
    a.announce(many.slice(0, 500)).endOfRib();
    lab.slice();
    a.hangUp();
    const wire = a.connect();
    lab.deliver();
    for (let i = 0; i < 4; i++) lab.slice();
    wire.feed(a.updateOf(many.slice(400, 700), {}));
    a.endOfRib();
    lab.run();
    expect(keys(b)).toHaveLength(300);
  });
});

test("a neighbor that is removed while it is away takes its routes along", () => {
  const { lab, a, b } = two();
  a.hangUp();
  lab.run();
  lab.reload(
    yamlOf(`
defaults: { import: accept-all, export: accept-all, passive: true }
neighbors: [{ address: ${B}, as: 65002, families: [ipv4-unicast, ipv6-unicast], next-hop: unchanged }]
`),
  );
  lab.run();
  expect(keys(b)).toEqual([]);
  b.hangUp();
  lab.run();
  expect(isEmpty(lab)).toBe(true);
});

describe("what is kept goes at once", () => {
  const otherwise = (options: string) =>
    YAML.replace(`${A}, as: 65001`, `${A}, as: 65001, ${options}`);
  const families = (list: string) => YAML.replace("[ipv4-unicast, ipv6-unicast]", list);
  const orders: [string, (lab: Lab) => void][] = [
    ["disable", (lab) => lab.operate(A, { do: "disable", text: null })],
    ["reset", (lab) => lab.operate(A, { do: "reset", text: null })],
    ["enabled: false", (lab) => lab.reload(otherwise("enabled: false"))],
    ["graceful-restart: off", (lab) => lab.reload(otherwise("graceful-restart: off"))],
    ["a family less", (lab) => lab.reload(families("[ipv6-unicast]"))],
    ["another password", (lab) => lab.reload(otherwise("password: secret"))],
    ["another AS", (lab) => lab.reload(YAML.replace("as: 65001", "as: 65009"))],
    ["another own AS", (lab) => lab.reload(YAML.replace("as: 64500", "as: 64509"))],
    ["a lower limit", (lab) => lab.reload(otherwise("max-prefix: 1"))],
  ];

  test.each(orders)("with %s, as the routes of a session would", (_title, act) => {
    const { lab, a, b } = two();
    a.hangUp();
    lab.run();
    expect(keys(b)).toEqual(BOTH);
    act(lab);
    lab.run();
    if (b.isUp) expect(keys(b)).toEqual([]);
    expect(lab.router.tables.rib(1).paths.received[1]).toBe(0);
    expect(showNeighbor(lab.neighbor(A)).families).toEqual([]);
  });

  test("also when the neighbor is back and has not sent all again", () => {
    const { lab, a, b } = two();
    a.hangUp();
    lab.run();
    a.up();
    expect(keys(b)).toEqual(BOTH);
    lab.operate(A, { do: "disable", text: null }).run();
    expect(keys(b)).toEqual([]);
  });

  test.each([
    ["a description", "description: x"],
    ["how to connect", "port: 1179, connect-retry: 7"],
    ["what is sent to the neighbor", "send-same-as: false, add-path: { send: 0 }"],
  ])("but not with %s", (_title, options) => {
    const { lab, a, b } = two();
    a.hangUp();
    lab.run();
    lab.reload(otherwise(options)).run();
    expect(keys(b)).toEqual(BOTH);
    expect(b.wire.changes).toEqual([]);
    expect(a.up().isUp).toBe(true);
  });
});

describe("restart-time-max", () => {
  const bounded = (seconds: number) =>
    YAML.replace(
      "passive: true",
      `passive: true, graceful-restart: { restart-time-max: ${seconds} }`,
    );
  const kept = (lab: Lab) => lab.logsOf("routes-kept").at(-1)?.message;

  test("bounds what a peer asks for, and says so", () => {
    const { lab, a, b } = two({ seconds: 4000 }, bounded(30));
    expect(showNeighborDetail(lab.neighbor(A)).graceful_restart).toEqual({
      mode: "helper",
      restart_time: 4000,
      restart_time_max: 30,
      own_restart_time: null,
      notification: false,
      long_lived_stale_time: null,
    });
    a.hangUp();
    lab.run();
    expect(kept(lab)).toMatch(/for 30 s at most, of 4000 s that it asked for$/);
    lab.advance(29_000);
    expect(keys(b)).toEqual(BOTH);
    lab.advance(2_000);
    expect(keys(b)).toEqual([]);
  });

  test("does not prolong what a peer asks for", () => {
    const { lab, a, b } = two({ seconds: 10 }, bounded(30));
    a.hangUp();
    lab.run();
    expect(kept(lab)).toMatch(/for 10 s at most$/);
    lab.advance(11_000);
    expect(keys(b)).toEqual([]);
  });

  test("holds for a peer that is away when it changes, from when it went", () => {
    const { lab, a, b } = two({ seconds: 100 }, bounded(30));
    a.hangUp();
    lab.run().advance(20_000);
    lab.reload(bounded(60)).run().advance(20_000);
    expect(keys(b)).toEqual(BOTH);
    lab.reload(bounded(15)).advance(200);
    expect(keys(b)).toEqual([]);
  });

  test("does not bound the time for End-of-RIB of a peer that is back", () => {
    const { lab, a, b } = two({ seconds: 100 }, bounded(30));
    a.hangUp();
    lab.run();
    a.up();
    lab.reload(bounded(10)).advance(60_000);
    expect(keys(b)).toEqual(BOTH);
  });
});

describe("what is kept is judged again by a reload", () => {
  const RULES =
    "policies: { in: [{ name: no one, if: { prefix: 10.1.0.0/16 }, then: reject }, { then: accept }] }";
  const POLICY = YAML.replace(`${A}, as: 65001`, `${A}, as: 65001, import: in`) + RULES;
  const away = (yaml?: string) => {
    const made = two({}, yaml);
    made.a.hangUp();
    made.lab.run();
    return made;
  };
  const verdictOf = (lab: Lab) => {
    const key = { words: [0x0a010000, 0, 0, 0], bits: 16 } as const;
    const question = { direction: "import", family: 1, key, text: "10.1.0.0/16" } as const;
    return explainRoute(lab.router, { ...question, neighbor: A });
  };

  test("with another policy, which explain asks as well", () => {
    const { lab, a, b } = away();
    lab.reload(POLICY).run();
    expect(keys(b)).toEqual(["10.2.0.0/16"]);
    const { verdict, paths } = verdictOf(lab);
    expect(verdict).toMatch(/^rejected: .*no one/);
    expect(paths[0]!.steps.map(({ step }) => step)).toEqual(["checks", "policy", "restart"]);
    lab.reload(YAML).run();
    expect(keys(b)).toEqual(BOTH);
    expect(verdictOf(lab).verdict).toBe("accepted, and the best path");
    a.up().announce(BOTH).endOfRib();
    lab.run();
    expect(keys(b).sort()).toEqual(BOTH);
  });

  test("with another check", () => {
    const yaml = YAML.replace("passive: true", "passive: true, enforce-first-as: false");
    const { lab, a, b } = two({}, yaml);
    a.announce(["10.3.0.0/16"], { path: [65099] });
    lab.run();
    a.hangUp();
    lab.run();
    expect(keys(b)).toHaveLength(3);
    lab.reload(YAML).run();
    expect(keys(b)).toEqual(BOTH);
  });

  test("when it forgets what is rejected", () => {
    const { lab } = away();
    lab.reload(POLICY.replace("passive: true", "passive: true, keep-rejected: false")).run();
    expect(lab.router.tables.rib(1).paths.received[1]).toBe(1);
  });

  const many = Array.from({ length: 20_000 }, (_, i) => `11.${i >> 8}.${i & 255}.0/24`);
  const NO_ELEVEN = POLICY.replace("10.1.0.0/16", "11.0.0.0/8 le 24");
  const withMany = () => {
    // No more than a piece of each kind of work in a slice.
    const made = two({}, YAML, { budget: () => 0 });
    for (let i = 0; i < many.length; i += 1000) made.a.announce(many.slice(i, i + 1000));
    made.lab.run();
    return made;
  };

  test("to the end when the session goes in the middle of it", () => {
    const { lab, a, b } = withMany();
    lab.reload(NO_ELEVEN).slice();
    a.hangUp();
    lab.run();
    expect(keys(b)).toEqual(BOTH);
  });

  test("to the end when the neighbor comes back in the middle of it", () => {
    const { lab, a, b } = withMany();
    a.hangUp();
    lab.run();
    lab.reload(NO_ELEVEN).slice();
    a.connect();
    lab.run();
    expect(a.isUp).toBe(true);
    expect(keys(b)).toEqual(BOTH);
  });
});
