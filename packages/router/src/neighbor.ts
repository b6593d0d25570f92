/**
 * One configured neighbor: drives its state machine, its connections and its session.
 *
 * Events go into `step` of the fsm package; its actions are done here, in order.
 */

import type { NeighborConfig } from "@ts-bgp/config";
import {
  type ConnectionTimer,
  type DownReason,
  describeDown,
  type FsmAction,
  type FsmConfig,
  type FsmEvent,
  type FsmState,
  INITIAL_STATE,
  type Negotiated,
  type PeerTimer,
  type SessionState,
  stateOf,
  step,
  withOpenSent,
} from "@ts-bgp/fsm";
import type { PeerFacts } from "@ts-bgp/policy";
import type { PeerRow } from "@ts-bgp/rib";
import {
  ACTION_WEIGHT,
  CEASE,
  decodeNotification,
  decodeRouteRefresh,
  encodeNotification,
  Fault,
  type FaultAction,
  KEEPALIVE_OCTETS,
  MESSAGE,
  MESSAGE_OCTETS_MAX,
  shutdownData,
} from "@ts-bgp/wire-codec";
import { Connection, type ConnectionOwner, type Ends } from "./connection.ts";
import {
  addressOctets,
  addressWords,
  familyLabel,
  fsmConfig,
  NO_ADDRESSES,
  ownAddresses,
  peerFacts,
} from "./facts.ts";
import type { OwnAddresses } from "./group-settings.ts";
import { type HeardCounts, nothingHeard } from "./heard-counts.ts";
import { isRefusal, type LastDown } from "./last-down.ts";
import { type MessageCounts, noFaults, noMessages } from "./message-counts.ts";
import { introduce, isElsewhere, type Listed } from "./neighbor-directory.ts";
import { NeighborLog } from "./neighbor-log.ts";
import type { ConnectionId } from "./outputs.ts";
import type { Quarantine } from "./quarantine.ts";
import { readingMessage, readMessage } from "./reading.ts";
import { type Judged, Rejudge, type RouteImport } from "./route-import.ts";
import { Session } from "./session.ts";
import { StaleRoutes } from "./stale-routes.ts";
import { FAMILIES, type Tables } from "./tables.ts";
import { Timers } from "./timers.ts";

const NO_DATA = new Uint8Array(0);
/** While octets of the peer wait to be read, its hold timer may not expire; look again then. */
const HOLD_RECHECK_MS = 1000;

export class Neighbor implements Listed, ConnectionOwner, Judged {
  readonly row: PeerRow;
  readonly tables: Tables;
  config: NeighborConfig;
  facts: PeerFacts;
  state: FsmState = INITIAL_STATE;
  session: Session | null = null;
  /** Routes that no session stands behind. */
  readonly stale: StaleRoutes;
  readonly log: NeighborLog;
  /** An operator's `disable` holds until `enable`, whatever the configuration says. */
  disabled = false;
  /** How the last session ended. */
  lastDown: LastDown | null = null;
  /** How the last connection since then ended that came to no session; not one only refused: that would hide a fault. */
  lastFailure: LastDown | null = null;
  /** Held down for what a message of it did; null when there was nothing of late. */
  quarantine: Quarantine | null = null;
  establishedCount = 0;
  /** Of a dynamic neighbor: when it has connected first. */
  madeMs = 0;
  /** It is dynamic, and update groups do not know of it: it has had no session. */
  isGuest = false;
  /** Counts calls of `rejudge`, so that a later one ends an earlier one. */
  rejudged = 0;
  readonly received: MessageCounts = noMessages();
  /** Without the UPDATE messages of this session, which its members count. */
  readonly sent: MessageCounts = noMessages();
  /** UPDATE messages with faults, by the action that the heaviest one asked for. */
  readonly faults: Record<FaultAction, number> = noFaults();
  /** What it has said that came to nothing. */
  readonly heard: HeardCounts = nothingHeard();
  private fsm: FsmConfig;
  private attempt: ConnectionId = 0;
  private readonly connections: Map<ConnectionId, Connection> = new Map();
  readonly timers: Timers<PeerTimer> = new Timers();

  constructor(tables: Tables, config: NeighborConfig) {
    this.tables = tables;
    this.config = config;
    this.fsm = fsmConfig(tables.config, config, true);
    const address = addressWords(addressOctets(config.address));
    this.row = tables.peers.add({ as: config.as, external: config.as !== config.localAs, address });
    for (const family of FAMILIES) tables.rib(family).paths.addPeer(this.row);
    this.log = new NeighborLog(config.address, tables.outputs);
    this.stale = new StaleRoutes(tables, this.row, this.log);
    this.facts = this.makeFacts(NO_ADDRESSES);
  }

  get as(): number {
    return this.config.as;
  }

  get isReflectorClient(): boolean {
    return this.config.routeReflectorClient;
  }

  get fsmState(): SessionState {
    return stateOf(this.state);
  }

  /** Starts the session if the configuration and the operator want it. */
  start(): void {
    if (!this.config.enabled || this.disabled || isElsewhere(this.config)) return;
    this.step({ kind: "start" });
    if (this.heldSeconds > 0) this.end(CEASE.ADMINISTRATIVE_SHUTDOWN, NO_DATA, 0);
  }

  /**
   * Ends the session with a Cease of that subcode; see the fsm package for the restart. One that was
   * stopped before stays so. What was kept of an earlier session goes as its routes would: a peer
   * that restarts has no more of a right to them than one that is there.
   */
  stop(subcode: number, text: string | null, restartAfterSeconds: number | null): void {
    this.end(subcode, text === null ? NO_DATA : shutdownData(text), restartAfterSeconds);
  }

  /** So long it is held down still, whatever else happens. */
  private get heldSeconds(): number {
    return Math.max(0, ((this.quarantine?.untilMs ?? 0) - this.tables.nowMs) / 1000);
  }

  /** Options say another way to connect: without a session, it is tried at once. */
  connectAnew(): void {
    if (this.heldSeconds > 0) return;
    const subcode = CEASE.OTHER_CONFIGURATION_CHANGE;
    this.step({ kind: "stop", subcode, data: NO_DATA, restartAfterSeconds: 0 });
  }

  /** The same with the data of the NOTIFICATION; `isRestart`: as the event `restart` of the fsm package. */
  end(subcode: number, data: Uint8Array, seconds: number | null, isRestart = false): void {
    const kind = isRestart ? "restart" : "stop";
    const restartAfterSeconds = seconds === null ? null : Math.max(seconds, this.heldSeconds);
    this.step({ kind, subcode, data, restartAfterSeconds });
    this.stale.drop();
  }

  /** The configuration of the neighbor is another one; what it means is the caller's to see to. */
  reconfigure(config: NeighborConfig): void {
    this.config = config;
    this.offerAnew();
    this.facts = this.makeFacts(this.import?.own ?? NO_ADDRESSES);
    this.stale.bound(config);
  }

  /** OPENs say from now on what the configuration and the time want. */
  offerAnew(): void {
    const { tables, config, establishedCount } = this;
    const isRestarting = tables.restart.waiting !== 0 || establishedCount === 0;
    this.fsm = fsmConfig(tables.config, config, isRestarting);
  }

  /** What decides about the routes that are there: null when no session has brought any. */
  get import(): RouteImport | null {
    return this.session?.import ?? this.stale.import;
  }

  /** Decides about all routes again, piece by piece. */
  rejudge(): void {
    this.rejudged++;
    for (const family of FAMILIES) this.tables.jobs.add(new Rejudge(this, family));
  }

  /** Ends the session when the peer has too many prefixes by now. */
  checkLimits(decides: RouteImport): void {
    const breach = decides.checkLimits();
    if (breach !== null) this.end(CEASE.MAX_PREFIXES, breach.data, breach.restartAfterSeconds);
  }

  /** @returns the connections, for `show` */
  get openConnections(): readonly Connection[] {
    return [...this.connections.values()];
  }

  /** A TCP connection that `connect` asked for is there. */
  connected(id: ConnectionId, addresses: Omit<Ends, "remotePort">): Connection {
    this.attempt = 0;
    return this.open("tcp-connected", id, { ...addresses, remotePort: this.config.port });
  }

  connectFailed(): void {
    this.attempt = 0;
    this.step({ kind: "tcp-failed" });
  }

  /** The peer has connected. */
  accepted(id: ConnectionId, ends: Ends): Connection {
    return this.open("tcp-accepted", id, ends);
  }

  /** Whether `connect` was asked for under that number and is not answered. */
  awaits(id: ConnectionId): boolean {
    return this.attempt === id;
  }

  /** Another router, which acts in this one's place, has begun an attempt to connect; 0: has none. */
  followAttempt(id: ConnectionId | 0): void {
    // Out of Active, and out of Idle.
    for (const timer of id === 0 ? [] : (["connect-retry", "idle-hold"] as const)) {
      if (this.state.outgoing?.state !== "connect") this.step({ kind: `${timer}-timer-expires` });
    }
    this.attempt = id;
  }

  /** This router acts itself again: what it waits for without an attempt that would be answered, it tries. */
  goOnConnecting(): void {
    const isWaiting = this.state.outgoing?.state === "connect" && this.attempt === 0;
    if (isWaiting) this.step({ kind: "connect-retry-timer-expires" });
  }

  /** TCP is gone, and all that it brought was read. */
  closed(connection: Connection): void {
    connection.closed = true;
    this.step({ kind: "tcp-closed", connection: connection.id });
  }

  /** Octets were taken by TCP. */
  progressed(connection: Connection, octets: number): void {
    connection.sent(octets);
    connection.restartTimer("send-hold", this.tables.nowMs);
  }

  /** Lets expired timers act. */
  tick(): void {
    const { nowMs } = this.tables;
    if (this.stale.tick(this.session)) this.rejudge();
    this.log.tick(nowMs);
    for (let timer = this.timers.take(nowMs); timer !== null; timer = this.timers.take(nowMs)) {
      this.step({ kind: `${timer}-timer-expires` });
    }
    for (const connection of this.connections.values()) {
      const { timers, id } = connection;
      for (let timer = timers.take(nowMs); timer !== null; timer = timers.take(nowMs)) {
        // RFC 4271 section 8.2.2 counts what was received, not what was found time for.
        if (timer === "hold" && connection.isReadable) timers.arm("hold", nowMs + HOLD_RECHECK_MS);
        else this.step({ kind: `${timer}-timer-expires`, connection: id });
      }
    }
  }

  /**
   * Whether messages of a connection may be read now: not while routes of earlier sessions go, or while its
   * routes wait for origin validation.
   */
  mayRead(connection: Connection): boolean {
    if (connection.closed || this.waitsForOrigins(connection)) return false;
    return !this.stale.isRemoving || this.session?.connection !== connection;
  }

  /** Whether routes on a connection wait until origin validation knows something. */
  waitsForOrigins(connection: Connection): boolean {
    const { session, tables } = this;
    if (tables.origins.gate !== "closed" || session?.connection !== connection) return false;
    return this.facts.routeType === "ebgp" && session.import.importer.asksOrigin;
  }

  /**
   * Reads messages of a connection, `octetsMax` octets of them and the rest of the last one.
   *
   * @returns whether there may be more to read now
   */
  read(connection: Connection, octetsMax: number): boolean {
    const { input } = connection;
    for (let octets = 0; octets < octetsMax; ) {
      if (!this.mayRead(connection)) return false;
      const length = input.next(this.octetsMax(connection));
      if (length === 0) return false;
      if (typeof length !== "number") this.fault(connection, length);
      else {
        octets += length;
        readingMessage(input.buf, input.at, input.end);
        this.message(connection, input.buf, input.at, input.end);
        readMessage();
      }
    }
    return true;
  }

  private octetsMax(connection: Connection): number {
    const { session } = this;
    return session?.connection === connection ? session.octetsMax : MESSAGE_OCTETS_MAX;
  }

  private message(connection: Connection, buf: Uint8Array, at: number, end: number): void {
    const { id } = connection;
    switch (buf[at + 18]) {
      case MESSAGE.OPEN: {
        this.received.open++;
        const open = connection.readOpen(buf, at, end);
        if (open instanceof Fault) this.fault(connection, open);
        else this.step({ kind: "open", connection: id, open });
        return;
      }
      case MESSAGE.UPDATE:
        this.received.update++;
        if (this.step(connection.updateEvent)) this.update(connection, buf, at, end);
        return;
      case MESSAGE.NOTIFICATION: {
        this.received.notification++;
        const { code, subcode, data } = decodeNotification(buf, at, end);
        this.step({ kind: "notification", connection: id, code, subcode, data });
        return;
      }
      case MESSAGE.KEEPALIVE:
        this.received.keepalive++;
        this.step(connection.keepaliveEvent);
        return;
      default:
        this.received.routeRefresh++;
        this.routeRefresh(connection, buf, at, end);
    }
  }

  private routeRefresh(connection: Connection, buf: Uint8Array, at: number, end: number): void {
    const message = decodeRouteRefresh(buf, at, end);
    if (message instanceof Fault) this.fault(connection, message);
    else if (this.step({ kind: "route-refresh", connection: connection.id })) {
      const ended = this.session!.routeRefresh(message);
      if (ended !== null) this.stale.endOfRefresh(ended);
    }
  }

  private update(connection: Connection, buf: Uint8Array, at: number, end: number): void {
    const session = this.session!;
    const { action, faults, endOfRib } = session.update(buf, at, end);
    if (action !== 0) {
      const heaviest = faults.find((fault) => ACTION_WEIGHT[fault.action] === action)!;
      this.faults[heaviest.action]++;
      this.log.updateFault(this.tables.nowMs, heaviest, faults.length, buf, at, end);
      if (heaviest.action === "session-reset") {
        this.stepFault(connection, heaviest);
        return;
      }
    }
    const complete = endOfRib === 0 ? undefined : session.family(endOfRib);
    if (complete !== undefined) this.stale.endOfRib(complete);
    this.checkLimits(session.import);
  }

  /** A message other than an UPDATE cannot be read. */
  private fault(connection: Connection, fault: Fault): void {
    if (this.log.admits("message-fault", this.tables.nowMs)) this.log.fault("message-fault", fault);
    this.stepFault(connection, fault);
  }

  private stepFault({ id }: Connection, { code, subcode, data }: Fault): void {
    this.step({ kind: "fault", connection: id, code, subcode, data });
  }

  private open(kind: "tcp-connected" | "tcp-accepted", id: ConnectionId, ends: Ends): Connection {
    const connection = new Connection(id, this, ends, this.tables.outputs);
    this.connections.set(id, connection);
    this.step({ kind, connection: id });
    return connection;
  }

  /** @returns whether the message of the event is to be processed */
  private step(event: FsmEvent): boolean {
    const { state, actions } = step(this.state, event, this.fsm, this.tables.jitter.next());
    if (state !== null) this.state = state;
    let deliver = false;
    for (const action of actions) {
      if (action.do === "deliver") deliver = true;
      else this.perform(action, event);
    }
    return deliver;
  }

  private perform(action: FsmAction, event: FsmEvent): void {
    const { nowMs } = this.tables;
    switch (action.do) {
      case "connect":
        this.connect();
        return;
      case "cancel-connect":
        this.tables.outputs.push({ do: "close", connection: this.attempt });
        this.attempt = 0;
        return;
      case "send-open":
        this.sent.open++;
        this.connections.get(action.connection)?.writeOpen(action.open);
        this.state = withOpenSent(this.state, action.connection, this.tables.opens);
        return;
      case "send-keepalive":
        this.sent.keepalive++;
        this.connections.get(action.connection)?.write(KEEPALIVE_OCTETS);
        return;
      case "send-notification": {
        this.sent.notification++;
        const octets = encodeNotification(action.code, action.subcode, action.data);
        this.connections.get(action.connection)?.write(octets);
        return;
      }
      case "close":
        this.close(action.connection, action.reason);
        return;
      case "arm-timer":
        this.armTimer(action.timer, action.connection, action.ms);
        return;
      case "cancel-timer":
        if (action.connection === 0) this.timers.cancel(action.timer as PeerTimer);
        else this.connections.get(action.connection)?.cancelTimer(action.timer as ConnectionTimer);
        return;
      case "restart-hold-timer":
        if ("connection" in event) {
          this.connections.get(event.connection)?.restartTimer("hold", nowMs);
        }
        return;
      case "session-up":
        this.sessionUp(action.connection, action.negotiated);
        return;
      case "session-down":
        this.sessionDown(action.reason);
        return;
    }
  }

  private connect(): void {
    const { port, localAddress, address: neighbor } = this.config;
    this.attempt = this.tables.connectionNumbers.next();
    const target = { neighbor, port, localAddress };
    this.tables.outputs.push({ do: "connect", connection: this.attempt, target });
  }

  private armTimer(timer: PeerTimer | ConnectionTimer, connection: ConnectionId, ms: number): void {
    const { nowMs } = this.tables;
    if (connection === 0) this.timers.arm(timer as PeerTimer, nowMs + ms);
    else this.connections.get(connection)?.armTimer(timer as ConnectionTimer, ms, nowMs);
  }

  private close(id: ConnectionId, reason: DownReason): void {
    const connection = this.connections.get(id);
    const { nowMs } = this.tables;
    if (connection === undefined) return;
    connection.close();
    this.connections.delete(id);
    const down = { reason, atMs: nowMs };
    if (this.session?.connection === connection) {
      this.lastDown = down;
      this.lastFailure = null;
      return;
    }
    if (!isRefusal(reason) || (this.lastDown ?? this.lastFailure) === null) this.lastFailure = down;
    this.log.add("connection-closed", "info", nowMs, describeDown(reason));
  }

  private sessionUp(id: ConnectionId, negotiated: Negotiated): void {
    const connection = this.connections.get(id)!;
    introduce(this, negotiated.peerAs);
    this.facts = this.makeFacts(ownAddresses(connection, negotiated));
    this.establishedCount++;
    this.offerAnew();
    this.session = new Session(this, connection, negotiated);
    this.stale.sessionUp(this.session);
    const families = this.session.families.map(({ family }) => familyLabel(family)).join(" ");
    this.log.sessionUp(this.tables.nowMs, negotiated, families);
  }

  private sessionDown(reason: DownReason): void {
    const { nowMs } = this.tables;
    const session = this.session!;
    this.session = null;
    session.end(reason);
    if (this.stale.sessionDown(session, reason)) this.rejudge();
    this.log.sessionDown(nowMs, reason, session.sinceMs);
  }

  private makeFacts(own: OwnAddresses): PeerFacts {
    const { tables, config } = this;
    return peerFacts(config, tables.factNumbers.next(), tables, own);
  }
}
