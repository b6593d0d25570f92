/** Which of its servers a mirror follows. */

import { expect, test } from "vitest";
import { ServerChoice } from "../src/server-choice.ts";

const [RELAY, A, B] = ["/r", "/a", "/b"].map((path) => ({ path })) as [
  { path: string },
  { path: string },
  { path: string },
];
const SERVERS = [RELAY, A, B];

test("one that has sent it away is the last for a while", () => {
  const choice = new ServerChoice(SERVERS);
  expect(choice.candidates(0)).toEqual(SERVERS);
  choice.avoid(RELAY, 1000);
  expect(choice.candidates(1000)).toEqual([A, B, RELAY]);
  expect(choice.candidates(30_999)).toEqual([A, B, RELAY]);
  expect(choice.candidates(31_000)).toEqual(SERVERS);
  for (const server of SERVERS) choice.avoid(server, 40_000);
  expect(choice.candidates(40_000)).toEqual(SERVERS);
});

test("those that go before the one that is followed are tried twice a minute", () => {
  const choice = new ServerChoice(SERVERS);
  choice.followed(RELAY, 0);
  expect(choice.better(RELAY, 1e9)).toEqual([]);
  choice.followed(B, 0);
  expect(choice.better(B, 29_999)).toEqual([]);
  expect(choice.better(B, 30_000)).toEqual([RELAY, A]);
  expect(choice.better(B, 59_999)).toEqual([]);
  choice.avoid(RELAY, 59_999);
  expect(choice.better(B, 60_000)).toEqual([A]);
});

test("one that is there and lets nobody follow is tried less and less often, until it is followed", () => {
  const choice = new ServerChoice([RELAY, A]);
  const waits: number[] = [];
  let nowMs = 0;
  for (let round = 0; round < 7; round++) {
    choice.followed(A, nowMs);
    const beganMs = nowMs;
    while (choice.better(A, nowMs).length === 0) nowMs += 1000;
    waits.push((nowMs - beganMs) / 1000);
    choice.goesBack();
    choice.avoid(RELAY, nowMs);
  }
  expect(waits).toEqual([30, 60, 120, 240, 480, 600, 600]);
  choice.followed(RELAY, nowMs);
  choice.followed(A, nowMs);
  expect(choice.better(A, nowMs + 30_000)).toEqual([RELAY]);
});

test("one that follows nobody is left when another one was there twice, with some time between", () => {
  const choice = new ServerChoice(SERVERS);
  choice.followed(RELAY, 0);
  const at = (nowMs: number, isStranded = true) => choice.others(RELAY, isStranded, nowMs);
  expect([at(0, false), at(1000), at(30_999)]).toEqual([[], [], []]);
  expect(at(31_000)).toEqual([A, B]);
  expect(choice.isThere()).toBe(false);
  expect(at(60_999)).toEqual([]);
  expect(at(61_000)).toEqual([A, B]);
  // None was there in between.
  choice.isNotThere();
  expect(at(91_000)).toEqual([A, B]);
  expect(choice.isThere()).toBe(false);
  expect(at(121_000)).toEqual([A, B]);
  expect(choice.isThere()).toBe(true);
});

test("one that has followed somebody again in between is not left", () => {
  const choice = new ServerChoice(SERVERS);
  choice.followed(RELAY, 0);
  expect(choice.others(RELAY, true, 1000)).toEqual([]);
  expect(choice.others(RELAY, true, 31_000)).toEqual([A, B]);
  choice.isThere();
  expect(choice.others(RELAY, false, 32_000)).toEqual([]);
  expect(choice.others(RELAY, true, 40_000)).toEqual([]);
  expect(choice.others(RELAY, true, 69_999)).toEqual([]);
  expect(choice.others(RELAY, true, 70_000)).toEqual([A, B]);
  expect(choice.isThere()).toBe(false);
});

test("one that is not there, and tried first, does not keep a third one from being looked for", () => {
  const [dead, stranded, there] = ["/r1", "/r2", "/p"].map((path) => ({ path }));
  const choice = new ServerChoice([dead!, stranded!, there!]);
  choice.followed(stranded!, 0);
  // As a mirror that follows looks: both fall due at once.
  let found = 0;
  for (let nowMs = 0; nowMs < 180_000; nowMs += 500) {
    const better = choice.better(stranded!, nowMs);
    const others = better.length > 0 ? [] : choice.others(stranded!, true, nowMs);
    if (others.includes(there!)) found++;
  }
  expect(found).toBeGreaterThanOrEqual(2);
});
