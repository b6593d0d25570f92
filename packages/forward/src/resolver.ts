/**
 * Next hops to neighbors on interfaces, by the longest match among the routes that the kernel has of others:
 * connected ones, and those with gateways. Where there is none, by the longest match among the routes of the
 * followed table of the address's family, whose next hops resolve likewise. A default route resolves nothing.
 */

import { addressesOctets, type NextHops } from "@ts-bgp/follow";
import {
  HOPS_MAX,
  type KernelHop,
  type KernelRoute,
  RTN_UNICAST,
  RTPROT_BGP,
} from "./kernel-route.ts";

/** Why a next hop leads nowhere. */
export type Unresolved = "no-route" | "link-local";

/** What of a route is needed. */
export type BaseRoute = Pick<
  KernelRoute,
  "family" | "prefix" | "bits" | "hops" | "type" | "protocol" | "isSpecial" | "isDead"
>;

/** Interfaces that link-local next hops are on. */
export interface Links {
  /** Of those that are told without one; 0 for none. */
  readonly linkLocal: number;
  /** Numbers by name, of those that are up and have a link-local address. */
  readonly byName: ReadonlyMap<string, number>;
}

export interface ResolverOptions {
  readonly links: Links;
  /**
   * @returns for an address that no route of the kernel leads to, next hops of routes of the table of its family that
   * have it in their prefix, the longest prefix first
   */
  followed(address: Uint8Array): NextHops[];
}

/** A next hop of a route of the table may be one again that resolves by the table; so deep at most. */
const DEPTH_MAX = 4;
/** Of the routes of the table that have an address in their prefix, so many are looked at. */
const COVERING_MAX = 4;
const IPV6_OCTETS = 16;

export class Resolver {
  /** By the octets of an address, longest prefixes first. */
  private readonly routes: ReadonlyMap<number, readonly BaseRoute[]>;
  private readonly options: ResolverOptions;
  private wasAsked = false;
  private readonly interfaces: ReadonlySet<number>;
  /** What addresses resolve to by the table, by how deep they are looked at: each is looked up once. */
  private readonly known: Map<string, readonly KernelHop[] | Unresolved>[] = [];

  /** @param routes - of the kernel's main table, of all families that next hops may be of */
  constructor(routes: readonly BaseRoute[], options: ResolverOptions) {
    this.options = options;
    const usable = routes
      .filter(
        ({ type, protocol, isDead }) => type === RTN_UNICAST && protocol !== RTPROT_BGP && !isDead,
      )
      .filter(({ bits, isSpecial, hops }) => bits > 0 && !isSpecial && hops.length > 0)
      .sort((one, other) => other.bits - one.bits);
    const others = usable.flatMap(({ hops }) => hops.map((hop) => hop.interface));
    this.interfaces = new Set([...others, ...options.links.byName.values()]);
    this.routes = Map.groupBy(usable, ({ prefix }) => prefix.length);
    this.forget();
  }

  /**
   * @param hops - of one route
   * @returns where packets go, each place once and in an order that does not depend on that of `hops`; why none of
   * them leads anywhere
   */
  resolve(hops: NextHops): readonly KernelHop[] | Unresolved {
    return this.resolveAll(hops, 0);
  }

  /** @returns what `resolve` does, and whether the table was asked, as no route of the kernel leads to one of them */
  resolveFor(hops: NextHops): {
    readonly found: readonly KernelHop[] | Unresolved;
    readonly isByTable: boolean;
  } {
    this.wasAsked = false;
    return { found: this.resolve(hops), isByTable: this.wasAsked };
  }

  /** Whether a route of the kernel leads to the interface, or link-local next hops may be on it. */
  isUp(hop: KernelHop): boolean {
    return this.interfaces.has(hop.interface);
  }

  /** Routes of the table that resolve next hops have changed. */
  forget(): void {
    for (let depth = 0; depth < DEPTH_MAX; depth++) this.known[depth] = new Map();
  }

  /** @param depth - how many addresses are being resolved by them */
  private resolveAll(hops: NextHops, depth: number): readonly KernelHop[] | Unresolved {
    const found = new Map<string, KernelHop>();
    let problem: Unresolved = "no-route";
    for (const hop of hops) {
      const resolved = this.resolveOne(hop, depth);
      if (typeof resolved === "string") problem = resolved;
      else for (const each of resolved) found.set(hopKey(each), each);
    }
    if (found.size === 0) return problem;
    const ordered = [...found].sort(([one], [other]) => (one < other ? -1 : 1));
    return ordered.slice(0, HOPS_MAX).map(([, each]) => each);
  }

  private resolveOne(hop: Uint8Array, depth: number): readonly KernelHop[] | Unresolved {
    const address = hop.subarray(0, IPV6_OCTETS);
    const { links } = this.options;
    const octets = addressesOctets(hop);
    const neighbor = hop.subarray(octets > IPV6_OCTETS ? IPV6_OCTETS : 0, octets);
    // It stands for the speaker that has the route, whatever prefix has it in it.
    if (address.every((octet) => octet === 0)) return "no-route";
    const name = new TextDecoder().decode(hop.subarray(octets));
    if (isLinkLocal(neighbor)) {
      const index = name === "" ? 0 : (links.byName.get(name) ?? 0);
      if (index !== 0) return [{ gateway: neighbor, interface: index }];
      if (isLinkLocal(address)) {
        if (name !== "" || links.linkLocal === 0) return "link-local";
        return [{ gateway: neighbor, interface: links.linkLocal }];
      }
    }
    const route = this.routes.get(address.length)?.find((each) => isIn(address, each));
    if (route === undefined) return this.resolveByTable(address, depth);
    // Behind the global address of a neighbor on the link is the link-local one (RFC 2545 section 3), where that is not known
    // to be on another link.
    const direct = name === "" ? neighbor : address;
    return route.hops.map((each) => ({
      gateway: each.gateway ?? direct,
      interface: each.interface,
    }));
  }

  private resolveByTable(address: Uint8Array, depth: number): readonly KernelHop[] | Unresolved {
    this.wasAsked = true;
    // So a route that leads to its own next hop, or to that of one which leads to its own, resolves nothing.
    if (depth === DEPTH_MAX) return "no-route";
    const key = address.join();
    const known = this.known[depth]!;
    let found = known.get(key);
    if (found === undefined) {
      found = this.lookUp(address, depth);
      known.set(key, found);
    }
    return found;
  }

  private lookUp(address: Uint8Array, depth: number): readonly KernelHop[] | Unresolved {
    for (const hops of this.options.followed(address).slice(0, COVERING_MAX)) {
      const found = this.resolveAll(hops, depth + 1);
      if (typeof found !== "string") return found;
    }
    return "no-route";
  }
}

/** @returns a text that no other neighbor and interface have */
export function hopKey({ gateway, interface: index }: KernelHop): string {
  return `${gateway?.join() ?? ""}%${index}`;
}

function isLinkLocal(address: Uint8Array): boolean {
  return address.length === IPV6_OCTETS && address[0] === 0xfe && (address[1]! & 0xc0) === 0x80;
}

function isIn(address: Uint8Array, { prefix, bits }: BaseRoute): boolean {
  const whole = bits >> 3;
  for (let i = 0; i < whole; i++) if (address[i] !== prefix[i]) return false;
  const rest = bits & 7;
  return rest === 0 || ((address[whole]! ^ prefix[whole]!) & (0xff00 >> rest) & 0xff) === 0;
}
