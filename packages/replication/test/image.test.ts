/** Graphs of values as octets, and back. */

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { captureOf, fromImage, imageOf, octetsInSteps } from "../src/image.ts";
import { Classes } from "../src/image-classes.ts";
import { CaptureRoom, FormatError } from "../src/index.ts";
import { joined } from "../src/octet-writer.ts";
import { difference } from "./difference.ts";

class Point {
  x: unknown;
  y: unknown;

  constructor(x: unknown, y: unknown) {
    this.x = x;
    this.y = y;
  }
}

class Doubled {
  readonly half: number;
  readonly twice: number;

  constructor(half: number) {
    this.half = half;
    this.twice = 2 * half;
  }
}

const CLASSES = Classes.of(
  [Point],
  [
    {
      type: Doubled,
      save: (object) => (object as Doubled).half,
      load: (value) => new Doubled(value as number),
    },
  ],
  `
1 Point: x y
2 Doubled:
`,
);

const copyOf = (value: unknown) => fromImage(imageOf(value, CLASSES), CLASSES);

const plain = fc.oneof(
  fc.constantFrom<unknown>(undefined, null, true, false, -0, NaN, Infinity, -Infinity, 2 ** 53),
  fc.integer(),
  fc.maxSafeInteger(),
  fc.double(),
  fc.string({ unit: "grapheme" }),
);

const KINDS = [Uint8Array, Uint16Array, Uint32Array, Int32Array, Float64Array] as const;

/** Typed arrays that begin anywhere in their buffers, and end in any number of zeros. */
const typed = fc
  .record({
    kind: fc.constantFrom(...KINDS),
    before: fc.nat(3),
    values: fc.array(fc.integer({ min: 0, max: 255 }), { maxLength: 12 }),
    zeros: fc.nat(20),
  })
  .map(({ kind, before, values, zeros }) => {
    const size = kind.BYTES_PER_ELEMENT;
    const length = values.length + zeros;
    const array = new kind(new ArrayBuffer((before + length + 2) * size), before * size, length);
    array.set(values);
    // Octets behind the array are not its own.
    new Uint8Array(array.buffer, array.byteOffset + array.byteLength).fill(0xff);
    return array;
  });

/** Objects of all kinds, that refer to each other and to themselves at will. */
const graph = fc
  .record({
    kinds: fc.array(fc.constantFrom("list", "map", "set", "object", "point", "bare", "stand-in"), {
      minLength: 1,
      maxLength: 12,
    }),
    leaves: fc.array(fc.oneof(plain, typed), { minLength: 1, maxLength: 12 }),
    links: fc.array(fc.tuple(fc.nat(11), fc.nat(30), fc.nat(5)), { maxLength: 40 }),
  })
  .map(({ kinds, leaves, links }) => {
    const nodes = kinds.map((kind) => emptyOf(kind));
    for (const [from, to, key] of links) {
      const value = to < nodes.length ? nodes[to] : leaves[to % leaves.length];
      put(nodes[from % nodes.length]!, key, value);
    }
    return nodes;
  });

function emptyOf(kind: string): object {
  if (kind === "list") return [];
  if (kind === "map") return new Map();
  if (kind === "set") return new Set();
  if (kind === "point") return new Point(1, undefined);
  if (kind === "stand-in") return new Doubled(21);
  return kind === "bare" ? (Object.create(null) as object) : {};
}

function put(node: object, key: number, value: unknown): void {
  if (Array.isArray(node)) node.push(value);
  else if (node instanceof Map) node.set(key % 2 === 0 ? key : value, value);
  else if (node instanceof Set) node.add(value);
  else if (node instanceof Point) node.x = value;
  else if (!(node instanceof Doubled)) (node as Record<string, unknown>)[`field ${key}`] = value;
}

/** Numbers of the objects in the order in which a walk meets them: equal ones have equal shapes. */
function walkOf(root: unknown): unknown[] {
  const numbers: Map<object, number> = new Map();
  const walk: unknown[] = [];
  const visit = (value: unknown): void => {
    if (typeof value !== "object" || value === null) {
      walk.push(Object.is(value, -0) ? "-0" : value);
      return;
    }
    const known = numbers.get(value);
    walk.push(known ?? numbers.size, "#");
    if (known !== undefined) return;
    numbers.set(value, numbers.size);
    if (ArrayBuffer.isView(value)) {
      walk.push(value.constructor.name, ...(value as Uint8Array));
      return;
    }
    const prototype = Object.getPrototypeOf(value) as object | null;
    walk.push(prototype === null ? "Object" : prototype.constructor.name);
    const isPairs = value instanceof Map;
    const entries = isPairs
      ? [...value]
      : value instanceof Set
        ? [...value]
        : Object.entries(value);
    walk.push(entries.length);
    for (const entry of entries.flat(value instanceof Set ? 0 : 1)) visit(entry);
  };
  visit(root);
  return walk;
}

describe("an image", () => {
  test("gives any plain value back", () => {
    fc.assert(fc.property(plain, (value) => Object.is(copyOf(value), value)));
  });

  test("gives any graph back, with what is shared and what goes round", () => {
    fc.assert(
      fc.property(graph, fc.boolean(), (nodes, isPrepared) => {
        const room = new CaptureRoom();
        if (isPrepared) for (const _ of room.prepare(nodes, CLASSES));
        const copy = fromImage([...captureOf(nodes, CLASSES, room)], CLASSES);
        expect(walkOf(copy)).toEqual(walkOf(nodes));
        expect(joined(imageOf(copy, CLASSES))).toEqual(joined(imageOf(nodes, CLASSES)));
      }),
    );
  });

  test("gives typed arrays back, wherever they begin and however many zeros they end in", () => {
    fc.assert(
      fc.property(typed, (array) => {
        const copy = copyOf(array) as typeof array;
        expect(copy.constructor).toBe(array.constructor);
        expect([...copy]).toEqual([...array]);
      }),
    );
  });

  describe("with objects of a class that its reader does not know", () => {
    const point = new Point(1, new Doubled(2));
    const root = {
      list: [1, point, new Doubled(3), 4, [point]],
      map: new Map<unknown, unknown>([
        ["a", point],
        ["b", 5],
      ]),
      set: new Set<unknown>([point, 6]),
      point,
      list2: [point.y, 7],
      // biome-ignore lint/suspicious/noSparseArray: as lists are that are found by row.
      rows: [, 8],
      doubled: new Doubled(3),
    };
    const left = {
      ...root,
      rows: [undefined, 8],
      list: [1, 4, []],
      map: new Map([["b", 5]]),
      set: new Set([6]),
    };

    test("is read without these, wherever they are referred to", () => {
      const copy = fromImage(imageOf(root, CLASSES), Classes.of([], [], ""));
      const { point: _1, doubled: _2, ...rest } = left;
      expect(copy).toEqual({ ...rest, list2: [7] });
    });

    test("is written without these for a reader that gives up there", () => {
      const octets = joined(imageOf(root, CLASSES.withNames([Point, Doubled], {})));
      expect(Buffer.from(octets).includes("Point")).toBe(false);
      expect(Buffer.from(octets).includes("Doubled")).toBe(false);
      const copy = fromImage([octets], CLASSES) as typeof left;
      expect(copy).toEqual({ ...left, point: undefined, doubled: undefined, list2: [7] });
    });

    test("is written as ever for all others afterwards", () => {
      expect(difference(copyOf(root), root)).toBe(null);
    });
  });

  test("leaves the zeros out that an array ends in", () => {
    const [short, long] = [new Uint32Array([7]), new Uint32Array(100_000)];
    long[0] = 7;
    expect(joined(imageOf(long, CLASSES)).length).toBeLessThan(
      joined(imageOf(short, CLASSES)).length + 4,
    );
  });

  test("has copies that share nothing with what they were made from", () => {
    const octets = new Uint8Array([1, 2, 3]);
    const copy = copyOf({ octets, again: octets }) as { octets: Uint8Array; again: Uint8Array };
    octets[0] = 9;
    expect(copy.octets).toEqual(new Uint8Array([1, 2, 3]));
    expect(copy.again).toBe(copy.octets);
  });

  test("is that of the moment when it was captured, whatever happens until it is sent", () => {
    const lengths = [1000, 4096, 70_000, 1_000_000];
    const columns = lengths.map((length) => new Uint32Array(length).fill(length, 0, length / 2));
    const root = { columns, list: ["a"], map: new Map([[1, columns[2]]]) };
    const room = new CaptureRoom();
    let turns = 0;
    for (const _ of room.prepare(root, CLASSES)) turns++;
    expect(turns).toBeGreaterThan(1);
    // Of something that came up behind it there is nothing in the room.
    root.columns.push(new Uint32Array(500_000).fill(3));

    const octets = captureOf(root, CLASSES, room);
    for (const column of columns) column.fill(77);
    root.list.push("b");
    const copy = fromImage([...octets], CLASSES) as typeof root;

    expect(copy.columns.pop()).toEqual(new Uint32Array(500_000).fill(3));
    copy.columns.forEach((column, i) => {
      const length = lengths[i]!;
      expect(column).toEqual(new Uint32Array(length).fill(length, 0, length / 2));
    });
    expect(copy.list).toEqual(["a"]);
    expect(copy.map.get(1)).toBe(copy.columns[2]);
  });

  test.each([
    ["nothing but zeros", new Uint32Array(300_000)],
    ["one octet at the end", new Uint8Array(600_000).fill(1, 599_999)],
    ["zeros from a boundary of copies on", new Uint8Array(600_000).fill(1, 0, 1 << 18)],
    ["no zeros", new Float64Array(40_000).fill(-1.5)],
  ])("gives a long array back that has %s", (_title, array) => {
    expect(copyOf(array)).toEqual(array);
    expect(copyOf([array, 1])).toEqual([array, 1]);
  });

  test("makes stand-ins anew, once for all that refer to one", () => {
    const doubled = new Doubled(4);
    const copy = copyOf([doubled, new Point(doubled, null)]) as [Doubled, Point];
    expect(copy[0]).toBeInstanceOf(Doubled);
    expect(copy[0].twice).toBe(8);
    expect(copy[1].x).toBe(copy[0]);
  });

  test.each([
    ["a function", { at: [() => {}] }, "a function (at at.0)"],
    ["an unknown class", { at: new Date(0) }, "Date (at at)"],
    ["another class of a known name", { at: new (class Point {})() }, "Point (at at)"],
    ["a big integer", [1n], "a bigint (at 0)"],
    ["a symbol", [Symbol("s")], "a symbol (at 0)"],
    ["a typed array of another kind", [new Int8Array(2)], "Int8Array (at 0)"],
  ])("refuses %s, and says where it is", (_title, value, message) => {
    expect(() => imageOf(value, CLASSES)).toThrow(`an image cannot hold ${message}`);
  });

  test("that is cut anywhere is no image", () => {
    fc.assert(
      fc.property(graph, fc.nat(), (nodes, at) => {
        const octets = joined(imageOf(nodes, CLASSES));
        expect(() => fromImage([octets.slice(0, at % octets.length)], CLASSES)).toThrow(
          FormatError,
        );
      }),
    );
  });

  test("of which octets were changed is read as something or refused, and nothing else happens", () => {
    const before = Object.keys(Object.prototype);
    fc.assert(
      fc.property(
        graph,
        fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 3 }),
        (nodes, changes) => {
          const octets = joined(imageOf(nodes, CLASSES)).slice();
          for (const [at, octet] of changes) octets[at % octets.length] = octet;
          try {
            fromImage([octets], CLASSES);
          } catch (error) {
            expect(error).toBeInstanceOf(FormatError);
          }
        },
      ),
      { numRuns: 1000 },
    );
    expect(Object.keys(Object.prototype)).toEqual(before);
  });

  test.each(["__proto__", "constructor"])("cannot set what an object inherits by %s", (name) => {
    const octets = joined(imageOf({ [`_${name.slice(1)}`]: { polluted: 1 } }, CLASSES)).slice();
    const at = Buffer.from(octets).indexOf(`_${name.slice(1)}`);
    octets.set(Buffer.from(name), at);
    try {
      const copy = fromImage([octets], CLASSES) as object;
      expect(Object.getPrototypeOf(copy)).toBe(Object.prototype);
    } catch (error) {
      expect(error).toBeInstanceOf(FormatError);
    }
    expect(({} as { polluted?: number }).polluted).toBeUndefined();
  });

  test.each([
    ["a list of more than there is", [9, 200, 1]],
    ["an array of 2^40 elements", [14, 0, 0x80, 0x80, 0x80, 0x80, 0x80, 0x20, 0]],
    ["an array of 2^32 elements that are all zero", [14, 4, 0x80, 0x80, 0x80, 0x80, 0x10, 0]],
    ["an object that was not before", [8, 3]],
    ["a shape that was not before", [13, 0]],
    ["a class that nobody knows", [12, 1, 0x51, 0]],
    ["a class whose number nobody knows", [16, 9, 0]],
    ["a stand-in that nobody knows", [15, 1, 0x51, 0]],
    ["a stand-in whose number nobody knows", [17, 9, 0]],
    ["a tag that nobody knows", [18]],
    ["octets behind the value", [1, 1]],
    ["text that is not UTF-8", [7, 1, 0xff]],
    ["a number that does not end", [4, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]],
  ])("with %s is refused", (_title, octets) => {
    expect(() => fromImage([new Uint8Array(octets)], CLASSES)).toThrow(FormatError);
  });

  test("in a list a thousand deep is read; one that is far too deep is refused", () => {
    const nested = (depth: number) => new Uint8Array([...Array(depth).fill([9, 1]), 1].flat());
    expect(fromImage([nested(1000)], CLASSES)).toBeInstanceOf(Array);
    expect(() => fromImage([nested(200_000)], CLASSES)).toThrow(FormatError);
  });
});

test("difference finds where graphs differ", () => {
  expect(difference({ a: [1, 2] }, { a: [1, 3] })).toBe(".a.1: 2 and 3");
  expect(difference(new Map([[1, 2]]), new Map([[1, 2]]))).toBe(null);
});

test("octets that are made in steps are the same", () => {
  fc.assert(
    fc.property(graph, (root) => {
      expect(madeInSteps(root).octets).toEqual(joined(imageOf(root, CLASSES)));
    }),
  );
  const large = { lists: Array.from({ length: 1000 }, (_, k) => ({ k, list: [k, { k }] })) };
  const { octets, steps } = madeInSteps(large);
  expect(octets).toEqual(joined(imageOf(large, CLASSES)));
  expect(steps).toBeGreaterThan(20);
});

function madeInSteps(root: unknown): { octets: Uint8Array; steps: number } {
  const made = octetsInSteps(root, CLASSES);
  for (let steps = 0; ; steps++) {
    const { done, value } = made.next();
    if (done === true) return { octets: value, steps };
  }
}

test("a column that is grown while a capture is made ready is no trouble", () => {
  const column = new Uint32Array(1000);
  const graph = [...Array.from({ length: 20_000 }, (_, k) => new Point(k, null)), column];
  const room = new CaptureRoom();
  const steps = room.prepare(graph, CLASSES);
  steps.next();
  // As the tables do it.
  graph[20_000] = new Uint32Array(2000);
  column.buffer.transfer(0);
  expect(() => [...steps]).not.toThrow();
});
