/** Graceful restart of a peer (RFC 4724), with the router as the receiving speaker. */

import { CEASE } from "@ts-bgp/wire-codec";
import { describe, expect, test } from "vitest";
import { explainRoute, showNeighbor, showRoutes } from "../src/index.ts";
import { isEmpty, Lab, type Peer, yamlOf } from "./driver.ts";
import type { PeerOptions } from "./sketch.ts";

const A = "192.0.2.1";
const B = "192.0.2.2";
const YAML = yamlOf(`
defaults: { import: accept-all, export: accept-all, passive: true }
neighbors: [{ address: ${A}, as: 65001, families: [ipv4-unicast, ipv6-unicast] }, { address: ${B}, as: 65002, families: [ipv4-unicast, ipv6-unicast], next-hop: unchanged }]
`);

/** Peer a has announced 10.1.0.0/16 and 10.2.0.0/16, and b has them. */
function two(restart: PeerOptions["gracefulRestart"] = {}, yaml = YAML) {
  const lab = new Lab(yaml);
  const b = lab.peer(B, { as: 65002, families: ["ipv4", "ipv6"] }).up();
  const options = { as: 65001, families: ["ipv4", "ipv6"] as const };
  const a = lab.peer(A, { ...options, ...(restart && { gracefulRestart: restart }) }).up();
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
    const { routes } = showRoutes(lab.router, { ...query, view: "accepted", bestOnly: false }, 1);
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
