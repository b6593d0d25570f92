import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { AdjRibOut, AttrStore, PrefixTable, View } from "../src/index.ts";

/** Of the tests: prefixes, path identifiers, classes and sets are numbered from 1. */
const PREFIXES = 6;
const SETS = 3;
const CLASSES_MAX = 70;

/** What members see of one route; sets by their number, 0 for nothing. */
interface Seen {
  readonly attr: number;
  readonly source: number;
  readonly listed: readonly (readonly [cls: number, attr: number])[];
}

function seenBy(seen: Seen | undefined, cls: number): number {
  if (seen === undefined) return 0;
  const own = seen.listed.find(([listed]) => listed === cls);
  if (own !== undefined) return own[1];
  return cls === seen.source ? 0 : seen.attr;
}

/** What several tables of one RIB share. */
class World {
  readonly attrs: AttrStore = new AttrStore(1);
  readonly prefixes: PrefixTable = new PrefixTable(32, 2);
  readonly rows: readonly number[];
  readonly sets: readonly number[];

  constructor(order: readonly number[] = [0, 1, 2, 3, 4, 5]) {
    const rows: number[] = [];
    for (const n of order) rows[n] = this.prefixes.intern((10 << 24) | (n << 16), 0, 0, 0, 16);
    this.rows = rows;
    const sets = [0];
    for (const n of order.filter((own) => own < SETS)) {
      sets[n + 1] = this.attrs.intern(Uint8Array.of(0x40, 200, 1, n), 0, 4);
    }
    this.sets = sets;
  }
}

/** A table, and a map beside it. */
class Scene {
  readonly table: AdjRibOut;
  readonly model: Map<number, Map<number, Seen>> = new Map();
  private readonly world: World;
  private readonly addPath: boolean;
  private readonly old: View = new View();
  private readonly view: View = new View();

  constructor(world: World, addPath: boolean) {
    this.world = world;
    this.addPath = addPath;
    this.table = new AdjRibOut(world.attrs, world.prefixes, addPath);
  }

  store(prefix: number, pathId: number, seen: Seen): void {
    const { world, table, old, view } = this;
    const row = world.rows[prefix]!;
    table.load(row, pathId, old);
    view.clear();
    view.attr = this.held(seen.attr);
    view.source = seen.source;
    for (const [cls, attr] of seen.listed) view.list(cls, this.held(attr));
    table.store(row, pathId, old, view);
    const routes = this.model.get(row) ?? new Map<number, Seen>();
    this.model.set(row, routes);
    if (seen.attr === 0 && seen.listed.length === 0) routes.delete(pathId);
    else routes.set(pathId, seen);
  }

  private held(n: number): number {
    const attr = this.world.sets[n]!;
    if (attr !== 0) this.world.attrs.hold(attr);
    return attr;
  }

  routes(prefix: number): Map<number, Seen> {
    return this.model.get(this.world.rows[prefix]!) ?? new Map();
  }

  check(): void {
    const { world, table, view } = this;
    const ids: number[] = [];
    const counts = new Map<number, number>();
    for (let prefix = 0; prefix < PREFIXES; prefix++) {
      const row = world.rows[prefix]!;
      const routes = this.routes(prefix);
      table.pathIds(row, ids);
      expect(ids.toSorted()).toEqual([...routes.keys()].sort());
      expect(table.rows.has(row)).toBe(routes.size > 0);
      for (let pathId = 0; pathId < (this.addPath ? 4 : 1); pathId++) {
        const seen = routes.get(pathId);
        table.load(row, pathId, view);
        expect(view.isEmpty).toBe(seen === undefined);
        if (seen !== undefined) expect(view.source).toBe(seen.source);
        for (let cls = 1; cls <= CLASSES_MAX; cls++) {
          const attr = seenBy(seen, cls);
          if (view.of(cls) !== world.sets[attr]) expect([cls, view.of(cls)]).toEqual([cls, attr]);
          if (attr !== 0) counts.set(cls, (counts.get(cls) ?? 0) + 1);
        }
      }
    }
    for (let cls = 1; cls <= CLASSES_MAX; cls++) {
      if (table.countFor(cls) !== (counts.get(cls) ?? 0)) {
        expect([cls, table.countFor(cls)]).toEqual([cls, counts.get(cls) ?? 0]);
      }
    }
  }

  /** How often the table should hold a set. */
  uses(n: number): number {
    let uses = 0;
    for (const routes of this.model.values()) {
      for (const { attr, listed } of routes.values()) {
        if (attr === n) uses++;
        uses += listed.filter(([, own]) => own === n).length;
      }
    }
    return uses;
  }
}

const cls = fc.oneof(fc.integer({ min: 1, max: 4 }), fc.constantFrom(64, CLASSES_MAX));
const set = fc.nat(SETS);
const seen = fc
  .tuple(
    fc.oneof(fc.constant(0), set),
    fc.oneof(fc.constant(0), cls),
    fc.uniqueArray(fc.tuple(cls, set), { maxLength: 3, selector: ([own]) => own }),
  )
  .map(([attr, source, all]): Seen => {
    // As update groups do, a class is listed only when it sees something else than it would.
    const listed = all.filter(([own, other]) => other !== (own === source ? 0 : attr));
    return { attr, source: attr === 0 && listed.length === 0 ? 0 : source, listed };
  });
const prefix = fc.nat(PREFIXES - 1);
const step = fc.tuple(prefix, fc.nat(3), seen);
const steps = fc.array(step, { maxLength: 60, size: "max" });

describe.each([
  ["without path identifiers", false],
  ["with path identifiers", true],
])("an Adj-RIB-Out %s", (_, addPath) => {
  const idOf = (pathId: number) => (addPath ? pathId : 0);

  test("holds what was stored in it, and counts it for each class", () => {
    fc.assert(
      fc.property(steps, (list) => {
        const world = new World();
        const scene = new Scene(world, addPath);
        for (const [own, pathId, view] of list) scene.store(own, idOf(pathId), view);
        scene.check();
        for (let n = 1; n <= SETS; n++) {
          expect(world.attrs.refsOf(world.sets[n]!)).toBe(1 + scene.uses(n));
        }
        while (scene.table.dispose(2));
        for (let n = 1; n <= SETS; n++) expect(world.attrs.refsOf(world.sets[n]!)).toBe(1);
      }),
      { numRuns: 150 },
    );
  });

  test("finds the prefixes of which two classes see something else in two tables", () => {
    fc.assert(
      fc.property(steps, steps, cls, cls, (ours, theirs, own, other) => {
        const world = new World();
        const one = new Scene(world, addPath);
        const two = new Scene(world, addPath);
        for (const [at, pathId, view] of ours) one.store(at, idOf(pathId), view);
        for (const [at, pathId, view] of theirs) two.store(at, idOf(pathId), view);
        const differ = one.table.rowsThatDiffer(own, two.table, other);
        for (let at = 0; at < PREFIXES; at++) {
          const same = [0, 1, 2, 3].every((pathId) => {
            const mine = seenBy(one.routes(at).get(pathId), own);
            return mine === seenBy(two.routes(at).get(pathId), other);
          });
          expect(differ.has(world.rows[at]!)).toBe(!same);
        }
      }),
      { numRuns: 150 },
    );
  });

  test("has one digest for equal contents, whatever came before and whatever the rows", () => {
    const order = fc.shuffledSubarray([0, 1, 2, 3, 4, 5], { minLength: PREFIXES });
    fc.assert(
      fc.property(steps, fc.nat(60), order, (list, from, rows) => {
        const one = new Scene(new World(), addPath);
        for (const [i, [at, pathId, view]] of list.entries()) {
          if (i >= from) one.table.stepDigest(1);
          one.store(at, idOf(pathId), view);
        }
        while (one.table.stepDigest(1)) expect(one.table.digest.isComplete).toBe(false);
        const two = new Scene(new World(rows), addPath);
        two.table.stepDigest(100);
        expect(two.table.digest.toString()).toBe("0000000000000000");
        for (const at of rows) {
          for (const [pathId, view] of [...one.routes(at)].reverse()) two.store(at, pathId, view);
        }
        const digest = one.table.digest.toString();
        expect(two.table.digest.toString()).toBe(digest);
        const [at, pathId, view] = [0, idOf(3), { attr: 1, source: 2, listed: [[3, 2]] }] as const;
        const before = two.routes(at).get(pathId);
        two.store(at, pathId, { ...view, source: before?.source === 2 ? 1 : 2 });
        expect(two.table.digest.toString()).not.toBe(digest);
        two.store(at, pathId, before ?? { attr: 0, source: 0, listed: [] });
        expect(two.table.digest.toString()).toBe(digest);
      }),
      { numRuns: 150 },
    );
  });
});

test("the first prefix that waits for room is found, however others come, go and move", () => {
  const CLS = 1;
  const step = fc.tuple(fc.constantFrom("wait", "go", "move", "look"), fc.nat(99), fc.nat(99));
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const { attrs, prefixes, sets } = new World();
      const limit = { routes: 0, cls: CLS };
      const table = new AdjRibOut(attrs, prefixes, false, limit);
      const waiting = new Set<number>();
      const [old, next] = [new View(), new View()];
      for (const [what, a, b] of steps) {
        const [row, other] = [1 + a, 1 + b];
        limit.routes = what === "look" ? 1 : 0;
        if (what === "wait") {
          next.clear();
          next.attr = sets[1]!;
          attrs.hold(sets[1]!);
          table.restrict(row, old, next);
          waiting.add(row);
        } else if (what === "go") {
          table.reconsider(row);
          waiting.delete(row);
        } else if (what === "look") {
          expect(table.nextWithRoom()).toBe(waiting.size === 0 ? 0 : Math.min(...waiting));
        } else if (!waiting.has(other)) {
          table.moveRow(row, other);
          if (waiting.delete(row)) waiting.add(other);
        }
      }
      expect(table.beyond.size).toBe(waiting.size);
    }),
  );
});
