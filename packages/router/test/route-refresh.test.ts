/** Route refresh (RFC 2918) and enhanced route refresh (RFC 7313), both ways. */

import { ROUTE_REFRESH } from "@ts-bgp/wire-codec";
import { describe, expect, test } from "vitest";
import { Lab, type Peer, yamlOf } from "../../../testkit/router.ts";
import type { PeerOptions } from "../../../testkit/sketch.ts";

const { REQUEST, BEGIN, END } = ROUTE_REFRESH;
const A = "192.0.2.1";
const B = "192.0.2.2";

function two(peer: Partial<PeerOptions> = {}): { lab: Lab; a: Peer; b: Peer } {
  const lab = new Lab(
    yamlOf(`
defaults: { import: accept-all, export: accept-all, passive: true }
neighbors: [{ address: ${A}, as: 65001 }, { address: ${B}, as: 65002 }]
`),
  );
  const a = lab.peer(A, { as: 65001, ...peer }).up();
  const b = lab.peer(B, { as: 65002, ...peer }).up();
  return { lab, a, b };
}

/** What came, in short: "BoRR", "EoRR", "request", "EoR" and the prefixes of UPDATE messages. */
function heard({ wire }: Peer): unknown[] {
  return wire.messages.map((message) => {
    if (message.type === "ROUTE-REFRESH") return message["subtype_name"];
    if (message["end_of_rib"] !== undefined) return "EoR";
    return message.type === "UPDATE" ? message["nlri"] : message.type;
  });
}

describe("a peer that asks gets everything again", () => {
  test("between BoRR and EoRR when it knows them", () => {
    const { lab, a, b } = two();
    a.announce(["10.1.0.0/16", "10.2.0.0/16"]);
    lab.run();
    b.wire.forget();
    b.refresh(REQUEST);
    lab.run();
    expect(heard(b)).toEqual(["BoRR", ["10.1.0.0/16", "10.2.0.0/16"], "EoRR"]);
    expect(lab.neighbor(B).sent.routeRefresh).toBe(2);
  });

  test("without them when it does not", () => {
    const { lab, a, b } = two({ enhancedRefresh: false });
    a.announce(["10.1.0.0/16"]);
    lab.run();
    b.wire.forget();
    b.refresh(REQUEST);
    lab.run();
    expect(heard(b)).toEqual([["10.1.0.0/16"]]);
  });

  test("when there is nothing to send, too", () => {
    const { lab, b } = two();
    b.wire.forget();
    b.refresh(REQUEST);
    lab.run();
    expect(heard(b)).toEqual(["BoRR", "EoRR"]);
  });

  test("once more, however often it asks while that goes on", () => {
    const { lab, a, b } = two();
    a.announce(["10.1.0.0/16"]);
    lab.run();
    b.wire.forget();
    for (let n = 0; n < 1000; n++) b.refresh(REQUEST);
    lab.run();
    const routes = ["10.1.0.0/16"];
    expect(heard(b)).toEqual(["BoRR", routes, "EoRR", "BoRR", routes, "EoRR"]);
  });

  test("with what changed in the meantime", () => {
    const { lab, a, b } = two();
    a.announce(["10.1.0.0/16", "10.2.0.0/16"]);
    lab.run();
    b.refresh(REQUEST);
    a.withdraw(["10.1.0.0/16"]).announce(["10.2.0.0/16"], { path: [65001, 7] });
    lab.run();
    expect(b.table).toEqual({ "10.2.0.0/16": { path: "64500 65001 7", nextHop: "192.0.2.254" } });
  });

  test("after the End-of-RIB marker when it asks before that", () => {
    const { lab, a } = two();
    a.announce(["10.1.0.0/16"]);
    lab.run();
    lab.neighbor(B).stop(4, null, 0);
    lab.run().advance(2_000);
    const b = lab.peers.get(B)!;
    const wire = b.connect();
    // The request is there before the router has sent anything of its table.
    wire.feed(b.open.slice(0, 0));
    b.refresh(REQUEST);
    lab.run();
    expect(heard(b)).toEqual([
      "OPEN",
      "KEEPALIVE",
      ["10.1.0.0/16"],
      "EoR",
      "BoRR",
      ["10.1.0.0/16"],
      "EoRR",
    ]);
  });

  test("not for a family or a subtype that is not known", () => {
    const { lab, a, b } = two();
    a.announce(["10.1.0.0/16"]);
    lab.run();
    b.wire.forget();
    b.refresh(REQUEST, "ipv6").refresh(7).refresh(END);
    lab.run();
    expect(heard(b)).toEqual([]);
    expect(b.isUp).toBe(true);
  });

  test("also when an operator wants it", () => {
    const { lab, a, b } = two();
    a.announce(["10.1.0.0/16"]);
    lab.run();
    b.wire.forget();
    lab.operate(B, { do: "refresh", direction: "out" });
    lab.run();
    expect(heard(b)).toEqual(["BoRR", ["10.1.0.0/16"], "EoRR"]);
  });
});

describe("a peer is asked", () => {
  test("for everything by an operator", () => {
    const { lab, a } = two();
    a.wire.forget();
    lab.operate(A, { do: "refresh", direction: "in" });
    lab.run();
    expect(heard(a)).toEqual(["request"]);
  });

  test("only when it knows how to answer", () => {
    const { lab, a } = two({ routeRefresh: false });
    a.wire.forget();
    expect(lab.neighbor(A).session!.requestRefresh()).toBe(false);
    lab.run();
    expect(heard(a)).toEqual([]);
  });
});

describe("what a peer sends between BoRR and EoRR", () => {
  test("is all that it has: the rest goes", () => {
    const { lab, a, b } = two();
    a.announce(["10.1.0.0/16", "10.2.0.0/16", "10.3.0.0/16"]);
    lab.run();
    b.wire.forget();
    a.refresh(BEGIN)
      .announce(["10.2.0.0/16"])
      .announce(["10.3.0.0/16"], { path: [65001, 9] });
    lab.run();
    expect(Object.keys(b.table)).toHaveLength(3);
    a.refresh(END);
    lab.run();
    expect(Object.keys(b.table)).toEqual(["10.2.0.0/16", "10.3.0.0/16"]);
    expect(b.wire.changes).toEqual(["10.3.0.0/16", "-10.1.0.0/16"]);
  });

  test("counts anew when it begins anew", () => {
    const { lab, a, b } = two();
    a.announce(["10.1.0.0/16", "10.2.0.0/16"]);
    a.refresh(BEGIN).announce(["10.1.0.0/16"]);
    a.refresh(BEGIN).announce(["10.2.0.0/16"]).refresh(END);
    lab.run();
    expect(Object.keys(b.table)).toEqual(["10.2.0.0/16"]);
  });

  test("does not count without a BoRR, or from a peer that did not say it knows them", () => {
    for (const enhancedRefresh of [true, false]) {
      const { lab, a, b } = two({ enhancedRefresh });
      a.announce(["10.1.0.0/16"]);
      if (!enhancedRefresh) a.refresh(BEGIN);
      a.refresh(END);
      lab.run();
      expect(Object.keys(b.table)).toEqual(["10.1.0.0/16"]);
    }
  });

  test("is told from what is left of it though rounds are counted in one octet", () => {
    const { lab, a, b } = two();
    for (let n = 0; n < 300; n++) {
      a.announce(["10.1.0.0/16", "10.2.0.0/16"]);
      a.refresh(BEGIN).announce(["10.1.0.0/16"]).refresh(END);
      lab.run();
      expect(Object.keys(b.table)).toEqual(["10.1.0.0/16"]);
    }
  });

  test("may be much: what is left is removed in pieces, and nothing is read in between", () => {
    const { lab, a, b } = two();
    const many = Array.from({ length: 20_000 }, (_, i) => `10.${i >> 8}.${i & 255}.0/24`);
    for (let i = 0; i < many.length; i += 1000) a.announce(many.slice(i, i + 1000));
    lab.run();
    a.refresh(BEGIN).announce(many.slice(0, 5)).refresh(END);
    // Right behind it comes another refresh that takes some of the rest back.
    a.refresh(BEGIN).announce(many.slice(0, 5)).announce(many.slice(10_000, 10_005)).refresh(END);
    lab.run();
    expect(Object.keys(b.table)).toHaveLength(10);
  });

  test("is counted only after the End-of-RIB marker of a peer that restarts gracefully", () => {
    const { lab, a, b } = two({ gracefulRestart: {} });
    a.announce(["10.1.0.0/16"]);
    a.refresh(BEGIN).refresh(END);
    lab.run();
    expect(Object.keys(b.table)).toEqual(["10.1.0.0/16"]);
    a.endOfRib().refresh(BEGIN).refresh(END);
    lab.run();
    expect(b.table).toEqual({});
  });
});

test("a malformed BoRR resets the session as RFC 7313 section 5 says", () => {
  const { lab, a } = two();
  const octets = new Uint8Array(25).fill(0xff, 0, 16);
  octets.set([0, 25, 5, 0, 1, 1, 1], 16);
  a.send(octets);
  lab.run();
  expect(a.wire.notification).toBe("7/1");
});
