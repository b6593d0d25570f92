/** Sessions coming up and going down, through the router as a whole. */

import {
  CEASE,
  encodeNotification,
  encodeOpen,
  KEEPALIVE_OCTETS,
  parseIpv4,
} from "@ts-bgp/wire-codec";
import { describe, expect, test } from "vitest";
import { Lab, yamlOf } from "../../../testkit/router.ts";
import { ROUTER_ADDRESS, ROUTER_AS } from "../../../testkit/sketch.ts";

const PEER = "192.0.2.1";
const OPEN_ALL = "import: accept-all, export: accept-all";

function one(options = "", seed = 1): Lab {
  return new Lab(yamlOf(`neighbors: [{ address: ${PEER}, as: 65001, ${OPEN_ALL}, ${options} }]`), {
    seed,
  });
}

describe("a session comes up", () => {
  test("when the peer connects", () => {
    const lab = one("passive: true");
    const peer = lab.peer(PEER, { as: 65001 }).up();
    expect(peer.wire.messages.map(({ type }) => type)).toEqual(["OPEN", "KEEPALIVE", "UPDATE"]);
    expect(peer.wire.endsOfRib).toEqual(["ipv4-unicast"]);
    expect(lab.logsOf("session-up")).toHaveLength(1);
  });

  test("when the router connects", () => {
    const lab = one();
    expect(lab.attempts).toMatchObject([{ address: PEER, port: 179 }]);
    const peer = lab.peer(PEER, { as: 65001 });
    const { id } = lab.attempts[0]!;
    peer.adopt(id);
    lab.router.connected(id, ROUTER_ADDRESS, null, lab.nowMs);
    lab.run();
    expect(peer.isUp).toBe(true);
    expect(lab.router.neighbors.get(PEER)!.establishedCount).toBe(1);
  });

  test("after the attempt was refused and the peer connects instead", () => {
    const lab = one();
    lab.router.connectFailed(lab.attempts[0]!.id, lab.nowMs);
    lab.run();
    expect(lab.neighbor(PEER).fsmState).toBe("active");
    expect(lab.peer(PEER, { as: 65001 }).up().isUp).toBe(true);
  });

  test("after attempts that were refused, at the connect retry time", () => {
    const lab = one("connect-retry: 10");
    lab.router.connectFailed(lab.attempts.pop()!.id, lab.nowMs);
    lab.run();
    expect(lab.attempts).toEqual([]);
    lab.peer(PEER, { as: 65001 }).listens = true;
    lab.advance(10_000);
    expect(lab.neighbor(PEER).fsmState).toBe("established");
  });
});

test("an address that is not configured is refused", () => {
  const lab = one();
  expect(lab.router.accepted("203.0.113.9", 1, ROUTER_ADDRESS, null, lab.nowMs)).toBeNull();
});

test("a neighbor that is disabled is told so when it connects, and others are not bothered", () => {
  const lab = one("passive: true, enabled: false");
  const wire = lab.peer(PEER, { as: 65001 }).connect();
  lab.run();
  expect(wire.notification).toBe(`6/${CEASE.CONNECTION_REJECTED}`);
  expect(wire.closed).toBe(true);
});

test.each([
  ["the higher BGP Identifier is the peer's", "192.0.2.255", "incoming"],
  ["the higher BGP Identifier is ours", "192.0.2.1", "outgoing"],
])("two connections at once: when %s, that side's stays", (_title, id, stays) => {
  const lab = one();
  const peer = lab.peer(PEER, { as: 65001, id });
  const attempt = lab.attempts[0]!;
  // Both TCP connections come up before either OPEN is read.
  const outgoing = peer.adopt(attempt.id);
  outgoing.speaks = false;
  lab.router.connected(attempt.id, ROUTER_ADDRESS, null, lab.nowMs);
  const incoming = peer.connect(false);
  lab.run();
  outgoing.feed(peer.open);
  incoming.feed(peer.open);
  lab.run();
  const [kept, gone] = stays === "incoming" ? [incoming, outgoing] : [outgoing, incoming];
  expect(gone.notification).toBe(`6/${CEASE.CONNECTION_COLLISION}`);
  kept.feed(KEEPALIVE_OCTETS);
  lab.run();
  expect(peer.isUp).toBe(true);
  expect(lab.neighbor(PEER).session!.connection.id).toBe(kept.id);
});

test("a second connection of a peer whose session is up is refused, and the session stays", () => {
  const lab = one("passive: true");
  const peer = lab.peer(PEER, { as: 65001 }).up();
  const first = peer.wire.forget();
  const second = peer.connect();
  lab.run();
  expect(second.notification).toBe(`6/${CEASE.CONNECTION_COLLISION}`);
  expect(first.messages.map(({ type }) => type)).toEqual(["KEEPALIVE"]);
  expect(peer.isUp).toBe(true);
});

test.each([
  ["another AS number", { as: 65009 }, "2/2"],
  ["an AS number of 4 octets that is not its own", { as: 4_200_000_000 }, "2/2"],
  ["no address family in common", { as: 65001, families: ["ipv6"] as const }, "2/7"],
])("a peer with %s is refused with that notification", (_title, options, notification) => {
  const lab = one("passive: true");
  const wire = lab.peer(PEER, options).connect();
  lab.run();
  expect(wire.notification).toBe(notification);
  expect(wire.closed).toBe(true);
  expect(lab.neighbor(PEER).lastFailure?.reason).toMatchObject({ kind: "notification-sent" });
});

test("an internal peer with our own BGP Identifier is refused", () => {
  const lab = new Lab(yamlOf(`neighbors: [{ address: ${PEER}, as: ${ROUTER_AS}, passive: true }]`));
  const wire = lab.peer(PEER, { as: ROUTER_AS, id: ROUTER_ADDRESS }).connect();
  lab.run();
  expect(wire.notification).toBe("2/3");
});

describe("the hold timer", () => {
  test("ends the session of a peer that is silent", () => {
    const lab = one("passive: true");
    const peer = lab.peer(PEER, { as: 65001 }).up();
    peer.wire.speaks = false;
    lab.advance(89_000);
    expect(peer.isUp).toBe(true);
    lab.advance(2_000);
    expect(peer.isUp).toBe(false);
    expect(peer.wire.notification).toBe("4/0");
  });

  test("does not expire over octets that nobody has read", () => {
    const lab = one("passive: true");
    const peer = lab.peer(PEER, { as: 65001 }).up();
    peer.wire.speaks = false;
    lab.advance(89_000);
    peer.wire.feed(KEEPALIVE_OCTETS);
    // The process was busy elsewhere: no slice came in between.
    lab.nowMs += 60_000;
    lab.router.tick(lab.nowMs);
    lab.run();
    expect(peer.isUp).toBe(true);
  });

  test("expires when the peer stops in the middle of a message", () => {
    const lab = one("passive: true");
    const peer = lab.peer(PEER, { as: 65001 }).up();
    peer.wire.speaks = false;
    peer.wire.feed(KEEPALIVE_OCTETS.slice(0, 7));
    lab.advance(95_000);
    expect(peer.isUp).toBe(false);
    expect(peer.wire.notification).toBe("4/0");
  });

  test("is not there with a hold time of 0, and no KEEPALIVE is sent", () => {
    const lab = one("passive: true");
    const peer = lab.peer(PEER, { as: 65001, holdTime: 0 }).up();
    peer.wire.forget();
    lab.advance(600_000);
    expect(peer.isUp).toBe(true);
    expect(peer.wire.messages).toEqual([]);
  });
});

test("KEEPALIVE messages go out at a third of the smaller hold time", () => {
  const lab = one("passive: true, hold-time: 90");
  const peer = lab.peer(PEER, { as: 65001, holdTime: 30 }).up();
  peer.wire.forget();
  lab.advance(60_000);
  // Jitter makes each interval 7.5 to 10 seconds.
  const { length } = peer.wire.of("KEEPALIVE");
  expect(length).toBeGreaterThanOrEqual(6);
  expect(length).toBeLessThanOrEqual(8);
});

test("the send hold timer ends the session of a peer that takes nothing", () => {
  const lab = one("passive: true, hold-time: 30");
  const peer = lab.peer(PEER, { as: 65001, holdTime: 30 }).up();
  peer.wire.reads = false;
  lab.advance(479_000);
  expect(peer.isUp).toBe(true);
  lab.advance(10_000);
  expect(peer.isUp).toBe(false);
  expect(lab.neighbor(PEER).lastDown?.reason.kind).toBe("send-hold-timer-expired");
});

test("our OPEN waits for the peer's where the configuration says so, not longer than that", () => {
  const address = "192.0.2.1";
  const yaml = yamlOf(
    `neighbors: [{ address: ${address}, as: 65001, passive: true, delay-open: 5 }]`,
  );
  for (const speaks of [true, false]) {
    const lab = new Lab(yaml);
    const peer = lab.peer(address, { as: 65001 });
    const wire = peer.connect(false);
    lab.run();
    expect(wire.of("OPEN")).toEqual([]);
    if (speaks) peer.send(peer.open);
    else lab.advance(5100);
    lab.run();
    expect(wire.of("OPEN")).toHaveLength(1);
  }
});

test("KEEPALIVE messages are on time while a full table loads and slices are long", () => {
  const lab = new Lab(
    yamlOf(`
neighbors:
  - { address: 192.0.2.1, as: 65001, ${OPEN_ALL}, passive: true, hold-time: 9 }
  - { address: 192.0.2.2, as: 65002, ${OPEN_ALL}, passive: true, hold-time: 9 }
`),
    { budget: () => 5 },
  );
  const a = lab.peer("192.0.2.1", { as: 65001, holdTime: 9 }).up();
  const b = lab.peer("192.0.2.2", { as: 65002, holdTime: 9 }).up();
  const sentAtMs: number[] = [lab.nowMs];
  for (let n = 0; n < 2000; n++) {
    const routes = Array.from(
      { length: 100 },
      (_, i) => `10.${n >> 3}.${(n & 7) * 32 + (i >> 2)}.${(i & 3) * 64}/26`,
    );
    a.announce(routes, { path: [65001, 1 + (n % 500)] });
  }
  for (let n = 0; n < 1000; n++) {
    const before = b.wire.of("KEEPALIVE").length;
    lab.nowMs += 40;
    lab.router.tick(lab.nowMs);
    for (const wire of lab.wires.values()) wire.keepAlive();
    const more = lab.slice();
    if (b.wire.of("KEEPALIVE").length > before) sentAtMs.push(lab.nowMs);
    if (!more && n > 400) break;
  }
  expect(a.isUp && b.isUp).toBe(true);
  const gaps = sentAtMs.slice(1).map((at, i) => at - sentAtMs[i]!);
  expect(Math.max(...gaps)).toBeLessThanOrEqual(3_040);
  expect(b.wire.table.size).toBe(200_000);
});

test("a slice reads a bounded piece of each connection's input, however many there are", () => {
  const addresses = Array.from({ length: 100 }, (_, i) => `10.255.0.${i + 1}`);
  const lines = addresses.map((address, i) => `  - { address: ${address}, as: ${65001 + i} }`);
  const lab = new Lab(
    yamlOf(`defaults: { import: accept-all, passive: true }\nneighbors:\n${lines.join("\n")}\n`),
    { budget: () => 0 },
  );
  const peers = addresses.map((address, i) => lab.peer(address, { as: 65001 + i }).up());
  for (const [i, peer] of peers.entries()) {
    for (let n = 0; n < 100; n++) peer.announce([`10.${i}.${n}.0/24`]);
  }
  const before = lab.router.tables.rib(1).paths.size;
  lab.slice();
  // With no time at all, one connection has its turn, not all of them.
  expect(lab.router.tables.rib(1).paths.size - before).toBeLessThanOrEqual(100);
  lab.run();
  expect(lab.router.tables.rib(1).paths.size).toBe(10_000);
});

describe("what a peer has sent is read before its end", () => {
  test("a NOTIFICATION right before the end is the reason", () => {
    const lab = one("passive: true");
    const peer = lab.peer(PEER, { as: 65001 }).up();
    peer.wire.feed(encodeNotification(6, CEASE.ADMINISTRATIVE_RESET, new Uint8Array(0)));
    peer.hangUp();
    lab.run();
    expect(lab.neighbor(PEER).lastDown?.reason).toMatchObject({
      kind: "notification-received",
      code: 6,
      subcode: CEASE.ADMINISTRATIVE_RESET,
    });
  });

  test("an OPEN with a fault right before the end is told as such", () => {
    const lab = one("passive: true");
    const peer = lab.peer(PEER, { as: 65009 });
    const wire = peer.connect();
    wire.hangUp();
    lab.run();
    expect(lab.neighbor(PEER).lastFailure?.reason).toMatchObject({
      kind: "notification-sent",
      code: 2,
    });
  });
});

test("octets that come for a connection that is gone are ignored", () => {
  const lab = one("passive: true");
  const peer = lab.peer(PEER, { as: 65001 }).up();
  peer.hangUp();
  lab.run();
  expect(lab.router.received(peer.wire.id, KEEPALIVE_OCTETS)).toBe(true);
  lab.router.sent(peer.wire.id, 19, lab.nowMs);
  lab.router.closed(peer.wire.id, lab.nowMs);
  lab.router.closed(4711, lab.nowMs);
  lab.router.connected(4711, ROUTER_ADDRESS, null, lab.nowMs);
  lab.router.connectFailed(4711, lab.nowMs);
  lab.run();
  expect(lab.neighbor(PEER).fsmState).toBe("idle");
});

test("the shell is told to stop reading when much input waits, and when to go on", () => {
  const lab = one("passive: true");
  const peer = lab.peer(PEER, { as: 65001 }).up();
  const { router } = lab;
  const octets = new Uint8Array(19 * 1000);
  for (let i = 0; i < 1000; i++) octets.set(KEEPALIVE_OCTETS, 19 * i);
  let fed = 0;
  while (router.received(peer.wire.id, octets)) fed += octets.length;
  expect(fed).toBeGreaterThan(200_000);
  expect(fed).toBeLessThan(300_000);
  expect(router.wantsInput(peer.wire.id)).toBe(false);
  lab.run();
  expect(router.wantsInput(peer.wire.id)).toBe(true);
  expect(peer.isUp).toBe(true);
});

test.each([
  ["a message header that is none", new Uint8Array(19), "1/1"],
  ["a second OPEN", "open", "5/3"],
])("%s ends the session with that notification", (_title, octets, notification) => {
  const lab = one("passive: true");
  const peer = lab.peer(PEER, { as: 65001 }).up();
  peer.send(octets === "open" ? peer.open : (octets as Uint8Array));
  lab.run();
  expect(peer.wire.notification).toBe(notification);
  expect(peer.isUp).toBe(false);
});

test("messages before OPEN end the connection with an FSM error", () => {
  const lab = one("passive: true");
  const peer = lab.peer(PEER, { as: 65001 });
  const wire = peer.connect(false);
  wire.feed(KEEPALIVE_OCTETS);
  lab.run();
  expect(wire.notification).toBe("5/1");
});

test("a peer that comes again and again with faults is let in at ever longer intervals", () => {
  const lab = one("passive: true");
  const peer = lab.peer(PEER, { as: 65009 });
  const notifications: (string | null)[] = [];
  for (let n = 0; n < 4; n++) {
    const wire = peer.connect();
    lab.run();
    notifications.push(wire.notification);
  }
  expect(notifications).toEqual(["2/2", "2/2", "6/5", "6/5"]);
});

test("a peer whose capabilities are not known is shown with them", () => {
  const lab = one("passive: true");
  const peer = lab.peer(PEER, { as: 65001 });
  const wire = peer.connect(false);
  const value = Uint8Array.of(1, 2, 3);
  const open = encodeOpen({
    version: 4,
    as: 65001,
    holdTimeSeconds: 90,
    bgpIdentifier: parseIpv4(PEER)!,
    capabilities: [{ code: 200, name: "unknown", value }],
  });
  // The OPEN straddles pieces, and more octets follow through the same buffers.
  for (const octet of open) wire.feed(Uint8Array.of(octet));
  for (let n = 0; n < 3; n++) {
    for (const octet of KEEPALIVE_OCTETS) wire.feed(Uint8Array.of(octet));
    lab.run();
  }
  expect(lab.neighbor(PEER).session!.negotiated.peerCapabilities).toEqual([
    { code: 200, name: "unknown", value },
  ]);
});
