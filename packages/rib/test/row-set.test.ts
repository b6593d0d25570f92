import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ClassSet } from "../src/class-set.ts";
import { PendingRows, RowSet } from "../src/row-set.ts";

const row = fc.oneof(fc.nat(70), fc.constantFrom(31, 32, 63, 64, 1023, 1024, 5000));
const event = fc.oneof(
  { weight: 3, arbitrary: fc.tuple(fc.constant("add" as const), row) },
  { weight: 2, arbitrary: fc.tuple(fc.constant("delete" as const), row) },
);

function rowsOf(set: RowSet): number[] {
  const rows: number[] = [];
  for (let at = set.next(0); at >= 0; at = set.next(at + 1)) rows.push(at);
  return rows;
}

function ascending(rows: Iterable<number>): number[] {
  return [...rows].sort((a, b) => a - b);
}

function setOf(rows: Iterable<number>): RowSet {
  const set = new RowSet();
  for (const own of rows) set.add(own);
  return set;
}

describe("a set of rows", () => {
  test("has what was added and not deleted, in ascending order", () => {
    fc.assert(
      fc.property(fc.array(event, { maxLength: 60 }), row, (events, from) => {
        const set = new RowSet();
        const model = new Set<number>();
        for (const [kind, own] of events) {
          set[kind](own);
          model[kind](own);
          expect(set.size).toBe(model.size);
          expect(set.has(own)).toBe(model.has(own));
        }
        expect(rowsOf(set)).toEqual(ascending(model));
        const after = ascending(model).find((own) => own >= from) ?? -1;
        expect(set.next(from)).toBe(after);
      }),
    );
  });

  test("has the rows of both sets after they were put together, and the other stays as it is", () => {
    fc.assert(
      fc.property(fc.array(row), fc.array(row), (ours, theirs) => {
        const set = setOf(ours);
        const other = setOf(theirs);
        set.addAll(other);
        expect(rowsOf(set)).toEqual(ascending(new Set([...ours, ...theirs])));
        expect(set.size).toBe(new Set([...ours, ...theirs]).size);
        expect(rowsOf(other)).toEqual(ascending(new Set(theirs)));
      }),
    );
  });

  test("has a copy that goes its own way", () => {
    const set = setOf([1, 40, 5000]);
    const copy = set.copy();
    copy.delete(40);
    set.add(2);
    expect(rowsOf(copy)).toEqual([1, 5000]);
    expect(rowsOf(set)).toEqual([1, 2, 40, 5000]);
  });
});

describe("pending rows", () => {
  test("are each taken once for each time that they came while they were not pending", () => {
    fc.assert(
      fc.property(fc.array(fc.option(fc.integer({ min: 1, max: 100 }))), (steps) => {
        const pending = new PendingRows();
        const model = new Set<number>();
        for (const step of steps) {
          if (step !== null) {
            pending.add(step);
            model.add(step);
            continue;
          }
          const taken = pending.take();
          expect(model.delete(taken)).toBe(taken !== 0);
          if (taken === 0) expect(model.size).toBe(0);
        }
        expect(pending.size).toBe(model.size);
      }),
    );
  });

  test("do not let a row wait for others that come again and again", () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.integer({ min: 1, max: 100 })), (rows) => {
        const pending = new PendingRows();
        for (const own of rows) pending.add(own);
        const waiting = new Set(rows);
        for (let i = 0; i < rows.length; i++) {
          const taken = pending.take();
          waiting.delete(taken);
          pending.add(taken);
        }
        expect(waiting.size).toBe(0);
      }),
    );
  });

  test("tell whether one was taken already", () => {
    const pending = new PendingRows();
    pending.add(3);
    expect(pending.isUntouched).toBe(true);
    expect(pending.take()).toBe(3);
    expect(pending.isUntouched).toBe(false);
  });
});

test("a set of classes has each class once, in the order in which they came", () => {
  const cls = fc.oneof(fc.nat(40), fc.constantFrom(63, 64, 900, 65_535));
  const step = fc.oneof(
    { weight: 9, arbitrary: cls },
    { weight: 1, arbitrary: fc.constant("clear" as const) },
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80 }), fc.array(cls), (steps, asked) => {
      const set = new ClassSet();
      const model = new Set<number>();
      for (const own of steps) {
        if (own === "clear") {
          set.clear();
          model.clear();
          continue;
        }
        expect(set.add(own)).toBe(!model.has(own));
        model.add(own);
      }
      expect([...set.items.subarray(0, set.count)]).toEqual([...model]);
      for (const own of asked) expect(set.indexOf(own)).toBe([...model].indexOf(own));
    }),
  );
});
