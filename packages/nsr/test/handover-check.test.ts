/** JSON of the other side that says how connections were left. */
import { describe, expect, test } from "vitest";
import { frozenIn, isProtectedTcp, lostIn } from "../src/handover-check.ts";

const TCP = {
  ...{ localAddress: "192.0.2.1", localPort: 179, remoteAddress: "192.0.2.2", remotePort: 40_000 },
  ...{ sendSequence: 1, receiveSequence: 2, segmentOctetsMax: 1460, selectiveAcks: true },
  ...{ windowScale: { send: 7, receive: 9 }, timestamp: null, sendWindow: 3, sendWindowMax: 4 },
  ...{ receiveWindow: 5, roundTripUs: 6.5, takenAtMs: 7.5 },
};
const ONE = { acknowledged: 1, unackedOctets: 2, unsentOctets: 1, unread: "", tcp: TCP };

test("how connections were left is read by their numbers", () => {
  const json: unknown = JSON.parse(JSON.stringify({ 7: ONE, 12: ONE }));
  expect([...frozenIn(json)]).toEqual([
    [7, ONE],
    [12, ONE],
  ]);
  expect(frozenIn({}).size).toBe(0);
});

describe("a handover is refused", () => {
  test.each<[string, unknown, RegExp]>([
    ["without connections", null, /names no connections/],
    ["with a list of them", [ONE], /names no connections/],
    ["with one without a number", { x: ONE }, /connection x is not described/],
    ["with nothing of one", { 7: null }, /connection 7 is not described/],
    ["with a count that is a text", { 7: { ...ONE, acknowledged: "1" } }, /connection 7/],
    ["without what was not read", { 7: { ...ONE, unread: undefined } }, /connection 7/],
    [
      "with half a state of TCP",
      { 7: { ...ONE, tcp: { ...TCP, sendWindow: null } } },
      /connection 7/,
    ],
  ])("%s", (_, json, problem) => {
    expect(() => frozenIn(json)).toThrow(problem);
  });
});

test("lost sessions are addresses and causes, or cannot be read", () => {
  const lost = [{ address: "192.0.2.2", cause: "gone" }];
  expect(lostIn(lost)).toEqual(lost);
  for (const json of [null, {}, [1], [{ address: "192.0.2.2" }]]) expect(lostIn(json)).toBeNull();
});

test("a connection is taken over by a state of TCP that says what had arrived", () => {
  expect(isProtectedTcp({ ...TCP, arrivedOctets: 0 })).toBe(true);
  expect(isProtectedTcp({ ...TCP, windowScale: null, timestamp: 9, arrivedOctets: 0 })).toBe(true);
  for (const change of [{ localPort: "179" }, { windowScale: { send: 7 } }, { timestamp: "9" }]) {
    expect(isProtectedTcp({ ...TCP, arrivedOctets: 0, ...change })).toBe(false);
  }
  for (const tcp of [TCP, null, "tcp"]) expect(isProtectedTcp(tcp)).toBe(false);
});
