/** How old what a mirror shows is said to be. */

import * as fc from "fast-check";
import { expect, test } from "vitest";
import { MirrorAge } from "../src/mirror-age.ts";

test("it is known once all is run that came before the answer", () => {
  const age = new MirrorAge();
  const number = age.ask(1000);
  expect(age.answered({ number, ageMs: 0 }, 5)).toBe(true);
  expect([age.ran(4), age.seenMs]).toEqual([false, null]);
  expect([age.ran(5), age.seenMs]).toEqual([true, 1000]);
  expect(age.answered({ number, ageMs: 0 }, 5)).toBe(false);
});

test("that of a mirror between is added, and one that does not know its own says nothing", () => {
  const age = new MirrorAge();
  expect(age.answered({ number: age.ask(1000), ageMs: 400 }, 5)).toBe(true);
  expect([age.ran(5), age.seenMs]).toEqual([true, 600]);
  expect(age.answered({ number: age.ask(2000), ageMs: -1 }, 6)).toBe(true);
  expect([age.ran(6), age.seenMs]).toEqual([false, 600]);
});

test("what is shown is not older for an answer of a server that is", () => {
  const age = new MirrorAge();
  age.answered({ number: age.ask(1000), ageMs: 0 }, 5);
  age.answered({ number: age.ask(2000), ageMs: 60_000 }, 5);
  age.ran(5);
  expect(age.seenMs).toBe(1000);
});

test("of a chain of any length it is never newer than what is shown", () => {
  const wait = fc.nat({ max: 50 });
  // For each mirror of the chain, the clock that it has, and how long question, answer and running take.
  const tier = fc.record({ clock: fc.nat({ max: 100_000 }), out: wait, back: wait, run: wait });
  const tiers = fc.array(tier, { minLength: 1, maxLength: 6 });
  fc.assert(
    fc.property(tiers, fc.array(fc.nat({ max: 5 }), { maxLength: 40 }), (chain, order) => {
      // Each mirror has the state of this time; the active side has that of now.
      let now = 0;
      const of = chain.map(() => Number.NEGATIVE_INFINITY);
      const ages = chain.map(() => new MirrorAge());
      order.forEach((which, step) => {
        const at = which % chain.length;
        const { clock, out, back, run } = chain[at]!;
        const age = ages[at]!;
        const number = age.ask(now + clock);
        now += out;
        const above = at === 0 ? now : of[at - 1]!;
        const aboveSeen = at === 0 ? now : ages[at - 1]!.seenMs;
        const aboveClock = at === 0 ? 0 : chain[at - 1]!.clock;
        const ageMs = aboveSeen === null ? -1 : at === 0 ? 0 : now + aboveClock - aboveSeen;
        now += back;
        age.answered({ number, ageMs }, step);
        now += run;
        of[at] = Math.max(of[at]!, above);
        age.ran(step);
        if (age.seenMs !== null) expect(age.seenMs - clock).toBeLessThanOrEqual(of[at]!);
      });
    }),
  );
});
