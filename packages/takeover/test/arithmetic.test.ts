/** Numbers that wrap. */

import * as fc from "fast-check";
import { expect, test } from "vitest";
import { octetsBetween, sequenceAfter, sequenceDistance } from "../src/index.ts";
import { timestampAfter } from "../src/tcp-restore.ts";

const sequences = fc.integer({ min: 0, max: 0xffff_ffff });
/** As many octets as a session may carry in years. */
const counts = fc.integer({ min: 0, max: 2 ** 52 });
const steps = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 });

test("a distance is what was added", () => {
  fc.assert(
    fc.property(sequences, steps, (sequence, step) => {
      expect(sequenceDistance(sequence, sequenceAfter(sequence, step))).toBe(step);
    }),
  );
});

test("a count of any size is found again from its sequence number and a count nearby", () => {
  fc.assert(
    fc.property(sequences, counts, steps, (base, count, step) => {
      const near = count - step;
      expect(octetsBetween(base, sequenceAfter(base, count), near)).toBe(count);
    }),
  );
});

test("sequence numbers after a count agree with steps taken one by one", () => {
  fc.assert(
    fc.property(sequences, counts, fc.nat(100_000), (base, count, more) => {
      const stepwise = sequenceAfter(sequenceAfter(base, count), more);
      expect(stepwise).toBe(sequenceAfter(base, count + more));
    }),
  );
});

test("a restored timestamp is later than any sent before, and counts the same unit", () => {
  fc.assert(
    fc.property(sequences, fc.double({ min: 0, max: 86_400_000, noNaN: true }), (timestamp, ms) => {
      const restored = timestampAfter(timestamp, ms);
      const unit = timestamp & 1;
      expect(restored & 1).toBe(unit);
      // Microseconds wrap within a day, many times over; an elapsed time is what can be compared.
      if (unit === 1 && ms > 1_000_000) return;
      const ticks = unit === 1 ? ms * 1000 : ms;
      const ahead = sequenceDistance(timestamp, restored) - ticks;
      expect(ahead).toBeGreaterThanOrEqual(unit === 1 ? 100_000 : 100);
      expect(ahead).toBeLessThan(2 ** 30);
    }),
  );
});
