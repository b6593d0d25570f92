/**
 * Keeps routes of a kernel as tables say. The kernel is asked and written to between other work, a batch at a
 * time; it answers at once.
 */

import type { FollowedTable } from "@ts-bgp/follow";
import { ENOENT, KernelError } from "@ts-bgp/takeover/libc";
import { FAMILY, type Family, familyAfi, formatAddress, writeU32 } from "@ts-bgp/wire-codec";
import { COMPAT_MODE, interfaceNumbers, sysctl } from "./doctor.ts";
import { KernelObjects } from "./kernel-objects.ts";
import { type KernelRoute, type Place, RouteMessages, RTPROT_BGP } from "./kernel-route.ts";
import { NextHopGroups } from "./next-hop-groups.ts";
import { OtherRoutes, routesFor } from "./other-routes.ts";
import type { Links } from "./resolver.ts";
import type { RouteChange } from "./route-changes.ts";
import { type Heard, RouteMonitor, RouteSocket } from "./route-socket.ts";
import { RouteTable } from "./route-table.ts";
import { WorkShare } from "./work-share.ts";

/** Routes that are written between two looks at anything else. */
const BATCH = 256;
/** So often it is looked whether somebody else has changed something. */
const LOOK_MS = 100;
/** Different sets of neighbors that are new, and remembered until the kernel is read again. */
const WAY_COUNT_MAX = 1 << 16;
/** Routes that the kernel has refused, and readings that have failed, are tried again. */
const RETRY_MS = 10_000;
/**
 * Groups that are changed between two looks at anything else, twice a turn, and for how long they may be: the kernel waits
 * for all its processors with each, which takes half a millisecond, and in compat mode goes through all routes.
 */
const GROUP_BATCH = 16;
const GROUPS_MS = 10;
/** Objects that go between two looks, for which it waits as well. */
const SWEEP_BATCH = 32;
/** While routes are written that have gone with a link, what there is besides is read so much later at most. */
const READ_LATEST_MS = 10_000;
const [EEXIST, EINVAL, ENETDOWN] = [17, 22, 100];

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
  private readonly objects: KernelObjects;
  private readonly others: OtherRoutes;
  private willWork = false;
  private isOver = false;
  /** To read what is in the kernel. */
  private readonly reading: WorkShare = new WorkShare();
  /** To look at next hops again: for changes of the table, and for what others have changed. */
  private readonly refreshing: WorkShare = new WorkShare();
  private readonly resolving: WorkShare = new WorkShare();
  /** What is in the kernel is not known, and is to be read. */
  private isUnknown = true;
  /** Somebody else has changed something since it was read. */
  private isOutdated = false;
  /** Since when; it is read at this time and a while at the latest. */
  private outdatedMs = 0;
  /** Objects are left that no route leads by. */
  private isSweeping = false;
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
    this.objects = new KernelObjects(this.socket, this.groups);
    this.others = new OtherRoutes(options, this.socket, this.objects);
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
    for (const table of this.tables) table.complete();
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
    return this.objects.problem ?? (this.groups.isOn ? "on" : "off");
  }

  private work(): void {
    this.willWork = false;
    if (this.isOver) return;
    for (const table of this.tables) this.workOn(table);
    if (!this.isUnknown && this.hasWork) this.changed();
  }

  /** Ends where the kernel has failed: what is not written then comes again when it has been read. */
  private workOn(table: RouteTable): void {
    if (this.isUnknown) return;
    // As late as can be: the kernel replaces another's route as well.
    this.hear();
    if (this.isUnsure) table.postponeGroups();
    this.writeGroups(table, true);
    if (this.isUnknown) return;
    const changes = table.next(BATCH);
    this.writeGroups(table, false);
    // What is left out here comes again when the kernel has been read.
    const sure = this.isUnsure ? changes.filter(({ change }) => change !== "replace") : changes;
    const ready = table.ready(sure);
    if (ready.length > 0 && !this.isUnknown) this.write(table, ready);
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
    let areRefused = false;
    const endMs = performance.now() + GROUPS_MS;
    for (let left = GROUP_BATCH; left > 0 && performance.now() < endMs; left--) {
      const [change] = table.nextGroups(1, areWritten);
      if (change === undefined) break;
      let reason = 0;
      try {
        reason = this.objects.writeGroup(change);
      } catch (error) {
        this.fail(error);
        return;
      }
      const isDown = reason === ENETDOWN;
      table.groupDone(change, reason === 0 ? "done" : isDown ? "down" : "refused");
      if (reason === 0) continue;
      if (!change.isNew) areRefused = true;
      // The kernel has other objects than were known.
      if (reason === ENOENT || reason === EEXIST) this.setOutdated();
      if (!isDown) this.sayRefused(`make a group of next hops: ${reasonText(reason)}`);
    }
    // Their routes have to go one by one.
    if (areRefused) table.compareAll();
  }

  private look(): void {
    this.hear();
    this.refresh();
    if (this.hasWork) this.changed();
    if (this.tables.some(({ newWayCount }) => newWayCount > WAY_COUNT_MAX)) this.setOutdated();
    if (this.isMoved && this.isSure && this.resolving.mayWork) {
      this.resolving.do(() => this.resolve());
    }
    if (this.isSweeping && !this.isUnknown && !this.isOutdated) this.sweep();
    if (!this.isOutdated || !this.reading.mayWork) return;
    // Groups have told of those that have gone: to read the others meanwhile makes these wait.
    const isLate = performance.now() >= this.outdatedMs + READ_LATEST_MS;
    if (this.isSure && this.hasWork && !isLate) return;
    // With a link, routes of it have gone without a word.
    this.read();
  }

  private get hasWork(): boolean {
    return this.tables.some(({ hasWork }) => hasWork);
  }

  private setOutdated(): void {
    if (!this.isOutdated) this.outdatedMs = performance.now();
    this.isOutdated = true;
  }

  /** Whether it is known what is in the kernel of own routes, but for groups that a link has taken away. */
  private get isSure(): boolean {
    if (this.isUnknown || this.isUnsure) return false;
    return !this.isOutdated || this.tables.every(({ isGrouped }) => isGrouped);
  }

  /** Reads by which routes next hops resolve, and objects: these are few beside the own routes. */
  private resolve(): void {
    this.isMoved = false;
    try {
      const others = this.others.withHops(this.others.read());
      for (const table of this.tables) table.readGroups();
      const links = this.linksNow();
      for (const table of this.tables)
        table.resolveBy(routesFor(table.followed.family, others), links);
    } catch (error) {
      this.fail(error);
    }
    this.work();
  }

  private linksNow(): Links {
    const byName = interfaceNumbers();
    return { byName, linkLocal: byName.get(this.options.linkLocalInterface) ?? 0 };
  }

  private refresh(): void {
    if (!this.refreshing.mayWork) return;
    this.refreshing.do(() => {
      for (const table of this.tables) table.refresh();
    });
  }

  /** An own route in whose place somebody has put another one is not taken for an own one any more. */
  private hear(): void {
    const { table: number, metric, nextHopTable } = this.options;
    const heard = this.monitor.hear(
      (route) => {
        if (route.table === nextHopTable) this.others.heard(route);
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
    if (heard === "changes") this.setOutdated();
    if (heard === "too much") {
      this.setOutdated();
      this.isUnsure = true;
    }
  }

  private retry(): void {
    if (this.isUnknown) this.read();
    if (this.hasObjects && !this.isUnknown && !this.isOutdated) this.sweep();
    for (const table of this.tables) table.retry();
    this.changed();
  }

  /** Reads by which routes next hops resolve, and what of the own ones is there. */
  private read(): void {
    this.isOutdated = false;
    this.isMoved = false;
    this.reading.do(() => this.readAll());
    this.changed();
  }

  private readAll(): void {
    this.groups.isCompat = sysctl(COMPAT_MODE) === 1;
    try {
      this.objects.read();
      const read = new Map<Family, readonly KernelRoute[]>();
      for (const family of this.others.families) read.set(family, this.readFamily(family));
      this.objects.read();
      const others = this.others.withHops(read);
      const links = this.linksNow();
      for (const table of this.tables)
        table.endAdopting(routesFor(table.followed.family, others), links);
      this.isUnknown = false;
      this.isUnsure = false;
    } catch (error) {
      this.fail(error);
    }
  }

  /** Reads own routes. @returns those of others that next hops may resolve by */
  private readFamily(family: Family): KernelRoute[] {
    const { table: number, metric, nextHopTable } = this.options;
    const table = this.tableOf(family);
    const others: KernelRoute[] = [];
    const take = (route: KernelRoute) => {
      if (route.protocol !== RTPROT_BGP) others.push(route);
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
    }
    if (table === undefined || !isOne) this.socket.read(family, nextHopTable, 0, forget, take);
    this.others.know(family, others);
    return others;
  }

  private tableOf(family: Family): RouteTable | undefined {
    return this.tables.find(({ followed }) => followed.family === family);
  }

  private get hasObjects(): boolean {
    return this.objects.problem === null;
  }

  private useGroups(areWanted: boolean): void {
    this.groups.isOn = areWanted && this.hasObjects;
    if (this.hasObjects || !areWanted) return;
    const text = "the kernel has no groups of next hops, each route is written with its own";
    this.options.say("info", "next-hop-groups", `${text}: ${this.objects.problem}`);
  }

  /** Objects go that no route leads by, some now, and the others when it is looked next. */
  private sweep(): void {
    const used = new Set(this.tables.flatMap(({ groupsUsed }) => groupsUsed));
    this.isSweeping = false;
    try {
      const { count, areRefused } = this.objects.sweep(used, SWEEP_BATCH, (gone) => {
        for (const table of this.tables) table.forgetGroups(gone);
      });
      this.isSweeping = count === SWEEP_BATCH && !areRefused;
      if (areRefused) this.setOutdated();
    } catch (error) {
      this.fail(error);
    }
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
