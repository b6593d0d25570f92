/** What a class or a field is called decides nothing between two versions. */

import { readdirSync, readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Lab, yamlOf } from "../../../testkit/router.ts";
import { classNumbers } from "../src/class-numbers.ts";
import { fromImage, imageOf } from "../src/image.ts";
import { Classes } from "../src/image-classes.ts";
import { NUMBERS } from "../src/image-numbers.ts";
import { FormatError, Machine, machineFromImage, machineImage } from "../src/index.ts";
import { joined } from "../src/octet-writer.ts";

class Point {
  x: unknown = 1;
  y: unknown = 2;
}

/** The same class, as another version calls it. */
class Place {
  y: unknown = 2;
  east: unknown = 1;
}

class Plan {
  left = new Uint8Array([1]);
  right = new Uint8Array([2]);
  readonly sides = new Sides(this, ["left", "right"]);
}

class Sides {
  readonly names: readonly string[];
  readonly of: object;

  constructor(of: object, names: readonly string[]) {
    this.of = of;
    this.names = names;
  }
}

/** As `Plan`, with one name less, and another one. */
class Chart {
  west!: Uint8Array;
  sides!: Sides;
}

const pointsOf = (table: string) => Classes.of([Point], [], table);

/** Images with numbers, and those with names. */
const KINDS: [string, (classes: Classes) => Classes][] = [
  ["numbers", (classes) => classes],
  ["names", (classes) => classes.withNames([], {})],
];

describe.each(KINDS)("in an image with %s", (_kind, as) => {
  const passed = (value: unknown, from: Classes, to: Classes) => {
    const skipped = { records: 0, fields: 0 };
    return { read: fromImage(imageOf(value, as(from)), to, skipped), skipped };
  };
  const none = { records: 0, fields: 0 };

  test("a class and a field may have other names", () => {
    const now = Classes.of([Place], [], "3 Place=Point: east=x y");
    const then = pointsOf("3 Point: x y");
    const { read, skipped } = passed([new Point()], then, now);
    expect(read).toEqual([Object.assign(new Place(), { east: 1, y: 2 })]);
    expect(skipped).toEqual(none);
    expect(passed(read, now, then).read).toEqual([new Point()]);
  });

  test("a field that is not known is left out, and counted", () => {
    const { read, skipped } = passed(
      [new Point(), new Point()],
      pointsOf("1 Point: x y"),
      pointsOf("1 Point: x"),
    );
    expect(read).toEqual(
      [Object.create(Point.prototype), Object.create(Point.prototype)].map((one) =>
        Object.assign(one, { x: 1 }),
      ),
    );
    expect(skipped).toEqual({ records: 0, fields: 2 });
  });

  test("a field that is gone is left out, and is known", () => {
    const now = pointsOf("1 Point: -x y");
    const { read, skipped } = passed(new Point(), pointsOf("1 Point: x y"), now);
    expect({ ...(read as object) }).toEqual({ y: 2 });
    expect(skipped).toEqual(none);
  });

  test("what refers to a class that is not known is left out, and counted", () => {
    const point = new Point();
    const value = { point, list: [point, 1], map: new Map([["a", point]]), set: new Set([point]) };
    const { read, skipped } = passed(
      [value, new Point()],
      pointsOf("1 Point: x y"),
      Classes.of([], [], ""),
    );
    expect(read).toEqual([{ list: [1], map: new Map(), set: new Set() }]);
    expect(skipped).toEqual({ records: 2, fields: 0 });
  });

  test("lists of fields have the names that these have for their reader", () => {
    const then = Classes.of([Plan, Sides], [], "1 Plan: left right sides\n2 Sides: names(of) of");
    const now = Classes.of(
      [Chart, Sides],
      [],
      "1 Chart=Plan: west=left - sides\n2 Sides: names(of) of",
    );
    const { read } = passed(new Plan(), then, now);
    const { west, sides } = read as Chart;
    expect([[...west], sides.names, sides.of === read]).toEqual([[1], ["west"], true]);
    expect(passed(read, now, then).read).toMatchObject({ left: west, sides: { names: ["left"] } });
  });
});

test("an object with a field that has no number is refused, and its place is named", () => {
  expect(() => imageOf({ at: [new Point()] }, pointsOf("1 Point: x"))).toThrow(
    "an image cannot hold y of Point, which has no number (at at.0)",
  );
});

test.each([
  ["a number that two classes have", "1 Point: x y\n1 Place: y"],
  ["a name that two classes have", "1 Point: x y\n2 Point: y"],
  ["a field that has two numbers", "1 Point: x y x"],
  ["a word that is no field", "1 Point: x y=="],
  ["a row without a number", "Point: x y"],
  ["no row of a class", "1 Place: y"],
])("a table with %s is refused", (_title, table) => {
  expect(() => pointsOf(table)).toThrow();
});

const PACKAGES = ["policy", "replication", "rib", "router", "rpki"];
const CLASS = /^(?:export )?class (\w+)(?:.* extends (\w+))?/;
const FIELD = /^ {2}(?:(?:private|protected|readonly|override) )*(\w+)[!?]?(?::| =|;)/;

/** @returns the fields of all classes that the state may be made of, as the sources have them */
function fieldsInSources(): Map<string, { base: string | undefined; own: string[] }> {
  const found = new Map<string, { base: string | undefined; own: string[] }>();
  for (const name of PACKAGES) {
    const folder = new URL(`../../${name}/src/`, import.meta.url);
    for (const file of readdirSync(folder).filter((one) => one.endsWith(".ts"))) {
      let own: string[] | null = null;
      for (const line of readFileSync(new URL(file, folder), "utf8").split("\n")) {
        const [, begun, base] = CLASS.exec(line) ?? [];
        if (begun !== undefined) {
          own = [];
          found.set(begun, { base, own });
        }
        if (line === "}") own = null;
        const [, field] = FIELD.exec(line) ?? [];
        if (field !== undefined) own?.push(field);
      }
    }
  }
  return found;
}

test("each field of each class has a number, and no other one has", () => {
  const sources = fieldsInSources();
  const fieldsOf = (name: string | undefined): string[] => {
    const found = name === undefined ? undefined : sources.get(name);
    return found === undefined ? [] : [...fieldsOf(found.base), ...found.own];
  };
  // Objects of these are made anew from something else.
  const standIns = /^(UpdateReader|UpdateWriter|InputQueue|Policies|AcceptAll|ChainFilter)$/;
  const numbered = classNumbers(NUMBERS).filter(({ name }) => !standIns.test(name));
  expect(numbered.length).toBeGreaterThan(60);
  for (const { name, names } of numbered) {
    expect([name, ...[...names].sort()]).toEqual([name, ...fieldsOf(name).sort()]);
  }
});

test("a number is what it was when streams were recorded", () => {
  const file = new URL("streams/v2-numbers/numbers.txt", import.meta.url);
  const now = new Map(classNumbers(NUMBERS).map((one) => [one.number, one]));
  for (const then of classNumbers(readFileSync(file, "utf8"))) {
    const one = now.get(then.number);
    expect(one?.first).toBe(then.first);
    for (let i = 1; then.find(i) !== undefined; i++) {
      // One that is gone may keep its name, or not.
      const first = one?.find(i)?.first;
      expect([i, first]).toEqual([i, first === null ? null : then.find(i)!.first]);
    }
  }
});

const A = "192.0.2.1";
const B = "192.0.2.2";
const YAML = yamlOf(`
prefix-lists: { own: [10.0.0.0/8 le 24] }
policies: { in: [{ if: { prefix: own }, then: accept }] }
defaults: { import: in, export: accept-all, passive: true }
neighbors: [{ address: ${A}, as: 65001 }, { address: ${B}, as: 65002, route-server-client: true }]
`);

/** What peers do, one after the other. */
const deeds = fc.array(
  fc.tuple(fc.constantFrom(A, B), fc.constantFrom("up", "announce", "withdraw", "end"), fc.nat(20)),
  { maxLength: 12 },
);

function machineAfter(all: readonly (readonly [string, string, number])[]): Machine {
  let machine!: Machine;
  const lab = new Lab(YAML, {
    routerOf: (config, seed) => {
      machine = new Machine(config, seed);
      machine.isDigested = true;
      return machine.router;
    },
  });
  const options = (as: number) => ({ as, gracefulRestart: { seconds: 30 } });
  const peers = new Map([A, B].map((one, i) => [one, lab.peer(one, options(65001 + i))]));
  for (const [address, deed, n] of all) {
    const peer = peers.get(address)!;
    if (deed === "up" && !peer.isUp) peer.up();
    if (!peer.isUp) continue;
    if (deed === "announce") peer.announce([`10.${n}.0.0/16`, `11.${n}.0.0/16`], { med: n });
    if (deed === "withdraw") peer.withdraw([`10.${n}.0.0/16`]);
    if (deed === "end") peer.hangUp();
    lab.run();
  }
  return machine;
}

describe("the image of a machine", () => {
  const rich = machineAfter([
    [A, "up", 0],
    [B, "up", 0],
    [A, "announce", 1],
    [B, "announce", 2],
    [A, "end", 0],
  ]);

  test("gives a machine that has the same image, with numbers and with names", () => {
    fc.assert(
      fc.property(deeds, (all) => {
        const machine = machineAfter(all);
        const image = joined(machineImage(machine));
        for (const hasNumbers of [true, false]) {
          const skipped = { records: 0, fields: 0 };
          const copy = machineFromImage(machineImage(machine, hasNumbers), skipped);
          expect(skipped).toEqual({ records: 0, fields: 0 });
          if (hasNumbers) expect(joined(machineImage(copy))).toEqual(image);
        }
      }),
      { numRuns: 30 },
    );
  });

  test("that is cut is no image", () => {
    const image = joined(machineImage(rich));
    fc.assert(
      fc.property(fc.nat(image.length - 1), (length) => {
        expect(() => machineFromImage([image.slice(0, length)])).toThrow(FormatError);
      }),
    );
  });

  test("has no name of a class, nor of a column", () => {
    const image = Buffer.from(joined(machineImage(rich)));
    const named = Buffer.concat(machineImage(rich, false));
    expect(["PathTable", "sentPathId"].map((name) => named.includes(name))).toEqual([true, true]);
    const columns = ["sentPathId", "peerPrevious", "nodePathId", "sinceSeconds", "octetCount"];
    const classes = classNumbers(NUMBERS).map(({ name }) => name);
    // The others are words that a configuration has as well.
    const long = classes.filter((name) => name.length > 8);
    expect([...long, ...columns].filter((name) => image.includes(name))).toEqual([]);
  });
});
