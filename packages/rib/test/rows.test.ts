import fc from "fast-check";
import { expect, test } from "vitest";
import { Rows } from "../src/columns.ts";

test("no row is given to two, also while upper rows are given up and after that was undone", () => {
  const event = fc.oneof(
    { weight: 5, arbitrary: fc.tuple(fc.constant("take" as const), fc.nat(40)) },
    { weight: 5, arbitrary: fc.tuple(fc.constant("give" as const), fc.nat(40)) },
    { weight: 1, arbitrary: fc.tuple(fc.constant("begin" as const), fc.nat(40)) },
    { weight: 1, arbitrary: fc.tuple(fc.constant("end" as const), fc.nat(40)) },
  );
  fc.assert(
    fc.property(fc.array(event, { maxLength: 60, size: "max" }), (events) => {
      const rows = new Rows();
      const used = new Set<number>();
      const isFree = (row: number) => !used.has(row);
      let kept = Infinity;
      for (const [kind, n] of events) {
        if (kind === "take") {
          for (let i = 0; i < n; i++) {
            const row = rows.take();
            expect(used.has(row)).toBe(false);
            expect(row).toBeGreaterThan(0);
            expect(row).toBeLessThan(rows.limit);
            used.add(row);
          }
        } else if (kind === "give") {
          for (const row of [...used].slice(0, n)) {
            used.delete(row);
            rows.give(row);
          }
        } else if (kind === "begin" && kept === Infinity) {
          kept = Math.min(rows.limit, used.size + n + 1);
          rows.begin(kept, isFree);
        } else if (kind === "end" && kept !== Infinity) {
          for (const row of [...used].filter((row) => row >= kept)) {
            if (rows.mustAbort) break;
            used.add(rows.take());
            used.delete(row);
            rows.give(row);
          }
          if (rows.mustAbort && [...used].some((row) => row >= kept)) rows.abort(isFree);
          else if (rows.limit > kept && [...used].every((row) => row < kept)) rows.end();
          else rows.abort(isFree);
          kept = Infinity;
        }
      }
      // Nothing is lost: all rows below the limit are used or come again before a new one.
      if (kept !== Infinity) rows.abort(isFree);
      const { limit } = rows;
      for (let left = limit - 1 - used.size; left > 0; left--) used.add(rows.take());
      expect(rows.limit).toBe(limit);
      expect(used.size).toBe(limit - 1);
    }),
  );
});
