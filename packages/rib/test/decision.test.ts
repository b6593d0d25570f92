import { ATTR } from "@ts-bgp/wire-codec";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { AttrStore, type PathRow, PeerTable, Rib } from "../src/index.ts";
import { acceptAll, attribute, nlri, type Segment, segments, UNLIMITED, u32 } from "./model.ts";

interface Peer {
  readonly external: boolean;
  readonly identifier: number;
  readonly address: readonly [number, number, number, number];
}

interface Route {
  /** Index of the peer. */
  readonly peer: number;
  readonly pathId: number;
  readonly localPref: number;
  readonly asPath: readonly Segment[];
  readonly origin: number;
  /** Null when absent. */
  readonly med: number | null;
  /** ORIGINATOR_ID, 0 when absent. */
  readonly originatorId: number;
  /** Entries of CLUSTER_LIST. */
  readonly clusters: number;
}

function octetsOf(route: Route): Uint8Array {
  const parts = [
    attribute(ATTR.ORIGIN, Uint8Array.of(route.origin)),
    attribute(ATTR.AS_PATH, segments(route.asPath)),
  ];
  if (route.med !== null) parts.push(attribute(ATTR.MULTI_EXIT_DISC, u32(route.med)));
  parts.push(attribute(ATTR.LOCAL_PREF, u32(route.localPref)));
  if (route.originatorId !== 0) {
    parts.push(attribute(ATTR.ORIGINATOR_ID, u32(route.originatorId)));
  }
  if (route.clusters > 0) {
    parts.push(attribute(ATTR.CLUSTER_LIST, new Uint8Array(4 * route.clusters)));
  }
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}

/** A table of one prefix; routes are known by their place in the list that was announced. */
class Table {
  readonly rib: Rib;
  readonly attrs: AttrStore = new AttrStore(1);
  private readonly peers: PeerTable = new PeerTable();
  private readonly rows: number[];

  constructor(peers: readonly Peer[]) {
    this.rib = new Rib(1, this.attrs, this.peers, 2);
    this.rows = peers.map(({ external, identifier, address }) => {
      const row = this.peers.add({ as: 65000, external, address });
      this.peers.identifier[row] = identifier;
      this.rib.paths.addPeer(row);
      return row;
    });
  }

  announce(route: Route, accepted = true): void {
    const octets = octetsOf(route);
    const attr = this.attrs.intern(octets, 0, octets.length);
    const importer = { ...acceptAll(accepted ? attr : 0), reason: accepted ? 0 : 1 };
    const peer = this.rows[route.peer]!;
    const own = nlri(1, route.pathId);
    this.rib.announce(peer, own, 0, own.length, true, attr, importer, UNLIMITED, 0, 0);
    this.attrs.release(attr);
  }

  withdraw(route: Route): void {
    const own = nlri(1, route.pathId);
    this.rib.withdraw(this.rows[route.peer]!, own, 0, own.length, true);
  }

  pathOf({ peer, pathId }: Route): PathRow {
    return this.rib.find(this.row, this.rows[peer]!, pathId);
  }

  get row(): number {
    return this.rib.prefixes.find((10 << 24) | (1 << 16), 0, 0, 0, 16);
  }

  private get head(): PathRow {
    return this.row === 0 ? 0 : this.rib.prefixes.head[this.row]!;
  }

  get best(): PathRow {
    return this.rib.decision.best(this.head);
  }

  get equal(): PathRow[] {
    return this.rib.decision.equal(this.head);
  }

  /** Paths in order of preference. */
  get order(): PathRow[] {
    const { decision } = this.rib;
    const count = decision.collect(this.head);
    return Array.from({ length: count }, (_, rank) => decision.preferred(rank));
  }
}

/** Neighbouring AS: that of a path without one, or with a set in front, is like no other's. */
function neighborAs({ asPath }: Route): number {
  const [first] = asPath;
  return first?.[0] === 2 ? first[1]! : 0;
}

function pathLength({ asPath }: Route): number {
  return asPath.reduce((sum, [type, ...as]) => sum + (type === 1 ? 1 : as.length), 0);
}

/** RFC 4271 sections 9.1.1 and 9.1.2.2 and RFC 4456 section 9 as they are written. */
function bestOf(
  routes: readonly Route[],
  peers: readonly Peer[],
  noteEqual: (routes: readonly Route[]) => void = () => {},
): Route {
  let left = [...routes];
  const keepLowest = (value: (route: Route) => number) => {
    const lowest = Math.min(...left.map(value));
    left = left.filter((route) => value(route) === lowest);
  };
  const peer = (route: Route) => peers[route.peer]!;
  keepLowest(({ localPref }) => -localPref);
  keepLowest(pathLength);
  keepLowest(({ origin }) => origin);
  for (const m of [...left]) {
    for (const n of left) {
      if (neighborAs(m) !== neighborAs(n) || (n.med ?? 0) >= (m.med ?? 0)) continue;
      left = left.filter((route) => route !== m);
      break;
    }
  }
  keepLowest((route) => (peer(route).external ? 0 : 1));
  noteEqual(left);
  keepLowest((route) => route.originatorId || peer(route).identifier);
  keepLowest(({ clusters }) => clusters);
  for (const word of [0, 1, 2, 3]) keepLowest((route) => peer(route).address[word]!);
  keepLowest(({ pathId }) => pathId);
  expect(left.length).toBe(1);
  return left[0]!;
}

const identifier = fc.constantFrom(1, 2, 0x7fffffff, 0x80000000, 0xffffffff);
const WORDS = [0, 1, 0xffffffff];
const ADDRESSES = WORDS.flatMap((a) =>
  WORDS.flatMap((b) => WORDS.map((c): Peer["address"] => [a, b, 0xffff, c])),
);
const peers = fc
  .tuple(
    fc.array(fc.record({ external: fc.boolean(), identifier }), { minLength: 1, maxLength: 6 }),
    fc.shuffledSubarray(ADDRESSES, { minLength: 6, maxLength: 6 }),
  )
  .map(([list, addresses]) => list.map((peer, i): Peer => ({ ...peer, address: addresses[i]! })));
const asPath = fc.constantFrom<readonly Segment[]>(
  [],
  [[2, 65001]],
  [[2, 65002]],
  [[2, 65001, 65003]],
  [
    [2, 65001],
    [1, 65003, 65004],
  ],
  [[1, 65001, 65002]],
);
const attributes = fc.record({
  localPref: fc.constantFrom(100, 100, 100, 0, 0xffffffff),
  asPath,
  origin: fc.constantFrom(0, 0, 2),
  med: fc.constantFrom(null, 0, 5, 10, 0xffffffff),
  originatorId: fc.oneof(fc.constant(0), identifier),
  clusters: fc.nat(2),
});

/** Peers, and routes of them that differ in peer or path identifier. */
const scene = (routesMax: number) =>
  peers.chain((list) =>
    fc.tuple(
      fc.constant(list),
      fc.uniqueArray(
        fc
          .tuple(fc.nat(list.length - 1), fc.nat(60), attributes)
          .map(([peer, pathId, own]): Route => ({ peer, pathId, ...own })),
        { maxLength: routesMax, size: "max", selector: ({ peer, pathId }) => `${peer} ${pathId}` },
      ),
    ),
  );

describe("the decision process", () => {
  test("finds the path that is left when the others are eliminated step by step", () => {
    fc.assert(
      fc.property(scene(12), ([list, routes]) => {
        const table = new Table(list);
        for (const route of routes) table.announce(route);
        const expected = routes.length === 0 ? 0 : table.pathOf(bestOf(routes, list));
        expect(table.best).toBe(expected);
        table.rib.decide();
        if (routes.length > 0) expect(table.rib.prefixes.best[table.row]).toBe(expected);
      }),
      { numRuns: 1000 },
    );
  });

  test("finds those that are equal up to there, and has them in the order of the rest of its steps", () => {
    fc.assert(
      fc.property(scene(12), ([list, routes]) => {
        const table = new Table(list);
        for (const route of routes) table.announce(route);
        const order: PathRow[] = [];
        let equal: readonly Route[] = [];
        if (routes.length > 0) {
          bestOf(routes, list, (left) => {
            equal = left;
          });
        }
        for (let left = equal; left.length > 0; ) {
          const best = bestOf(left, list);
          order.push(table.pathOf(best));
          left = left.filter((route) => route !== best);
        }
        expect(table.equal).toEqual(order);
      }),
      { numRuns: 500 },
    );
  });

  test.each([
    [10, 200],
    [200, 4],
  ])("orders up to %i paths as the best, the best of the rest, and so on", (routesMax, numRuns) => {
    fc.assert(
      fc.property(scene(routesMax), ([list, routes]) => {
        const table = new Table(list);
        for (const route of routes) table.announce(route);
        const order: PathRow[] = [];
        let left = [...routes];
        while (left.length > 0) {
          const best = bestOf(left, list);
          order.push(table.pathOf(best));
          left = left.filter((route) => route !== best);
        }
        expect(table.order).toEqual(order);
      }),
      { numRuns },
    );
  });

  test("does not depend on the order of arrival, nor on the rows that paths stand in", () => {
    const scenes = scene(12).chain(([list, routes]) =>
      fc.tuple(
        fc.constant(list),
        fc.constant(routes),
        fc.shuffledSubarray(routes, { minLength: routes.length }),
        fc.subarray(routes),
      ),
    );
    fc.assert(
      fc.property(scenes, ([list, routes, shuffled, before]) => {
        const one = new Table(list);
        for (const route of routes) one.announce(route);
        const other = new Table(list);
        for (const route of before) other.announce({ ...route, localPref: 7 });
        expect(other.order.length).toBe(before.length);
        for (const route of before.toReversed()) if (route.pathId % 2 === 0) other.withdraw(route);
        for (const route of shuffled) other.announce(route);
        const placeIn = (table: Table) =>
          table.order.map((path) => routes.findIndex((route) => table.pathOf(route) === path));
        expect(placeIn(other)).toEqual(placeIn(one));
      }),
      { numRuns: 300 },
    );
  });

  test("leaves rejected paths out", () => {
    fc.assert(
      fc.property(scene(8), fc.array(fc.boolean(), { minLength: 8 }), ([list, routes], accepts) => {
        const table = new Table(list);
        for (const [i, route] of routes.entries()) table.announce(route, accepts[i]);
        const accepted = routes.filter((_, i) => accepts[i]);
        const best = accepted.length === 0 ? 0 : table.pathOf(bestOf(accepted, list));
        expect(table.best).toBe(best);
        expect(table.order.length).toBe(accepted.length);
      }),
      { numRuns: 200 },
    );
  });
});

const PEERS: readonly Peer[] = [30, 20, 10, 40].map((own, i) => ({
  external: i < 3,
  identifier: own,
  address: [0, 0, 0xffff, 0xc0000201 + i],
}));
const ROUTE: Route = {
  peer: 0,
  pathId: 0,
  localPref: 100,
  asPath: [[2, 65001]],
  origin: 0,
  med: null,
  originatorId: 0,
  clusters: 0,
};
const via = (as: number): readonly Segment[] => [[2, as]];

describe("MULTI_EXIT_DISC", () => {
  test.each<[string, Partial<Route>[], best: number]>([
    ["prefers the lower one of a neighbouring AS", [{ med: 5 }, { peer: 1, med: 10 }], 0],
    ["counts as 0 when it is absent", [{ med: null }, { peer: 1, med: 1 }], 0],
    ["is as good absent as 0", [{ med: 0 }, { peer: 1, med: null }], 1],
    [
      "is not compared between neighbouring ASes",
      [{ med: 0 }, { peer: 1, asPath: via(65002), med: 10 }],
      1,
    ],
    [
      "is compared by the first AS alone, not by the rest of the path",
      [
        { asPath: [[2, 65001, 65003]], med: 5 },
        { peer: 1, asPath: [[2, 65001, 65004]], med: 10 },
      ],
      0,
    ],
    [
      "is not compared between a sequence and a set of the same AS",
      [
        { asPath: [[1, 65001]], med: 0 },
        { peer: 1, asPath: via(65001), med: 10 },
      ],
      1,
    ],
    [
      "removes a path that a path of another AS would have lost to",
      [{ med: 0 }, { peer: 1, asPath: via(65002), med: 10 }, { peer: 2, med: 10 }],
      1,
    ],
    [
      "lets a path of a third AS win that loses to one it removes",
      [{ med: 5 }, { peer: 2, med: 10 }, { peer: 1, asPath: via(65002), med: 100 }],
      2,
    ],
    ["goes before an external session", [{ med: 10 }, { peer: 3, med: 5 }], 1],
    [
      "comes after ORIGIN",
      [
        { origin: 2, med: 0 },
        { peer: 1, med: 10 },
      ],
      1,
    ],
    [
      "comes after the length of AS_PATH",
      [
        { asPath: [[2, 65001, 65001]], med: 0 },
        { peer: 1, med: 10 },
      ],
      1,
    ],
    [
      "of a path that lost before removes no other",
      [
        { med: 10, localPref: 200 },
        { peer: 1, med: 0 },
        { peer: 2, asPath: via(65002), med: 20, localPref: 150 },
      ],
      0,
    ],
    [
      "is a number of 32 bits without a sign",
      [{ med: 0x80000000 }, { peer: 1, med: 0x7fffffff }],
      1,
    ],
  ])("%s", (_, routes, best) => {
    const table = new Table(PEERS);
    const list = routes.map((route) => ({ ...ROUTE, ...route }));
    for (const route of list) table.announce(route);
    expect(table.best).toBe(table.pathOf(list[best]!));
  });
});

test("MULTI_EXIT_DISC is compared within each of hundreds of neighbouring ASes", () => {
  const table = new Table(PEERS);
  const routes = Array.from({ length: 1000 }, (_, i): Route => {
    const pathId = i % 256;
    // The higher MED goes with the lower identifier, so that it alone decides.
    const med = i % 2 === 0 ? 20 : 10;
    const originatorId = i % 2 === 0 ? 1 + i : 5000 + i;
    return { ...ROUTE, peer: i >> 8, pathId, asPath: via(1 + (i >> 1)), med, originatorId };
  }).filter(({ peer }) => PEERS[peer]!.external);
  for (const route of routes) table.announce(route);
  expect(table.best).toBe(table.pathOf(routes[1]!));
  expect(table.best).toBe(table.pathOf(bestOf(routes, PEERS)));
});

describe("what makes a path better", () => {
  test.each<[string, better: Partial<Route>, worse: Partial<Route>]>([
    ["higher LOCAL_PREF (200 against 100)", { localPref: 200 }, { peer: 1 }],
    ["shorter AS_PATH (1 against 2)", {}, { peer: 1, asPath: [[2, 65001, 65002]] }],
    ["lower ORIGIN (IGP against INCOMPLETE)", {}, { peer: 1, origin: 2 }],
    ["lower MULTI_EXIT_DISC (5 against 10)", { med: 5 }, { peer: 1, med: 10 }],
    ["session (external against internal)", {}, { peer: 3 }],
    ["lower BGP Identifier (0.0.0.20 against 0.0.0.30)", { peer: 1 }, { peer: 0 }],
    [
      "lower BGP Identifier (0.0.0.1 against 0.0.0.20)",
      { originatorId: 1 },
      { peer: 1, med: null },
    ],
    [
      "shorter CLUSTER_LIST (1 against 2)",
      { originatorId: 9, clusters: 1 },
      { peer: 1, originatorId: 9, clusters: 2 },
    ],
    ["lower peer address", { originatorId: 9 }, { peer: 1, originatorId: 9 }],
    ["lower path identifier", { pathId: 1 }, { pathId: 2 }],
  ])("is said as: %s", (text, better, worse) => {
    const table = new Table(PEERS);
    const [a, b] = [
      { ...ROUTE, ...better },
      { ...ROUTE, ...worse },
    ];
    table.announce(b);
    table.announce(a);
    expect(table.best).toBe(table.pathOf(a));
    expect(table.rib.decision.firstDifference(table.pathOf(a), table.pathOf(b))).toBe(text);
  });
});
