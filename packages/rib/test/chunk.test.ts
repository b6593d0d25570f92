import { UpdateWriter } from "@ts-bgp/wire-codec";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { AudienceTable } from "../src/audience.ts";
import { Batch } from "../src/batch.ts";
import { ClassSet } from "../src/class-set.ts";
import { Audience, type Chunk, EVERYONE, type Run, shareOf } from "../src/index.ts";
import { FORM, newWorld } from "./model.ts";

const cls = fc.integer({ min: 1, max: 70 });
const classes = fc.uniqueArray(cls, { maxLength: 4 }).map((list) => list.toSorted((a, b) => a - b));
const audience = fc
  .tuple(fc.boolean(), classes)
  .map(([only, list]) => new Audience(only && list.length > 0, list));
const chunk = fc
  .array(fc.tuple(audience, fc.integer({ min: 1, max: 9 }), fc.nat(3)))
  .map((runs) => {
    let at = 0;
    const list = runs.map(([to, octets, messages]): Run => {
      const run = { audience: to, at, end: at + octets, messages };
      at += octets;
      return run;
    });
    return { octets: Uint8Array.from({ length: at }, (_, i) => i), runs: list } satisfies Chunk;
  });

function setOf(list: readonly number[]): ClassSet {
  const set = new ClassSet();
  for (const own of list) set.add(own);
  return set;
}

test("an audience is its classes, or all others", () => {
  fc.assert(
    fc.property(fc.boolean(), classes, cls, (only, list, asked) => {
      expect(new Audience(only, list).includes(asked, 0)).toBe(list.includes(asked) === only);
    }),
  );
});

describe("a share of a chunk", () => {
  test("is the octets of the runs for a class, in order, in few pieces", () => {
    fc.assert(
      fc.property(chunk, cls, (whole, own) => {
        const runs = whole.runs.filter((run) => run.audience.includes(own, 0));
        const share = shareOf(whole, { cls: own, peer: 0 });
        const octets = runs.flatMap(({ at, end }) => [...whole.octets.subarray(at, end)]);
        expect(share.pieces.flatMap((piece) => [...piece])).toEqual(octets);
        expect(share.messages).toBe(runs.reduce((sum, run) => sum + run.messages, 0));
        expect(share.pieces.length).toBeLessThanOrEqual(8);
        expect(share.pieces.every((piece) => piece.length > 0)).toBe(true);
      }),
    );
  });

  test("is the chunk's own octets in one piece when runs are adjacent", () => {
    const everyone = new Audience(false, []);
    const runs = [0, 1, 2].map((at) => ({ audience: everyone, at, end: at + 1, messages: 1 }));
    const whole: Chunk = { octets: Uint8Array.of(1, 2, 3), runs };
    const { pieces } = shareOf(whole, { cls: 5, peer: 0 });
    expect(pieces).toEqual([whole.octets]);
    expect(pieces[0]!.buffer).toBe(whole.octets.buffer);
  });
});

describe("a table of audiences", () => {
  test("has one number for each audience, in whatever order its classes come", () => {
    const ask = fc.oneof(
      fc.tuple(fc.constant("only" as const), cls),
      fc.tuple(fc.constant("exceptOne" as const), fc.nat(70)),
      fc.tuple(fc.constant("except" as const), fc.uniqueArray(cls, { maxLength: 4 })),
    );
    fc.assert(
      fc.property(fc.array(ask), (asks) => {
        const table = new AudienceTable();
        const ids = new Map<string, number>();
        for (const [kind, own] of asks) {
          const list = typeof own === "number" ? [own].filter((c) => c !== 0) : own;
          let id: number;
          if (kind === "except") id = table.except(setOf(own));
          else id = table[kind](own);
          const key = JSON.stringify([kind === "only", list.toSorted((a, b) => a - b)]);
          expect(ids.get(key) ?? id).toBe(id);
          ids.set(key, id);
          for (let c = 1; c <= 70; c++) {
            expect(table.get(id).includes(c, 0)).toBe(list.includes(c) === (kind === "only"));
          }
        }
        expect(new Set(ids.values()).size).toBe(ids.size);
      }),
      { numRuns: 50 },
    );
  });

  test("leaves out single peers of a class, or addresses one alone", () => {
    const table = new AudienceTable();
    const others = table.without(table.without(table.exceptOne(3), 20), 21);
    const asked = [
      [3, 30],
      [4, 20],
      [4, 21],
      [4, 22],
    ] as const;
    const found = asked.map(([cls, peer]) => table.get(others).includes(cls, peer));
    expect(found).toEqual([false, false, false, true]);
    const one = asked.map(([cls, peer]) => table.get(table.peer(21)).includes(cls, peer));
    expect(one).toEqual([false, false, true, false]);
    expect(table.without(table.without(table.exceptOne(3), 20), 21)).toBe(others);
    expect(table.peer(21)).not.toBe(table.only(21));
  });

  test("forgets audiences when there are many, but not the one for everyone", () => {
    const table = new AudienceTable();
    for (let own = 1; own < 5000; own++) table.exceptOne(own);
    table.tidy();
    expect(table.get(EVERYONE).includes(7, 0)).toBe(true);
    for (const own of [4999, 7]) {
      const id = table.exceptOne(own);
      expect(table.get(id).includes(own, 0)).toBe(false);
      expect(table.get(id).includes(own + 1, 0)).toBe(true);
    }
  });
});

test("a batch writes what is for few first, and a member's share is in few pieces", () => {
  const { attrs, rib } = newWorld();
  const [batch, table] = [new Batch(), new AudienceTable()];
  for (let own = 1; own <= 20; own++) {
    batch.add(0, 0, 0, 0, table.only(own));
    batch.add(0, 0, 0, 0, table.exceptOne(own));
  }
  const whole = batch.encode(new UpdateWriter(FORM), attrs, rib.prefixes, table)!;
  const uninvolved = shareOf(whole, { cls: 99, peer: 0 });
  expect(uninvolved.pieces).toHaveLength(1);
  const share = shareOf(whole, { cls: 7, peer: 0 });
  expect(share.messages).toBe(20);
  expect(share.pieces.length).toBeLessThanOrEqual(3);
  expect(share.pieces[0]!.buffer).toBe(whole.octets.buffer);
});
