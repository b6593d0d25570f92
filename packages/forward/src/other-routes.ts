/** Routes of others that next hops may resolve by. */

import { FAMILY, type Family } from "@ts-bgp/wire-codec";
import type { KernelObjects } from "./kernel-objects.ts";
import type { KernelRoute } from "./kernel-route.ts";
import type { RouteSocket } from "./route-socket.ts";

export type Others = ReadonlyMap<Family, readonly KernelRoute[]>;

/** Others may change routes and objects while both are read: so often it is read again at most. */
const TRIES_MAX = 5;

export class OtherRoutes {
  /** Of next hops: those of IPv4 routes may be IPv6 addresses (RFC 8950). */
  readonly families: readonly Family[];
  private readonly nextHopTable: number;
  private readonly socket: RouteSocket;
  private readonly objects: KernelObjects;
  /** Protocols that have some: only such are read when others change routes. */
  private readonly protocols: Map<Family, Set<number>> = new Map();

  constructor(
    options: { readonly families: readonly Family[]; readonly nextHopTable: number },
    socket: RouteSocket,
    objects: KernelObjects,
  ) {
    this.families = [...new Set([...options.families, FAMILY.IPV6_UNICAST])];
    this.nextHopTable = options.nextHopTable;
    this.socket = socket;
    this.objects = objects;
  }

  /** All of a family were read. */
  know(family: Family, routes: readonly KernelRoute[]): void {
    this.protocols.set(family, new Set(routes.map(({ protocol }) => protocol)));
  }

  /** One has come or gone. */
  heard({ family, protocol }: KernelRoute): void {
    this.protocols.get(family)?.add(protocol);
  }

  /** @returns those of protocols that have some. Objects are read behind the routes that lead by them. @throws KernelError */
  read(): Others {
    const { nextHopTable, families, protocols } = this;
    const read = new Map<Family, readonly KernelRoute[]>();
    for (const family of families) {
      const others: KernelRoute[] = [];
      for (const protocol of protocols.get(family) ?? []) {
        const start = others.length;
        const begin = () => {
          others.length = start;
        };
        const take = (route: KernelRoute) => void others.push(route);
        this.socket.read(family, nextHopTable, protocol, begin, take);
      }
      read.set(family, others);
    }
    this.objects.read();
    return read;
  }

  /**
   * Where others have changed routes and objects between both readings, both are read again: a next hop would lead nowhere
   * otherwise, until the next change.
   */
  withHops(read: Others): Others {
    const { objects } = this;
    let found = read;
    for (let left = TRIES_MAX; left > 0; left--) {
      if ([...found.values()].every((others) => objects.haveThoseOf(others))) break;
      found = this.read();
    }
    return new Map(
      [...found].map(([family, others]) => [family, others.map((each) => objects.withHops(each))]),
    );
  }
}

/** @returns those by which next hops of routes of a family resolve */
export function routesFor(family: Family, others: Others): readonly KernelRoute[] {
  const ipv6 = others.get(FAMILY.IPV6_UNICAST)!;
  return family === FAMILY.IPV6_UNICAST ? ipv6 : [...others.get(family)!, ...ipv6];
}
