/** Addresses, next hops and routes of a kernel, for tests. */
import type { KernelHop, KernelRoute } from "../src/index.ts";

export const address = (text: string) => Uint8Array.from(text.split(".").map(Number));

export const hop = (gateway: string | null, index = 5): KernelHop => ({
  gateway: gateway === null ? null : address(gateway),
  interface: index,
});

export function route(prefix: string, more: Partial<KernelRoute> = {}): KernelRoute {
  const [network = "", bits] = prefix.split("/");
  return {
    ...{ family: 1, table: 254, protocol: 2, type: 1, metric: 0, hops: [hop(null, 5)] },
    ...{ isOther: false, isSpecial: false, isDead: false, nextHop: 0 },
    ...{ prefix: address(network), bits: Number(bits) },
    ...more,
  };
}

export const CONNECTED = [
  route("192.0.2.0/24"),
  route("198.51.100.0/24", { hops: [hop(null, 6)] }),
];

export const hopText = ({ gateway, interface: index }: KernelHop) =>
  `${gateway?.join(".")}%${index}`;
