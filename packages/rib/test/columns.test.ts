import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Columns, grown, NumberStack } from "../src/columns.ts";

const NAMES = ["small", "middle", "large", "signed"] as const;

class Table {
  small: Uint8Array = new Uint8Array(0);
  middle: Uint16Array = new Uint16Array(0);
  large: Uint32Array = new Uint32Array(0);
  signed: Int32Array = new Int32Array(0);
  readonly columns: Columns = new Columns(this, NAMES);
}

describe("columns", () => {
  test("keep what is in them, and have room for every row that was reserved", () => {
    const event = fc.oneof(
      fc.tuple(fc.constant("rows" as const), fc.nat(900)),
      fc.tuple(fc.constant("advance" as const), fc.nat(5)),
    );
    fc.assert(
      fc.property(fc.array(event, { maxLength: 30 }), (events) => {
        const table = new Table();
        let rows = 0;
        for (const [kind, count] of events) {
          if (kind === "advance") {
            for (let i = 0; i < count; i++) table.columns.advance(rows);
            continue;
          }
          for (let i = 0; i < count; i++, rows++) {
            table.columns.reserve(rows);
            for (const name of NAMES) table[name][rows] = rows % 127;
          }
        }
        for (const name of NAMES) {
          expect(table[name].length).toBeGreaterThanOrEqual(table.columns.capacity);
          const kept = table[name].subarray(0, rows);
          expect(kept.every((value, row) => value === row % 127)).toBe(true);
        }
        expect(table.columns.capacity).toBeGreaterThanOrEqual(rows);
        const octets = NAMES.reduce((sum, name) => sum + table[name].byteLength, 0);
        expect(table.columns.octets).toBe(octets);
      }),
      { numRuns: 100 },
    );
  });

  test("are grown ahead of need, at most one of them at a time", () => {
    const table = new Table();
    table.columns.reserve(1);
    const { capacity } = table.columns;
    const lengths = () => NAMES.map((name) => table[name].length);
    table.columns.advance(Math.floor(capacity / 2));
    expect(lengths()).toEqual(NAMES.map(() => capacity));
    for (let done = 1; done <= NAMES.length; done++) {
      table.columns.advance(capacity - 1);
      expect(lengths().filter((length) => length > capacity).length).toBe(done);
    }
    expect(table.columns.capacity).toBeGreaterThanOrEqual(2 * capacity);
    const before = NAMES.map((name) => table[name]);
    table.columns.reserve(capacity);
    expect(NAMES.map((name) => table[name])).toEqual(before);
  });

  test("have the row that stands for none, and no more as long as nothing is in them", () => {
    const table = new Table();
    table.columns.advance(0);
    expect(NAMES.map((name) => [...table[name]])).toEqual(NAMES.map(() => [0]));
  });
});

test("a longer array has the elements of the old one, whose memory is given back", () => {
  const old = Uint16Array.of(1, 2, 3);
  expect(grown(old, 5)).toEqual(Uint16Array.of(1, 2, 3, 0, 0));
  expect(old.length).toBe(0);
});

test("a stack of numbers gives back the last one first, and 0 when it is empty", () => {
  const event = fc.oneof(
    { weight: 3, arbitrary: fc.integer({ min: 1, max: 0xffffffff }) },
    { weight: 2, arbitrary: fc.constant("pop" as const) },
    { weight: 1, arbitrary: fc.constant("clear" as const) },
  );
  fc.assert(
    fc.property(fc.array(event, { maxLength: 300, size: "max" }), (events) => {
      const stack = new NumberStack();
      const model: number[] = [];
      for (const step of events) {
        if (step === "pop") expect(stack.pop()).toBe(model.pop() ?? 0);
        else if (step === "clear") {
          stack.reset();
          model.length = 0;
        } else {
          stack.push(step);
          model.push(step);
        }
        expect(stack.length).toBe(model.length);
      }
      expect(model.map((_, i) => stack.at(i))).toEqual(model);
    }),
  );
});
