/**
 * Ways that routes go, by number: neighbors on interfaces that are written into the route itself, or a group of the
 * kernel's, which leads to such, and can come to lead to others for all of its routes at once.
 */

import type { KernelHop } from "./kernel-route.ts";
import type { ObjectId } from "./next-hop-object.ts";
import { hopKey } from "./resolver.ts";

/** 0 is no way. */
export type WayId = number;
/** The number of a way that has its neighbors in itself: two ways go the same way where these numbers are equal. */
export type HopsId = WayId;

interface Way {
  readonly hops: readonly KernelHop[];
  /** 0: it is none of a group. */
  readonly object: ObjectId;
  /** Where packets go in the kernel: 0 where the kernel has no such group. */
  leadsTo: HopsId;
  /** Where they are to go; as `leadsTo` where nothing is to change. */
  shallLeadTo: HopsId;
  /** Own routes in the kernel that go this way. */
  uses: number;
}

export class Ways {
  private readonly ways: Way[] = [newWay([], 0, 0)];
  private readonly ids: Map<string, HopsId> = new Map();
  private readonly byObject: Map<ObjectId, WayId> = new Map();

  get count(): number {
    return this.ways.length;
  }

  get(way: WayId): Way {
    return this.ways[way]!;
  }

  /** The kernel tells them in another order than they were written in. */
  ofHops(hops: readonly KernelHop[]): HopsId {
    const key = hops.length === 1 ? hopKey(hops[0]!) : hops.map(hopKey).sort().join();
    return this.ofKey(key, hops);
  }

  ofKey(key: string, hops: readonly KernelHop[]): HopsId {
    const known = this.ids.get(key);
    if (known !== undefined) return known;
    const id = this.ways.length;
    this.ways.push(newWay(hops, 0, id));
    this.ids.set(key, id);
    return id;
  }

  /** @returns 0 where the group is not known */
  ofObject(object: ObjectId): WayId {
    return this.byObject.get(object) ?? 0;
  }

  addGroup(object: ObjectId, leadsTo: HopsId): WayId {
    const id = this.ways.push(newWay([], object, leadsTo)) - 1;
    this.byObject.set(object, id);
    return id;
  }

  *groups(): Generator<[WayId, Way]> {
    for (const id of this.byObject.values()) yield [id, this.ways[id]!];
  }

  forget(object: ObjectId): void {
    this.byObject.delete(object);
  }
}

function newWay(hops: readonly KernelHop[], object: ObjectId, leadsTo: HopsId): Way {
  return { hops, object, leadsTo, shallLeadTo: leadsTo, uses: 0 };
}
