/** How many connections an address may make, and what is told of those beyond. */
import * as fc from "fast-check";
import { expect, test } from "vitest";
import type { LogEvent } from "../src/log-event.ts";
import {
  CONNECTIONS_BURST,
  CONNECTIONS_PER_SECOND,
  ConnectionRate,
  TurnedAway,
} from "../src/turned-away.ts";

test("at any moment no more was taken than the burst and what has come since", () => {
  const gaps = fc.array(fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 5000 })));
  fc.assert(
    fc.property(gaps, (gapsMs) => {
      const rate = new ConnectionRate();
      let nowMs = 0;
      let taken = 0;
      for (const gapMs of gapsMs) {
        nowMs += gapMs;
        const mayTake = CONNECTIONS_BURST + (nowMs * CONNECTIONS_PER_SECOND) / 1000;
        if (rate.take("192.0.2.1", nowMs)) taken++;
        expect(taken).toBeLessThanOrEqual(mayTake);
      }
      // Who has waited for a moment is never turned away.
      expect(rate.take("192.0.2.1", nowMs + 1000 / CONNECTIONS_PER_SECOND)).toBe(true);
    }),
  );
});

test("one address takes nothing from another", () => {
  const rate = new ConnectionRate();
  const take = (address: string) => {
    let taken = 0;
    while (rate.take(address, 1000)) taken++;
    return taken;
  };
  expect([take("192.0.2.1"), take("192.0.2.1"), take("192.0.2.2")]).toEqual([
    CONNECTIONS_BURST,
    0,
    CONNECTIONS_BURST,
  ]);
});

test("however many addresses there are, few are remembered, and who comes again is", () => {
  const rate = new ConnectionRate();
  const own = () => rate.take("192.0.2.1", 0);
  for (let i = 0; i < CONNECTIONS_BURST; i++) expect(own()).toBe(true);
  for (let i = 0; i < 10_000; i++) rate.take(`2001:db8::${i.toString(16)}`, 0);
  expect(own()).toBe(false);
  for (let i = 0; i < 100_000; i++) rate.take(`2001:db8:1::${i.toString(16)}`, 1);
  expect(rate.size).toBeLessThanOrEqual(1 << 14);
});

test("the first of a kind is told at once, later ones every ten seconds, with their number", () => {
  const events: LogEvent[] = [];
  const turnedAway = new TurnedAway((event) => events.push(event));
  for (let nowMs = 0; nowMs < 20_000; nowMs += 10) turnedAway.note("rate", "192.0.2.1", nowMs);
  turnedAway.note("unknown", "192.0.2.9", 20_000);
  expect(turnedAway.counts).toEqual({ rate: 2000, unknown: 1, elsewhere: 0, dynamic: 0, limit: 0 });
  const told = events.map(({ level, neighbor, fields }) => [level, neighbor, fields?.["count"]]);
  expect(told).toEqual([
    ["warn", "192.0.2.1", 1],
    ["warn", "192.0.2.1", 1000],
    ["info", null, 1],
  ]);
});
