/** Refused connections are counted each, and told of now and then. */
import { expect, test } from "vitest";
import { NONE_REFUSED, RefusalBatch, Refusals, type Refused } from "../src/refusals.ts";

const SLOW = { reason: "slow", from: "192.0.2.9 port 5", text: "said nothing", count: 1 } as const;

test("a flood is one line, with the address, and the next line says how many there were", () => {
  const lines: string[] = [];
  let nowMs = 0;
  const refusals = new Refusals(
    (line) => lines.push(line),
    () => nowMs,
  );
  for (let n = 0; n < 1000; n++) refusals.note(SLOW);
  refusals.note({ ...SLOW, reason: "user", from: "process 7 of user 65534", text: "another user" });
  expect(lines).toEqual([
    "refused 192.0.2.9 port 5: said nothing",
    "refused process 7 of user 65534: another user",
  ]);
  nowMs = 10_000;
  refusals.note({ ...SLOW, from: "192.0.2.7 port 9", count: 3 });
  expect(lines[2]).toBe(
    "refused 192.0.2.7 port 9: said nothing (and 1001 more since the last such line)",
  );
  expect(refusals.totals).toEqual({ ...NONE_REFUSED, slow: 1003, user: 1 });
});

test("a thread tells of many at once", async () => {
  const told = await new Promise<readonly Refused[]>((resolve) => {
    const batch = new RefusalBatch(resolve);
    for (let n = 0; n < 500; n++) batch.note({ ...SLOW, from: `192.0.2.${n % 7}` });
    batch.note({ reason: "hello", from: "x", text: "y" });
    // The timer of the batch keeps nothing alive.
    setTimeout(() => {}, 1000);
  });
  expect(told).toEqual([
    { ...SLOW, from: "192.0.2.2", count: 500 },
    { reason: "hello", from: "x", text: "y", count: 1 },
  ]);
});
