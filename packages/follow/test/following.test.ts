/** Tables that are followed: whatever happens to servers and followers, they come to the same. */
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { runs } from "../../../test/mode.ts";
import { FollowedTable, Following, readRuns, Telling } from "../src/index.ts";

/** Of an odd number there are two. */
const hopsOf = (n: number) =>
  n === 0 ? [] : [n, n + 100].slice(0, 1 + (n & 1)).map((last) => Uint8Array.of(192, 0, 2, last));

/** A table of a server, and what it is to have. */
class Server {
  readonly table: FollowedTable = new FollowedTable(1, 7);
  readonly routes: Map<string, number> = new Map();

  set(prefix: number, hop: number): void {
    const word = (prefix << 24) >>> 0;
    this.table.set(word, 0, 0, 0, 8, this.table.hops.intern(...hopsOf(hop)));
    if (hop === 0) this.routes.delete(`${prefix}/8`);
    else this.routes.set(`${prefix}/8`, hop);
    this.table.trim();
  }
}

function contents(table: FollowedTable): Map<string, number> {
  const found = new Map<string, number>();
  for (let row = 1; row < table.prefixes.limit; row++) {
    const hop = table.hop[row]!;
    if (hop === 0) continue;
    const hops = table.hops.get(hop);
    expect(hops).toEqual(hopsOf(hops[0]![3]!));
    found.set(`${table.prefixes.w0[row]! >>> 24}/${table.prefixes.bits[row]}`, hops[0]![3]!);
  }
  return found;
}

/** One follower of two servers, with what is on its way to it. */
class World {
  readonly servers: readonly Server[] = [new Server(), new Server()];
  readonly table: FollowedTable = new FollowedTable(1, 9);
  readonly cursor = this.table.log.open();
  readonly tellings: (Telling | null)[] = [null, null];
  readonly isActive: boolean[] = [false, false];
  readonly isTold: boolean[] = [false, false];
  completed = 0;
  readonly following: Following = new Following([this.table], {
    activate: (server) => {
      this.tellings[server]?.close();
      this.tellings[server] = new Telling([this.servers[server]!.table], true, false);
      this.isTold[server] = false;
    },
    complete: () => this.completed++,
  });

  /** A server is active, or is not. */
  role(server: number, active: boolean, epoch: number): void {
    this.tellings[server]?.close();
    this.tellings[server] = null;
    this.isActive[server] = active;
    this.following.role(server, { active: Number(active), epoch });
  }

  lose(server: number): void {
    this.tellings[server]?.close();
    this.tellings[server] = null;
    this.isActive[server] = false;
    this.following.lost(server);
  }

  /** @returns whether there was something to tell */
  tell(server: number): boolean {
    const telling = this.tellings[server];
    if (!telling || (telling.isUpToDate && this.isTold[server])) return false;
    const { routes, count, more } = telling.next();
    if (count > 0) this.following.bracket(server, { routes });
    if (more) return true;
    this.isTold[server] = true;
    this.following.complete(server);
    return true;
  }

  settle(): void {
    for (const server of [0, 1]) while (this.tell(server));
  }

  /** @returns prefixes that were changed since this was asked last */
  changed(): string[] {
    const rows: string[] = [];
    const { table } = this;
    for (let row = table.log.next(this.cursor); row !== 0; row = table.log.next(this.cursor)) {
      rows.push(`${table.prefixes.w0[row]! >>> 24}/${table.prefixes.bits[row]}`);
    }
    table.trim();
    return rows;
  }
}

const step = fc.oneof(
  { weight: 8, arbitrary: fc.tuple(fc.constant("set"), fc.nat(1), fc.nat(40), fc.nat(3)) },
  { weight: 4, arbitrary: fc.tuple(fc.constant("tell"), fc.nat(1), fc.nat(0), fc.nat(0)) },
  { weight: 1, arbitrary: fc.tuple(fc.constant("active"), fc.nat(1), fc.nat(0), fc.nat(0)) },
  { weight: 1, arbitrary: fc.tuple(fc.constant("standby"), fc.nat(1), fc.nat(0), fc.nat(0)) },
  { weight: 1, arbitrary: fc.tuple(fc.constant("lose"), fc.nat(1), fc.nat(0), fc.nat(0)) },
);

test("a follower has what the active server has, after whatever has happened", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
      const world = new World();
      let epoch = 0;
      for (const [what, server, prefix, hop] of steps) {
        if (what === "set") world.servers[server]!.set(prefix, hop);
        else if (what === "tell") world.tell(server);
        else if (what === "active") world.role(server, true, ++epoch);
        else if (what === "standby") world.role(server, false, epoch);
        else world.lose(server);
      }
      world.role(0, true, ++epoch);
      world.settle();
      expect(world.following.source).toBe(0);
      expect(world.following.isComplete).toBe(true);
      expect(contents(world.table)).toEqual(world.servers[0]!.routes);
      expect(world.table.size).toBe(world.servers[0]!.routes.size);
    }),
    { numRuns: runs(1000) },
  );
});

describe("a follower of two servers", () => {
  function twoServers(): World {
    const world = new World();
    for (const server of world.servers) {
      for (let prefix = 1; prefix <= 20; prefix++) server.set(prefix, 1);
    }
    world.role(0, true, 1);
    world.role(1, false, 0);
    world.settle();
    expect(world.changed()).toHaveLength(20);
    return world;
  }

  test("changes nothing when its server is lost, and only the difference when the other one acts", () => {
    const world = twoServers();
    world.lose(0);
    expect(world.following.source).toBeNull();
    expect(world.changed()).toEqual([]);
    const [, other] = world.servers;
    other!.set(3, 0);
    other!.set(4, 2);
    other!.set(21, 1);
    world.role(1, true, 2);
    world.settle();
    expect(world.changed().sort()).toEqual(["21/8", "3/8", "4/8"]);
  });

  test("keeps what it has while a copy is not complete", () => {
    const world = twoServers();
    world.servers[1]!.set(5, 0);
    world.lose(0);
    world.role(1, true, 2);
    expect(world.changed()).toEqual([]);
    world.lose(1);
    expect(world.changed()).toEqual([]);
    expect(world.table.size).toBe(20);
  });

  test("listens to the one of the later epoch when both say they act", () => {
    const world = twoServers();
    world.role(1, true, 2);
    expect(world.following.source).toBe(1);
    world.role(0, true, 1);
    expect(world.following.source).toBe(1);
  });

  test("takes nothing of one that it does not listen to", () => {
    const world = twoServers();
    const table = new FollowedTable(1, 1);
    table.set(0x63000000, 0, 0, 0, 8, table.hops.intern(...hopsOf(1)));
    const { routes } = new Telling([table], true, false).next();
    world.following.bracket(1, { routes });
    expect(world.changed()).toEqual([]);
  });

  test("gives everything up when it is told to, and only then", () => {
    const world = twoServers();
    world.following.clear();
    expect(world.table.size).toBe(20);
    world.lose(0);
    world.following.clear();
    expect(world.table.size).toBe(0);
    expect(world.changed()).toHaveLength(20);
  });
});

test("a slow reader is told the latest alone, and the log does not grow", () => {
  const server = new Server();
  for (let prefix = 0; prefix < 100; prefix++) server.set(prefix, 1);
  const telling = new Telling([server.table], true, false);
  while (telling.next().more);
  for (let round = 0; round < 1000; round++) {
    for (let prefix = 0; prefix < 100; prefix++) server.set(prefix, 1 + ((round + prefix) % 3));
  }
  expect(server.table.log.length).toBeLessThan(10_000);
  const { count, more } = telling.next();
  expect([count, more]).toEqual([100, false]);
});

describe("octets of routes", () => {
  test.each([
    ["another family", [3, 0, 1, 0], "routes of a family 3"],
    ["a next hop of another length", [1, 5, 1, 2, 3, 4, 5, 1, 0], "a next hop of 5 octets"],
    ["several next hops, of which there is none", [5, 0, 1, 0], "0 next hops"],
    [
      "several next hops, one of no length",
      [5, 2, 4, 1, 2, 3, 4, 0, 1, 0],
      "a next hop of 0 octets",
    ],
    ["a prefix that is too long", [1, 0, 1, 33, 0, 0, 0, 0, 0], "a prefix of 33 bits"],
    ["bits beyond the prefix", [1, 0, 1, 4, 0x1f], "a prefix with bits beyond its length"],
    ["more routes than octets", [1, 0, 9, 0], "9 routes in 1 octets"],
    ["a run of none", [1, 0, 0], "0 routes in 0 octets"],
    ["one that is cut", [1, 0, 1, 16, 1], "2 octets where 1 are left"],
  ])("with %s are refused, and nothing of them counts", (_, octets, message) => {
    const world = new World();
    world.role(0, true, 1);
    const right = [1, 4, 192, 0, 2, 1, 1, 8, 10];
    const routes = Uint8Array.from([...right, ...octets]);
    expect(() => world.following.bracket(0, { routes })).toThrow(message);
    expect(world.table.size).toBe(0);
  });

  test("of IPv6 come as they were", () => {
    const table = new FollowedTable(2, 1);
    const hop = Uint8Array.from({ length: 16 }, (_, k) => k + 1);
    table.set(0x20010db8, 0x00010002, 0x80000000, 0, 65, table.hops.intern(hop));
    table.set(0, 0, 0, 0, 0, table.hops.intern(hop));
    const found: unknown[] = [];
    const hops: number[][] = [];
    readRuns(
      new Telling([table], true, false).next().routes,
      (_, [octets]) => void hops.push([...octets!]),
      (...route) => void found.push(route),
    );
    expect(found).toEqual([
      [2, 0x20010db8, 0x00010002, 0x80000000, 0, 65],
      [2, 0, 0, 0, 0, 0],
    ]);
    expect(hops).toEqual([[...hop]]);
  });

  test("with several next hops, and such of 32 octets, are told to who takes them", () => {
    const table = new FollowedTable(2, 1);
    const hops = [32, 16].map((length, n) => Uint8Array.from({ length }, (_, k) => k + n));
    table.set(0x20010db8, 0, 0, 0, 32, table.hops.intern(...hops));
    const told = (...takes: readonly [several: boolean, interfaces: boolean]) => {
      const found: (readonly Uint8Array[])[] = [];
      const { routes } = new Telling([table], ...takes).next();
      readRuns(
        routes,
        (_, each) => void found.push(each.map((one) => one.slice())),
        () => {},
      );
      return found;
    };
    expect(told(true, true)).toEqual([hops]);
    expect(told(true, false)).toEqual([hops]);
    expect(told(false, false)).toEqual([[hops[0]!.slice(0, 16)]]);
    const named = [47, 31, 33, 17].map((length, n) => Uint8Array.from({ length }, (_, k) => k + n));
    table.set(0x20010db8, 0, 0, 0, 32, table.hops.intern(...named));
    expect(told(true, true)).toEqual([named]);
    const nameless = [32, 16, 32, 16].map((length, n) => named[n]!.slice(0, length));
    expect(told(true, false)).toEqual([nameless]);
    expect(told(false, true)).toEqual([[named[0]!.slice(0, 16)]]);
  });
});
