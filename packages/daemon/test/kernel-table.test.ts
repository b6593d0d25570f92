/** What of the kernel's routes is told: the difference to what was told. */

import { runsOf } from "@ts-bgp/feeds-codec";
import { type Family, formatAddress, parseAddress } from "@ts-bgp/wire-codec";
import fc from "fast-check";
import { expect, test } from "vitest";
import { KernelTable, type RouteReader } from "../src/kernel-table.ts";

const STATIC = 4;
const DHCP = 16;

interface Route {
  readonly prefix: string;
  readonly protocol: number;
  readonly type?: number;
  readonly isDead?: boolean;
}

/** A kernel with these routes, which change once while it is read if there are `first` ones. */
function kernelOf(routes: readonly Route[], first: readonly Route[] | null = null): RouteReader {
  return {
    read(family, _table, protocol, begin, take) {
      for (const each of first === null ? [routes] : [first, routes]) {
        begin();
        for (const { prefix, type = 1, isDead = false, ...route } of each) {
          const [address = "", bits] = prefix.split("/");
          const octets = parseAddress(address)!;
          if (route.protocol !== protocol || (octets.length === 4) !== (family === 1)) continue;
          take({
            ...{ family, table: 254, protocol, type, isDead, bits: Number(bits), prefix: octets },
            ...{ hops: [], metric: 0, isOther: false, isSpecial: false as const, nextHop: 0 },
          });
        }
      }
    },
  };
}

/** @returns what is told, `-` in front of what is gone */
function told(table: KernelTable, kernel: RouteReader, family: Family): string[] {
  table.read(kernel, 254, [STATIC, DHCP]);
  return [...table.changes()].flatMap((octets) =>
    [...runsOf(octets)].flatMap(({ attributes, routes }) => {
      const found: string[] = [];
      const { buf, at, end } = routes;
      for (let i = at; i < end; ) {
        const bits = buf[i++]!;
        const address = new Uint8Array(16);
        const count = (bits + 7) >> 3;
        address.set(buf.subarray(i, i + count));
        i += count;
        const text = `${formatAddress(family === 1 ? 1 : 2, address, 0)}/${bits}`;
        found.push(attributes === null ? `-${text}` : text);
      }
      return found;
    }),
  );
}

const route = (prefix: string, protocol = STATIC): Route => ({ prefix, protocol });

test("routes are told once, of whichever protocol, and gone when the last of a prefix is", () => {
  const table = new KernelTable(1);
  const [one, again, two] = [
    route("10.1.0.0/16"),
    route("10.1.0.0/16", DHCP),
    route("10.2.0.0/16", DHCP),
  ] as const;
  expect(told(table, kernelOf([one, again, two, route("2001:db8::/32")]), 1)).toEqual([
    "10.1.0.0/16",
    "10.2.0.0/16",
  ]);
  expect(told(table, kernelOf([one, again]), 1)).toEqual(["-10.2.0.0/16"]);
  expect(told(table, kernelOf([again, two]), 1)).toEqual(["10.2.0.0/16"]);
  expect(told(table, kernelOf([]), 1).sort()).toEqual(["-10.1.0.0/16", "-10.2.0.0/16"]);
  expect(table.size).toBe(0);
});

test("what leads nowhere by itself counts, and not what is dead, local or of another protocol", () => {
  const [UNICAST, LOCAL, BLACKHOLE] = [1, 2, 6];
  const kernel = kernelOf([
    { ...route("10.1.0.0/16"), type: BLACKHOLE },
    { ...route("10.2.0.0/16"), type: LOCAL },
    { ...route("10.3.0.0/16"), type: UNICAST, isDead: true },
    route("10.4.0.0/16", 186),
  ]);
  expect(told(new KernelTable(1), kernel, 1)).toEqual(["10.1.0.0/16"]);
});

test("of a reading that was begun again the last one counts", () => {
  const table = new KernelTable(2);
  const [one, two] = [route("2001:db8:1::/48"), route("2001:db8:2::/48")];
  expect(told(table, kernelOf([two!], [one!]), 2)).toEqual(["2001:db8:2::/48"]);
  expect(table.size).toBe(1);
});

test("whoever applies what is told has what the kernel has", () => {
  const routes = fc.uniqueArray(fc.nat(2000), { maxLength: 1200 });
  fc.assert(
    fc.property(fc.array(routes, { maxLength: 4 }), (kernels) => {
      const table = new KernelTable(1);
      const known = new Set<string>();
      for (const numbers of kernels) {
        const prefixes = numbers.map((n) => `10.${n >> 8}.${n & 255}.0/24`);
        for (const each of told(table, kernelOf(prefixes.map((prefix) => route(prefix))), 1)) {
          if (each.startsWith("-")) expect(known.delete(each.slice(1))).toBe(true);
          else {
            expect(known.has(each)).toBe(false);
            known.add(each);
          }
        }
        expect([...known].sort()).toEqual([...prefixes].sort());
      }
    }),
    { numRuns: 30 },
  );
});
