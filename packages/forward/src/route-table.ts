/**
 * Routes of one family as they should be in the kernel, and as they are: what differs is changed, and nothing
 * else is touched.
 */

import { FollowedTable, type HopId, type NextHops } from "@ts-bgp/follow";
import { type Cursor, covering, keyOf, type PrefixRow, RowSet } from "@ts-bgp/rib";
import { FAMILY, type Family } from "@ts-bgp/wire-codec";
import type { KernelRoute } from "./kernel-route.ts";
import type { ObjectId } from "./next-hop-object.ts";
import { type BaseRoute, type Links, Resolver, type Unresolved } from "./resolver.ts";
import type { GroupChange, Objects, RouteChange } from "./route-changes.ts";
import { WatchedAddresses, wordsOf } from "./watched-addresses.ts";
import { type HopsId, type WayId, Ways } from "./ways.ts";

/** What this program would not have written so. */
const OTHER = "other";
/** The kernel's reasons, errno. */
const [ENOENT, ESRCH] = [2, 3];

const NO_LINKS: Links = { linkLocal: 0, byName: new Map() };
const NO_OBJECTS: Objects = { adopt: () => null, newId: () => 0, isOn: false };

/** How next hops were resolved. */
interface Resolution {
  /** To know others that have the number later. */
  readonly of: NextHops;
  readonly id: HopsId;
  readonly problem: Unresolved | null;
  /** No route of the kernel leads to one of them: it follows what servers tell. */
  readonly isByTable: boolean;
}

/** Where next hops of a family are looked up when no route of the kernel leads to them. */
interface Base {
  readonly followed: FollowedTable;
  readonly watched: WatchedAddresses;
}

export class RouteTable {
  readonly followed: FollowedTable;
  readonly counts = { added: 0, replaced: 0, deleted: 0, regrouped: 0 };
  /** Routes in the kernel that are this program's. */
  installedCount = 0;
  /**
   * Whether routes may go that nobody has told of, and those that are told go otherwise where others decide that, which
   * may not be told yet: not before a server has told everything, since an earlier process may have written all of it.
   * What is written on a link that is down by now does not wait for that.
   */
  mayDelete = false;
  /** Routes that the kernel has refused, and why (errno). */
  readonly refused: Map<PrefixRow, number> = new Map();
  private installed: Uint32Array = new Uint32Array(1);
  private readonly cursor: Cursor;
  private readonly pending: RowSet = new RowSet();
  private ways: Ways = new Ways();
  private readonly objects: Objects;
  /** Groups for the next hops of routes; each of them has one of its own, so that all of it can change at once. */
  private groups: ({ of: NextHops; object: ObjectId } | undefined)[] = [];
  /** Groups that are to be made, or to lead elsewhere; these wait where other routes have to leave them first. */
  private groupsToDo: Map<WayId, "waits" | "now"> = new Map();
  /** The kernel has refused a group that leads there. */
  private readonly ungrouped: Set<HopsId> = new Set();
  private resolver: Resolver;
  private resolutions: (Resolution | undefined)[] = [];
  /** By the octets of an address, where such next hops are looked up. */
  private readonly bases: Map<number, Base> = new Map();
  /** Addresses that routes of this table lead to, or may lead to later: by next hops of its own, and of another table. */
  private readonly watches: WatchedAddresses[] = [];

  /** @param ipv6 - table of IPv6 that next hops of an IPv4 route may resolve by; null for none */
  constructor(
    family: Family,
    seed: number,
    objects: Objects = NO_OBJECTS,
    ipv6: RouteTable | null = null,
  ) {
    this.objects = objects;
    this.followed = new FollowedTable(family, seed, (row) => this.installedAt(row) !== 0);
    this.cursor = this.followed.log.open();
    this.bases.set(family === FAMILY.IPV4_UNICAST ? 4 : 16, this.base());
    if (ipv6 !== null) this.bases.set(16, ipv6.base());
    this.resolver = this.newResolver([], NO_LINKS);
  }

  /** How many numbers of ways there are: those that are used no more go when the kernel is read. */
  get wayCount(): number {
    return this.ways.count;
  }

  /** Whether all routes in the kernel go by groups: what the kernel takes away of them shows in these. */
  get isGrouped(): boolean {
    let uses = 0;
    for (const [, way] of this.ways.groups()) uses += way.uses;
    return uses === this.installedCount;
  }

  /** Groups that routes in the kernel go by. */
  get groupsUsed(): ObjectId[] {
    return [...this.ways.groups()].filter(([, { uses }]) => uses > 0).map(([, way]) => way.object);
  }

  /** Whether something is left to be changed. */
  get hasWork(): boolean {
    const { pending, groupsToDo, followed } = this;
    return pending.size > 0 || groupsToDo.size > 0 || followed.log.lag(this.cursor) > 0;
  }

  /** Next hops resolve by these routes from now on, link-local ones on interfaces. */
  resolveBy(routes: readonly BaseRoute[], links: Links = NO_LINKS): void {
    this.resolver = this.newResolver(routes, links);
    this.resolveAnew();
  }

  /** Next hops that resolve by routes of the table are looked at again where such have changed. Linear in the routes. */
  refresh(): void {
    if ([...this.bases.values()].some(({ watched }) => watched.isTouched)) this.resolveAnew();
  }

  /** What is in the kernel is read: `adopt` is called for each route of this program's, then `endAdopting`. */
  beginAdopting(): void {
    this.installed = new Uint32Array(this.installed.length);
    this.installedCount = 0;
    this.ways = new Ways();
    this.groupsToDo.clear();
    this.ungrouped.clear();
    this.resolutions = [];
  }

  adopt({ prefix, bits, hops, isOther, nextHop }: KernelRoute): void {
    const { ways } = this;
    const row = this.rowOf(prefix, bits);
    if (nextHop !== 0) this.setInstalled(row, this.wayOfObject(nextHop));
    else this.setInstalled(row, isOther ? ways.ofKey(OTHER, []) : ways.ofHops(hops));
  }

  /**
   * Groups are looked at again: with a link the kernel takes next hops out of them, and those that none is left of with all
   * of their routes, without a word. Linear in the routes where it has taken some.
   */
  readGroups(): void {
    const { ways, objects, installed } = this;
    const gone = new Set<WayId>();
    for (const [id, way] of ways.groups()) {
      const hops = objects.adopt(way.object);
      way.leadsTo = hops === null ? 0 : ways.ofHops(hops);
      way.shallLeadTo = way.leadsTo;
      if (hops === null) gone.add(id);
    }
    this.groupsToDo.clear();
    for (const id of gone) ways.forget(ways.get(id).object);
    if (gone.size === 0) return;
    for (let row = 1; row < installed.length; row++) {
      if (installed[row] !== 0 && gone.has(installed[row]!)) this.lost(row);
    }
  }

  /** Groups are there no more, which nothing went by. */
  forgetGroups(objects: readonly ObjectId[]): void {
    for (const object of objects) this.ways.forget(object);
  }

  /** Somebody else has put a route where one of this program's is, or may be. */
  lose({ prefix, bits }: KernelRoute): void {
    this.lost(this.rowOf(prefix, bits));
  }

  /** Linear in the routes. */
  endAdopting(): void {
    const { followed } = this;
    for (let row = 1; row < followed.prefixes.limit; row++) {
      if (!followed.prefixes.isFree(row)) followed.freeIfUnused(row);
    }
    this.planGroups();
    this.compareAll();
  }

  /** Everything is looked at again, also what the kernel has refused. */
  compareAll(): void {
    const { prefixes } = this.followed;
    for (let row = 1; row < prefixes.limit; row++) {
      if (prefixes.isFree(row)) continue;
      if (this.isRight(row)) this.claimGroup(row);
      else this.pending.add(row);
    }
  }

  /**
   * @param areWritten - whether all that `next` has given was made or refused
   * @returns groups that are to be made or to lead elsewhere now, before anything else; `groupDone` is to be called for each
   */
  nextGroups(areWritten: boolean): GroupChange[] {
    const { ways, groupsToDo, followed } = this;
    const isDrained = areWritten && this.pending.size === 0 && followed.log.lag(this.cursor) === 0;
    const changes: GroupChange[] = [];
    for (const [way, when] of groupsToDo) {
      if (when === "waits" && !isDrained) continue;
      groupsToDo.delete(way);
      const { object, leadsTo, shallLeadTo } = ways.get(way);
      const { hops } = ways.get(shallLeadTo);
      changes.push({ way, object, hops, isNew: leadsTo === 0 });
    }
    return changes;
  }

  /**
   * Groups that wait lead on where they do until the kernel is read: it is not known which of their routes are own ones still,
   * so these do not leave.
   */
  postponeGroups(): void {
    for (const [id, when] of this.groupsToDo) {
      if (when !== "waits") continue;
      this.groupsToDo.delete(id);
      const way = this.ways.get(id);
      way.shallLeadTo = way.leadsTo;
    }
  }

  /** A group was made or changed, or refused by the kernel: then routes that were to go along are to be compared. */
  groupDone({ way: id, object, isNew }: GroupChange, isRefused: boolean): void {
    const way = this.ways.get(id);
    if (!isRefused) {
      way.leadsTo = way.shallLeadTo;
      if (!isNew) this.counts.regrouped++;
      return;
    }
    this.ungrouped.add(way.shallLeadTo);
    way.shallLeadTo = way.leadsTo;
    if (isNew) this.ways.forget(object);
  }

  /** @returns changes that are to be made now, at most so many; `done` is to be called for each */
  next(max: number): RouteChange[] {
    const { followed, pending } = this;
    for (
      let row = followed.log.next(this.cursor);
      row !== 0;
      row = followed.log.next(this.cursor)
    ) {
      pending.add(row);
      for (const watched of this.watches) {
        if (watched.isWaiting) watched.isTouched = watched.touches(keyOf(followed.prefixes, row));
      }
    }
    const changes: RouteChange[] = [];
    for (let row = 0; changes.length < max; ) {
      row = pending.next(row + 1);
      if (row < 0) break;
      pending.delete(row);
      const change = this.changeOf(row);
      if (change !== null) changes.push(change);
    }
    followed.trim();
    return changes;
  }

  /** @returns those changes whose groups there are; the others come again */
  ready(changes: readonly RouteChange[]): RouteChange[] {
    return changes.filter(({ row, way, object }) => {
      const isReady = object === 0 || this.ways.get(way).leadsTo !== 0;
      if (!isReady) this.pending.add(row);
      return isReady;
    });
  }

  /** A change was made, or refused by the kernel. @param reason - errno, 0 when it was made */
  done({ row, change, way }: RouteChange, reason: number): void {
    const isGone = reason === ENOENT || reason === ESRCH;
    if (reason === 0) {
      this.setInstalled(row, way);
      this.counts[change === "add" ? "added" : change === "replace" ? "replaced" : "deleted"]++;
    } else if (isGone && change !== "add") {
      // Somebody else has deleted it.
      this.setInstalled(row, 0);
      if (change === "replace") this.pending.add(row);
    } else this.refused.set(row, reason);
    if (this.installedAt(row) === 0) this.followed.freeIfUnused(row);
  }

  /** @returns how many routes have a next hop that leads nowhere, by why */
  unresolved(): Partial<Record<Unresolved, number>> {
    const found: Partial<Record<Unresolved, number>> = {};
    const { hops } = this.followed;
    for (let hop = 1; hop < hops.limit; hop++) {
      const uses = hops.usesOf(hop);
      if (uses === 0) continue;
      const { problem } = this.resolution(hop);
      if (problem !== null) found[problem] = (found[problem] ?? 0) + uses;
    }
    return found;
  }

  /** @returns how many routes the kernel refuses, by its reason (errno) */
  refusals(): Map<number, number> {
    const found = new Map<number, number>();
    for (const reason of this.refused.values()) found.set(reason, (found.get(reason) ?? 0) + 1);
    return found;
  }

  private rowOf(prefix: Uint8Array, bits: number): PrefixRow {
    return this.followed.intern(...wordsOf(prefix), bits);
  }

  private changeOf(row: PrefixRow): RouteChange | null {
    this.refused.delete(row);
    const { prefixes } = this.followed;
    if (row >= prefixes.limit || prefixes.isFree(row)) return null;
    const is = this.installedAt(row);
    const hopsId = this.wanted(row);
    if (hopsId === this.ways.get(is).shallLeadTo) {
      this.claimGroup(row);
      return null;
    }
    const way = hopsId === 0 ? 0 : this.wayOf(row, hopsId);
    const change = way === 0 ? "delete" : is === 0 ? "add" : "replace";
    const { hops, object } = this.ways.get(way);
    return { row, change, way, object, hops, ...keyOf(prefixes, row) };
  }

  private isRight(row: PrefixRow): boolean {
    return this.wanted(row) === this.ways.get(this.installedAt(row)).shallLeadTo;
  }

  private wanted(row: PrefixRow): HopsId {
    const hop = this.followed.hop[row]!;
    const found = hop === 0 ? null : this.resolution(hop);
    const id = found?.id ?? 0;
    const is = this.installedAt(row);
    if (this.mayDelete || is === 0 || found?.isByTable === false) return id;
    const stays = this.ways.get(is).shallLeadTo;
    const isUp = this.ways.get(stays).hops.every((each) => this.resolver.isUp(each));
    return hop === 0 || isUp ? stays : id;
  }

  /** @returns the group of the route's next hops, where there can be one */
  private wayOf(row: PrefixRow, hopsId: HopsId): WayId {
    const { ways, groups, objects, followed, groupsToDo } = this;
    if (!objects.isOn || this.ungrouped.has(hopsId)) return hopsId;
    const hop = followed.hop[row]!;
    const known = this.groupOf(hop);
    const { leadsTo, shallLeadTo } = ways.get(known);
    // One that waits leads elsewhere still.
    if (known !== 0 && shallLeadTo === hopsId) {
      return leadsTo === 0 || leadsTo === hopsId ? known : hopsId;
    }
    const object = objects.newId();
    if (object === 0) return hopsId;
    const way = ways.addGroup(object, 0);
    ways.get(way).shallLeadTo = hopsId;
    groups[hop] = { of: followed.hops.get(hop), object };
    groupsToDo.set(way, "now");
    return way;
  }

  /** @returns 0 where these next hops have none */
  private groupOf(hop: HopId): WayId {
    const group = this.groups[hop];
    if (group === undefined || group.of !== this.followed.hops.get(hop)) return 0;
    return this.ways.ofObject(group.object);
  }

  /** Routes that are told with the next hops of one that goes by a group go by it too. */
  private claimGroup(row: PrefixRow): void {
    const hop = this.followed.hop[row]!;
    const { object } = this.ways.get(this.installedAt(row));
    if (hop === 0 || object === 0 || this.groupOf(hop) !== 0) return;
    this.groups[hop] = { of: this.followed.hops.get(hop), object };
  }

  /** @returns the way of a group as the kernel has it */
  private wayOfObject(object: ObjectId): WayId {
    const { ways } = this;
    const known = ways.ofObject(object);
    if (known !== 0) return known;
    const hops = this.objects.adopt(object);
    return hops === null ? ways.ofKey(OTHER, []) : ways.addGroup(object, ways.ofHops(hops));
  }

  /**
   * Where next hops resolve otherwise, groups come to lead where most of their routes are to go. Others of their routes leave
   * them first.
   */
  private planGroups(): void {
    const { ways, groupsToDo, installed, followed } = this;
    const votes = new Map<WayId, Map<HopsId, number>>();
    if (!this.objects.isOn) return;
    for (const [id, way] of ways.groups()) {
      if (way.leadsTo === 0) continue;
      way.shallLeadTo = way.leadsTo;
      groupsToDo.delete(id);
      if (way.uses > 0) votes.set(id, new Map());
    }
    if (votes.size === 0) return;
    const limit = Math.min(installed.length, followed.prefixes.limit);
    for (let row = 1; row < limit; row++) {
      const found = installed[row] === 0 ? undefined : votes.get(installed[row]!);
      if (found === undefined) continue;
      const hopsId = this.wanted(row);
      found.set(hopsId, (found.get(hopsId) ?? 0) + 1);
    }
    for (const [id, found] of votes) {
      const way = ways.get(id);
      const [most] = [...found].filter(([hopsId]) => hopsId !== 0).sort(([, a], [, b]) => b - a);
      if (most === undefined || most[0] === way.leadsTo || this.ungrouped.has(most[0])) continue;
      way.shallLeadTo = most[0];
      groupsToDo.set(id, found.size > 1 ? "waits" : "now");
    }
  }

  private resolution(hop: HopId): Resolution {
    const hops = this.followed.hops.get(hop);
    const known = this.resolutions[hop];
    if (known?.of === hops) return known;
    const { found, isByTable } = this.resolver.resolveFor(hops);
    const resolution =
      typeof found === "string"
        ? { of: hops, id: 0, problem: found, isByTable }
        : { of: hops, id: this.ways.ofHops(found), problem: null, isByTable };
    this.resolutions[hop] = resolution;
    return resolution;
  }

  private resolveAnew(): void {
    for (const { watched } of this.bases.values()) watched.clear();
    this.resolver.forget();
    this.resolutions = [];
    this.ungrouped.clear();
    this.planGroups();
    this.compareAll();
  }

  private newResolver(routes: readonly BaseRoute[], links: Links): Resolver {
    return new Resolver(routes, {
      links,
      followed: (address) => {
        const base = this.bases.get(address.length);
        if (base === undefined) return [];
        const { followed, watched } = base;
        watched.add(address);
        const key = { words: wordsOf(address), bits: 8 * address.length };
        return covering(followed.prefixes, key)
          .filter((row) => followed.hop[row] !== 0 && followed.prefixes.bits[row] !== 0)
          .map((row) => followed.hops.get(followed.hop[row]!));
      },
    });
  }

  private base(): Base {
    const { followed, watches } = this;
    const watched = new WatchedAddresses();
    watches.push(watched);
    return { followed, watched };
  }

  private lost(row: PrefixRow): void {
    if (this.installedAt(row) !== 0) {
      this.setInstalled(row, 0);
      this.pending.add(row);
    }
    this.followed.freeIfUnused(row);
  }

  private installedAt(row: PrefixRow): WayId {
    return row < this.installed.length ? this.installed[row]! : 0;
  }

  private setInstalled(row: PrefixRow, way: WayId): void {
    if (row >= this.installed.length) {
      const longer = new Uint32Array(Math.max(this.followed.prefixes.capacity, row + 1));
      longer.set(this.installed);
      this.installed = longer;
    }
    const before = this.installed[row]!;
    this.installedCount += Number(way !== 0) - Number(before !== 0);
    this.ways.get(before).uses--;
    this.ways.get(way).uses++;
    this.installed[row] = way;
  }
}
