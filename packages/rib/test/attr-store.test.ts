import { ATTR } from "@ts-bgp/wire-codec";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ATTR_SET, AttrStore } from "../src/index.ts";
import { attribute, type Segment, segments, u32 } from "./model.ts";

function intern(store: AttrStore, octets: Uint8Array): number {
  return store.intern(octets, 0, octets.length);
}

/** A character for each octet. */
function textOf(octets: Uint8Array): string {
  return String.fromCharCode(...octets);
}

/** Sets of all lengths; some differ in their last octet alone. */
const set = fc
  .tuple(fc.constantFrom(0, 3, 12, 200, 255, 256, 700, 5000), fc.nat(2))
  .map(([octets, last]) => {
    const value = new Uint8Array(octets).fill(last, Math.max(0, octets - 1));
    return octets === 0 ? new Uint8Array(0) : attribute(100, value);
  });
const event = fc.oneof(
  { weight: 3, arbitrary: fc.tuple(fc.constant("intern" as const), set, fc.nat(9)) },
  { weight: 1, arbitrary: fc.tuple(fc.constant("hold" as const), fc.nat(), fc.constant(0)) },
  { weight: 3, arbitrary: fc.tuple(fc.constant("release" as const), fc.nat(), fc.constant(0)) },
);

describe("an attribute store", () => {
  test("holds each set once, and as long as someone refers to it", () => {
    fc.assert(
      fc.property(fc.array(event, { maxLength: 100, size: "max" }), (events) => {
        const store = new AttrStore(7);
        /** Octets as text to what the store has for them. */
        const model = new Map<string, { id: number; refs: number; serial: number }>();
        const serials = new Set<number>();
        for (const [kind, what, before] of events) {
          if (kind === "intern") {
            const buf = Uint8Array.from([...new Uint8Array(before).fill(9), ...what, 9]);
            const id = store.intern(buf, before, before + what.length);
            const known = model.get(textOf(what));
            if (known === undefined) {
              const serial = store.serialOf(id);
              expect(serials.has(serial)).toBe(false);
              serials.add(serial);
              model.set(textOf(what), { id, refs: 1, serial });
            } else {
              expect(id).toBe(known.id);
              known.refs++;
            }
          } else if (model.size > 0) {
            const [octets, known] = [...model][what % model.size]!;
            store[kind](known.id);
            known.refs += kind === "hold" ? 1 : -1;
            if (known.refs === 0) model.delete(octets);
          }
          expect(store.size).toBe(model.size);
        }
        expect(new Set([...model.values()].map(({ id }) => id)).size).toBe(model.size);
        for (const [octets, { id, refs, serial }] of model) {
          expect(textOf(store.copyOf(id))).toBe(octets);
          expect(store.lengthOf(id)).toBe(octets.length);
          expect(store.refsOf(id)).toBe(refs);
          expect(store.serialOf(id)).toBe(serial);
          expect(id).toBeGreaterThan(0);
          expect(id).toBeLessThan(store.limit);
          for (let i = 0; i < refs; i++) store.release(id);
        }
        expect(store.size).toBe(0);
      }),
      { numRuns: 150 },
    );
  });

  test("keeps many sets apart while its columns grow", () => {
    const store = new AttrStore(7);
    const octets = (n: number) => attribute(ATTR.MULTI_EXIT_DISC, u32(n));
    const ids = Array.from({ length: 5000 }, (_, n) => {
      if (n % 100 === 0) store.advance();
      return intern(store, octets(n));
    });
    for (const [n, id] of ids.entries()) {
      expect(store.med[id]).toBe(n);
      expect(store.copyOf(id)).toEqual(octets(n));
      expect(intern(store, octets(n))).toBe(id);
    }
    const { octetPages, index, columns } = store.memory();
    expect(Math.min(octetPages, index, columns)).toBeGreaterThan(0);
  });

  test("needs no more memory for other sets in place of those that went", () => {
    const store = new AttrStore(7);
    const churn = (from: number) => {
      const ids = Array.from({ length: 3000 }, (_, n) =>
        intern(store, attribute(100, Uint8Array.from([...u32(from + n), ...new Uint8Array(60)]))),
      );
      for (const id of ids) store.release(id);
    };
    churn(0);
    const { limit } = store;
    const { octetPages, columns } = store.memory();
    for (let round = 1; round <= 5; round++) churn(10_000 * round);
    expect(store.limit).toBe(limit);
    expect(store.memory()).toMatchObject({ octetPages, columns });
  });

  test("has one hash for equal sets of stores with one seed, and 0 for none", () => {
    const octets = attribute(ATTR.ORIGIN, Uint8Array.of(0));
    const [a, b, c] = [new AttrStore(1), new AttrStore(1), new AttrStore(2)] as const;
    intern(b, attribute(ATTR.ORIGIN, Uint8Array.of(1)));
    const hash = a.hashOf(intern(a, octets));
    expect(b.hashOf(intern(b, octets))).toBe(hash);
    expect(c.hashOf(intern(c, octets))).not.toBe(hash);
    expect(a.hashOf(0)).toBe(0);
  });

  test("throws for a set of more than 65,535 octets", () => {
    const store = new AttrStore(1);
    const octets = attribute(100, new Uint8Array(0x10000 - 4));
    expect(() => intern(store, octets)).toThrow(RangeError);
    expect(store.size).toBe(0);
    expect(store.lengthOf(intern(store, octets.subarray(0, 4).with(2, 0).with(3, 0)))).toBe(4);
  });
});

/** What the columns say of a set. */
function derived(store: AttrStore, id: number): object {
  return {
    localPref: store.localPref[id],
    med: store.med[id],
    origin: store.origin[id],
    asPathLength: store.asPathLength[id],
    firstAs: store.firstAs[id],
    originAs: store.originAs[id],
    flags: store.flags[id],
    originatorId: store.originatorId[id],
    clusterListLength: store.clusterListLength[id],
  };
}

/** Of a set without attributes. */
const EMPTY = {
  localPref: 100,
  med: 0,
  origin: 2,
  asPathLength: 0,
  firstAs: 0,
  originAs: 0,
  flags: 0,
  originatorId: 0,
  clusterListLength: 0,
};

const asPath = (...list: Segment[]) => attribute(ATTR.AS_PATH, segments(list));
const communities = (...list: number[]) =>
  attribute(ATTR.COMMUNITIES, Uint8Array.from(list.flatMap((community) => [...u32(community)])));
const long = Array.from({ length: 255 }, (_, i) => 4_200_000_000 + i);

describe("of an attribute set", () => {
  test.each<[string, Uint8Array, Partial<typeof EMPTY>]>([
    ["without attributes, everything has its default", new Uint8Array(0), {}],
    ["ORIGIN is known", attribute(ATTR.ORIGIN, Uint8Array.of(1)), { origin: 1 }],
    ["an empty AS_PATH is of length 0", asPath(), {}],
    [
      "the ends of an AS_PATH are known",
      asPath([2, 65001, 65002, 65003]),
      { asPathLength: 3, firstAs: 65001, originAs: 65003 },
    ],
    [
      "an AS_SET counts as one AS and is nobody's origin",
      asPath([2, 65001, 65002], [1, 65003, 65004, 65005]),
      { asPathLength: 3, firstAs: 65001, originAs: 0 },
    ],
    [
      "an AS_PATH that starts with a set has no neighbouring AS",
      asPath([1, 65001, 65002], [2, 65003]),
      { asPathLength: 2, firstAs: 0, originAs: 65003 },
    ],
    [
      "AS_PATH segments add up, with AS numbers of four octets",
      asPath([2, ...long], [2, ...long]),
      { asPathLength: 510, firstAs: 4_200_000_000, originAs: 4_200_000_254 },
    ],
    ["an IPv4 next hop is the common one", attribute(ATTR.NEXT_HOP, u32(0xc0000201)), {}],
    [
      "an IPv6 next hop is noted",
      attribute(ATTR.NEXT_HOP, new Uint8Array(16)),
      { flags: ATTR_SET.IPV6_NEXT_HOP },
    ],
    [
      "two IPv6 next hops are noted",
      attribute(ATTR.NEXT_HOP, new Uint8Array(32)),
      { flags: ATTR_SET.IPV6_NEXT_HOP },
    ],
    [
      "MULTI_EXIT_DISC is known in full",
      attribute(ATTR.MULTI_EXIT_DISC, u32(0xfffffffe)),
      { med: 0xfffffffe, flags: ATTR_SET.HAS_MED },
    ],
    [
      "a MULTI_EXIT_DISC of 0 is told from none",
      attribute(ATTR.MULTI_EXIT_DISC, u32(0)),
      { flags: ATTR_SET.HAS_MED },
    ],
    [
      "LOCAL_PREF is known in full",
      attribute(ATTR.LOCAL_PREF, u32(0xffffffff)),
      { localPref: 0xffffffff },
    ],
    ["a LOCAL_PREF of 0 is not the default", attribute(ATTR.LOCAL_PREF, u32(0)), { localPref: 0 }],
    ["communities that bind nobody are passed over", communities(0xffff0000, 0xffffff04, 1), {}],
    [
      "well-known communities are found among others",
      communities(0xfffe0001, 0xffffff01, 65536, 0xffffff03),
      { flags: ATTR_SET.NO_EXPORT | ATTR_SET.NO_EXPORT_SUBCONFED },
    ],
    ["NO_ADVERTISE is found", communities(0xffffff02), { flags: ATTR_SET.NO_ADVERTISE }],
    [
      "a community that only looks well known across a border is none",
      communities(0x0000ffff, 0xff010000),
      {},
    ],
    [
      "ORIGINATOR_ID is known, and that it was reflected",
      attribute(ATTR.ORIGINATOR_ID, u32(0xc0000201)),
      { originatorId: 0xc0000201, flags: ATTR_SET.REFLECTED },
    ],
    [
      "CLUSTER_LIST is counted",
      attribute(ATTR.CLUSTER_LIST, new Uint8Array(4 * 70)),
      { clusterListLength: 70, flags: ATTR_SET.REFLECTED },
    ],
    ["OTC is noted", attribute(ATTR.OTC, u32(65001)), { flags: ATTR_SET.HAS_OTC }],
    ["an unknown attribute changes nothing", attribute(200, new Uint8Array(300)), {}],
    [
      "all attributes are read, also after long ones",
      Uint8Array.from([
        ...attribute(ATTR.ORIGIN, Uint8Array.of(0)),
        ...asPath([2, ...long]),
        ...attribute(ATTR.MULTI_EXIT_DISC, u32(5)),
        ...attribute(ATTR.LOCAL_PREF, u32(7)),
        ...communities(...long, 0xffffff02),
        ...attribute(ATTR.OTC, u32(65001)),
      ]),
      {
        origin: 0,
        asPathLength: 255,
        firstAs: 4_200_000_000,
        originAs: 4_200_000_254,
        med: 5,
        localPref: 7,
        flags: ATTR_SET.HAS_MED | ATTR_SET.NO_ADVERTISE | ATTR_SET.HAS_OTC,
      },
    ],
  ])("%s", (_, octets, expected) => {
    const store = new AttrStore(1);
    // The row had another set before, of which nothing may be left.
    const before = Uint8Array.from([
      ...attribute(ATTR.ORIGIN, Uint8Array.of(1)),
      ...asPath([2, 1, 2, 3]),
      ...attribute(ATTR.MULTI_EXIT_DISC, u32(9)),
      ...attribute(ATTR.LOCAL_PREF, u32(9)),
      ...communities(0xffffff01),
      ...attribute(ATTR.ORIGINATOR_ID, u32(9)),
      ...attribute(ATTR.CLUSTER_LIST, u32(9)),
    ]);
    const old = intern(store, before);
    store.release(old);
    const id = intern(store, octets);
    expect(id).toBe(old);
    expect(derived(store, id)).toEqual({ ...EMPTY, ...expected });
  });
});
