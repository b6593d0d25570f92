/**
 * The BGP speaker as a whole, pure: events go in, outputs come out, and nothing happens in between
 * but what the events say.
 *
 * `slice` does bounded pieces of work in turn: messages of each connection, the decision process,
 * the update groups, jobs. What a slice changed and put out is one bracket.
 *
 * Connections with little to read go first, all the way to the update groups; those with much, the
 * bulk, get one piece of each kind of work in every slice, and the time that is left. So a single
 * update waits for a few pieces of work and not for what others have sent before it. A connection
 * counts as bulk until the bulk that it brought was passed on, so that what it says next does not go
 * past that.
 */

import type { Compared, Config, ConfigDiff, NeighborConfig } from "@ts-bgp/config";
import { addReasons, ReasonTable } from "@ts-bgp/policy";
import { AttrStore, GROUP_LIMITS, redecide } from "@ts-bgp/rib";
import type { SourceEnd } from "@ts-bgp/rpki";
import { CEASE, shutdownData } from "@ts-bgp/wire-codec";
import { heardOfBfd } from "./bfd.ts";
import type { BfdNews } from "./bfd-state.ts";
import type { Connection, ConnectionOwner } from "./connection.ts";
import { dynamicRefusal, forgetGone, welcome } from "./dynamic-neighbors.ts";
import type { MemberNews } from "./member-state.ts";
import { heardOfMember } from "./members.ts";
import { Neighbor } from "./neighbor.ts";
import { isElsewhere } from "./neighbor-directory.ts";
import { tellRoutes } from "./observing.ts";
import { isGoing, type Order, obey } from "./order.ts";
import type { ConnectionId, Output } from "./outputs.ts";
import { beginSlice, endSlice, readingFrom } from "./reading.ts";
import { applyConfig } from "./reload.ts";
import { Revalidation } from "./revalidation.ts";
import { applyStaticRoutes } from "./static-routes.ts";
import { FAMILIES, Tables } from "./tables.ts";

/** A connection with no more than this to read goes first: two messages of the usual size. */
const SMALL_OCTETS = 1 << 13;
/** Octets of one connection that are read in one go: a few milliseconds' work at most. */
const READ_OCTETS = 1 << 14;
/**
 * With so many changes that update groups have not looked at, no bulk is read: it waits with its
 * sender. Not fewer than make a group go on whose members are all slow.
 */
const CHANGES_MAX = GROUP_LIMITS.lagMax;
/**
 * Prefixes of a family that are decided in one go: a millisecond's work or two, and more than one slice leaves. More
 * wait when the routes of a neighbor have gone that is held down.
 */
const DECIDED_MAX = 1 << 14;
/** Octets of a connection that may wait to be read before the shell should stop reading. */
export const INPUT_OCTETS_MAX = 1 << 18;

export class Router {
  readonly tables: Tables;
  /** By address. */
  readonly neighbors: Map<string, Neighbor> = new Map();
  private readonly connections: Map<ConnectionId, Connection> = new Map();
  /** Connections with octets to read, the one whose turn it is in front: the others, and the bulk. */
  private readonly small: Connection[] = [];
  private readonly bulk: Connection[] = [];
  /** Connections that count as bulk, whether they have anything to read or not. */
  private slowed: Connection[] = [];

  /**
   * @param seed - any 32-bit number that nobody can guess: for timers that must not run in step, and
   *   for hash tables, so that a peer cannot aim at one chain
   */
  constructor(config: Config, seed: number) {
    const attrs = new AttrStore(seed);
    const reasons = new ReasonTable();
    addReasons(config, reasons);
    this.tables = new Tables(config, attrs, reasons, seed);
    this.revalidate(this.tables.origins.configure(config.rpki));
    for (const neighbor of config.neighbors) this.addNeighbor(neighbor);
  }

  /** Starts all sessions that are wanted. */
  start(nowMs: number): void {
    this.tables.nowMs = nowMs;
    applyStaticRoutes(this.tables);
    this.tables.origins.start(nowMs);
    this.tables.restart.start(nowMs, this.neighbors);
    for (const neighbor of this.neighbors.values()) neighbor.start();
  }

  /**
   * Ends all sessions with an administrative shutdown.
   *
   * @param isRestart - those that may restart gracefully without a word, so that peers keep our routes
   */
  shutdown(text: string | null, isRestart: boolean, nowMs: number): void {
    this.tables.nowMs = nowMs;
    const data = text === null ? new Uint8Array(0) : shutdownData(text);
    for (const neighbor of this.neighbors.values()) {
      neighbor.end(CEASE.ADMINISTRATIVE_SHUTDOWN, data, null, isRestart);
    }
  }

  /**
   * A peer has connected.
   *
   * @param remoteAddress - in canonical text
   * @param otherAddress - of the other family on the interface that has `localAddress`; null when
   *   there is none
   * @param number - that another router has given the connection; 0 for a new one
   * @returns the number of the connection, or null when nobody with that address is configured, or may be
   *   made a neighbor
   */
  accepted(
    remoteAddress: string,
    remotePort: number,
    localAddress: string,
    otherAddress: string | null,
    nowMs: number,
    number: ConnectionId | 0 = 0,
  ): ConnectionId | null {
    this.tables.nowMs = nowMs;
    const neighbor =
      this.neighbors.get(remoteAddress) ?? welcome(this, remoteAddress, number !== 0);
    if (neighbor === null || isElsewhere(neighbor.config)) return null;
    const { connectionNumbers } = this.tables;
    const id = number === 0 ? connectionNumbers.next() : connectionNumbers.use(number);
    this.connections.set(id, neighbor.accepted(id, { localAddress, otherAddress, remotePort }));
    return id;
  }

  /** A connection that the output `connect` asked for is there; the addresses as in `accepted`. */
  connected(
    id: ConnectionId,
    localAddress: string,
    otherAddress: string | null,
    nowMs: number,
  ): void {
    this.tables.nowMs = nowMs;
    const neighbor = this.awaiting(id);
    if (neighbor === undefined) return;
    this.connections.set(id, neighbor.connected(id, { localAddress, otherAddress }));
  }

  connectFailed(id: ConnectionId, nowMs: number): void {
    this.tables.nowMs = nowMs;
    this.awaiting(id)?.connectFailed();
  }

  /**
   * Octets have come; they are read in the slices that follow.
   *
   * @param octets - must not change any more
   * @returns whether the shell should go on reading from the connection; see `wantsInput`
   */
  received(id: ConnectionId, octets: Uint8Array): boolean {
    const connection = this.connections.get(id);
    if (connection === undefined || connection.closed) return true;
    if (!connection.isReadable) (connection.isBulk ? this.bulk : this.small).push(connection);
    connection.isReadable = true;
    connection.input.push(octets);
    connection.octetsReceived += octets.length;
    return this.wantsInput(id);
  }

  /** Whether a connection has room for more input. */
  wantsInput(id: ConnectionId): boolean {
    const connection = this.connections.get(id);
    return connection === undefined || connection.input.octets < INPUT_OCTETS_MAX;
  }

  /** TCP has taken octets that were written. */
  sent(id: ConnectionId, octets: number, nowMs: number): void {
    this.tables.nowMs = nowMs;
    const connection = this.connections.get(id);
    if (connection !== undefined) connection.neighbor.progressed(connection, octets);
  }

  /** TCP is gone, or the output `close` was done. */
  closed(id: ConnectionId, nowMs: number): void {
    this.tables.nowMs = nowMs;
    const connection = this.connections.get(id);
    if (connection === undefined) return;
    this.connections.delete(id);
    // The last thing that a peer says may stand right before its end, unless all of it waits for long.
    const { neighbor } = connection;
    if (connection.isReadable && !neighbor.waitsForOrigins(connection)) connection.hungUp = true;
    else if (!connection.closed) neighbor.closed(connection);
  }

  /** Lets timers act that have expired; to be called about ten times a second. */
  tick(nowMs: number): void {
    this.tables.nowMs = nowMs;
    for (const neighbor of this.neighbors.values()) neighbor.tick();
    forgetGone(this);
    this.revalidate(this.tables.origins.tick(nowMs));
    this.tables.restart.tick(nowMs, this.neighbors);
  }

  /**
   * A source of validated ROA payloads says more; nothing comes of it before `payloadsEnd`.
   *
   * @param source - its name; nothing happens when it is not configured
   * @param isBegin - what it has said since its last end is void
   * @param octets - payloads, see the rpki package; must not change any more
   */
  payloads(source: string, isBegin: boolean, octets: Uint8Array): void {
    const { validation } = this.tables.origins;
    if (isBegin) validation.begin(source);
    validation.stage(source, octets);
  }

  /** It has said all; the slices that follow put it into the tables, and judge routes by it. */
  payloadsEnd(source: string, end: SourceEnd, nowMs: number): void {
    this.tables.nowMs = nowMs;
    this.revalidate(this.tables.origins.complete(source, end, nowMs));
  }

  /**
   * Does work until there is none or `mayGoOn` says no; at least one piece of each kind.
   *
   * @returns whether there is more to do
   */
  slice(nowMs: number, mayGoOn: () => boolean): boolean {
    const { tables } = this;
    tables.nowMs = nowMs;
    beginSlice();
    const urgent = this.doUrgent(mayGoOn);
    const reads = this.readBulk(mayGoOn);
    let jobs = tables.jobs.step();
    let worked = jobs;
    while (jobs && mayGoOn()) jobs = tables.jobs.step();
    const isDecided = !this.isAnyGoing && this.decideIn(mayGoOn);
    let groups = isDecided && tables.groups.step();
    worked ||= groups;
    while (groups && mayGoOn()) groups = tables.groups.step();
    for (const family of FAMILIES) tables.rib(family).trim();
    if (isDecided) this.endBulk();
    tables.endSlice();
    const compacts = tables.compact();
    // What was done may be what a job or a connection waits for.
    const waiting = tables.jobs.size > 0 || this.small.length + this.bulk.length > 0;
    const decides = !isDecided && !this.isAnyGoing;
    const more = urgent || reads || jobs || decides || groups || compacts || (worked && waiting);
    endSlice(() => !more && this.isPassedOn);
    return more;
  }

  /** Hands over what the slices and events since the last call want done, in order. */
  takeOutputs(): Output[] {
    return this.tables.outputs.take();
  }

  /**
   * Puts a checked configuration into force; only what differs acts.
   *
   * @param compared - of this configuration, made while there was time; of no use, and null, where there was none
   */
  configure(config: Config, nowMs: number, compared: Compared | null = null): ConfigDiff {
    this.tables.nowMs = nowMs;
    return applyConfig(this, config, compared);
  }

  /**
   * An operator's order to a neighbor.
   *
   * @param address - of a neighbor that there is, or one who is to be held down before it comes
   */
  operate(address: string, order: Order, nowMs: number): void {
    this.tables.nowMs = nowMs;
    const neighbor = this.neighbors.get(address) ?? welcome(this, address);
    if (neighbor === null || isElsewhere(neighbor.config)) return;
    obey(neighbor, order);
    this.tables.outputs.log("operator", "info", address, `now ${neighbor.fsmState}`);
  }

  /**
   * Tells all peers that this speaker is about to shut down, by a community on each route (RFC 8326): they
   * prefer other paths, and lose nothing when the sessions end. Holds until it is taken back.
   */
  shutDownGracefully(isOn: boolean, nowMs: number): void {
    this.tables.nowMs = nowMs;
    this.tables.groups.shutDownGracefully(isOn);
    const text = isOn
      ? "all routes are sent with GRACEFUL_SHUTDOWN from now on"
      : "routes are sent without GRACEFUL_SHUTDOWN again";
    this.tables.outputs.log("graceful-shutdown", "info", null, text, { on: isOn });
  }

  /**
   * Another member of the cluster tells of its neighbors' routes.
   *
   * @param octets - runs of `feeds-codec` of that member, what `checkedRuns` gives; empty unless `news` is "routes"
   */
  member(name: string, news: MemberNews, octets: Uint8Array, nowMs: number): void {
    this.tables.nowMs = nowMs;
    heardOfMember(this, name, news, octets);
  }

  /** The BFD session of a neighbor says what it has come to. */
  bfd(address: string, news: BfdNews, nowMs: number): void {
    this.tables.nowMs = nowMs;
    const neighbor = this.neighbors.get(address);
    // It may have gone meanwhile.
    if (neighbor !== undefined) heardOfBfd(neighbor, news);
  }

  /** Whether octets of a connection wait that may be read now. */
  get hasInput(): boolean {
    return this.small.some(mayBeRead) || this.bulk.some(mayBeRead);
  }

  /** @returns a connection that is not gone, given up here or not */
  connection(id: ConnectionId): Connection | undefined {
    return this.connections.get(id);
  }

  /** Judges, decides and exports everything again, as this program does; what comes of it comes in slices. */
  reconsider(): void {
    const { tables } = this;
    for (const neighbor of this.neighbors.values()) {
      neighbor.reconfigure(neighbor.config);
      // An importer that another program has made has other options.
      neighbor.import?.reconfigure(false);
      if (neighbor.import !== null) neighbor.rejudge();
    }
    applyStaticRoutes(tables);
    for (const family of FAMILIES) redecide(tables.rib(family));
    for (const { group, exporter } of tables.groups.entries) group.setRules(exporter, true);
  }

  /** @returns why a connection from an address would not be taken; null when it would, as far as is known */
  refusalOf(address: string): "unknown" | "dynamic" | "elsewhere" | null {
    const neighbor = this.neighbors.get(address);
    if (neighbor === undefined) return dynamicRefusal(this, address);
    return isElsewhere(neighbor.config) ? "elsewhere" : null;
  }

  /** @returns the neighbor of a connection that there is */
  neighborOf(id: ConnectionId): ConnectionOwner | undefined {
    return this.connections.get(id)?.neighbor;
  }

  /** @param hasWork - there is work for a job that is not there */
  revalidate(hasWork: boolean): void {
    if (hasWork) this.tables.jobs.add(new Revalidation(this.tables, this.neighbors));
  }

  addNeighbor(config: NeighborConfig): Neighbor {
    const neighbor = new Neighbor(this.tables, config);
    this.neighbors.set(config.address, neighbor);
    this.tables.directory.add(neighbor);
    neighbor.isGuest = config.dynamic !== null;
    if (!neighbor.isGuest) this.tables.groups.neighborAdded(neighbor.row, neighbor.facts);
    return neighbor;
  }

  /** @returns the neighbor that asked for a connection, if it still wants it */
  private awaiting(id: ConnectionId): Neighbor | undefined {
    for (const neighbor of this.neighbors.values()) if (neighbor.awaits(id)) return neighbor;
    return undefined;
  }

  /**
   * Reads connections that have little to read, and passes on what they say.
   *
   * @returns whether there is more of it that can be done now
   */
  private doUrgent(mayGoOn: () => boolean): boolean {
    const { tables, small, bulk } = this;
    const held: Connection[] = [];
    for (let next = small.shift(); next !== undefined; next = small.shift()) {
      if (next.input.octets > SMALL_OCTETS) {
        next.isBulk = true;
        next.marks = null;
        this.slowed.push(next);
        bulk.push(next);
      } else {
        this.read(next, small, held);
        if (!mayGoOn()) break;
      }
    }
    const reads = small.some(mayBeRead);
    small.push(...held);
    const isMuch = FAMILIES.some((family) => tables.rib(family).pending > DECIDED_MAX);
    if (isMuch || this.isAnyGoing) return reads;
    this.decide(true);
    let groups = tables.groups.stepUrgent();
    while (groups && mayGoOn()) groups = tables.groups.stepUrgent();
    return reads || groups;
  }

  /** Routes are still to be removed that are not to be looked at any more. */
  private get isAnyGoing(): boolean {
    // Removing is a job: as a rule there is none, and there may be a thousand neighbors.
    return this.tables.jobs.size > 0 && [...this.neighbors.values()].some(isGoing);
  }

  /** Update groups look at no prefix before all are decided: a best path may have gone. @returns whether they are */
  private decideIn(mayGoOn: () => boolean): boolean {
    let isDecided = this.decide(false);
    while (!isDecided && mayGoOn()) isDecided = this.decide(false);
    return isDecided;
  }

  /** @returns whether none is left */
  private decide(isUrgent: boolean): boolean {
    let isDecided = true;
    for (const family of FAMILIES) {
      const rib = this.tables.rib(family);
      rib.decide(isUrgent, DECIDED_MAX);
      if (rib.pending > 0) isDecided = false;
      else if (rib.notes !== null) tellRoutes(this.tables, rib);
    }
    return isDecided;
  }

  /** Reads from the bulk in turn. @returns whether there is more that can be read soon */
  private readBulk(mayGoOn: () => boolean): boolean {
    const { bulk } = this;
    const held: Connection[] = [];
    while (bulk.length > 0 && this.hasRoom) {
      const next = bulk.shift()!;
      if (next.input.octets > SMALL_OCTETS) next.marks = null;
      this.read(next, bulk, held);
      if (!mayGoOn()) break;
    }
    const more = bulk.some(mayBeRead);
    bulk.push(...held);
    return more;
  }

  /** Whether the update groups are near enough to the end of the change logs for more to be taken in. */
  get hasRoom(): boolean {
    const { tables } = this;
    return FAMILIES.every((family) => {
      const { log, pending } = tables.rib(family);
      return log.length + pending < CHANGES_MAX;
    });
  }

  /** Whether all that was read was sent on, also to members that do not take it now. */
  private get isPassedOn(): boolean {
    const areDecided = FAMILIES.every((family) => this.tables.rib(family).pending === 0);
    return (
      areDecided &&
      this.tables.groups.entries.every(({ group }) => {
        const { catchingUp, lag } = group.standing;
        return group.isComplete && catchingUp === 0 && lag === 0;
      })
    );
  }

  /** Ends the bulk of connections that have nothing to read, once what they said is passed on. */
  private endBulk(): void {
    if (this.slowed.length === 0) return;
    const logs = FAMILIES.map((family) => this.tables.rib(family).log);
    this.slowed = this.slowed.filter((connection) => {
      if (connection.input.octets > SMALL_OCTETS) connection.marks = null;
      else if (connection.marks === null) connection.marks = logs.map((log) => log.mark());
      else connection.isBulk = !logs.every((log, i) => log.isBehind(connection.marks![i]!));
      return connection.isBulk && !connection.closed;
    });
  }

  /**
   * Reads from a connection that is in no list.
   *
   * @param list - is for connections with more to read
   * @param held - is for those that must not be read now
   */
  private read(connection: Connection, list: Connection[], held: Connection[]): void {
    const { neighbor } = connection;
    readingFrom(neighbor.config.address);
    if (neighbor.read(connection, READ_OCTETS)) list.push(connection);
    else if (connection.hungUp && !connection.closed && neighbor.waitsForOrigins(connection)) {
      connection.isReadable = false;
      neighbor.closed(connection);
    } else if (!connection.closed && !neighbor.mayRead(connection)) held.push(connection);
    else {
      connection.isReadable = false;
      if (connection.hungUp && !connection.closed) neighbor.closed(connection);
    }
  }
}

/** Of connections that wait for something else, none is work that can be done now. */
function mayBeRead(connection: Connection): boolean {
  return connection.closed || connection.neighbor.mayRead(connection);
}
