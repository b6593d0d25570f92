/**
 * Which next hops of routes have a group of the kernel's, and what is to become of groups: some are to be made, some are to
 * lead elsewhere. It says what; the order in which routes leave and join is the route table's.
 */

import type { HopId, NextHops } from "@ts-bgp/follow";
import type { KernelHop } from "./kernel-route.ts";
import type { ObjectId } from "./next-hop-object.ts";
import type { HopsId, WayId, Ways } from "./ways.ts";

/** A group of the kernel's is to be made, or to lead elsewhere. */
export interface GroupChange {
  readonly way: WayId;
  readonly object: ObjectId;
  readonly isNew: boolean;
  readonly hops: readonly KernelHop[];
}

/** What is asked of the kernel's next hops. */
export interface Objects {
  /** @returns where an own group leads; null for another object */
  adopt(id: ObjectId): readonly KernelHop[] | null;
  /** @returns a number for a new group; 0 where none is to be made */
  newId(): ObjectId;
  /** Whether groups are to be used; where not, those that there are stay until their routes change. */
  readonly isOn: boolean;
  /** Next hops of fewer routes get no group: to write these routes takes no longer than to change one. */
  readonly routesMin: number;
}

/** What has become of a change: the kernel refuses it, also while the carrier of an interface is away. */
export type Outcome = "done" | "refused" | "down";

/** How many routes of a group are to lead where. */
export type Votes = Map<WayId, Map<HopsId, number>>;

export class GroupPlan {
  private readonly objects: Objects;
  private ways: Ways;
  /** Groups for the next hops of routes; each of them has one of its own, so that all of it can change at once. */
  private readonly groups: ({ of: NextHops; object: ObjectId } | undefined)[] = [];
  /** Groups that are to be made, or to lead elsewhere; these wait where other routes have to leave them first. */
  private readonly toDo: Map<WayId, "waits" | "now"> = new Map();
  /** The kernel has refused a group that leads there. */
  private readonly ungrouped: Set<HopsId> = new Set();
  /** One that leads there waits for its interface. The kernel says when that changes. */
  private readonly down: Set<HopsId> = new Set();

  constructor(objects: Objects, ways: Ways) {
    this.objects = objects;
    this.ways = ways;
  }

  get size(): number {
    return this.toDo.size;
  }

  /** What is in the kernel is read: ways have other numbers from now on. */
  begin(ways: Ways): void {
    this.ways = ways;
    this.toDo.clear();
    this.retry();
  }

  /** What groups lead to has been read: there is nothing to be done for them until `plan`. */
  drop(): void {
    this.toDo.clear();
  }

  /** What the kernel has refused is tried again. */
  retry(): void {
    this.ungrouped.clear();
    this.down.clear();
  }

  isWaiting(way: WayId): boolean {
    return this.toDo.get(way) === "waits";
  }

  /**
   * @param haveLeft - whether all routes that leave waiting groups have left
   * @returns at most so many groups that are to be made or to lead elsewhere now; `done` is to be called for each
   */
  next(max: number, haveLeft: boolean): GroupChange[] {
    const changes: GroupChange[] = [];
    for (const [way, when] of this.toDo) {
      if (changes.length === max) break;
      if (when === "waits" && !haveLeft) continue;
      this.toDo.delete(way);
      const { object, leadsTo, shallLeadTo } = this.ways.get(way);
      const { hops } = this.ways.get(shallLeadTo);
      changes.push({ way, object, hops, isNew: leadsTo === 0 });
    }
    return changes;
  }

  /** Groups that wait lead on where they do. */
  postpone(): void {
    for (const [id, when] of this.toDo) {
      if (when !== "waits") continue;
      this.toDo.delete(id);
      const way = this.ways.get(id);
      way.shallLeadTo = way.leadsTo;
    }
  }

  /** A group was made or changed, or refused by the kernel: then routes that were to go along are to be compared. */
  done({ way: id, object, isNew }: GroupChange, outcome: Outcome): void {
    const way = this.ways.get(id);
    if (outcome === "done") {
      way.leadsTo = way.shallLeadTo;
      return;
    }
    (outcome === "down" ? this.down : this.ungrouped).add(way.shallLeadTo);
    way.shallLeadTo = way.leadsTo;
    if (isNew) this.ways.forget(object);
  }

  /** Whether routes that are to lead there stay as they are for now. */
  isDown(hopsId: HopsId): boolean {
    return this.down.has(hopsId);
  }

  /** @returns the group of a route's next hops, where there is to be one. @param uses - routes with these next hops */
  wayOf(hop: HopId, of: NextHops, uses: number, hopsId: HopsId): WayId {
    const { ways, objects } = this;
    if (!objects.isOn || this.ungrouped.has(hopsId)) return hopsId;
    const known = this.groupOf(hop, of);
    const { leadsTo, shallLeadTo } = ways.get(known);
    // One that waits leads elsewhere still.
    if (known !== 0 && shallLeadTo === hopsId) {
      return leadsTo === 0 || leadsTo === hopsId ? known : hopsId;
    }
    const object = uses < objects.routesMin ? 0 : objects.newId();
    if (object === 0) return hopsId;
    const way = ways.addGroup(object, 0);
    ways.get(way).shallLeadTo = hopsId;
    this.groups[hop] = { of, object };
    this.toDo.set(way, "now");
    return way;
  }

  /** Routes that are told with the next hops of one that goes by a group go by it too. */
  claim(hop: HopId, of: NextHops, object: ObjectId): void {
    if (this.groupOf(hop, of) === 0) this.groups[hop] = { of, object };
  }

  /** @returns groups that routes go by, for whose routes it is to be said where they are to lead; null where none is to change */
  beginPlan(): Votes | null {
    const votes: Votes = new Map();
    if (!this.objects.isOn) return null;
    for (const [id, way] of this.ways.groups()) {
      if (way.leadsTo === 0) continue;
      way.shallLeadTo = way.leadsTo;
      this.toDo.delete(id);
      if (way.uses > 0) votes.set(id, new Map());
    }
    return votes.size === 0 ? null : votes;
  }

  /** Groups come to lead where most of their routes are to go. Others of their routes leave them first. */
  endPlan(votes: Votes): void {
    for (const [id, found] of votes) {
      const way = this.ways.get(id);
      const [most] = [...found].filter(([hopsId]) => hopsId !== 0).sort(([, a], [, b]) => b - a);
      if (most === undefined || most[0] === way.leadsTo || this.ungrouped.has(most[0])) continue;
      way.shallLeadTo = most[0];
      this.toDo.set(id, found.size > 1 ? "waits" : "now");
    }
  }

  /** @returns 0 where these next hops have none */
  private groupOf(hop: HopId, of: NextHops): WayId {
    const group = this.groups[hop];
    return group === undefined || group.of !== of ? 0 : this.ways.ofObject(group.object);
  }
}
