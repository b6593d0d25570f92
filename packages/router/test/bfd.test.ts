/** What news of BFD do to sessions, and what is shown of them. */
import { type BfdChange, type BfdRecord, newRecord } from "@ts-bgp/bfd";
import { showBfd, showNeighbor } from "@ts-bgp/views";
import { expect, test } from "vitest";
import { Lab, type Peer, yamlOf } from "../../../testkit/router.ts";

const A = "192.0.2.1";
const B = "192.0.2.2";
const CONFIG = { intervalMs: 50, multiplier: 3, isPassive: false };
const LOST = { from: "up", to: "down", reason: "no packet for 150 ms", isAdmin: false } as const;

function recordIn(state: BfdRecord["state"]): BfdRecord {
  return { ...newRecord(CONFIG, 7, 1, 0), state };
}

function scene(): { lab: Lab; a: Peer; b: Peer; tell: (change: BfdChange | null) => void } {
  const lab = new Lab(
    yamlOf(`
defaults: { import: accept-all, export: accept-all }
neighbors: [{ address: ${A}, as: 65001, bfd: { interval-ms: 50 } }, { address: ${B}, as: 65002, passive: true }]
`),
  );
  const a = lab.peer(A, { as: 65001 }).up();
  const b = lab.peer(B, { as: 65002 }).up();
  a.announce(["10.1.0.0/16"]);
  lab.run();
  const tell = (change: BfdChange | null) => {
    const record = recordIn(change === null ? "up" : (change.to as BfdRecord["state"]));
    lab.router.bfd(A, { record, change }, lab.nowMs);
    lab.run();
  };
  return { lab, a, b, tell };
}

test("a path that is lost ends the session, and its routes go", () => {
  const { lab, a, b, tell } = scene();
  tell(null);
  expect(a.isUp).toBe(true);
  tell(LOST);
  expect(a.wire.notification).toBe("6/10");
  expect(b.table).toEqual({});
  expect(lab.logsOf("bfd-down")).toMatchObject([
    { level: "warn", message: "BFD is down: no packet for 150 ms, which ends the session" },
  ]);
  expect(showNeighbor(lab.neighbor(A)).bfd).toMatchObject({
    ...{ state: "down", downs: 1 },
    last_down: { reason: LOST.reason, at_ms: lab.nowMs },
  });
  // It is tried again.
  lab.advance(5000);
  expect(a.up().isUp).toBe(true);
});

test.each([
  ["an operator's wish over there", { ...LOST, isAdmin: true }],
  ["a path that was not there", { ...LOST, from: "init" }],
  ["a path that is there", { ...LOST, from: "init", to: "up" }],
] as const)("%s ends no session", (_, change) => {
  const { a, tell } = scene();
  tell(change);
  expect(a.isUp).toBe(true);
});

test("of a neighbor that has gone nothing is kept", () => {
  const { lab, tell } = scene();
  tell(null);
  expect(showBfd(lab.router)).toMatchObject([{ address: A, state: "up", detection_ms: 0 }]);
  lab.reload(yamlOf(`neighbors: [{ address: ${B}, as: 65002, passive: true }]`)).run();
  lab.router.bfd(A, { record: recordIn("down"), change: LOST }, lab.nowMs);
  expect(showBfd(lab.router)).toEqual([]);
  expect(lab.router.tables.bfd.size).toBe(0);
});
