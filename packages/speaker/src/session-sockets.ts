/** What the configuration says of the sockets of sessions, and which of it they have. */

import { type Config, dynamicRangeOf, type NeighborConfig } from "@ts-bgp/config";
import type { Router } from "@ts-bgp/router";
import {
  congestionControlOf,
  congestionControlProblem,
  type SocketProtection,
} from "@ts-bgp/takeover";

/** TTL of sessions that are not with a directly connected external peer. */
const TTL_FAR = 255;

/** @returns how the sockets of a neighbor are protected, and how they send */
export function protectionOf(config: NeighborConfig): SocketProtection {
  const { password, ttlSecurity, congestionControl } = config;
  const direct = config.as !== config.localAs;
  const ttl = config.multihop > 0 ? config.multihop : direct ? 1 : TTL_FAR;
  return { password, ttlSecurity, ttl, congestionControl };
}

/** @returns the same of whoever may connect from an address; null when nobody may */
export function protectionFor(
  { neighbors, tables }: Pick<Router, "neighbors" | "tables">,
  address: string,
): SocketProtection | null {
  const config =
    neighbors.get(address)?.config ??
    dynamicRangeOf(tables.config.dynamicNeighbors, address)?.options;
  return config === undefined ? null : protectionOf(config);
}

/** @returns TCP MD5 keys by address, and by prefix for dynamic neighbors */
export function keysOf(config: Config): ReadonlyMap<string, string> {
  const keys = new Map<string, string>();
  const ranges = config.dynamicNeighbors.map(({ options }) => options);
  for (const { address, password } of [...config.neighbors, ...ranges]) {
    if (password !== null) keys.set(address, password);
  }
  return keys;
}

/** @returns whether other members of the cluster listen on the same addresses */
export function sharesAddress({ cluster }: Pick<Config, "cluster">): boolean {
  // Of a router that an older version has begun it is undefined.
  return cluster?.sharesAddress === true;
}

/** @returns what to tell of a socket that has another congestion control than configured, else empty */
export function congestionLack({ congestionControl: wanted }: NeighborConfig, fd: number): string {
  // Of a router that an older version has begun it is undefined.
  if (wanted == null) return "";
  const used = congestionControlOf(fd);
  if (used === null || used === wanted) return "";
  const problem = congestionControlProblem(wanted) || `${wanted} came about after the connection`;
  return `congestion control of the session is ${used}: ${problem}`;
}
