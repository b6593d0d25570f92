/**
 * Routes of one family as they should be in the kernel, and as they are: what differs is changed, and nothing
 * else is touched.
 */

import { FollowedTable, type HopId, type NextHops } from "@ts-bgp/follow";
import { type Cursor, covering, keyOf, type PrefixKey, type PrefixRow, RowSet } from "@ts-bgp/rib";
import { FAMILY, type Family } from "@ts-bgp/wire-codec";
import type { Change, KernelHop, KernelRoute } from "./kernel-route.ts";
import { type BaseRoute, hopKey, Resolver, type Unresolved } from "./resolver.ts";
import { WatchedAddresses, wordsOf } from "./watched-addresses.ts";

/** Number of neighbors on interfaces that packets go to; 0 is none. */
type KernelHopId = number;
/** What this program would not have written so. */
const OTHER = "other";
/** The kernel's reasons, errno. */
const [ENOENT, ESRCH] = [2, 3];

export interface RouteChange extends PrefixKey {
  readonly row: PrefixRow;
  readonly change: Change;
  /** None to delete. */
  readonly hops: readonly KernelHop[];
  readonly id: KernelHopId;
}

/** How next hops were resolved. */
interface Resolution {
  /** To know others that have the number later. */
  readonly of: NextHops;
  readonly id: KernelHopId;
  readonly problem: Unresolved | null;
}

export class RouteTable {
  readonly followed: FollowedTable;
  readonly counts = { added: 0, replaced: 0, deleted: 0 };
  /** Routes in the kernel that are this program's. */
  installedCount = 0;
  /**
   * Whether routes that nobody has told of may go: not before a server has told everything, since an earlier
   * process may have written what the server is about to tell.
   */
  mayDelete = false;
  /** Routes that the kernel has refused, and why (errno). */
  readonly refused: Map<PrefixRow, number> = new Map();
  private installed: Uint32Array = new Uint32Array(1);
  private readonly cursor: Cursor;
  private readonly pending: RowSet = new RowSet();
  private hops: (readonly KernelHop[])[] = [[]];
  private readonly hopIds: Map<string, KernelHopId> = new Map();
  private resolver: Resolver;
  private resolutions: (Resolution | undefined)[] = [];
  /** Addresses that routes of the table lead to, or may lead to later. */
  private readonly watched: WatchedAddresses = new WatchedAddresses();
  /** Something has changed in what such addresses resolve by. */
  private isOutdated = false;

  constructor(family: Family, seed: number) {
    this.followed = new FollowedTable(family, seed, (row) => this.installedAt(row) !== 0);
    this.cursor = this.followed.log.open();
    this.resolver = this.newResolver([], 0);
  }

  /** How many numbers of neighbors there are: those that are used no more go when the kernel is read. */
  get hopCount(): number {
    return this.hops.length;
  }

  /** Whether something is left to be changed. */
  get hasWork(): boolean {
    return this.pending.size > 0 || this.followed.log.lag(this.cursor) > 0;
  }

  /** Next hops resolve by these routes from now on, link-local ones on an interface; 0: they do not resolve. */
  resolveBy(routes: readonly BaseRoute[], linkLocalInterface = 0): void {
    this.resolver = this.newResolver(routes, linkLocalInterface);
    this.resolveAnew();
  }

  /** Next hops that resolve by routes of the table are looked at again where such have changed. Linear in the routes. */
  refresh(): void {
    if (this.isOutdated) this.resolveAnew();
  }

  /** What is in the kernel is read: `adopt` is called for each route of this program's, then `endAdopting`. */
  beginAdopting(): void {
    this.installed = new Uint32Array(this.installed.length);
    this.installedCount = 0;
    this.hops = [[]];
    this.hopIds.clear();
    this.resolutions = [];
  }

  adopt({ prefix, bits, hops, isOther }: KernelRoute): void {
    const row = this.rowOf(prefix, bits);
    this.setInstalled(row, isOther ? this.idOf(OTHER, []) : this.hopsId(hops));
  }

  /** Somebody else has put a route where one of this program's is, or may be. */
  lose({ prefix, bits }: KernelRoute): void {
    const row = this.rowOf(prefix, bits);
    if (this.installedAt(row) !== 0) {
      this.setInstalled(row, 0);
      this.pending.add(row);
    }
    this.followed.freeIfUnused(row);
  }

  /** Linear in the routes. */
  endAdopting(): void {
    const { followed } = this;
    for (let row = 1; row < followed.prefixes.limit; row++) {
      if (!followed.prefixes.isFree(row)) followed.freeIfUnused(row);
    }
    this.compareAll();
  }

  /** Everything is looked at again, also what the kernel has refused. */
  compareAll(): void {
    const { prefixes } = this.followed;
    for (let row = 1; row < prefixes.limit; row++) {
      if (!prefixes.isFree(row) && this.wanted(row) !== this.installedAt(row))
        this.pending.add(row);
    }
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
      if (this.isOutdated || this.watched.isEmpty) continue;
      this.isOutdated = this.watched.touches(keyOf(followed.prefixes, row));
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

  /** A change was made, or refused by the kernel. @param reason - errno, 0 when it was made */
  done({ row, change, id }: RouteChange, reason: number): void {
    const isGone = reason === ENOENT || reason === ESRCH;
    if (reason === 0) {
      this.setInstalled(row, id);
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
    const id = this.wanted(row);
    if (id === is) return null;
    const change = id === 0 ? "delete" : is === 0 ? "add" : "replace";
    return { row, change, id, hops: this.hops[id]!, ...keyOf(prefixes, row) };
  }

  private wanted(row: PrefixRow): KernelHopId {
    const hop = this.followed.hop[row]!;
    if (hop !== 0) return this.resolution(hop).id;
    return this.mayDelete ? 0 : this.installedAt(row);
  }

  private resolution(hop: HopId): Resolution {
    const hops = this.followed.hops.get(hop);
    const known = this.resolutions[hop];
    if (known?.of === hops) return known;
    const found = this.resolver.resolve(hops);
    const resolution =
      typeof found === "string"
        ? { of: hops, id: 0, problem: found }
        : { of: hops, id: this.hopsId(found), problem: null };
    this.resolutions[hop] = resolution;
    return resolution;
  }

  private resolveAnew(): void {
    this.isOutdated = false;
    this.watched.clear();
    this.resolver.forget();
    this.resolutions = [];
    this.compareAll();
  }

  private newResolver(routes: readonly BaseRoute[], linkLocalInterface: number): Resolver {
    const { followed, watched } = this;
    return new Resolver(routes, {
      addressOctets: followed.family === FAMILY.IPV4_UNICAST ? 4 : 16,
      linkLocalInterface,
      followed: (address) => {
        watched.add(address);
        const key = { words: wordsOf(address), bits: 8 * address.length };
        return covering(followed.prefixes, key)
          .filter((row) => followed.hop[row] !== 0 && followed.prefixes.bits[row] !== 0)
          .map((row) => followed.hops.get(followed.hop[row]!));
      },
    });
  }

  /** The kernel tells them in another order than they were written in. */
  private hopsId(hops: readonly KernelHop[]): KernelHopId {
    const key = hops.length === 1 ? hopKey(hops[0]!) : hops.map(hopKey).sort().join();
    return this.idOf(key, hops);
  }

  private idOf(key: string, hops: readonly KernelHop[]): KernelHopId {
    const known = this.hopIds.get(key);
    if (known !== undefined) return known;
    const id = this.hops.push(hops) - 1;
    this.hopIds.set(key, id);
    return id;
  }

  private installedAt(row: PrefixRow): KernelHopId {
    return row < this.installed.length ? this.installed[row]! : 0;
  }

  private setInstalled(row: PrefixRow, id: KernelHopId): void {
    if (row >= this.installed.length) {
      const longer = new Uint32Array(Math.max(this.followed.prefixes.capacity, row + 1));
      longer.set(this.installed);
      this.installed = longer;
    }
    this.installedCount += Number(id !== 0) - Number(this.installed[row] !== 0);
    this.installed[row] = id;
  }
}
