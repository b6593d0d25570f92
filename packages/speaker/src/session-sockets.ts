/** What the configuration says of the sockets of sessions, and which of it they have. */

import type { Config, NeighborConfig } from "@ts-bgp/config";
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

/** @returns TCP MD5 keys by address */
export function keysOf(config: Config): ReadonlyMap<string, string> {
  const keys = new Map<string, string>();
  for (const { address, password } of config.neighbors) {
    if (password !== null) keys.set(address, password);
  }
  return keys;
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
