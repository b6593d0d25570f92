/** A speaker whose connections have no sockets yet does nothing that peers would see of it. */
import { setImmediate as turn } from "node:timers/promises";
import { expect, test } from "vitest";
import { configOf, yamlOf } from "../../../testkit/router.ts";
import { newMachine } from "../src/machine.ts";
import { Speaker } from "../src/speaker.ts";

const CONFIG = configOf(yamlOf("neighbors: [{ address: 127.1.0.1, as: 65001, passive: true }]"));

test("ends no bracket before connections have their sockets", async () => {
  const estate = { number: 7, brackets: [], heirs: ["c"], stream: 0, nowMs: 0 };
  const speaker = new Speaker(newMachine(CONFIG), { log: () => {}, epoch: 2, estate });
  const placed = Promise.withResolvers<void>();
  // What was about to begin before does not, either.
  speaker.schedule();
  const restoring = speaker.restoring(() => {
    speaker.schedule();
    return placed.promise;
  });
  speaker.journal.run({ record: "start", nowMs: 1 });
  expect(speaker.active.resume("c", 8, 1)).toEqual([]);
  speaker.schedule();
  for (let turns = 0; turns < 3; turns++) await turn();
  expect([speaker.slices.count, speaker.active.number]).toEqual([0, 7]);
  placed.resolve();
  await restoring;
  for (let turns = 0; turns < 3; turns++) await turn();
  expect(speaker.slices.count).toBeGreaterThan(0);
  speaker.suspend();
});
