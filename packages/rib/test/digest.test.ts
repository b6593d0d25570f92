import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Digest } from "../src/index.ts";
import {
  type Attributes,
  acceptAll,
  attributeOctets,
  newWorld,
  nlri,
  stateOf,
  UNLIMITED,
  u32,
  type World,
} from "./model.ts";

const EMPTY = "0000000000000000";

describe("a digest", () => {
  test("is the same for the same entries in any order, and nothing when all are taken out", () => {
    const entries = fc
      .array(fc.integer())
      .chain((list) =>
        fc.tuple(
          fc.constant(list),
          fc.shuffledSubarray(list, { minLength: list.length }),
          fc.array(fc.integer()),
        ),
      );
    fc.assert(
      fc.property(entries, ([list, shuffled, others]) => {
        const [one, other] = [new Digest(), new Digest()];
        for (const entry of list) one.count(entry, 1);
        for (const entry of others) other.count(entry, 1);
        for (const entry of shuffled) other.count(entry, 1);
        for (const entry of others) other.count(entry, -1);
        expect(other.toString()).toBe(one.toString());
        for (const entry of shuffled) one.count(entry, -1);
        expect(one.toString()).toBe(EMPTY);
      }),
    );
  });

  test("counts each row of a table once, piece by piece, and those that are added behind", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 50 }),
        fc.array(fc.tuple(fc.integer({ min: 1, max: 9 }), fc.nat(3))),
        (rows, steps) => {
          const digest = new Digest();
          const counted: number[] = [];
          let limit = rows;
          for (const [max, added] of steps) {
            const before = counted.length;
            const isMore = digest.advance(max, limit, (row) => counted.push(row));
            expect(counted.length - before).toBeLessThanOrEqual(max);
            expect(isMore).toBe(!digest.isComplete);
            if (!isMore) break;
            limit += added;
          }
          while (digest.advance(7, limit, (row) => counted.push(row)));
          expect(counted).toEqual(Array.from({ length: limit - 1 }, (_, i) => 1 + i));
        },
      ),
    );
  });
});

const ATTRIBUTES: readonly Attributes[] = [
  { localPref: 100, path: [65001], origin: "IGP", med: 0 },
  { localPref: 100, path: [65002], origin: "IGP", med: 0 },
  { localPref: 200, path: [65001], origin: "INCOMPLETE", med: 3 },
];

/** A path with names that mean the same in any RIB. */
interface Named {
  readonly prefix: number;
  readonly peer: number;
  readonly pathId: number;
  readonly sentPathId: number;
  /** Places in `ATTRIBUTES`; `attr` is null when rejected. */
  readonly attrIn: number;
  readonly attr: number | null;
}

function intern({ attrs }: World, n: number): number {
  const octets = attributeOctets(ATTRIBUTES[n]!);
  return attrs.intern(octets, 0, octets.length);
}

function announce(world: World, from: number, prefix: number, pathId: number, n: number): void {
  const { attrs, rib, rows } = world;
  const attr = intern(world, n);
  const own = nlri(prefix, pathId);
  const importer = { ...acceptAll(prefix === 0 ? 0 : attr), reason: prefix === 0 ? 1 : 0 };
  rib.announce(rows[from]!, own, 0, own.length, true, attr, importer, UNLIMITED, 0, 0);
  attrs.release(attr);
}

function withdraw({ rib, rows }: World, from: number, prefix: number, pathId: number): void {
  const own = nlri(prefix, pathId);
  rib.withdraw(rows[from]!, own, 0, own.length, true);
}

function slice({ rib }: World): void {
  rib.decide();
  rib.trim();
}

/** All paths of a RIB. */
function namedPaths({ attrs, rib, rows }: World): Named[] {
  const named: Named[] = [];
  const { paths, prefixes } = rib;
  const texts = ATTRIBUTES.map((attributes) => String(attributeOctets(attributes)));
  const place = (attr: number) => texts.indexOf(String(attrs.copyOf(attr)));
  for (let path = 1; path < paths.limit; path++) {
    const state = stateOf(paths, path);
    if (state.attrIn === 0) continue;
    named.push({
      prefix: (prefixes.w0[paths.prefix[path]!]! >>> 16) & 255,
      peer: rows.indexOf(state.peer),
      pathId: state.pathId,
      sentPathId: state.sentPathId,
      attrIn: place(state.attrIn),
      attr: state.attr === 0 ? null : place(state.attr),
    });
  }
  return named;
}

/** A RIB that never held anything but these paths, which came in a round and for a reason. */
function worldOf(named: readonly Named[], round = 3, reason = 0): World {
  const world = newWorld();
  const { rib, rows } = world;
  for (const { prefix, peer, pathId, sentPathId, attrIn, attr } of named) {
    const own = Uint8Array.from([...u32(pathId), ...nlri(prefix, null)]);
    const importer = acceptAll(attr === null ? 0 : intern(world, attr));
    const set = intern(world, attrIn);
    rib.announce(rows[peer]!, own, 0, own.length, true, set, importer, UNLIMITED, round, round);
    const row = rib.prefixes.find(((10 << 24) | (prefix << 16)) >>> 0, 0, 0, 0, 16);
    const path = rib.find(row, rows[peer]!, pathId);
    rib.paths.sentPathId[path] = sentPathId;
    rib.paths.reason[path] = reason;
  }
  while (rib.stepDigest(1));
  return world;
}

function digestOf(named: readonly Named[]): string {
  const { digest } = worldOf(named).rib;
  expect(digest.isComplete).toBe(true);
  return digest.toString();
}

describe("the digest of a RIB", () => {
  test("is that of a RIB that got the same paths in another way", () => {
    const route = fc.tuple(fc.nat(4), fc.nat(4), fc.constantFrom(0, 0, 7), fc.nat(2));
    const event = fc.oneof(
      { weight: 6, arbitrary: fc.tuple(fc.constant("announce" as const), route) },
      { weight: 3, arbitrary: fc.tuple(fc.constant("withdraw" as const), route) },
      { weight: 1, arbitrary: fc.tuple(fc.constant("slice" as const), route) },
    );
    const events = fc.array(event, { maxLength: 60, size: "max" });
    fc.assert(
      fc.property(events, fc.nat(60), fc.infiniteStream(fc.nat()), (list, from, lots) => {
        const world = newWorld();
        for (const [i, [kind, [peer, prefix, pathId, n]]] of list.entries()) {
          if (i >= from) world.rib.stepDigest(1);
          if (kind === "announce") announce(world, peer, prefix, pathId, n);
          else if (kind === "withdraw") withdraw(world, peer, prefix, pathId);
          else slice(world);
        }
        while (world.rib.stepDigest(1));
        const named = namedPaths(world);
        const order = named.map((path) => ({ path, lot: lots.next().value! }));
        order.sort((a, b) => a.lot - b.lot);
        expect(digestOf(order.map(({ path }) => path))).toBe(world.rib.digest.toString());
        for (let peer = 0; peer < world.rows.length; peer++) {
          world.rib.removePeer(world.rows[peer]!, Infinity);
        }
        expect(world.rib.digest.toString()).toBe(EMPTY);
      }),
      { numRuns: 150 },
    );
  });

  const path: Named = { prefix: 1, peer: 0, pathId: 0x30000, sentPathId: 1, attrIn: 0, attr: 0 };
  test.each<[string, Named[]]>([
    ["it has no path", []],
    ["it has another path too", [path, { ...path, peer: 1, sentPathId: 2 }]],
    ["the path is of another prefix", [{ ...path, prefix: 2 }]],
    ["the path is another peer's", [{ ...path, peer: 1 }]],
    ["the path has another identifier", [{ ...path, pathId: 1 }]],
    ["the path is sent with another identifier", [{ ...path, sentPathId: 2 }]],
    ["both identifiers of the path are others", [{ ...path, pathId: 0x10000, sentPathId: 3 }]],
    ["the path has other attributes", [{ ...path, attrIn: 1, attr: 1 }]],
    ["policy changed the path's attributes", [{ ...path, attr: 1 }]],
    ["policy rejected the path", [{ ...path, attr: null }]],
  ])("is another one when %s", (_, others) => {
    expect(digestOf(others)).not.toBe(digestOf([path]));
  });

  test("does not depend on when a path came and why it was rejected", () => {
    const [one, other] = [worldOf([path]), worldOf([path], 9, 4)];
    expect(one.rib.digest.toString()).toBe(other.rib.digest.toString());
  });
});
