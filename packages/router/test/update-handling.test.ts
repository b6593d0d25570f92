/** UPDATE messages, good and bad: what becomes of their routes and of the session. */

import { showNeighbor, showRoutes } from "@ts-bgp/views";
import {
  AFI,
  type AttributeValue,
  decodeMessages,
  encodeUpdate,
  parseHex,
  writeU16,
} from "@ts-bgp/wire-codec";
import { describe, expect, test } from "vitest";
import { explain } from "../../../testkit/asking.ts";
import { Lab, type Peer, yamlOf } from "../../../testkit/router.ts";
import type { PeerOptions } from "../../../testkit/sketch.ts";

const A = "192.0.2.1";
const B = "192.0.2.2";

function two(options = "", peer: Partial<PeerOptions> = {}): { lab: Lab; a: Peer; b: Peer } {
  const lab = new Lab(
    yamlOf(`
defaults: { import: accept-all, export: accept-all, passive: true }
neighbors:
  - { address: ${A}, as: 65001, ${options} }
  - { address: ${B}, as: 65002, families: [ipv4-unicast, ipv6-unicast] }
`),
  );
  const b = lab.peer(B, { as: 65002, families: ["ipv4", "ipv6"] }).up();
  const a = lab.peer(A, { as: 65001, ...peer }).up();
  return { lab, a, b };
}

function rejectedOf(lab: Lab, address = A, family: 1 | 2 = 1): Record<string, string> {
  const query = {
    family,
    prefix: null,
    match: "exact",
    neighbor: address,
    view: "rejected",
    bestOnly: false,
  } as const;
  const { routes } = showRoutes(lab.router, query, null);
  return Object.fromEntries(routes.map(({ prefix, reason }) => [prefix, reason!.code]));
}

const hex = (text: string) => parseHex(text.replaceAll(" ", ""))!;

/** An UPDATE of raw parts. */
function raw(attributes: string, nlri = "", withdrawn = ""): Uint8Array {
  const parts = [hex(withdrawn), hex(attributes), hex(nlri)];
  const out = new Uint8Array(23 + parts.reduce((sum, part) => sum + part.length, 0));
  out.fill(0xff, 0, 16);
  writeU16(out, 16, out.length);
  out[18] = 2;
  let at = writeU16(out, 19, parts[0]!.length);
  out.set(parts[0]!, at);
  at = writeU16(out, at + parts[0]!.length, parts[1]!.length);
  out.set(parts[1]!, at);
  out.set(parts[2]!, at + parts[1]!.length);
  return out;
}

const ORIGIN = "40010100";
const AS_PATH = "4002060201 0000fde9";
const NEXT_HOP = "400304 c0000201";
const GOOD = `${ORIGIN} ${AS_PATH} ${NEXT_HOP}`;
const ROUTE = "18 0a0100";

describe("RFC 7606: of a malformed UPDATE", () => {
  const WITHDRAWN = [
    ["ORIGIN of a value that is none", `40010107 ${AS_PATH} ${NEXT_HOP}`],
    ["no ORIGIN", `${AS_PATH} ${NEXT_HOP}`],
    ["no AS_PATH", `${ORIGIN} ${NEXT_HOP}`],
    ["AS_PATH that overruns itself", `${ORIGIN} 4002060203 0000fde9 ${NEXT_HOP}`],
    ["AS_SET (RFC 9774)", `${ORIGIN} 4002060101 0000fde9 ${NEXT_HOP}`],
    ["AS 0 (RFC 7607)", `${ORIGIN} 4002060201 00000000 ${NEXT_HOP}`],
    ["NEXT_HOP of 5 octets", `${ORIGIN} ${AS_PATH} 400305 c000020101`],
    ["NEXT_HOP of a multicast group", `${ORIGIN} ${AS_PATH} 400304 e0000001`],
    ["COMMUNITIES of 3 octets", `${GOOD} c00803 000001`],
    ["wrong flags", `c0010100 ${AS_PATH} ${NEXT_HOP}`],
    ["LARGE_COMMUNITIES of 11 octets", `${GOOD} c0200b ${"00".repeat(11)}`],
    ["OTC of 3 octets (RFC 9234)", `${GOOD} c02303 000001`],
  ];
  test.each(WITHDRAWN)(
    "with %s, the routes are withdrawn and kept as rejected",
    (_t, attributes) => {
      const { lab, a, b } = two();
      a.announce(["10.1.0.0/24", "10.2.0.0/24"]);
      lab.run();
      expect(Object.keys(b.table)).toEqual(["10.1.0.0/24", "10.2.0.0/24"]);
      a.send(raw(attributes, ROUTE));
      lab.run();
      expect(a.isUp).toBe(true);
      expect(Object.keys(b.table)).toEqual(["10.2.0.0/24"]);
      expect(rejectedOf(lab)).toEqual({ "10.1.0.0/24": "malformed" });
      expect(showNeighbor(lab.neighbor(A)).update_faults_by_action).toEqual({
        "attribute-discard": 0,
        "treat-as-withdraw": 1,
        "session-reset": 0,
      });
      a.announce(["10.1.0.0/24"]);
      lab.run();
      expect(Object.keys(b.table)).toEqual(["10.1.0.0/24", "10.2.0.0/24"]);
      expect(rejectedOf(lab)).toEqual({});
    },
  );

  test("what could be read of it stays with the route, and what was wrong", () => {
    const { lab, a, b } = two();
    const received = () => {
      const query = { family: 1, prefix: null, match: "exact", bestOnly: false } as const;
      return showRoutes(lab.router, { ...query, neighbor: A, view: "received" }, null).routes;
    };
    a.announce(["10.1.0.0/24"], { med: 3 });
    a.send(
      raw(`40010107 ${AS_PATH} ${NEXT_HOP} c00803 000001 c0200c ${"00000001".repeat(3)}`, ROUTE),
    );
    lab.run();
    expect(b.table).toEqual({});
    const detail =
      "ORIGIN value 7 is not 0, 1 or 2; COMMUNITIES length 3 is not a non-zero multiple of 4";
    const [route] = received();
    expect(route).toEqual({
      prefix: "10.1.0.0/24",
      neighbor: A,
      neighbor_as: 65001,
      status: "rejected",
      since_ms: route!.since_ms,
      reason: {
        code: "malformed",
        text: `malformed UPDATE, treated as withdraw (RFC 7606): ${detail}`,
        detail,
      },
      as_path: "65001",
      next_hop: "192.0.2.1",
      large_communities: ["1:1:1"],
    });
    const explained = explain(lab, "import", "10.1.0.0/24", A);
    expect(explained.verdict).toBe(`rejected: ${route!.reason!.text}`);
    expect(explained.paths[0]!.steps).toEqual([
      { step: "checks", passed: false, text: route!.reason!.text, reason: route!.reason },
    ]);
    // Another policy does not make it a good one.
    lab.neighbor(A).rejudge();
    lab.run();
    expect(received()).toEqual([route]);
    a.announce(["10.1.0.0/24"]);
    lab.run();
    expect(received()).toMatchObject([{ status: "best", origin: "IGP" }]);
    a.withdraw(["10.1.0.0/24"]);
    lab.run();
    expect(lab.router.tables.attrs.size).toBe(1);
  });

  test("one with an attribute of type 0 keeps that where the message is good", () => {
    const { lab, a, b } = two();
    a.send(raw(`${GOOD} c00002 4142`, ROUTE));
    lab.run();
    expect(Object.keys(b.table)).toEqual(["10.1.0.0/24"]);
    a.send(raw(`40010107 ${AS_PATH} ${NEXT_HOP} c00002 4142`, ROUTE));
    lab.run();
    expect(b.table).toEqual({});
    expect(rejectedOf(lab)).toEqual({ "10.1.0.0/24": "malformed" });
  });

  test("the routes are not kept where the configuration does not want it", () => {
    const { lab, a, b } = two("keep-rejected: false");
    a.announce(["10.1.0.0/24"]);
    a.send(raw(`40010107 ${AS_PATH} ${NEXT_HOP}`, ROUTE));
    lab.run();
    expect(b.table).toEqual({});
    expect(lab.router.tables.rib(1).paths.size).toBe(0);
  });

  test.each([
    ["LOCAL_PREF from an external peer", `${GOOD} 40050400000064`],
    ["ATOMIC_AGGREGATE with a value", `${GOOD} 40060101`],
    ["AGGREGATOR of 5 octets", `${GOOD} c00705 0000000000`],
    ["ORIGINATOR_ID from an external peer", `${GOOD} 800904 0a000001`],
    ["a repeated ORIGIN", `${GOOD} 40010102`],
  ])("with %s, the attribute is discarded and the route is used", (_title, attributes) => {
    const { lab, a, b } = two();
    a.send(raw(attributes, ROUTE));
    lab.run();
    expect(a.isUp).toBe(true);
    expect(b.table).toEqual({ "10.1.0.0/24": { path: "64500 65001", nextHop: "192.0.2.254" } });
    expect(lab.neighbor(A).faults["attribute-discard"]).toBe(1);
  });

  test.each([
    ["lengths that contradict each other", "", "", "3/1", true],
    ["a withdrawn prefix of 33 bits", GOOD, "", "3/10", false, "21 0a01000000"],
    ["a prefix of 33 bits", GOOD, "21 0a01000000", "3/10", false],
    ["MP_UNREACH_NLRI twice", `${GOOD} 800f03 000201 800f03 000201`, ROUTE, "3/1"],
    ["a well-known attribute that is not known", `${GOOD} 40fe00`, ROUTE, "3/2"],
  ])(
    "with %s, the session is reset",
    (_title, attributes, nlri, code, short = false, gone = "") => {
      const { lab, a, b } = two();
      a.announce(["10.1.0.0/24"]);
      lab.run();
      const message = raw(attributes, nlri, gone);
      if (short) message[20] = 0xff;
      a.send(message);
      lab.run();
      expect(a.wire.notification).toMatch(new RegExp(`^${code}`));
      expect(a.isUp).toBe(false);
      expect(b.table).toEqual({});
      expect(b.isUp).toBe(true);
      expect(lab.neighbor(A).faults["session-reset"]).toBe(1);
    },
  );
});

describe("the log of faults", () => {
  test("tells a fault with its octets", () => {
    const { lab, a } = two();
    const message = raw(`${GOOD} 40050400000064`, ROUTE);
    a.send(message);
    lab.run();
    const [event] = lab.logsOf("update-fault");
    expect(event).toMatchObject({ level: "info", neighbor: A });
    expect(event!.fields).toMatchObject({ action: "attribute-discard", code: 3, attribute: 5 });
    expect(event!.fields["update"]).toBe(
      Array.from(message, (o) => o.toString(16).padStart(2, "0")).join(""),
    );
  });

  test("is bounded, and tells how many faults it left out", () => {
    const { lab, a } = two();
    for (let n = 0; n < 5000; n++) a.send(raw(`${GOOD} 40050400000064`, ROUTE));
    lab.run();
    expect(lab.logsOf("update-fault")).toHaveLength(10);
    lab.advance(61_000);
    const events = lab.logsOf("update-fault");
    expect(events).toHaveLength(11);
    expect(events[10]!.fields["suppressed"]).toBe(4990);
    expect(lab.neighbor(A).faults["attribute-discard"]).toBe(5000);
    a.send(raw(`${GOOD} 40050400000064`, ROUTE));
    lab.run();
    expect(lab.logsOf("update-fault")).toHaveLength(12);
    lab.advance(120_000);
    expect(lab.logsOf("update-fault")).toHaveLength(12);
  });

  test("is bounded for a neighbor that is let in and refused again and again", () => {
    const { lab, a } = two();
    a.hangUp();
    lab.run();
    for (let n = 0; n < 100; n++) {
      const wire = a.connect(false);
      wire.feed(new Uint8Array(19));
      lab.run();
    }
    expect(lab.logsOf("connection-closed").length).toBeLessThanOrEqual(10);
    expect(lab.logsOf("message-fault").length).toBeLessThanOrEqual(10);
  });
});

describe("one UPDATE", () => {
  test("withdraws before it announces", () => {
    const { lab, a, b } = two();
    a.announce(["10.1.0.0/24", "10.2.0.0/24"]);
    lab.run();
    a.send(
      a.encode(["10.1.0.0/24", "10.2.0.0/24"], sketchAttributes({ med: 9, path: [65001, 7] }), [
        "10.1.0.0/24",
      ]),
    );
    lab.run();
    expect(b.table).toEqual({ "10.1.0.0/24": { path: "64500 65001 7", nextHop: "192.0.2.254" } });
  });

  test("may have routes in its fields and in MP_REACH_NLRI, each with its own next hop", () => {
    const { lab, a, b } = two("families: [ipv4-unicast, ipv6-unicast], next-hop: unchanged", {
      families: ["ipv4", "ipv6"],
    });
    lab.reload(
      yamlOf(`
defaults: { import: accept-all, export: accept-all, passive: true }
neighbors:
  - { address: ${A}, as: 65001, families: [ipv4-unicast, ipv6-unicast], next-hop: unchanged }
  - { address: ${B}, as: 65002, families: [ipv4-unicast, ipv6-unicast], next-hop: unchanged }
`),
    );
    lab.advance(2_000);
    b.up();
    a.announce(["10.1.0.0/24", "2001:db8:1::/48"]);
    lab.run();
    expect(b.table).toEqual({
      "10.1.0.0/24": { path: "64500 65001", nextHop: A },
      "2001:db8:1::/48": { path: "64500 65001", nextHop: "2001:db8::1" },
    });
    a.withdraw(["10.1.0.0/24", "2001:db8:1::/48"]);
    lab.run();
    expect(b.table).toEqual({});
  });

  test("is taken without the routes of families that were not negotiated", () => {
    const { lab, a, b } = two();
    const mp: AttributeValue = {
      type: 14,
      value: { afi: AFI.IPV6, safi: 1, next_hop: "2001:db8::1", nlri: ["2001:db8:1::/48"] },
    };
    const vpn: AttributeValue = {
      type: 14,
      value: { afi: AFI.IPV4, safi: 128, next_hop: "0x00", nlri: "deadbeef" },
    };
    a.send(a.encode([], [...sketchAttributes({}), mp], ["10.1.0.0/24"]));
    a.send(a.encode([], [...sketchAttributes({}), vpn], ["10.2.0.0/24"]));
    a.withdraw(["2001:db8:1::/48"]);
    lab.run();
    expect(a.isUp).toBe(true);
    expect(Object.keys(b.table)).toEqual(["10.1.0.0/24", "10.2.0.0/24"]);
    expect(lab.router.tables.rib(2).paths.size).toBe(0);
  });

  test("may say the same again without anyone hearing of it", () => {
    const { lab, a, b } = two();
    a.announce(["10.1.0.0/24"], { med: 3 });
    lab.run();
    b.wire.forget();
    a.announce(["10.1.0.0/24"], { med: 3 });
    a.withdraw(["10.9.0.0/24"]);
    lab.run();
    expect(b.wire.octets).toBe(0);
  });

  test("with many prefixes is sent on as one", () => {
    const { lab, a, b } = two();
    const prefixes = Array.from({ length: 256 }, (_, i) => `10.0.${i}.0/24`);
    a.announce(prefixes);
    lab.run();
    expect(b.wire.of("UPDATE").filter(({ nlri }) => (nlri as unknown[]).length > 0)).toHaveLength(
      1,
    );
    expect(Object.keys(b.table)).toHaveLength(256);
  });
});

function sketchAttributes({ med, path = [65001] }: { med?: number; path?: number[] }) {
  return [
    { type: 1, value: "IGP" },
    { type: 2, value: { segments: [{ type: "AS_SEQUENCE", as: path }] } },
    { type: 3, value: A },
    ...(med === undefined ? [] : [{ type: 4, value: med }]),
  ];
}

describe("End-of-RIB markers", () => {
  test("are sent for each family once the table is sent, and noted when they come", () => {
    const { lab, a, b } = two();
    a.announce(["10.1.0.0/24"]);
    lab.run();
    b.wire.hangUp();
    lab.advance(2_000);
    b.up();
    const order = b.wire.of("UPDATE").map(({ end_of_rib, nlri }) => end_of_rib ?? nlri);
    expect(order.filter((item) => item !== "ipv6-unicast")).toEqual([
      ["10.1.0.0/24"],
      "ipv4-unicast",
    ]);
    expect(b.wire.endsOfRib.sort()).toEqual(["ipv4-unicast", "ipv6-unicast"]);
    expect(showNeighbor(lab.neighbor(A)).families[0]!.end_of_rib_received).toBe(false);
    a.endOfRib();
    b.endOfRib("ipv6");
    lab.run();
    const families = (address: string) => showNeighbor(lab.neighbor(address)).families;
    expect(families(A)[0]!.end_of_rib_received).toBe(true);
    expect(families(B).map((f) => f.end_of_rib_received)).toEqual([false, true]);
  });
});

describe("what does not fit", () => {
  test("a path of 2-octet AS numbers that is too long with 4 octets is rejected, not fatal", () => {
    const { lab, a, b } = two("extended-message: true", {
      extendedMessage: true,
      fourOctetAs: false,
    });
    const as = Array.from({ length: 255 }, () => 65001);
    const segments = Array.from({ length: 120 }, () => ({ type: "AS_SEQUENCE", as }));
    a.send(
      a.encode(
        [],
        [
          { type: 1, value: "IGP" },
          { type: 2, value: { segments } },
          { type: 3, value: A },
        ],
        ["10.1.0.0/24"],
      ),
    );
    lab.run();
    expect(a.isUp).toBe(true);
    expect(b.table).toEqual({});
    expect(rejectedOf(lab)).toEqual({ "10.1.0.0/24": "attributes-too-long" });
  });

  test("a route with attributes too long for the receiver's messages is not sent to it", () => {
    const { lab, a, b } = two("extended-message: true", { extendedMessage: true });
    const big = { type: 200, value: "00".repeat(5000) };
    a.announce(["10.1.0.0/24"], { more: [big] });
    a.announce(["10.2.0.0/24"]);
    lab.run();
    expect(Object.keys(b.table)).toEqual(["10.2.0.0/24"]);
  });
});

test("messages of up to 65,535 octets pass where both sides said so, and reset where not", () => {
  const prefixes = Array.from({ length: 3000 }, (_, i) => `10.${i >> 8}.${i & 255}.0/24`);
  const { lab, a, b } = two("extended-message: true", { extendedMessage: true });
  a.announce(prefixes);
  lab.run();
  expect(Object.keys(b.table)).toHaveLength(3000);
  b.announce(["172.16.0.0/16"]);
  b.send(encodeUpdate({ withdrawn: prefixes }));
  lab.run();
  expect(b.wire.notification).toMatch("1/2");
  expect(
    decodeMessages(encodeUpdate({ withdrawn: prefixes }), {
      fourOctetAs: true,
      addPath: false,
      external: true,
    })[0]!.length,
  ).toBeGreaterThan(4096);
});
