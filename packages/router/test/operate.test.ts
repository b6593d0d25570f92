/** What an operator does to neighbors, and how the router stops. */

import { showNeighbor } from "@ts-bgp/views";
import { CEASE } from "@ts-bgp/wire-codec";
import { describe, expect, test } from "vitest";
import { Lab, type Peer, yamlOf } from "../../../testkit/router.ts";

const A = "192.0.2.1";
const B = "192.0.2.2";

const YAML = yamlOf(`
defaults: { import: accept-all, export: accept-all }
neighbors: [{ address: ${A}, as: 65001 }, { address: ${B}, as: 65002, passive: true }]
`);

function two(): { lab: Lab; a: Peer; b: Peer } {
  const lab = new Lab(YAML);
  const a = lab.peer(A, { as: 65001 }).up();
  const b = lab.peer(B, { as: 65002 }).up();
  a.announce(["10.1.0.0/16"]);
  lab.run();
  return { lab, a, b };
}

describe("disable", () => {
  test("ends the session with the operator's text, and keeps it down until enable", () => {
    const { lab, a, b } = two();
    lab.operate(A, { do: "disable", text: "maintenance until 6" });
    lab.run();
    expect(a.wire.notification).toBe("6/2 maintenance until 6");
    expect(b.table).toEqual({});
    expect(lab.logsOf("operator")).toHaveLength(1);
    lab.advance(600_000);
    expect(lab.attempts).toEqual([]);
    const refused = a.connect();
    lab.run();
    expect(refused.notification).toBe(`6/${CEASE.CONNECTION_REJECTED}`);
    expect(showNeighbor(lab.neighbor(A))).toMatchObject({ state: "Idle", disabled: true });
    lab.operate(A, { do: "enable" });
    lab.run();
    expect(lab.attempts).toHaveLength(1);
    expect(a.up().isUp).toBe(true);
  });

  test("holds across reloads", () => {
    const { lab } = two();
    lab.operate(A, { do: "disable", text: null });
    lab.run();
    const yaml = (hold: number) =>
      yamlOf(`
defaults: { import: accept-all, export: accept-all, hold-time: ${hold} }
neighbors: [{ address: ${A}, as: 65001 }, { address: ${B}, as: 65002, passive: true }]
`);
    lab.reload(yaml(30)).run().advance(60_000);
    expect(lab.neighbor(A).fsmState).toBe("idle");
    expect(lab.attempts).toEqual([]);
  });
});

test("reset ends the session with a text, and it begins anew", () => {
  const { lab, a } = two();
  a.listens = true;
  lab.operate(A, { do: "reset", text: "try again" });
  lab.run();
  expect(a.isUp).toBe(false);
  const first = [...lab.wires.values()][0]!;
  expect(first.notification).toBe("6/4 try again");
  lab.advance(2_000);
  expect(a.isUp).toBe(true);
});

describe("quarantine", () => {
  const HELD = { do: "quarantine", cause: "SIGABRT", count: 1, file: "/x.hex" } as const;

  test("ends the session with a text, for a time, and nothing more of it is read", () => {
    const { lab, a, b } = two();
    a.announce(["10.2.0.0/16"]);
    lab.operate(A, HELD);
    lab.run();
    expect(a.wire.notification).toMatch(
      /^6\/2 a message of this session may have ended our BGP process/,
    );
    expect(b.table).toEqual({});
    expect(lab.logsOf("quarantine")).toMatchObject([
      { level: "error", fields: { seconds: 60, count: 1, file: "/x.hex" } },
    ]);
    lab.advance(50_000);
    expect(lab.attempts).toEqual([]);
    const refused = a.connect();
    lab.run();
    expect(refused.notification).toBe(`6/${CEASE.CONNECTION_REJECTED}`);
    expect(showNeighbor(lab.neighbor(A))).toMatchObject({
      state: "Idle",
      quarantine: { address: A, cause: "SIGABRT", count: 1, held: true },
    });
    lab.advance(20_000);
    expect(lab.attempts).toHaveLength(1);
    expect(a.up().isUp).toBe(true);
    expect(showNeighbor(lab.neighbor(A)).quarantine).toMatchObject({ count: 1, held: false });
  });

  test("is twice as long the next time, and over with release", () => {
    const { lab, a } = two();
    lab.operate(A, HELD);
    lab.run().advance(61_000);
    expect(a.up().isUp).toBe(true);
    lab.operate(A, HELD);
    lab.run().advance(100_000);
    expect(showNeighbor(lab.neighbor(A)).quarantine).toMatchObject({ count: 2, held: true });
    lab.operate(A, { do: "release" });
    lab.run();
    expect(lab.attempts).toHaveLength(1);
    expect(showNeighbor(lab.neighbor(A)).quarantine).toBeNull();
  });

  test("outlasts a reload that has the neighbor connect in another way", () => {
    const { lab } = two();
    lab.operate(A, HELD);
    lab.run();
    const port = yamlOf(`
defaults: { import: accept-all, export: accept-all }
neighbors: [{ address: ${A}, as: 65001, port: 1790 }, { address: ${B}, as: 65002, passive: true }]
`);
    lab.reload(port).run().advance(50_000);
    expect(lab.attempts).toEqual([]);
    lab.advance(20_000);
    expect(lab.attempts).toHaveLength(1);
  });
});

test("a shutdown ends all sessions, with the text, and none begins again", () => {
  const { lab, a, b } = two();
  lab.router.shutdown("going away", false, lab.nowMs);
  lab.run();
  expect([a, b].map(({ wire }) => wire.notification)).toEqual(["6/2 going away", "6/2 going away"]);
  lab.advance(300_000);
  expect(lab.attempts).toEqual([]);
});

test("how the last session ended is shown with the peer's words", () => {
  const { lab, a, b } = two();
  a.notify(6, 2, "back at noon");
  lab.run();
  b.hangUp();
  lab.run();
  expect(showNeighbor(lab.neighbor(A)).last_down).toMatchObject({
    reason: 'received Cease/Administrative Shutdown: "back at noon"',
    notification: { direction: "received", code: 6, subcode: 2, text: "back at noon" },
  });
  expect(showNeighbor(lab.neighbor(B)).last_down).toMatchObject({
    reason: "connection lost",
    notification: null,
  });
  expect(lab.logsOf("session-down").map(({ fields }) => fields["reason"])).toEqual([
    "notification-received",
    "connection-lost",
  ]);
});

describe("why a session ended is shown", () => {
  const down = (lab: Lab) => {
    const { last_down, last_failure } = showNeighbor(lab.neighbor(A));
    return [last_down?.reason, last_failure?.reason];
  };
  const FAULT = "sent Message Header Error/Bad Message Length";
  const bad = (peer: Peer) =>
    peer.send(Uint8Array.from([...new Uint8Array(16).fill(255), 0, 1, 2]));

  test("also after the neighbor was refused, as it is for a while after a fault", () => {
    const { lab, a } = two();
    for (let i = 0; i < 3; i++) {
      bad(a);
      lab.run();
      expect(down(lab)).toEqual([FAULT, undefined]);
      a.connect();
      lab.run();
    }
    expect(a.wire.notification).toBe(`6/${CEASE.CONNECTION_REJECTED}`);
    expect(down(lab)).toEqual([FAULT, undefined]);
  });

  test("beside why connections since then did not come to one", () => {
    const { lab, a } = two();
    bad(a);
    lab.run();
    a.options = { ...a.options, as: 65099 };
    a.connect();
    lab.run();
    const failure = "sent OPEN Message Error/Bad Peer AS";
    expect(down(lab)).toEqual([FAULT, failure]);
    a.connect();
    lab.run();
    expect(a.wire.notification).toBe(`6/${CEASE.CONNECTION_REJECTED}`);
    expect(down(lab)).toEqual([FAULT, failure]);
  });

  test("and before the first session, why there is none", () => {
    const { lab, a } = two();
    // Another AS is another neighbor, which has had no session.
    lab.reload(YAML.replace("as: 65001", "as: 65098")).run();
    a.connect();
    lab.run();
    a.connect();
    lab.run();
    const failure = "sent OPEN Message Error/Bad Peer AS";
    expect(down(lab)).toEqual([failure, failure]);
  });
});
