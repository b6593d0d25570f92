/** The tree of VRPs against a list that is searched from end to end. */

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { runs } from "../../../test/mode.ts";
import { newVrp, ORIGIN_STATE, type Vrp, VrpTable } from "../src/index.ts";

/** Words of which few bits differ, so that prefixes lie inside of each other. */
const word = fc.constantFrom(0, 0x80000000, 0xc0000000, 0x0a000000, 0x0a010000, 0xffffffff, 1);
const isWide = fc.boolean();

function maskedTo(words: readonly number[], bits: number): number[] {
  return words.map((word, k) => {
    const own = Math.min(32, Math.max(0, bits - 32 * k));
    return own === 0 ? 0 : own === 32 ? word : (word & (-1 << (32 - own))) >>> 0;
  });
}

const vrps = (wide: boolean) =>
  fc
    .record({
      words: fc.array(word, { minLength: 4, maxLength: 4 }),
      bits: fc.integer({ min: 0, max: wide ? 128 : 32 }),
      more: fc.integer({ min: 0, max: 8 }),
      as: fc.integer({ min: 0, max: 3 }),
    })
    .map(({ words, bits, more, as }): Vrp => {
      const [w0, w1, w2, w3] = maskedTo(wide ? words : [words[0]!, 0, 0, 0], bits);
      const maxLength = Math.min(bits + more, wide ? 128 : 32);
      const rest = { w0: w0!, w1: w1!, w2: w2!, w3: w3!, bits, maxLength, as };
      return { isAnnounced: true, isWide: wide, ...rest };
    });

const keyOf = (vrp: Vrp) => JSON.stringify(vrp);

function covers(vrp: Vrp, route: Vrp): boolean {
  if (vrp.bits > route.bits) return false;
  const cut = maskedTo([route.w0, route.w1, route.w2, route.w3], vrp.bits);
  return [vrp.w0, vrp.w1, vrp.w2, vrp.w3].every((word, k) => word === cut[k]);
}

function stateIn(list: Iterable<Vrp>, route: Vrp): number {
  let state: number = ORIGIN_STATE["not-found"];
  for (const vrp of list) {
    if (!covers(vrp, route)) continue;
    if (route.as !== 0 && vrp.as === route.as && vrp.maxLength >= route.bits) return 0;
    state = ORIGIN_STATE.invalid;
  }
  return state;
}

const stateOf = (table: VrpTable, { w0, w1, w2, w3, bits, as }: Vrp) =>
  table.stateOf(w0, w1, w2, w3, bits, as);

function put(table: VrpTable, vrp: Vrp): void {
  const row = table.intern(vrp);
  table.sources[row] = 1;
  table.settle(row, true);
  show(table);
}

function show(table: VrpTable): void {
  table.show();
  while (table.follow(2));
}

function drop(table: VrpTable, vrp: Vrp): void {
  const row = table.find(vrp);
  if (row === 0) return;
  table.sources[row] = 0;
  table.settle(row, false);
  show(table);
}

test("every state is what a search of a list says, whatever came and went", () => {
  fc.assert(
    fc.property(
      isWide.chain((wide) =>
        fc.record({
          wide: fc.constant(wide),
          steps: fc.array(fc.tuple(fc.integer({ min: 0, max: 5 }), vrps(wide)), { maxLength: 80 }),
          routes: fc.array(vrps(wide), { minLength: 1, maxLength: 30 }),
        }),
      ),
      ({ wide, steps, routes }) => {
        const table = new VrpTable(wide ? 128 : 32);
        const list = new Map<string, Vrp>();
        for (const [choice, vrp] of steps) {
          const known = [...list.values()];
          if (choice < 4) {
            put(table, vrp);
            list.set(keyOf(vrp), vrp);
          } else if (known.length > 0) {
            const gone = known[vrp.as % known.length]!;
            drop(table, gone);
            list.delete(keyOf(gone));
          }
          if (choice === 2) {
            table.takeChanges();
            while (table.endChanges(3));
          }
        }
        for (const route of [...routes, ...list.values()]) {
          expect(stateOf(table, route)).toBe(stateIn(list.values(), route));
        }
        expect([table.size, table.used]).toEqual([list.size, list.size]);
        for (const vrp of list.values()) drop(table, vrp);
        table.takeChanges();
        while (table.endChanges(100));
        expect([table.size, table.used, table.tree.root]).toEqual([0, 0, 0]);
      },
    ),
    { numRuns: runs(3000) },
  );
});

test("a change is noticed for exactly the prefixes that it covers", () => {
  fc.assert(
    fc.property(
      isWide.chain((wide) =>
        fc.tuple(
          fc.array(vrps(wide), { maxLength: 30 }),
          fc.array(vrps(wide), { maxLength: 10 }),
          fc.array(vrps(wide), { minLength: 1, maxLength: 30 }),
        ),
      ),
      ([before, changes, routes]) => {
        const table = new VrpTable(routes[0]!.isWide ? 128 : 32);
        for (const vrp of before) put(table, vrp);
        table.takeChanges();
        while (table.endChanges(1));
        const had = new Set(before.map(keyOf));
        for (const vrp of changes) had.has(keyOf(vrp)) ? drop(table, vrp) : put(table, vrp);
        expect(table.hasChanges).toBe(changes.length > 0);
        table.takeChanges();
        for (const route of routes) {
          const { w0, w1, w2, w3, bits } = route;
          const isChanged = changes.some((vrp) => covers(vrp, route));
          expect(table.isChanged(w0, w1, w2, w3, bits)).toBe(isChanged);
        }
        while (table.endChanges(1));
        for (const { w0, w1, w2, w3, bits } of routes) {
          expect(table.isChanged(w0, w1, w2, w3, bits)).toBe(false);
        }
      },
    ),
    { numRuns: runs(2000) },
  );
});

describe("RFC 6811", () => {
  const table = new VrpTable(32);
  const vrp = (w0: number, bits: number, maxLength: number, as: number) => ({
    ...newVrp(),
    ...{ w0, bits, maxLength, as },
  });
  put(table, vrp(0xc0000200, 24, 24, 64496));
  put(table, vrp(0xc6330000, 16, 20, 64497));
  put(table, vrp(0xc6336400, 24, 24, 0));

  test.each([
    ["192.0.2.0/24 of its AS", 0xc0000200, 24, 64496, "valid"],
    ["192.0.2.0/24 of another AS", 0xc0000200, 24, 64497, "invalid"],
    ["192.0.2.0/25, too long", 0xc0000200, 25, 64496, "invalid"],
    ["192.0.0.0/16, not covered", 0xc0000000, 16, 64496, "not-found"],
    ["198.51.0.0/20, as long as it may be", 0xc6330000, 20, 64497, "valid"],
    ["198.51.0.0/21, longer", 0xc6330000, 21, 64497, "invalid"],
    ["198.51.100.0/24 of AS 0, which validates nothing", 0xc6336400, 24, 0, "invalid"],
    ["192.0.2.0/24 without an origin AS", 0xc0000200, 24, 0, "invalid"],
  ] as const)("%s", (_, w0, bits, as, state) => {
    expect(table.stateOf(w0, 0, 0, 0, bits, as)).toBe(ORIGIN_STATE[state]);
  });
});
