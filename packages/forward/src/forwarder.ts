/**
 * Keeps routes of a kernel as tables say. The kernel is asked and written to between other work, a batch at a
 * time; it answers at once.
 */

import type { FollowedTable } from "@ts-bgp/follow";
import { ENOENT, KernelError } from "@ts-bgp/takeover/libc";
import { FAMILY, type Family, familyAfi, formatAddress, writeU32 } from "@ts-bgp/wire-codec";
import { interfaceNumbers } from "./doctor.ts";
import { type KernelRoute, type Place, RouteMessages, RTPROT_BGP } from "./kernel-route.ts";
import { NextHopGroups, type ObjectChange } from "./next-hop-groups.ts";
import type { ObjectId } from "./next-hop-object.ts";
import type { GroupChange, RouteChange } from "./route-changes.ts";
import { type Heard, RouteMonitor, RouteSocket } from "./route-socket.ts";
import { RouteTable } from "./route-table.ts";

/** Routes that are written between two looks at anything else. */
const BATCH = 256;
/** So often it is looked whether somebody else has changed something. */
const LOOK_MS = 100;
/** Different sets of neighbors that are remembered until the kernel is read again. */
const WAY_COUNT_MAX = 1 << 16;
/** Routes that the kernel has refused, and readings that have failed, are tried again. */
const RETRY_MS = 10_000;
/** Objects that are sent to the kernel together. */
const OBJECT_BATCH = 64;
const [EIO, EEXIST, EINVAL, ENOSPC] = [5, 17, 22, 28];

export interface ForwarderOptions extends Place {
  readonly families: readonly Family[];
  /** Table that next hops are looked up in. */
  readonly nextHopTable: number;
  /** Name of the interface of next hops that are link-local; empty: they do not resolve. */
  readonly linkLocalInterface: string;
  /** Whether routes lead by groups of next hops, where the kernel has such. */
  readonly nextHopGroups: boolean;
  /** Of hashes. */
  readonly seed: number;
  say(level: "info" | "warn", id: string, message: string, fields?: object): void;
}

/** Routes of a family as they are shown. */
export interface ShownFamily {
  readonly family: string;
  /** Told by a server; in the kernel. */
  readonly routes: number;
  readonly installed: number;
  /** Routes with a next hop that leads nowhere, by why; and those that the kernel refuses, by its reason. */
  readonly unresolved: Readonly<Record<string, number>>;
  readonly refused: Readonly<Record<string, number>>;
  /** Changes made in the kernel since the start. */
  readonly added: number;
  readonly replaced: number;
  readonly deleted: number;
  /** Groups of next hops that routes go by, and how many times one came to lead elsewhere, with all of its routes. */
  readonly groups: number;
  readonly regrouped: number;
}

export class Forwarder {
  private readonly options: ForwarderOptions;
  private readonly tables: readonly RouteTable[];
  private readonly socket: RouteSocket;
  private readonly monitor: RouteMonitor;
  private readonly messages: RouteMessages = new RouteMessages(BATCH);
  private readonly timers: NodeJS.Timeout[];
  private readonly groups: NextHopGroups;
  /** Why there are no groups; null where there are. */
  private groupsProblem: string | null = null;
  /** Protocols of other routes that next hops may resolve by: only such are read when others change routes. */
  private readonly protocols: Map<Family, Set<number>> = new Map();
  private willWork = false;
  private isOver = false;
  /** To read what is in the kernel takes a tenth of the time at most. */
  private nextLookMs = 0;
  /** And so does looking at next hops again for changes of the table. */
  private nextRefreshMs = 0;
  private nextResolveMs = 0;
  /** What is in the kernel is not known, and is to be read. */
  private isUnknown = true;
  /** Somebody else has changed something since it was read. */
  private isOutdated = false;
  /** Or what next hops resolve by, which is known sooner. */
  private isMoved = false;
  /** And more than was heard of: whose a route is, is not known. */
  private isUnsure = false;
  private said = "";

  /** @throws KernelError where the kernel does not let it, as without CAP_NET_ADMIN it does not let it write */
  constructor(options: ForwarderOptions) {
    this.options = options;
    this.groups = new NextHopGroups(options);
    const { families, seed } = options;
    const { IPV6_UNICAST } = FAMILY;
    const ipv6 = families.includes(IPV6_UNICAST)
      ? new RouteTable(IPV6_UNICAST, seed, this.groups)
      : null;
    this.tables = families.map((family) =>
      family === IPV6_UNICAST ? ipv6! : new RouteTable(family, seed, this.groups, ipv6),
    );
    this.socket = new RouteSocket();
    this.useGroups(options.nextHopGroups);
    this.monitor = new RouteMonitor(this.hasObjects);
    this.timers = [
      setInterval(() => this.look(), LOOK_MS),
      setInterval(() => this.retry(), RETRY_MS),
    ];
  }

  /** What servers tell goes in here; `changed` is to be called behind it. */
  get followed(): FollowedTable[] {
    return this.tables.map(({ followed }) => followed);
  }

  /** Reads what an earlier process has left. @returns how many routes that is */
  start(): number {
    this.read();
    return this.tables.reduce((sum, { installedCount }) => sum + installedCount, 0);
  }

  /** The tables have changed. */
  changed(): void {
    if (this.willWork || this.isOver) return;
    this.willWork = true;
    setImmediate(() => this.work());
  }

  /** Everything that is wanted is in the tables: what is in the kernel besides may go. */
  complete(): void {
    for (const table of this.tables) {
      table.mayDelete = true;
      table.compareAll();
    }
    this.changed();
  }

  /** Leaves all routes where they are. */
  stop(): void {
    this.isOver = true;
    for (const timer of this.timers) clearInterval(timer);
    this.socket.close();
    this.monitor.close();
  }

  show(): ShownFamily[] {
    return this.tables.map((table) => ({
      family: table.followed.family === FAMILY.IPV4_UNICAST ? "ipv4" : "ipv6",
      routes: table.followed.size,
      installed: table.installedCount,
      unresolved: table.unresolved(),
      refused: Object.fromEntries(
        [...table.refusals()].map(([reason, count]) => [reasonText(reason), count]),
      ),
      ...table.counts,
      groups: table.groupsUsed.length,
    }));
  }

  /** Whether routes go by groups of next hops: "on", "off", or why the kernel has none. */
  get groupsText(): string {
    return this.groupsProblem ?? (this.groups.isOn ? "on" : "off");
  }

  private work(): void {
    this.willWork = false;
    if (this.isOver || this.isUnknown) return;
    for (const table of this.tables) {
      // As late as can be: the kernel replaces another's route as well.
      this.hear();
      if (this.isUnsure) table.postponeGroups();
      this.writeGroups(table, true);
      const changes = table.next(BATCH);
      this.writeGroups(table, false);
      // What is left out here comes again when the kernel has been read.
      const sure = this.isUnsure ? changes.filter(({ change }) => change !== "replace") : changes;
      const ready = table.ready(sure);
      if (ready.length > 0) this.write(table, ready);
    }
    if (this.tables.some(({ hasWork }) => hasWork)) this.changed();
  }

  private write(table: RouteTable, changes: readonly RouteChange[]): void {
    const { messages, options } = this;
    const { family } = table.followed;
    for (const { change, words, bits, hops, object } of changes) {
      messages.add(change, options, family, words, bits, hops, object);
    }
    const reasons = new Map<number, number>();
    const { count } = messages;
    try {
      this.socket.change(messages.take(), count, (number, reason) => reasons.set(number, reason));
    } catch (error) {
      this.fail(error);
      return;
    }
    for (const [k, change] of changes.entries()) {
      const reason = reasons.get(k) ?? 0;
      table.done(change, reason);
      if (reason !== 0) this.refused(family, change, reason);
    }
  }

  /** Ahead of routes that go by them; where all routes of one are to go elsewhere, it is the only thing to be written. */
  private writeGroups(table: RouteTable, areWritten: boolean): void {
    if (this.isUnknown) return;
    let areRefused = false;
    for (const change of table.nextGroups(areWritten)) {
      const reason = this.writeGroup(change);
      table.groupDone(change, reason !== 0);
      if (reason === 0) continue;
      if (!change.isNew) areRefused = true;
      // The kernel has other objects than were known.
      if (reason === ENOENT || reason === EEXIST) this.isOutdated = true;
      this.sayRefused(`make a group of next hops: ${reasonText(reason)}`);
    }
    // Their routes have to go one by one.
    if (areRefused) table.compareAll();
  }

  /** @returns the kernel's reason where it refuses, as it does where there are too many */
  private writeGroup({ object, hops, isNew }: GroupChange): number {
    const change = this.groups.set(object, hops, isNew);
    return change === null ? ENOSPC : this.writeObjects(change);
  }

  private writeObjects(change: ObjectChange): number {
    let first = 0;
    const { messages } = change;
    try {
      for (let from = 0; from < messages.length; from += OBJECT_BATCH) {
        const batch = messages.slice(from, from + OBJECT_BATCH);
        this.socket.changeObjects(batch, from, (reason) => {
          first ||= reason;
        });
      }
    } catch (error) {
      this.fail(error);
      return EIO;
    }
    if (first === 0) this.groups.done(change);
    return first;
  }

  private look(): void {
    this.hear();
    this.refresh();
    if (this.tables.some(({ hasWork }) => hasWork)) this.changed();
    if (this.tables.some(({ wayCount }) => wayCount > WAY_COUNT_MAX)) this.isOutdated = true;
    if (this.isMoved && this.isSure) this.resolve();
    if (performance.now() < this.nextLookMs || !this.isOutdated) return;
    // With a link, routes of it have gone without a word.
    this.read();
  }

  /** Whether it is known what is in the kernel of own routes, but for groups that a link has taken away. */
  private get isSure(): boolean {
    if (this.isUnknown || this.isUnsure) return false;
    return !this.isOutdated || this.tables.every(({ isGrouped }) => isGrouped);
  }

  /** Reads by which routes next hops resolve, and objects: these are few beside the own routes. */
  private resolve(): void {
    const beganMs = performance.now();
    if (beganMs < this.nextResolveMs) return;
    this.isMoved = false;
    try {
      this.readObjects();
      for (const table of this.tables) table.readGroups();
      this.resolveBy(new Map(this.hopFamilies.map((family) => [family, this.readOthers(family)])));
    } catch (error) {
      this.fail(error);
    }
    this.nextResolveMs = performance.now() + 9 * (performance.now() - beganMs);
    this.work();
  }

  /** Families of next hops: those of IPv4 routes may be IPv6 addresses (RFC 8950). */
  private get hopFamilies(): Family[] {
    return [...new Set([...this.options.families, FAMILY.IPV6_UNICAST])];
  }

  /** @returns routes of the protocols that are known to have some */
  private readOthers(family: Family): KernelRoute[] {
    const others: KernelRoute[] = [];
    for (const protocol of this.protocols.get(family)!) {
      const start = others.length;
      const begin = () => {
        others.length = start;
      };
      const take = (route: KernelRoute) => void others.push(this.withHops(route));
      this.socket.read(family, this.options.nextHopTable, protocol, begin, take);
    }
    return others;
  }

  private resolveBy(others: ReadonlyMap<Family, readonly KernelRoute[]>): void {
    const byName = interfaceNumbers();
    const links = { byName, linkLocal: byName.get(this.options.linkLocalInterface) ?? 0 };
    const ipv6 = others.get(FAMILY.IPV6_UNICAST)!;
    for (const table of this.tables) {
      const { family } = table.followed;
      const routes = family === FAMILY.IPV6_UNICAST ? ipv6 : [...others.get(family)!, ...ipv6];
      table.resolveBy(routes, links);
    }
  }

  private refresh(): void {
    const beganMs = performance.now();
    if (beganMs < this.nextRefreshMs) return;
    for (const table of this.tables) table.refresh();
    this.nextRefreshMs = performance.now() + 9 * (performance.now() - beganMs);
  }

  /** An own route in whose place somebody has put another one is not taken for an own one any more. */
  private hear(): void {
    const { table: number, metric, nextHopTable } = this.options;
    const heard = this.monitor.hear(
      (route) => {
        if (route.table === nextHopTable) this.protocols.get(route.family)?.add(route.protocol);
        if (route.table === number && route.metric === metric) {
          this.tableOf(route.family)?.lose(route);
        }
      },
      ({ id }, port): Heard => {
        if (this.socket.isOwn(port)) return "nothing";
        return this.groups.isInRange(id) ? "changes" : "routes";
      },
    );
    if (heard !== "nothing") this.isMoved = true;
    if (heard === "changes") this.isOutdated = true;
    if (heard === "too much") {
      this.isOutdated = true;
      this.isUnsure = true;
    }
  }

  private retry(): void {
    if (this.isUnknown) this.read();
    if (this.hasObjects && !this.isUnknown && !this.isOutdated) this.sweep();
    if (this.tables.every(({ refused }) => refused.size === 0)) return;
    for (const table of this.tables) table.compareAll();
    this.changed();
  }

  /** Reads by which routes next hops resolve, and what of the own ones is there. */
  private read(): void {
    const beganMs = performance.now();
    this.isOutdated = false;
    this.isMoved = false;
    try {
      this.readObjects();
      this.resolveBy(new Map(this.hopFamilies.map((family) => [family, this.readFamily(family)])));
      this.isUnknown = false;
      this.isUnsure = false;
    } catch (error) {
      this.fail(error);
    }
    this.nextLookMs = performance.now() + 9 * (performance.now() - beganMs);
    this.changed();
  }

  /** Own routes are adopted. @returns those by which next hops resolve */
  private readFamily(family: Family): KernelRoute[] {
    const { table: number, metric, nextHopTable } = this.options;
    const table = this.tableOf(family);
    const others: KernelRoute[] = [];
    const take = (route: KernelRoute) => {
      if (route.protocol !== RTPROT_BGP) others.push(this.withHops(route));
      else if (route.table === number && route.metric === metric) table?.adopt(route);
    };
    const forget = () => {
      others.length = 0;
    };
    const isOne = number === nextHopTable;
    if (table !== undefined) {
      const begin = () => {
        forget();
        table.beginAdopting();
      };
      this.socket.read(family, number, isOne ? 0 : RTPROT_BGP, begin, take);
      table.endAdopting();
    }
    if (table === undefined || !isOne) this.socket.read(family, nextHopTable, 0, forget, take);
    this.protocols.set(family, new Set(others.map(({ protocol }) => protocol)));
    return others;
  }

  private tableOf(family: Family): RouteTable | undefined {
    return this.tables.find(({ followed }) => followed.family === family);
  }

  private get hasObjects(): boolean {
    return this.groupsProblem === null;
  }

  private useGroups(areWanted: boolean): void {
    this.groups.isOn = areWanted;
    try {
      this.readObjects();
    } catch (error) {
      this.groups.isOn = false;
      this.groupsProblem = (error as Error).message;
      if (!areWanted) return;
      const text = "the kernel has no groups of next hops, each route is written with its own";
      this.options.say("info", "next-hop-groups", `${text}: ${this.groupsProblem}`);
    }
  }

  private readObjects(): void {
    const { groups } = this;
    if (!this.hasObjects) return;
    this.socket.readNextHops(
      () => groups.beginReading(),
      (object) => groups.take(object),
    );
  }

  /** Where the kernel does not show them beside the object. */
  private withHops(route: KernelRoute): KernelRoute {
    if (route.nextHop === 0 || route.hops.some((hop) => hop.interface !== 0)) return route;
    const hops = this.groups.hopsOf(route.nextHop);
    return hops === null ? { ...route, isSpecial: true } : { ...route, hops };
  }

  /** Objects go that no route leads by. */
  private sweep(): void {
    const used = new Set(this.tables.flatMap(({ groupsUsed }) => groupsUsed));
    const left = this.groups.leftBehind(used);
    try {
      if (left.length > 0) this.groups.claim(left, this.objectsUsed());
    } catch (error) {
      this.fail(error);
      return;
    }
    const change = this.groups.sweep(used);
    if (change.messages.length === 0) return;
    for (const table of this.tables) table.forgetGroups(change.deleted);
    if (this.writeObjects(change) !== 0) this.isOutdated = true;
  }

  /** @returns those that routes of any table lead by. Linear in all routes of the kernel */
  private objectsUsed(): Set<ObjectId> {
    const used = new Set<ObjectId>();
    for (const family of [FAMILY.IPV4_UNICAST, FAMILY.IPV6_UNICAST]) {
      const take = ({ nextHop }: KernelRoute) => void used.add(nextHop);
      this.socket.read(family, 0, RTPROT_BGP, () => {}, take);
    }
    return used;
  }

  private fail(error: unknown): void {
    this.isUnknown = true;
    const { message } = error as Error;
    this.options.say("warn", "kernel", `${message}; it is asked again`);
  }

  /** The first of a kind is said; the others are counted. */
  private refused(
    family: Family,
    { change, words, bits, hops }: RouteChange,
    reason: number,
  ): void {
    const address = new Uint8Array(16);
    for (const [i, word] of words.entries()) writeU32(address, 4 * i, word);
    const prefix = `${formatAddress(familyAfi(family), address, 0)}/${bits}`;
    const isByIpv6 =
      family === FAMILY.IPV4_UNICAST && hops.some(({ gateway }) => gateway?.length === 16);
    const hint =
      reason === EINVAL && isByIpv6
        ? "; IPv4 routes by IPv6 gateways are for Linux 5.2 and later, and interfaces with IPv6"
        : "";
    this.sayRefused(`${change}: ${reasonText(reason)}${hint}`, { prefix });
  }

  private sayRefused(text: string, fields: object = {}): void {
    if (text === this.said) return;
    this.said = text;
    this.options.say("warn", "kernel-refused", `the kernel refuses to ${text}`, fields);
  }
}

/** @returns the kernel's reason in words */
function reasonText(errno: number): string {
  return new KernelError("", errno).message.replace(/^: /, "");
}

export const FAMILY_NAMES: Readonly<Record<string, Family>> = {
  ipv4: FAMILY.IPV4_UNICAST,
  ipv6: FAMILY.IPV6_UNICAST,
};
