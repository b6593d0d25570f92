/**
 * Routes of one family as they should be in the kernel, and as they are: what differs is changed, and nothing
 * else is touched.
 */

import { FollowedTable, type HopId, type NextHops } from "@ts-bgp/follow";
import { type Cursor, covering, keyOf, type PrefixRow, RowSet } from "@ts-bgp/rib";
import { FAMILY, type Family } from "@ts-bgp/wire-codec";
import { type GroupChange, GroupPlan, type Objects, type Outcome } from "./group-plan.ts";
import type { KernelHop, KernelRoute } from "./kernel-route.ts";
import type { ObjectId } from "./next-hop-object.ts";
import { type BaseRoute, type Links, Resolver, type Unresolved } from "./resolver.ts";
import type { RouteChange } from "./route-changes.ts";
import { WatchedAddresses, wordsOf } from "./watched-addresses.ts";
import { type HopsId, type WayId, Ways } from "./ways.ts";

/** What this program would not have written so. */
const OTHER = "other";
/** The kernel's reasons, errno. */
const [ENOENT, ESRCH, ENETDOWN] = [2, 3, 100];

const NO_LINKS: Links = { linkLocal: 0, byName: new Map() };
/** Where fewer than one of so many routes have next hops of their own, a change of a link is worth no reading of all. */
const UNGROUPED_SHARE = 8;
const NO_OBJECTS: Objects = { adopt: () => null, newId: () => 0, isOn: false, routesMin: 0 };

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
  private readonly plan: GroupPlan;
  /** Routes that have to leave a group before it leads elsewhere; these are written first. */
  private readonly leaving: RowSet = new RowSet();
  private readWayCount = 0;
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
    this.plan = new GroupPlan(objects, this.ways);
    this.followed = new FollowedTable(family, seed, (row) => this.installedAt(row) !== 0);
    this.cursor = this.followed.log.open();
    this.bases.set(family === FAMILY.IPV4_UNICAST ? 4 : 16, this.base());
    if (ipv6 !== null) this.bases.set(16, ipv6.base());
    this.resolver = this.newResolver([], NO_LINKS);
  }

  /** How many ways have got numbers since the kernel was read: those that are used no more go when it is read again. */
  get newWayCount(): number {
    return this.ways.count - this.readWayCount;
  }

  /** Whether nearly all routes in the kernel go by groups: what the kernel takes away of them shows in these. */
  get isGrouped(): boolean {
    let uses = 0;
    for (const [, way] of this.ways.groups()) uses += way.uses;
    return (this.installedCount - uses) * UNGROUPED_SHARE <= this.installedCount;
  }

  /** Groups that routes in the kernel go by. */
  get groupsUsed(): ObjectId[] {
    return [...this.ways.groups()].filter(([, { uses }]) => uses > 0).map(([, way]) => way.object);
  }

  /** Whether something is left to be changed. */
  get hasWork(): boolean {
    const { pending, leaving, plan, followed } = this;
    return pending.size + leaving.size + plan.size + followed.log.lag(this.cursor) > 0;
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
    this.plan.begin(this.ways);
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
    this.plan.drop();
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

  /** @param routes - as with `resolveBy`. Linear in the routes */
  endAdopting(routes: readonly BaseRoute[], links: Links = NO_LINKS): void {
    const { followed } = this;
    for (let row = 1; row < followed.prefixes.limit; row++) {
      if (!followed.prefixes.isFree(row)) followed.freeIfUnused(row);
    }
    this.resolveBy(routes, links);
    this.readWayCount = this.ways.count;
  }

  /**
   * All is told: what is in the kernel besides may go, and next hops resolve by all of it, whatever they did while a part was
   * still to come. Linear in the routes.
   */
  complete(): void {
    this.mayDelete = true;
    this.resolveAnew();
  }

  /** What the kernel has refused is tried again. */
  retry(): void {
    if (this.refused.size === 0) return;
    this.plan.retry();
    this.compareAll();
  }

  /** Everything is looked at again. */
  compareAll(): void {
    const { prefixes } = this.followed;
    for (let row = 1; row < prefixes.limit; row++) {
      if (prefixes.isFree(row)) continue;
      if (this.isRight(row)) this.claimGroup(row);
      else this.wait(row);
    }
  }

  /**
   * @param max - of groups
   * @param areWritten - whether all that `next` has given was made or refused
   * @returns groups that are to be made or to lead elsewhere now, before anything else; `groupDone` is to be called for each
   */
  nextGroups(max: number, areWritten: boolean): GroupChange[] {
    return this.plan.next(max, areWritten && this.leaving.size === 0);
  }

  /**
   * Groups that wait lead on where they do until the kernel is read: it is not known which of their routes are own ones still,
   * so these do not leave.
   */
  postponeGroups(): void {
    this.plan.postpone();
  }

  groupDone(change: GroupChange, outcome: Outcome): void {
    this.plan.done(change, outcome);
    if (outcome === "done" && !change.isNew) this.counts.regrouped++;
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
    for (const rows of [this.leaving, pending]) {
      for (let row = 0; changes.length < max; ) {
        row = rows.next(row + 1);
        if (row < 0) break;
        this.leaving.delete(row);
        pending.delete(row);
        const change = this.changeOf(row);
        if (change !== null) changes.push(change);
      }
    }
    followed.trim();
    return changes;
  }

  /** @returns those changes whose groups there are; the others come again */
  ready(changes: readonly RouteChange[]): RouteChange[] {
    return changes.filter(({ row, way, object }) => {
      const isReady = object === 0 || this.ways.get(way).leadsTo !== 0;
      if (!isReady) this.wait(row);
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
    if (this.plan.isDown(hopsId)) {
      this.refused.set(row, ENETDOWN);
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
    const { hops } = this.ways.get(stays);
    const isUp = (each: KernelHop) => this.resolver.isUp(each);
    // Where it would lead nowhere, one link that is left of several is better than none.
    const mayStay = id === 0 ? hops.length === 0 || hops.some(isUp) : hops.every(isUp);
    return hop === 0 || mayStay ? stays : id;
  }

  /** @returns the group of the route's next hops, where there is one */
  private wayOf(row: PrefixRow, hopsId: HopsId): WayId {
    const { hops, hop } = this.followed;
    const id = hop[row]!;
    return this.plan.wayOf(id, hops.get(id), hops.usesOf(id), hopsId);
  }

  private claimGroup(row: PrefixRow): void {
    const { hops, hop } = this.followed;
    const id = hop[row]!;
    const { object } = this.ways.get(this.installedAt(row));
    if (id !== 0 && object !== 0) this.plan.claim(id, hops.get(id), object);
  }

  /** The route is to be looked at, in the next turns. */
  private wait(row: PrefixRow): void {
    (this.plan.isWaiting(this.installedAt(row)) ? this.leaving : this.pending).add(row);
  }

  /** @returns the way of a group as the kernel has it */
  private wayOfObject(object: ObjectId): WayId {
    const { ways } = this;
    const known = ways.ofObject(object);
    if (known !== 0) return known;
    const hops = this.objects.adopt(object);
    return hops === null ? ways.ofKey(OTHER, []) : ways.addGroup(object, ways.ofHops(hops));
  }

  /** Where next hops resolve otherwise, groups come to lead elsewhere. Linear in the routes where there are groups. */
  private planGroups(): void {
    const { plan, installed, followed } = this;
    const votes = plan.beginPlan();
    if (votes === null) return;
    const limit = Math.min(installed.length, followed.prefixes.limit);
    for (let row = 1; row < limit; row++) {
      const found = installed[row] === 0 ? undefined : votes.get(installed[row]!);
      if (found === undefined) continue;
      const hopsId = this.wanted(row);
      found.set(hopsId, (found.get(hopsId) ?? 0) + 1);
    }
    plan.endPlan(votes);
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
    this.plan.retry();
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
