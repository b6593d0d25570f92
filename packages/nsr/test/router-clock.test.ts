/** What a standby knows of the clock of the active's router. */

import type { Machine } from "@ts-bgp/replication";
import { expect, test } from "vitest";
import { RouterClock } from "../src/router-clock.ts";

/** @param nowMs - of its last record that was run */
const machineAt = (nowMs: number) => ({ router: { tables: { nowMs } } }) as Machine;

test("before anything was run nothing is known, and then what was heard last", () => {
  const clock = new RouterClock();
  expect(clock.note(null, 500)).toBe(Number.NEGATIVE_INFINITY);
  expect(clock.note(machineAt(10_500), 500)).toBe(10_000);
});

test("what is heard late, or not run yet, does not make the clock slow", () => {
  const clock = new RouterClock();
  // A tick every 100 ms, heard 1 to 90 ms later; of other frames nothing is run for a while.
  let aheadMs = 0;
  for (let k = 0; k < 50; k++) {
    const [routerMs, lateMs] = [7000 + 100 * k, 1 + ((37 * k) % 90)];
    clock.note(machineAt(routerMs), routerMs - 7000 + lateMs);
    aheadMs = clock.note(machineAt(routerMs), routerMs - 7000 + lateMs + 99);
  }
  expect(aheadMs).toBe(6999);
});

test("clocks that come apart are followed after two spans, in both directions", () => {
  for (const perSecondMs of [-0.5, 0.5]) {
    const clock = new RouterClock();
    let aheadMs = 0;
    for (let second = 0; second < 600; second++) {
      const heardMs = 1000 * second;
      aheadMs = clock.note(machineAt(heardMs + 100 + perSecondMs * second), heardMs);
    }
    expect(Math.abs(aheadMs - (100 + 600 * perSecondMs))).toBeLessThan(12);
  }
});
