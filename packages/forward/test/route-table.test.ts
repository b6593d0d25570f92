/** What should be in a kernel and what is: only what differs is changed. */
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { runs } from "../../../test/mode.ts";
import { type KernelRoute, Resolver, type RouteChange, RouteTable } from "../src/index.ts";

const EEXIST = 17;
const ESRCH = 3;
const ENETUNREACH = 101;
const address = (text: string) => Uint8Array.from(text.split(".").map(Number));

function route(prefix: string, more: Partial<KernelRoute> = {}): KernelRoute {
  const [network = "", bits] = prefix.split("/");
  return {
    ...{ family: 1, table: 254, protocol: 2, type: 1, metric: 0, gateway: null, interface: 5 },
    ...{ isOther: false, isDead: false, prefix: address(network), bits: Number(bits) },
    ...more,
  };
}

const CONNECTED = [route("192.0.2.0/24"), route("198.51.100.0/24", { interface: 6 })];

/** A kernel that does as it is told. */
class Kernel {
  readonly routes: Map<string, string> = new Map();
  refuses = new Map<string, number>();
  changes: string[] = [];

  apply(table: RouteTable): void {
    for (let changes = table.next(4); changes.length > 0; changes = table.next(4)) {
      for (const change of changes) table.done(change, this.change(change));
    }
  }

  adopted(): KernelRoute[] {
    return [...this.routes].map(([prefix, hop]) => {
      const [gateway = "", index] = hop.split("%");
      return route(prefix, { gateway: address(gateway), interface: Number(index), protocol: 186 });
    });
  }

  private change({ change, words, bits, hop }: RouteChange): number {
    const prefix = `${words[0] >>> 24}.${(words[0] >>> 16) & 255}.0.0/${bits}`;
    const refused = this.refuses.get(prefix);
    if (refused !== undefined) return refused;
    const isThere = this.routes.has(prefix);
    if (change === "add" && isThere) return EEXIST;
    if (change !== "add" && !isThere) return ESRCH;
    this.changes.push(`${change} ${prefix}`);
    if (hop === null) this.routes.delete(prefix);
    else this.routes.set(prefix, `${hop.gateway?.join(".")}%${hop.interface}`);
    return 0;
  }
}

function adopt(table: RouteTable, routes: readonly KernelRoute[]): void {
  table.beginAdopting();
  for (const each of routes) table.adopt(each);
  table.endAdopting();
}

function set({ followed }: RouteTable, prefix: number, hop: string | null): void {
  const id = hop === null ? 0 : followed.hops.intern(address(hop));
  followed.set((prefix << 16) >>> 0, 0, 0, 0, 16, id);
}

function tableWith(routes: readonly KernelRoute[] = CONNECTED): {
  table: RouteTable;
  kernel: Kernel;
} {
  const table = new RouteTable(1, 3);
  table.resolveBy(routes);
  return { table, kernel: new Kernel() };
}

describe("a next hop", () => {
  const resolver = new Resolver([
    route("0.0.0.0/0", { gateway: address("192.0.2.1") }),
    route("10.0.0.0/8", { gateway: address("192.0.2.9") }),
    route("10.1.0.0/16", { isOther: true }),
    route("10.2.0.0/15", { gateway: address("192.0.2.8"), protocol: 186 }),
    route("10.4.0.0/16", { type: 6 }),
    route("10.5.0.0/16", { isDead: true }),
    ...CONNECTED,
    route("192.0.2.128/25", { interface: 7 }),
  ]);

  test.each([
    ["on a network", "192.0.2.3", "192.0.2.3%5"],
    ["on one inside of it", "192.0.2.130", "192.0.2.130%7"],
    ["behind a gateway", "10.9.0.1", "192.0.2.9%5"],
    ["under a route with several next hops", "10.1.0.1", "192.0.2.9%5"],
    ["under a route of protocol bgp", "10.2.0.1", "192.0.2.9%5"],
    ["under one that goes nowhere", "10.4.0.1", "192.0.2.9%5"],
    ["under one whose interface is down", "10.5.0.1", "192.0.2.9%5"],
    ["under the default route alone", "203.0.113.1", "no-route"],
  ])("%s", (_, hop, expected) => {
    const found = resolver.resolve(address(hop));
    const text =
      typeof found === "string" ? found : `${found.gateway?.join(".")}%${found.interface}`;
    expect(text).toBe(expected);
  });

  test("of the other family, or without its interface, leads nowhere", () => {
    const hop = new Uint8Array(16);
    expect(resolver.resolve(hop)).toBe("other-family");
    hop.set([0xfe, 0x80]);
    expect(resolver.resolve(hop)).toBe("link-local");
  });
});

test("the kernel comes to what is wanted, whatever happens", () => {
  const step = fc.tuple(fc.constantFrom("set", "link", "read", "steal"), fc.nat(20), fc.nat(3));
  const HOPS = [null, "192.0.2.1", "198.51.100.1", "203.0.113.1"];
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const { table, kernel } = tableWith();
      table.mayDelete = true;
      const wanted = new Map<number, string | null>();
      for (const [what, prefix, n] of steps) {
        if (what === "set") {
          set(table, prefix, HOPS[n]!);
          wanted.set(prefix, HOPS[n]!);
        } else if (what === "link") table.resolveBy(CONNECTED.slice(n & 1));
        else if (what === "read") adopt(table, kernel.adopted());
        else kernel.routes.delete(`${0}.${prefix}.0.0/16`);
        kernel.apply(table);
      }
      adopt(table, kernel.adopted());
      table.resolveBy(CONNECTED);
      kernel.apply(table);
      const expected = [...wanted].flatMap(([prefix, hop]) =>
        hop === null || hop === HOPS[3]
          ? []
          : [`0.${prefix}.0.0/16 ${hop}%${hop === HOPS[1] ? 5 : 6}`],
      );
      expect([...kernel.routes].map((entry) => entry.join(" ")).sort()).toEqual(expected.sort());
      expect(table.installedCount).toBe(expected.length);
      expect(table.hasWork).toBe(false);
    }),
    { numRuns: runs(1000) },
  );
});

describe("what an earlier process has left", () => {
  test("stays until everything is told, and then only the difference is written", () => {
    const { table: before, kernel } = tableWith();
    for (let n = 0; n < 10; n++) set(before, n, "192.0.2.1");
    kernel.apply(before);
    kernel.changes = [];

    const { table } = tableWith();
    adopt(table, kernel.adopted());
    kernel.apply(table);
    expect(kernel.changes).toEqual([]);
    table.followed.beginCopy();
    for (let n = 0; n < 10; n++) if (n !== 4) set(table, n, n === 5 ? "192.0.2.2" : "192.0.2.1");
    set(table, 11, "192.0.2.1");
    kernel.apply(table);
    expect(kernel.changes.sort()).toEqual(["add 0.11.0.0/16", "replace 0.5.0.0/16"]);
    table.followed.endCopy();
    table.mayDelete = true;
    table.compareAll();
    kernel.apply(table);
    expect(kernel.changes.sort()).toEqual([
      ...["add 0.11.0.0/16", "delete 0.4.0.0/16", "replace 0.5.0.0/16"],
    ]);
  });

  test("is written anew where it is not of a kind that is written now", () => {
    const { table, kernel } = tableWith();
    kernel.routes.set("0.1.0.0/16", "192.0.2.1%5");
    adopt(
      table,
      kernel.adopted().map((each) => ({ ...each, isOther: true })),
    );
    set(table, 1, "192.0.2.1");
    kernel.apply(table);
    expect(kernel.changes).toEqual(["replace 0.1.0.0/16"]);
  });
});

test("what the kernel refuses is counted, and tried again", () => {
  const { table, kernel } = tableWith();
  kernel.refuses.set("0.1.0.0/16", ENETUNREACH);
  set(table, 1, "192.0.2.1");
  set(table, 2, "192.0.2.1");
  set(table, 3, "203.0.113.1");
  kernel.apply(table);
  expect(kernel.changes).toEqual(["add 0.2.0.0/16"]);
  expect([...table.refusals()]).toEqual([[ENETUNREACH, 1]]);
  expect(table.unresolved()).toEqual({ "no-route": 1 });
  kernel.refuses.clear();
  table.compareAll();
  kernel.apply(table);
  expect(kernel.changes).toEqual(["add 0.2.0.0/16", "add 0.1.0.0/16"]);
  expect([...table.refusals()]).toEqual([]);
});

test("another's route is not overwritten", () => {
  const { table, kernel } = tableWith();
  kernel.routes.set("0.1.0.0/16", "192.0.2.7%5");
  set(table, 1, "192.0.2.1");
  kernel.apply(table);
  expect(kernel.routes.get("0.1.0.0/16")).toBe("192.0.2.7%5");
  expect([...table.refusals()]).toEqual([[EEXIST, 1]]);
});
