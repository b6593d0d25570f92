/** What the thread of BFD is told while another process leads. */

import type { Router } from "@ts-bgp/router";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Bfd } from "../src/bfd.ts";
import type { BfdOrder } from "../src/bfd-orders.ts";

const ADDRESS = "192.0.2.9";
const ROUTER = {
  neighbors: new Map([
    [
      ADDRESS,
      { config: { address: ADDRESS, bfd: {}, enabled: true, localAddress: null, speaker: null } },
    ],
  ]),
  tables: { bfd: new Map([[ADDRESS, { record: {} }]]) },
} as unknown as Router;
const WATCHED = { memory: new SharedArrayBuffer(4), word: 0, silentMs: 100 };

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** @returns a BFD without a thread, and what that would be told: role, number of sessions, clock */
function newBfd() {
  const orders: string[] = [];
  const bfd = new Bfd(
    () => {},
    () => {},
  );
  bfd["send"] = (order: BfdOrder) => {
    if (typeof order === "string" || !("wanted" in order)) return;
    orders.push(`${order.role} ${order.wanted?.length} ${order.clockOffsetMs}`);
  };
  return { bfd, orders };
}

test("a shadow is told once the clock of the active is known better, and not more often than that", () => {
  const { bfd, orders } = newBfd();
  let offsetMs = -90;
  bfd.shadow({ router: () => ROUTER, clockOffsetMs: () => offsetMs }, WATCHED);
  vi.advanceTimersByTime(2000);
  expect(orders).toEqual(["shadow 1 -90"]);
  offsetMs = -87;
  vi.advanceTimersByTime(2000);
  offsetMs = -2;
  vi.advanceTimersByTime(2000);
  expect(orders).toEqual(["shadow 1 -90", "shadow 1 -2"]);
});

test("one that sends alone goes on while the next active is not followed yet", () => {
  const { bfd, orders } = newBfd();
  bfd.shadow({ router: () => ROUTER, clockOffsetMs: () => 10 }, WATCHED);
  bfd.goAlone();
  expect(orders.splice(0)).toEqual(["shadow 1 10", "alone undefined 10"]);
  let router: Router | null = null;
  const clockOffsetMs = () => (router === null ? Number.NEGATIVE_INFINITY : 20);
  bfd.shadow({ router: () => router, clockOffsetMs }, WATCHED);
  vi.advanceTimersByTime(2000);
  expect(orders).toEqual([]);
  router = ROUTER;
  vi.advanceTimersByTime(2000);
  expect(orders).toEqual(["shadow 1 20"]);
});
