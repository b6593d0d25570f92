/** Objects of next hops in a real kernel: read, written, and cleared away where nothing leads by them any more. */

import { FAMILY } from "@ts-bgp/wire-codec";
import type { GroupChange } from "./group-plan.ts";
import type { KernelRoute } from "./kernel-route.ts";
import type { NextHopGroups, ObjectChange } from "./next-hop-groups.ts";
import type { ObjectId } from "./next-hop-object.ts";
import type { RouteSocket } from "./route-socket.ts";

/** Objects that are sent to the kernel together. */
const OBJECT_BATCH = 64;
const ENOSPC = 28;

export class KernelObjects {
  /** Why there are none; null where there are. */
  readonly problem: string | null;
  private readonly socket: RouteSocket;
  private readonly groups: NextHopGroups;

  constructor(socket: RouteSocket, groups: NextHopGroups) {
    this.socket = socket;
    this.groups = groups;
    let problem: string | null = null;
    try {
      this.readAll();
    } catch (error) {
      problem = (error as Error).message;
    }
    this.problem = problem;
  }

  /** @throws KernelError */
  read(): void {
    if (this.problem === null) this.readAll();
  }

  /** @returns the kernel's reason where it refuses, as it does where there are too many; 0 where not. @throws KernelError */
  writeGroup({ object, hops, isNew }: GroupChange): number {
    const change = this.groups.set(object, hops, isNew);
    return change === null ? ENOSPC : this.write(change);
  }

  /**
   * At most so many objects go that no route leads by.
   *
   * @param used - groups that own routes lead by
   * @param gone - told those before they go: the kernel may have them still where it refuses
   * @returns how many, and whether the kernel has refused some
   * @throws KernelError
   */
  sweep(
    used: ReadonlySet<ObjectId>,
    max: number,
    gone: (objects: readonly ObjectId[]) => void,
  ): { count: number; areRefused: boolean } {
    const { groups } = this;
    const doubtful = groups.doubtful(used);
    if (doubtful.length > 0) groups.claim(doubtful, this.usedByAny());
    const change = groups.sweep(used, max);
    const count = change.deleted.length;
    if (count === 0) return { count, areRefused: false };
    gone(change.deleted);
    return { count, areRefused: this.write(change) !== 0 };
  }

  /** Where the kernel does not show next hops beside the object. */
  withHops(route: KernelRoute): KernelRoute {
    if (!isBehindObject(route)) return route;
    const hops = this.groups.hopsOf(route.nextHop);
    return hops === null ? { ...route, isSpecial: true } : { ...route, hops };
  }

  /** Whether objects are there that the routes lead by: they are not where the kernel has changed between both readings. */
  haveThoseOf(routes: readonly KernelRoute[]): boolean {
    return routes.every((route) => !isBehindObject(route) || this.groups.has(route.nextHop));
  }

  private readAll(): void {
    const { groups } = this;
    this.socket.readNextHops(
      () => groups.beginReading(),
      (object) => groups.take(object),
    );
    groups.endReading();
  }

  private write(change: ObjectChange): number {
    let first = 0;
    const { messages } = change;
    for (let from = 0; from < messages.length; from += OBJECT_BATCH) {
      const batch = messages.slice(from, from + OBJECT_BATCH);
      this.socket.changeObjects(batch, from, (reason) => {
        first ||= reason;
      });
    }
    if (first === 0) this.groups.done(change);
    else this.groups.giveUp(change);
    return first;
  }

  /** @returns those that routes of any table and protocol lead by. Linear in all routes of the kernel */
  private usedByAny(): Set<ObjectId> {
    const used = new Set<ObjectId>();
    for (const family of [FAMILY.IPV4_UNICAST, FAMILY.IPV6_UNICAST]) {
      const take = ({ nextHop }: KernelRoute) => void used.add(nextHop);
      this.socket.read(family, 0, 0, () => {}, take);
    }
    return used;
  }
}

function isBehindObject({ nextHop, hops }: KernelRoute): boolean {
  return nextHop !== 0 && hops.every((hop) => hop.interface === 0);
}
