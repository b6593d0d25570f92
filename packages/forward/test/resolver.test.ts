/** Where next hops lead, by routes of the kernel and of the table. */
import { describe, expect, test } from "vitest";
import { type KernelRoute, Resolver } from "../src/index.ts";
import { address, CONNECTED, hop, hopText, route } from "./routes.ts";

const links = (linkLocal = 0, names: Readonly<Record<string, number>> = {}) => ({
  linkLocal,
  byName: new Map(Object.entries(names)),
});

describe("a next hop", () => {
  const followed = new Map<string, string>();
  const NOTHING = { followed: () => [] };
  const resolver = new Resolver(
    [
      route("0.0.0.0/0", { hops: [hop("192.0.2.1")] }),
      route("0.0.0.0/1", { hops: [hop("192.0.2.7")] }),
      route("10.0.0.0/8", { hops: [hop("192.0.2.9")] }),
      route("10.1.0.0/16", { hops: [hop("192.0.2.8"), hop("198.51.100.8", 6)] }),
      route("10.2.0.0/15", { hops: [hop("192.0.2.8")], protocol: 186 }),
      route("10.4.0.0/16", { type: 6 }),
      route("10.5.0.0/16", { isDead: true }),
      route("10.6.0.0/16", { isSpecial: true }),
      ...CONNECTED,
      route("192.0.2.128/25", { hops: [hop(null, 7)] }),
    ],
    {
      links: links(),
      followed: (asked) => {
        const found = followed.get(asked.join("."));
        return found === undefined ? [] : found.split(", ").map((one) => [address(one)]);
      },
    },
  );

  function resolved(...hops: string[]): string {
    const found = resolver.resolve(hops.map(address));
    return typeof found === "string" ? found : found.map(hopText).join(" ");
  }

  test.each([
    ["on a network", "192.0.2.3", "192.0.2.3%5"],
    ["on one inside of it", "192.0.2.130", "192.0.2.130%7"],
    ["behind a gateway", "10.9.0.1", "192.0.2.9%5"],
    ["behind several gateways", "10.1.0.1", "192.0.2.8%5 198.51.100.8%6"],
    ["under a route of protocol bgp", "10.2.0.1", "192.0.2.9%5"],
    ["under one that goes nowhere", "10.4.0.1", "192.0.2.9%5"],
    ["under one whose interface is down", "10.5.0.1", "192.0.2.9%5"],
    ["under one that does something to packets", "10.6.0.1", "192.0.2.9%5"],
    ["under half of all addresses", "11.0.0.1", "192.0.2.7%5"],
    ["that stands for the speaker", "0.0.0.0", "no-route"],
    ["under the default route alone", "203.0.113.1", "no-route"],
  ])("%s", (_, address, expected) => {
    expect(resolved(address)).toBe(expected);
  });

  test("is there once, whatever their order, and those that lead nowhere are left out", () => {
    const expected = "192.0.2.3%5 198.51.100.3%6";
    expect(resolved("198.51.100.3", "192.0.2.3", "203.0.113.1", "192.0.2.3")).toBe(expected);
    expect(resolved("192.0.2.3", "198.51.100.3")).toBe(expected);
  });

  test("resolves by routes of the table where no route of the kernel leads to it, and never by itself", () => {
    followed.set("203.0.113.1", "203.0.113.2");
    followed.set("203.0.113.2", "203.0.113.1, 198.51.100.3");
    followed.set("203.0.113.3", "203.0.113.3");
    followed.set("192.0.2.3", "198.51.100.3");
    resolver.forget();
    expect(resolved("203.0.113.1")).toBe("198.51.100.3%6");
    expect(resolved("203.0.113.3")).toBe("no-route");
    expect(resolved("192.0.2.3")).toBe("192.0.2.3%5");
  });

  test("that is link-local and without an interface leads nowhere", () => {
    const octets = Uint8Array.from([0xfe, 0x80, ...Array<number>(14).fill(0)]);
    const own = new Resolver(CONNECTED, { ...NOTHING, links: links() });
    expect(own.resolve([octets])).toBe("link-local");
    expect(own.resolve([address("192.0.2.3"), octets])).toMatchObject([{ interface: 5 }]);
  });

  test("of IPv6 resolves by routes of IPv6 alone, whatever IPv4 ones there are", () => {
    const network = (...first: number[]) =>
      Uint8Array.from([...first, ...Array<number>(16 - first.length).fill(0)]);
    const ipv6 = (prefix: Uint8Array, bits: number, more: Partial<KernelRoute>) => ({
      ...route(`0.0.0.0/${bits}`, more),
      ...{ family: 2 as const, prefix },
    });
    const GATEWAY = network(0xc0, 0, 2, 1);
    const routes = [
      ...CONNECTED,
      route("198.51.100.0/25", { hops: [{ gateway: GATEWAY, interface: 4 }] }),
      ipv6(network(0xc0, 0, 2), 24, { hops: [hop(null, 9)] }),
      ipv6(network(0x20, 1), 16, { hops: [{ gateway: GATEWAY, interface: 3 }] }),
      ipv6(network(), 0, { hops: [hop(null, 8)] }),
    ];
    const own = new Resolver(routes, { ...NOTHING, links: links() });
    const NEIGHBOR = network(0xc0, 0, 2, 7);
    expect(own.resolve([NEIGHBOR])).toEqual([{ gateway: NEIGHBOR, interface: 9 }]);
    expect(own.resolve([network(0x20, 1, 7)])).toEqual([{ gateway: GATEWAY, interface: 3 }]);
    expect(own.resolve([network(0x20, 2)])).toBe("no-route");
    // A gateway of the kernel's own IPv4 routes may be an IPv6 one.
    expect(own.resolve([address("198.51.100.3")])).toEqual([{ gateway: GATEWAY, interface: 4 }]);
    expect(own.resolve([address("192.0.2.3"), NEIGHBOR])).toEqual([
      { gateway: address("192.0.2.3"), interface: 5 },
      { gateway: NEIGHBOR, interface: 9 },
    ]);
  });

  test("is looked up a few times, however routes of the table lead to each other", () => {
    let lookups = 0;
    const network = (i: number) => address(`203.0.113.${i}`);
    const own = new Resolver(CONNECTED, {
      links: links(),
      followed: () => {
        lookups++;
        return Array.from({ length: 24 }, (_, i) =>
          Array.from({ length: 16 }, (_, k) => network(16 * (i % 16) + k)),
        );
      },
    });
    expect(own.resolve([network(1)])).toBe("no-route");
    expect(lookups).toBeLessThan(300);
  });

  test("that is link-local is on its interface, and beside a global one on that of this", () => {
    const LAN = Uint8Array.from([0x20, 1, ...Array<number>(14).fill(0)]);
    const FAR = Uint8Array.from([0x20, 2, ...Array<number>(14).fill(0)]);
    const LOCAL = Uint8Array.from([0xfe, 0x80, ...Array<number>(13).fill(0), 1]);
    const routes = [
      { ...route("0.0.0.0/64"), family: 2 as const, prefix: LAN },
      {
        ...route("0.0.0.0/16"),
        family: 2 as const,
        prefix: FAR,
        hops: [{ gateway: LAN, interface: 8 }],
      },
    ];
    const both = (global: Uint8Array) => Uint8Array.from([...global, ...LOCAL]);
    const own = new Resolver(routes, { ...NOTHING, links: links(9) });
    expect(own.resolve([LOCAL])).toEqual([{ gateway: LOCAL, interface: 9 }]);
    expect(own.resolve([both(LAN)])).toEqual([{ gateway: LOCAL, interface: 5 }]);
    expect(own.resolve([both(FAR)])).toEqual([{ gateway: LAN, interface: 8 }]);
    const named = (hop: Uint8Array, name: string) =>
      Uint8Array.from([...hop, ...Buffer.from(name, "latin1")]);
    const told = new Resolver(routes, { ...NOTHING, links: links(9, { eth0: 3 }) });
    expect(told.resolve([named(LOCAL, "eth0")])).toEqual([{ gateway: LOCAL, interface: 3 }]);
    expect(told.resolve([named(both(FAR), "eth0")])).toEqual([{ gateway: LOCAL, interface: 3 }]);
    // FRR says it twice where it has no global one.
    expect(told.resolve([named(both(LOCAL), "eth0")])).toEqual([{ gateway: LOCAL, interface: 3 }]);
    expect(told.resolve([both(LOCAL)])).toEqual([{ gateway: LOCAL, interface: 9 }]);
    // It is on no other link while its own is down.
    expect(told.resolve([named(LOCAL, "eth1")])).toBe("link-local");
    expect(told.resolve([named(both(LAN), "a-name-of-15-ab")])).toEqual([
      { gateway: LAN, interface: 5 },
    ]);
  });
});
