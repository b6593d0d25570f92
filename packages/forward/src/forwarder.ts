/**
 * Keeps routes of a kernel as tables say. The kernel is asked and written to between other work, a batch at a
 * time; it answers at once.
 */

import type { FollowedTable } from "@ts-bgp/follow";
import { KernelError } from "@ts-bgp/takeover/libc";
import { FAMILY, type Family, familyAfi, formatAddress, writeU32 } from "@ts-bgp/wire-codec";
import { interfaceNumber } from "./doctor.ts";
import { type KernelRoute, type Place, RouteMessages, RTPROT_BGP } from "./kernel-route.ts";
import { RouteMonitor, RouteSocket } from "./route-socket.ts";
import { type RouteChange, RouteTable } from "./route-table.ts";

/** Routes that are written between two looks at anything else. */
const BATCH = 256;
/** So often it is looked whether somebody else has changed something. */
const LOOK_MS = 100;
/** Different sets of neighbors that are remembered until the kernel is read again. */
const HOP_COUNT_MAX = 1 << 16;
/** Routes that the kernel has refused, and readings that have failed, are tried again. */
const RETRY_MS = 10_000;

export interface ForwarderOptions extends Place {
  readonly families: readonly Family[];
  /** Table that next hops are looked up in. */
  readonly nextHopTable: number;
  /** Name of the interface of next hops that are link-local; empty: they do not resolve. */
  readonly linkLocalInterface: string;
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
}

export class Forwarder {
  private readonly options: ForwarderOptions;
  private readonly tables: readonly RouteTable[];
  private readonly socket: RouteSocket;
  private readonly monitor: RouteMonitor;
  private readonly messages: RouteMessages = new RouteMessages(BATCH);
  private readonly timers: NodeJS.Timeout[];
  private willWork = false;
  private isOver = false;
  /** To read what is in the kernel takes a tenth of the time at most. */
  private nextLookMs = 0;
  /** And so does looking at next hops again for changes of the table. */
  private nextRefreshMs = 0;
  /** What is in the kernel is not known, and is to be read. */
  private isUnknown = true;
  /** Somebody else has changed something since it was read. */
  private isOutdated = false;
  /** And more than was heard of: whose a route is, is not known. */
  private isUnsure = false;
  private said = "";

  /** @throws KernelError where the kernel does not let it, as without CAP_NET_ADMIN it does not let it write */
  constructor(options: ForwarderOptions) {
    this.options = options;
    this.tables = options.families.map((family) => new RouteTable(family, options.seed));
    this.socket = new RouteSocket();
    this.monitor = new RouteMonitor();
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
    }));
  }

  private work(): void {
    this.willWork = false;
    if (this.isOver || this.isUnknown) return;
    for (const table of this.tables) {
      // As late as can be: the kernel replaces another's route as well.
      this.hear();
      const changes = table.next(BATCH);
      // What is left out here comes again when the kernel has been read.
      const sure = this.isUnsure ? changes.filter(({ change }) => change !== "replace") : changes;
      if (sure.length > 0) this.write(table, sure);
    }
    if (this.tables.some(({ hasWork }) => hasWork)) this.changed();
  }

  private write(table: RouteTable, changes: readonly RouteChange[]): void {
    const { messages, options } = this;
    const { family } = table.followed;
    for (const { change, words, bits, hops } of changes) {
      messages.add(change, options, family, words, bits, hops);
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

  private look(): void {
    this.hear();
    this.refresh();
    if (this.tables.some(({ hasWork }) => hasWork)) this.changed();
    if (this.tables.some(({ hopCount }) => hopCount > HOP_COUNT_MAX)) this.isOutdated = true;
    if (performance.now() < this.nextLookMs || !this.isOutdated) return;
    // With a link, routes of it have gone without a word.
    this.read();
  }

  private refresh(): void {
    const beganMs = performance.now();
    if (beganMs < this.nextRefreshMs) return;
    for (const table of this.tables) table.refresh();
    this.nextRefreshMs = performance.now() + 9 * (performance.now() - beganMs);
  }

  /** An own route in whose place somebody has put another one is not taken for an own one any more. */
  private hear(): void {
    const { table: number, metric } = this.options;
    const heard = this.monitor.hear((route) => {
      if (route.table !== number || route.metric !== metric) return;
      this.tables.find(({ followed }) => followed.family === route.family)?.lose(route);
    });
    if (heard !== "nothing") this.isOutdated = true;
    if (heard === "too much") this.isUnsure = true;
  }

  private retry(): void {
    if (this.isUnknown) this.read();
    if (this.tables.every(({ refused }) => refused.size === 0)) return;
    for (const table of this.tables) table.compareAll();
    this.changed();
  }

  /** Reads by which routes next hops resolve, and what of the own ones is there. */
  private read(): void {
    const beganMs = performance.now();
    this.isOutdated = false;
    try {
      for (const table of this.tables) this.readTable(table);
      this.isUnknown = false;
      this.isUnsure = false;
    } catch (error) {
      this.fail(error);
    }
    this.nextLookMs = performance.now() + 9 * (performance.now() - beganMs);
    this.changed();
  }

  private readTable(table: RouteTable): void {
    const { table: number, metric, nextHopTable } = this.options;
    const { family } = table.followed;
    const others: KernelRoute[] = [];
    const take = (route: KernelRoute) => {
      if (route.protocol !== RTPROT_BGP) others.push(route);
      else if (route.table === number && route.metric === metric) table.adopt(route);
    };
    const isOne = number === nextHopTable;
    const begin = () => {
      others.length = 0;
      table.beginAdopting();
    };
    this.socket.read(family, number, isOne ? 0 : RTPROT_BGP, begin, take);
    table.endAdopting();
    const forget = () => {
      others.length = 0;
    };
    if (!isOne) this.socket.read(family, nextHopTable, 0, forget, take);
    table.resolveBy(others, interfaceNumber(this.options.linkLocalInterface));
  }

  private fail(error: unknown): void {
    this.isUnknown = true;
    const { message } = error as Error;
    this.options.say("warn", "kernel", `${message}; it is asked again`);
  }

  /** The first of a kind is said; the others are counted. */
  private refused(family: Family, { change, words, bits }: RouteChange, reason: number): void {
    const text = `${change}: ${reasonText(reason)}`;
    if (text === this.said) return;
    this.said = text;
    const address = new Uint8Array(16);
    for (const [i, word] of words.entries()) writeU32(address, 4 * i, word);
    const prefix = `${formatAddress(familyAfi(family), address, 0)}/${bits}`;
    this.options.say("warn", "kernel-refused", `the kernel refuses to ${text}`, { prefix });
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
