/** What should be in a kernel and what is: only what differs is changed. */
import * as fc from "fast-check";
import { describe, expect, test, vi } from "vitest";
import { runs } from "../../../test/mode.ts";
import {
  type KernelHop,
  type KernelRoute,
  type Objects,
  Resolver,
  type RouteChange,
  RouteTable,
} from "../src/index.ts";
import { WatchedAddresses } from "../src/watched-addresses.ts";
import { address, CONNECTED, hop, hopText, route } from "./routes.ts";

const EEXIST = 17;
/** So many groups are changed at a time. */
const GROUPS = 2;
const EINVAL = 22;
const ESRCH = 3;
const ENETUNREACH = 101;
const ENETDOWN = 100;
const hopsIn = (text: string) =>
  text.split(" ").map((each) => {
    const [gateway = "", index] = each.split("%");
    return hop(gateway, Number(index));
  });

/** A kernel that does as it is told. Routes by groups have `#` and the group's number in place of next hops. */
class Kernel implements Objects {
  readonly routes: Map<string, string> = new Map();
  readonly groups: Map<number, string> = new Map();
  refuses = new Map<string, number>();
  changes: string[] = [];
  isOn = false;
  routesMin = 1;
  refusesGroups = false;
  /** And says that an interface has no carrier. */
  areDown = false;
  /** Packets of a route that goes there would have gone wrong. */
  wrong: (prefix: string, hops: string) => void = () => {};
  private lastId = 0;

  adopt(id: number): readonly KernelHop[] | null {
    const hops = this.groups.get(id);
    return hops === undefined ? null : hopsIn(hops);
  }

  newId(): number {
    return ++this.lastId;
  }

  apply(table: RouteTable): void {
    while (table.hasWork) this.turn(table, 4);
  }

  /** @param max - of routes. @returns how many groups were changed */
  turn(table: RouteTable, max: number, groupsMax = GROUPS): number {
    const before = this.applyGroups(table, true, groupsMax);
    const changes = table.next(max);
    const behind = this.applyGroups(table, false, groupsMax);
    for (const change of table.ready(changes)) table.done(change, this.change(change));
    return before + behind;
  }

  /** @returns where packets of each route go */
  ways(): Map<string, string> {
    return new Map([...this.routes].map(([prefix, text]) => [prefix, this.wayOf(text)]));
  }

  private wayOf(text: string): string {
    const hops = text.startsWith("#") ? this.groups.get(Number(text.slice(1)))! : text;
    return hops.split(" ").sort().join(" ");
  }

  adopted(): KernelRoute[] {
    return [...this.routes].map(([prefix, text]) => {
      const nextHop = text.startsWith("#") ? Number(text.slice(1)) : 0;
      // The kernel has an order of its own.
      const hops = nextHop === 0 ? hopsIn(text).reverse() : [];
      return route(prefix, { hops, nextHop, protocol: 186 });
    });
  }

  /** As the kernel does with a link: next hops go, and what has none but these. */
  loseLink(index: number): void {
    for (const [id, text] of this.groups) {
      const left = text.split(" ").filter((each) => !each.endsWith(`%${index}`));
      if (left.length > 0) this.groups.set(id, left.join(" "));
      else this.loseGroup(id);
    }
    for (const [prefix, text] of this.routes) {
      if (!text.startsWith("#") && text.endsWith(`%${index}`)) this.routes.delete(prefix);
    }
  }

  loseGroup(id: number): void {
    this.groups.delete(id);
    for (const [prefix, text] of this.routes) if (text === `#${id}`) this.routes.delete(prefix);
  }

  private applyGroups(table: RouteTable, areWritten: boolean, max: number): number {
    let areRefused = false;
    const changes = table.nextGroups(max, areWritten);
    for (const change of changes) {
      const { object, isNew, hops } = change;
      const isRefused = this.refusesGroups || this.groups.has(object) === isNew;
      if (!isRefused) {
        this.groups.set(object, hops.map(hopText).join(" "));
        for (const [prefix, text] of this.routes) {
          if (text === `#${object}`) this.wrong(prefix, this.wayOf(this.routes.get(prefix)!));
        }
        this.changes.push(`group ${object} ${this.groups.get(object)}`);
      }
      areRefused ||= isRefused && !isNew;
      table.groupDone(change, isRefused ? (this.areDown ? "down" : "refused") : "done");
    }
    if (areRefused) table.compareAll();
    return changes.length;
  }

  private change({ change, words, bits, hops, object }: RouteChange): number {
    const prefix = `${words[0] >>> 24}.${(words[0] >>> 16) & 255}.0.0/${bits}`;
    const refused = this.refuses.get(prefix);
    if (refused !== undefined) return refused;
    const isThere = this.routes.has(prefix);
    if (change === "add" && isThere) return EEXIST;
    if (change !== "add" && !isThere) return ESRCH;
    if (object !== 0 && !this.groups.has(object)) return EINVAL;
    this.changes.push(`${change} ${prefix}`);
    if (change === "delete") this.routes.delete(prefix);
    else this.routes.set(prefix, object === 0 ? hops.map(hopText).join(" ") : `#${object}`);
    if (change !== "delete") this.wrong(prefix, this.wayOf(this.routes.get(prefix)!));
    return 0;
  }
}

/** @param others - by which next hops resolve */
function adopt(
  table: RouteTable,
  routes: readonly KernelRoute[],
  others: readonly KernelRoute[] = CONNECTED,
): void {
  table.beginAdopting();
  for (const each of routes) table.adopt(each);
  table.endAdopting(others);
}

/** @param hops - addresses with blanks between them; null: the route is there no more */
function set({ followed }: RouteTable, prefix: number, hops: string | null): void {
  const id = hops === null ? 0 : followed.hops.intern(...hops.split(" ").map(address));
  followed.set((prefix << 16) >>> 0, 0, 0, 0, 16, id);
}

function tableWith(
  routes: readonly KernelRoute[] = CONNECTED,
  kernel = new Kernel(),
): {
  table: RouteTable;
  kernel: Kernel;
} {
  const table = new RouteTable(1, 3, kernel);
  table.resolveBy(routes);
  return { table, kernel };
}

test("a next hop that resolves by the table follows what changes in it", () => {
  const { table, kernel } = tableWith();
  table.mayDelete = true;
  const now = () => {
    kernel.apply(table);
    table.refresh();
    kernel.apply(table);
    return kernel.routes.get("0.1.0.0/16");
  };
  set(table, 1, "0.2.0.9");
  expect(now()).toBeUndefined();
  set(table, 3, "192.0.2.1");
  expect(now()).toBeUndefined();
  set(table, 2, "192.0.2.1 198.51.100.1");
  expect(now()).toBe("192.0.2.1%5 198.51.100.1%6");
  set(table, 2, "198.51.100.1");
  expect(now()).toBe("198.51.100.1%6");
  set(table, 2, null);
  expect(now()).toBeUndefined();
  expect(table.unresolved()).toEqual({ "no-route": 1 });
});

test.each([null, "192.0.2.9"])(
  "a route that resolves by one which is told later stays where it was, whatever it resolves by meanwhile: %s",
  (meanwhile) => {
    const { table, kernel } = tableWith();
    const tell = (to: RouteTable, ...routes: readonly [number, string][]) => {
      for (const [prefix, hops] of routes) set(to, prefix, hops);
      kernel.apply(to);
      to.refresh();
      kernel.apply(to);
    };
    const general = (to: RouteTable, hops: string) => {
      to.followed.set(0, 0, 0, 0, 8, to.followed.hops.intern(address(hops)));
    };
    if (meanwhile !== null) general(table, meanwhile);
    tell(table, [2, "192.0.2.1"], [1, "0.2.0.9"]);
    expect(kernel.routes.get("0.1.0.0/16")).toBe("192.0.2.1%5");
    const { table: next } = tableWith(CONNECTED, kernel);
    adopt(next, kernel.adopted());
    kernel.changes = [];
    if (meanwhile !== null) general(next, meanwhile);
    tell(next, [1, "0.2.0.9"]);
    tell(next, [2, "192.0.2.1"]);
    next.complete();
    tell(next);
    expect(kernel.changes).toEqual([]);
    // Also where it was looked up before the other one was told, and nobody has looked again since.
    const { table: last } = tableWith(CONNECTED, kernel);
    adopt(last, kernel.adopted());
    if (meanwhile !== null) general(last, meanwhile);
    set(last, 1, "0.2.0.9");
    kernel.apply(last);
    set(last, 2, "192.0.2.1");
    last.complete();
    kernel.apply(last);
    expect(kernel.changes).toEqual([]);
    // From then on it follows.
    set(next, 2, null);
    tell(next);
    expect(kernel.routes.get("0.1.0.0/16")).toBe(meanwhile === null ? undefined : "192.0.2.9%5");
  },
);

test("an IPv6 next hop of an IPv4 route follows what changes in the table of IPv6", () => {
  const ipv6 = new RouteTable(2, 3);
  const kernel = new Kernel();
  const table = new RouteTable(1, 3, kernel, ipv6);
  const GATEWAY = Uint8Array.from([0xfc, ...Array<number>(14).fill(0), 9]);
  const hops = [{ gateway: GATEWAY, interface: 5 }];
  const behind = (prefix: number): KernelRoute => ({
    ...route("0.0.0.0/16", { hops }),
    ...{ family: 2, prefix: Uint8Array.from([0x20, prefix, ...Array<number>(14).fill(0)]) },
  });
  table.resolveBy([...CONNECTED, behind(2)]);
  const address6 = (...first: number[]) =>
    Uint8Array.from([...first, ...Array<number>(15 - first.length).fill(0), 1]);
  const now = () => {
    ipv6.next(10);
    kernel.apply(table);
    table.refresh();
    kernel.apply(table);
    return kernel.routes.get("0.1.0.0/16");
  };
  const { followed } = table;
  followed.set(0x10000, 0, 0, 0, 16, followed.hops.intern(address6(0x20, 1)));
  expect(now()).toBeUndefined();
  expect(table.unresolved()).toEqual({ "no-route": 1 });
  const lead = (...to: Uint8Array[]) =>
    ipv6.followed.set(0x20010000, 0, 0, 0, 32, ipv6.followed.hops.intern(...to));
  lead(address6(0x20, 2));
  expect(now()).toBe(hopText(hops[0]!));
  lead();
  table.mayDelete = true;
  expect(now()).toBeUndefined();
});

test("next hops are not looked at again for a default route, which resolves none", () => {
  const watched = new WatchedAddresses();
  watched.add(address("0.2.0.9"));
  const touches = (bits: number) => watched.touches({ words: [0, 0, 0, 0], bits });
  expect([0, 1, 14, 15].map(touches)).toEqual([false, true, true, false]);
});

test.each([false, true])(
  "the kernel comes to what is wanted, whatever happens; groups: %s",
  (isOn) => {
    const step = fc.tuple(
      fc.constantFrom("set", "link", "gateway", "read", "steal", "look", "steal group", "refuse"),
      fc.nat(20),
      fc.nat(6),
    );
    const HOPS = [
      ...[null, "192.0.2.1", "198.51.100.1", "203.0.113.1"],
      ...["198.51.100.1 192.0.2.1", "203.0.113.1 198.51.100.1", "10.0.0.9"],
    ];
    const WRITTEN = [
      ...["", "192.0.2.1%5", "198.51.100.1%6", ""],
      ...["192.0.2.1%5 198.51.100.1%6", "198.51.100.1%6", "192.0.2.7%5"],
    ];
    const behind = (...gateways: string[]) =>
      route("10.0.0.0/8", { hops: gateways.map((each) => hop(each)) });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const { table, kernel } = tableWith([...CONNECTED, behind("192.0.2.7")]);
        kernel.isOn = isOn;
        table.mayDelete = true;
        let routes = [...CONNECTED, behind("192.0.2.7")];
        const wanted = new Map<number, string | null>();
        for (const [what, prefix, n] of steps) {
          if (what === "set") {
            set(table, prefix, HOPS[n]!);
            wanted.set(prefix, HOPS[n]!);
          } else if (what === "link") {
            routes = [...CONNECTED.slice(n & 1), behind("192.0.2.7")];
            if (n & 1) kernel.loseLink(5);
            // As the forwarder does: where routes go by groups, what has gone shows in these.
            if (table.isGrouped) table.readGroups();
            else adopt(table, kernel.adopted(), routes);
            table.resolveBy(routes);
          } else if (what === "gateway") {
            routes = [...CONNECTED, n < 3 ? behind("192.0.2.7") : behind("192.0.2.8", "192.0.2.9")];
            table.resolveBy(routes);
          } else if (what === "read") adopt(table, kernel.adopted(), routes);
          else if (what === "look") table.readGroups();
          else if (what === "refuse") {
            kernel.refusesGroups = n < 4;
            kernel.areDown = n < 2;
          } else if (what === "steal") kernel.routes.delete(`0.${prefix}.0.0/16`);
          else kernel.loseGroup([...kernel.groups.keys()][n] ?? 0);
          if (prefix % 3 > 0) kernel.apply(table);
        }
        kernel.refusesGroups = false;
        adopt(table, kernel.adopted(), [...CONNECTED, behind("192.0.2.7")]);
        kernel.apply(table);
        const expected = [...wanted].flatMap(([prefix, hops]) => {
          const written = WRITTEN[HOPS.indexOf(hops)];
          return written === "" ? [] : [`0.${prefix}.0.0/16 ${written}`];
        });
        expect([...kernel.ways()].map((each) => each.join(" ")).sort()).toEqual(expected.sort());
        expect(table.installedCount).toBe(expected.length);
        expect(table.hasWork).toBe(false);
        // What there is is enough for the next process, which writes nothing.
        const { table: next } = tableWith([...CONNECTED, behind("192.0.2.7")], kernel);
        kernel.changes = [];
        adopt(next, kernel.adopted(), [...CONNECTED, behind("192.0.2.7")]);
        for (const [prefix, hops] of wanted) set(next, prefix, hops);
        next.mayDelete = true;
        next.compareAll();
        kernel.apply(next);
        expect(kernel.changes).toEqual([]);
      }),
      { numRuns: runs(1000) },
    );
  },
);

describe("groups of next hops", () => {
  const BEHIND = (gateway: string, bits = 8) => route(`10.0.0.0/${bits}`, { hops: [hop(gateway)] });

  function grouped(routes: readonly KernelRoute[]): { table: RouteTable; kernel: Kernel } {
    const both = tableWith(routes);
    both.kernel.isOn = true;
    return both;
  }

  test("have one change where all routes of a next hop are to go elsewhere", () => {
    const { table, kernel } = grouped([...CONNECTED, BEHIND("192.0.2.7")]);
    for (let n = 0; n < 100; n++) set(table, n, n < 50 ? "10.0.0.1" : "10.128.0.1");
    kernel.apply(table);
    expect(kernel.groups.size).toBe(2);
    kernel.changes = [];
    table.resolveBy([...CONNECTED, BEHIND("192.0.2.7"), BEHIND("192.0.2.8", 9)]);
    kernel.apply(table);
    expect(kernel.changes).toEqual(["group 1 192.0.2.8%5"]);
    expect(table.counts).toMatchObject({ added: 100, replaced: 0, regrouped: 1 });
    expect(kernel.ways().get("0.7.0.0/16")).toBe("192.0.2.8%5");
    expect(kernel.ways().get("0.70.0.0/16")).toBe("192.0.2.7%5");
  });

  test("have routes leave that are not to go along, before the others go", () => {
    const { table, kernel } = grouped([...CONNECTED, BEHIND("192.0.2.7")]);
    for (let n = 0; n < 100; n++) set(table, n, "10.0.0.1");
    kernel.apply(table);
    // Another next hop that leads to the same neighbor: the routes stay in the group.
    for (let n = 0; n < 10; n++) set(table, n, "10.128.0.1");
    kernel.changes = [];
    kernel.apply(table);
    expect(kernel.changes).toEqual([]);
    kernel.wrong = (prefix, hops) => {
      const n = Number(prefix.split(".")[1]);
      expect(hops, prefix).toBe(n < 10 ? "192.0.2.7%5" : "192.0.2.8%5");
    };
    table.resolveBy([...CONNECTED, BEHIND("192.0.2.7"), BEHIND("192.0.2.8", 9)]);
    kernel.apply(table);
    expect(kernel.changes).toHaveLength(12);
    expect(kernel.changes.at(-1)).toBe("group 1 192.0.2.8%5");
  });

  test("that change together, thousands of them, are changed so many a turn", () => {
    const HOPS = 2000;
    const MAX = 16;
    const { table, kernel } = grouped([...CONNECTED, BEHIND("192.0.2.7")]);
    for (let n = 0; n < 2 * HOPS; n++) {
      set(table, n, `10.${n % 20}.${Math.floor((n % HOPS) / 20)}.1`);
    }
    /** @returns how many groups are changed in each turn; at most so many twice a turn */
    const turns = () => {
      const counts: number[] = [];
      while (table.hasWork) counts.push(kernel.turn(table, 256, MAX));
      return counts;
    };
    const made = turns();
    expect(Math.max(...made)).toBeLessThanOrEqual(2 * MAX);
    expect(kernel.groups.size).toBe(HOPS);
    expect(kernel.routes.size).toBe(2 * HOPS);
    table.resolveBy([...CONNECTED, BEHIND("192.0.2.8")]);
    const changed = turns();
    expect(Math.max(...changed)).toBe(2 * MAX);
    expect(changed).toHaveLength(Math.ceil(HOPS / (2 * MAX)));
    expect(new Set(kernel.ways().values())).toEqual(new Set(["192.0.2.8%5"]));
    expect(table.counts).toMatchObject({ added: 2 * HOPS, replaced: 0, regrouped: HOPS });
  });

  test("are for next hops of many routes, and stay while these become fewer", () => {
    const { table, kernel } = grouped(CONNECTED);
    kernel.routesMin = 16;
    for (let n = 0; n < 31; n++) set(table, n, n < 15 ? "192.0.2.1" : "192.0.2.2");
    kernel.apply(table);
    expect([...kernel.groups.values()]).toEqual(["192.0.2.2%5"]);
    expect(kernel.routes.get("0.14.0.0/16")).toBe("192.0.2.1%5");
    expect(kernel.routes.get("0.15.0.0/16")).toBe("#1");
    set(table, 30, "192.0.2.1");
    set(table, 29, "192.0.2.1");
    kernel.apply(table);
    expect(kernel.groups.get(2)).toBe("192.0.2.1%5");
    expect(
      ["0.14.0.0/16", "0.28.0.0/16", "0.29.0.0/16"].map((each) => kernel.routes.get(each)),
    ).toEqual(["192.0.2.1%5", "#1", "#2"]);
    set(table, 28, "192.0.2.2");
    kernel.apply(table);
    expect(kernel.routes.get("0.28.0.0/16")).toBe("#1");
  });

  test("lead elsewhere when those routes have left that are to leave, however many others wait", () => {
    const { table, kernel } = grouped([...CONNECTED, BEHIND("192.0.2.7")]);
    for (let n = 0; n < 100; n++) set(table, n, "10.0.0.1");
    kernel.apply(table);
    for (let n = 0; n < 10; n++) set(table, n, "10.128.0.1");
    kernel.apply(table);
    for (let n = 100; n < 2000; n++) set(table, n, "192.0.2.1");
    kernel.turn(table, 16);
    table.resolveBy([...CONNECTED, BEHIND("192.0.2.7"), BEHIND("192.0.2.8", 9)]);
    kernel.turn(table, 16);
    kernel.turn(table, 16);
    expect(kernel.groups.get(1)).toBe("192.0.2.8%5");
    expect(kernel.ways().get("0.3.0.0/16")).toBe("192.0.2.7%5");
    expect(kernel.routes.size).toBeLessThan(200);
    kernel.apply(table);
    expect(kernel.routes.size).toBe(2000);
  });

  test("are looked at for what a link took away, also where a few routes go without", () => {
    const { table, kernel } = grouped(CONNECTED);
    kernel.routesMin = 16;
    for (let n = 0; n < 100; n++) set(table, n, n < 12 ? "192.0.2.1" : "192.0.2.2");
    kernel.apply(table);
    expect(table.isGrouped).toBe(true);
    for (let n = 100; n < 110; n++) set(table, n, "192.0.2.3");
    kernel.apply(table);
    expect(table.isGrouped).toBe(false);
  });

  test("are not made where the kernel refuses them, and routes have next hops of their own", () => {
    const { table, kernel } = grouped(CONNECTED);
    kernel.refusesGroups = true;
    for (let n = 0; n < 10; n++) set(table, n, "192.0.2.1");
    kernel.apply(table);
    expect([kernel.groups.size, kernel.routes.get("0.1.0.0/16")]).toEqual([0, "192.0.2.1%5"]);
  });

  test("wait for an interface that has no carrier, and so do their routes", () => {
    const { table, kernel } = grouped(CONNECTED);
    kernel.refusesGroups = kernel.areDown = true;
    for (let n = 0; n < 10; n++) set(table, n, "192.0.2.1");
    kernel.apply(table);
    expect(kernel.routes.size).toBe(0);
    expect([...table.refusals()]).toEqual([[ENETDOWN, 10]]);
    kernel.refusesGroups = false;
    table.resolveBy(CONNECTED);
    kernel.apply(table);
    expect([...kernel.routes.values()]).toEqual(Array<string>(10).fill("#2"));
    // Where a group is to lead to such an interface, it leads on where it does; it is tried again now and then.
    kernel.refusesGroups = true;
    table.resolveBy([route("192.0.2.0/24", { hops: [hop(null, 7)] })]);
    kernel.apply(table);
    expect(new Set(kernel.ways().values())).toEqual(new Set(["192.0.2.1%5"]));
    kernel.refusesGroups = false;
    table.retry();
    kernel.apply(table);
    expect(new Set(kernel.ways().values())).toEqual(new Set(["192.0.2.1%7"]));
    expect(table.counts).toMatchObject({ added: 10, deleted: 0 });
    expect(table.refusals().size).toBe(0);
  });

  test("that an earlier process has made, or has not, stay as they are until routes change", () => {
    for (const [first, second] of [
      [false, true],
      [true, false],
    ]) {
      const { table: before, kernel } = tableWith();
      kernel.isOn = first!;
      for (let n = 0; n < 10; n++) set(before, n, "192.0.2.1");
      kernel.apply(before);
      kernel.changes = [];
      const { table } = tableWith(CONNECTED, kernel);
      kernel.isOn = second!;
      adopt(table, kernel.adopted());
      table.mayDelete = true;
      for (let n = 0; n < 10; n++) set(table, n, n === 5 ? "192.0.2.2" : "192.0.2.1");
      kernel.apply(table);
      expect(kernel.changes.filter((each) => !each.startsWith("group"))).toEqual([
        "replace 0.5.0.0/16",
      ]);
      expect(kernel.routes.get("0.5.0.0/16")!.startsWith("#")).toBe(second);
      expect(kernel.routes.get("0.4.0.0/16")!.startsWith("#")).toBe(first);
    }
  });
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

test("ways are counted that are new since the kernel was read", () => {
  const { table, kernel } = tableWith();
  for (let n = 0; n < 10; n++) set(table, n, `192.0.2.${n + 1}`);
  kernel.apply(table);
  expect(table.newWayCount).toBeGreaterThanOrEqual(10);
  // Those that are used stay: to read again would not make them fewer.
  adopt(table, kernel.adopted());
  expect(table.newWayCount).toBe(0);
  set(table, 1, "192.0.2.99");
  kernel.apply(table);
  expect(table.newWayCount).toBe(1);
});

test("next hops are resolved once when the kernel is read", () => {
  const { table, kernel } = tableWith();
  set(table, 1, "192.0.2.1");
  kernel.apply(table);
  const resolve = vi.spyOn(Resolver.prototype, "resolve");
  adopt(table, kernel.adopted());
  expect(resolve).toHaveBeenCalledTimes(1);
  resolve.mockRestore();
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
