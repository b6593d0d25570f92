/**
 * Next hops to neighbors on interfaces, by the routes that the kernel has of others: connected ones, and static
 * ones with a gateway, of which the longest match counts. A default route resolves nothing, nor does one with
 * several next hops.
 */

import { type KernelHop, type KernelRoute, RTN_UNICAST, RTPROT_BGP } from "./kernel-route.ts";

/** Why a next hop leads nowhere. */
export type Unresolved = "no-route" | "link-local" | "other-family";

/** What of a route is needed. */
export type BaseRoute = Pick<
  KernelRoute,
  | "family"
  | "prefix"
  | "bits"
  | "gateway"
  | "interface"
  | "type"
  | "protocol"
  | "isOther"
  | "isDead"
>;

export class Resolver {
  /** Longest prefixes first. */
  private readonly routes: readonly BaseRoute[];

  /** @param routes - of one family, of the kernel's main table */
  constructor(routes: readonly BaseRoute[]) {
    this.routes = routes
      .filter(
        ({ type, protocol, isDead }) => type === RTN_UNICAST && protocol !== RTPROT_BGP && !isDead,
      )
      .filter(({ bits, isOther }) => bits > 0 && !isOther)
      .sort((one, other) => other.bits - one.bits);
  }

  /** @param hop - octets of an address */
  resolve(hop: Uint8Array): KernelHop | Unresolved {
    const { length } = hop;
    // Which interface is meant nobody has said.
    if (length === 16 && hop[0] === 0xfe && (hop[1]! & 0xc0) === 0x80) return "link-local";
    for (const route of this.routes) {
      if (route.prefix.length !== length) return "other-family";
      if (!isIn(hop, route)) continue;
      return { gateway: route.gateway ?? hop, interface: route.interface };
    }
    return "no-route";
  }
}

function isIn(address: Uint8Array, { prefix, bits }: BaseRoute): boolean {
  const whole = bits >> 3;
  for (let i = 0; i < whole; i++) if (address[i] !== prefix[i]) return false;
  const rest = bits & 7;
  return rest === 0 || ((address[whole]! ^ prefix[whole]!) & (0xff00 >> rest) & 0xff) === 0;
}
