/**
 * TCP for the router: listens, connects, reads, writes and closes as its outputs say, and tells it
 * what happened. Knows nothing of BGP.
 */

import net from "node:net";
import { getSystemErrorName } from "node:util";
import type { ConnectionId, ConnectTarget } from "@ts-bgp/router";
import {
  descriptorOf,
  SocketOptionError,
  type SocketProtection,
  setMd5Key,
  setSessionOptions,
} from "@ts-bgp/takeover";
import { plainAddress, type Welcome } from "./accept-more.ts";
import { Listeners } from "./listeners.ts";
import { Outbound } from "./outbound.ts";
import { ConnectionRate, type TurnedAwayReason } from "./turned-away.ts";

/** What the transport tells and asks. Addresses are text without a mapped prefix. */
export interface TransportEvents {
  /** @returns the number of the connection, or null to refuse it */
  accepted(remoteAddress: string, remotePort: number, localAddress: string): ConnectionId | null;
  connected(id: ConnectionId, localAddress: string): void;
  /** A connection is there, before anything was read from it. @returns whether it may be used */
  opened(id: ConnectionId, fd: number): boolean;
  connectFailed(id: ConnectionId, remoteAddress: string, error: Error): void;
  /** An attempt to connect has had no answer for a while; it goes on. */
  unanswered(remoteAddress: string): void;
  /** @returns whether to go on reading */
  received(id: ConnectionId, octets: Uint8Array): boolean;
  sent(id: ConnectionId, octets: number): void;
  /** There is something to `flush` again, on a connection that had no room for it. */
  roomMade(): void;
  closed(id: ConnectionId): void;
  /** An address of the configuration cannot be listened on. */
  lacking(error: Error): void;
  /** A protection could not be set up; the connection is not used. */
  refused(remoteAddress: string, error: Error): void;
  /** A connection was turned away before anything else was done about it. */
  turnedAway(reason: TurnedAwayReason, remoteAddress: string): void;
  /** @returns why nobody with an address may connect; null when it may */
  refusalOf(remoteAddress: string): TurnedAwayReason | null;
  /** A connection of another member's client has come here. @returns whether that member has it now */
  handOver(remoteAddress: string, fd: number): boolean;
  /** @returns how sessions with an address are protected, null when there is none */
  protection(remoteAddress: string): SocketProtection | null;
}

/** How long a closed connection may take to deliver what was written before. */
const LINGER_MS = 2000;
/** What ends a silence, and keeps a peer busy until its turn comes. */
const FIRST_OCTETS = 1 << 16;
/** What a connection is given before others have their turn: some tenths of a millisecond. */
const TURN_OCTETS = 1 << 18;
/** When to speak of an attempt that has had no answer. */
const UNANSWERED_MS = 5000;
/** Connections beyond this are not accepted: a flood must not use up descriptors. */
const CONNECTIONS_MAX = 8192;

/** A connection that the router knows. */
interface Open {
  readonly socket: net.Socket;
  readonly out: Outbound;
  closing: boolean;
}

export class Transport {
  private readonly events: TransportEvents;
  private readonly open: Map<ConnectionId, Open> = new Map();
  private readonly connecting: Map<ConnectionId, net.Socket> = new Map();
  /** Those that may have something to write, and room for it, in the order of their turns. */
  private readonly dirty: Set<ConnectionId> = new Set();
  /** Those of which the router may have to be told that octets were sent. */
  private readonly progressed: Set<ConnectionId> = new Set();
  private readonly paused: Set<ConnectionId> = new Set();
  private readonly rate: ConnectionRate = new ConnectionRate();
  private isReading = true;
  readonly listeners: Listeners = new Listeners({
    welcome: (remote, fd) => this.welcome(remote, fd),
    accept: (socket) => this.accept(socket),
    lacking: (error) => this.events.lacking(error),
    refused: (remote, error) => this.events.refused(remote, error),
  });

  constructor(events: TransportEvents) {
    this.events = events;
  }

  connect(id: ConnectionId, target: ConnectTarget): void {
    const { neighbor, port, localAddress } = target;
    const socket = new net.Socket({ allowHalfOpen: true });
    this.connecting.set(id, socket);
    const timer = setTimeout(() => this.events.unanswered(neighbor), UNANSWERED_MS);
    const failed = (error: Error) => {
      // Nothing is said of an attempt that was given up.
      if (!this.connecting.delete(id)) return;
      socket.destroy();
      this.events.connectFailed(id, neighbor, error);
    };
    socket.on("error", failed);
    socket.on("close", () => clearTimeout(timer));
    socket.on("connect", () => {
      clearTimeout(timer);
      this.connecting.delete(id);
      this.events.connected(id, plainAddress(socket.localAddress));
      this.use(id, socket);
    });
    socket.connect({ host: neighbor, port });
    socket.setNoDelay(true);
    try {
      protectOutgoing(socket, neighbor, localAddress, this.events.protection(neighbor));
    } catch (error) {
      // Not a segment may leave unprotected.
      socket.destroy();
      setImmediate(() => failed(error as Error));
    }
  }

  /** Queues octets until `flush`. */
  write(id: ConnectionId, octets: Uint8Array): void {
    const open = this.open.get(id);
    if (open === undefined || open.closing) return;
    open.out.add(octets);
    if (open.out.isReady) this.dirty.add(id);
  }

  /** Lets out the first of what was written to a connection; the rest waits for `flush`. */
  flushFirst(id: ConnectionId): void {
    const open = this.open.get(id);
    if (open === undefined) return;
    this.feed(id, open, FIRST_OCTETS);
    if (!open.out.isReady) this.dirty.delete(id);
  }

  /** Something was written that `flush` has not let out. */
  get hasPending(): boolean {
    return this.dirty.size > 0;
  }

  /**
   * Lets out what was written, as far as the kernel has room for it, connection by connection and each of
   * them a part in turn.
   *
   * @param mayGoOn - asked before each further connection
   * @returns whether there is more to let out
   */
  flush(mayGoOn: () => boolean = () => true): boolean {
    for (const id of this.dirty) {
      this.dirty.delete(id);
      const open = this.open.get(id);
      if (open !== undefined) this.feed(id, open, TURN_OCTETS);
      if (open?.out.isReady === true) this.dirty.add(id);
      if (this.dirty.size > 0 && !mayGoOn()) return true;
    }
    return false;
  }

  /** Closes a connection, after what was written has left; gives up an attempt. */
  close(id: ConnectionId): void {
    const attempt = this.connecting.get(id);
    if (attempt !== undefined) {
      this.connecting.delete(id);
      attempt.destroy();
      return;
    }
    const open = this.open.get(id);
    if (open === undefined || open.closing) return;
    open.out.handAll();
    open.closing = true;
    // Reading on until the peer closes: unread octets would turn the FIN into a reset, which can
    // overtake a NOTIFICATION.
    open.socket.resume();
    open.socket.end();
    const timer = setTimeout(() => open.socket.destroy(), LINGER_MS);
    open.socket.once("close", () => clearTimeout(timer));
  }

  /** Reads again from connections whose input was held back and is wanted now. */
  resume(wantsInput: (id: ConnectionId) => boolean): void {
    if (!this.isReading) return;
    for (const id of this.paused) {
      if (!wantsInput(id)) continue;
      this.paused.delete(id);
      this.open.get(id)?.socket.resume();
    }
  }

  /** Resolves when all connections are closed. */
  async drained(): Promise<void> {
    const sockets = [...this.open.values()].map(({ socket }) => socket);
    await Promise.all(
      sockets.map((socket) => new Promise((resolve) => socket.once("close", resolve))),
    );
  }

  /** Goes on with a connection that another process has accepted, and that this one owns from now on. */
  takeHandedOver(fd: number): void {
    const socket = new net.Socket({ fd, readable: true, writable: true, allowHalfOpen: true });
    if (this.isWelcome(plainAddress(socket.remoteAddress))) this.accept(socket.setNoDelay(true));
    else socket.resetAndDestroy();
  }

  /** @returns whether more is to be done about a connection here than to end it */
  private isWelcome(remote: string): boolean {
    const reason = this.reasonAgainst(remote);
    if (reason !== null) this.events.turnedAway(reason, remote);
    return reason === null;
  }

  /** @param fd - of a connection that was accepted here; it stays the caller's */
  private welcome(remote: string, fd: number): Welcome {
    let reason = this.reasonAgainst(remote);
    if (reason === null) return "accept";
    if (reason === "elsewhere") {
      if (!this.rate.take(remote, performance.now())) reason = "rate";
      else if (this.events.handOver(remote, fd)) return "close";
    }
    this.events.turnedAway(reason, remote);
    return "reset";
  }

  private reasonAgainst(remote: string): TurnedAwayReason | null {
    const refusal = this.events.refusalOf(remote);
    if (refusal !== null) return refusal;
    if (this.open.size >= CONNECTIONS_MAX) return "limit";
    return this.rate.take(remote, performance.now()) ? null : "rate";
  }

  private accept(socket: net.Socket): void {
    const { remotePort } = socket;
    const remote = plainAddress(socket.remoteAddress);
    const protection = this.events.protection(remote);
    // Its peer has hung up already.
    if (protection === null || remotePort === undefined) {
      socket.destroy();
      return;
    }
    try {
      setSessionOptions(descriptorOf(socket), !remote.includes(":"), protection);
    } catch (error) {
      socket.destroy();
      this.events.refused(remote, error as Error);
      return;
    }
    const id = this.events.accepted(remote, remotePort, plainAddress(socket.localAddress));
    if (id === null) {
      socket.destroy();
      return;
    }
    this.use(id, socket);
  }

  private use(id: ConnectionId, socket: net.Socket): void {
    if (this.events.opened(id, descriptorOf(socket))) {
      this.adopt(id, socket);
      return;
    }
    socket.destroy();
    this.events.closed(id);
  }

  /**
   * Goes on with a connection that had another socket.
   *
   * @param toldSent - octets that will be written first and that the router counts as sent
   */
  restored(id: ConnectionId, fd: number, toldSent: number): void {
    const socket = new net.Socket({ fd, readable: true, writable: true, allowHalfOpen: true });
    this.adopt(id, socket, toldSent);
  }

  /** Reads no more, and hands over what was read; the kernel keeps what comes from now on. */
  stopReading(): void {
    this.isReading = false;
    for (const { socket } of this.open.values()) holdBack(socket);
  }

  /** Undoes `stopReading`. */
  goOnReading(): void {
    this.isReading = true;
    for (const [id, { socket }] of this.open) {
      // Also of one that is paused: it was asked for more when it was held back, and waits for it.
      handleOf(socket)?.readStart();
      if (!this.paused.has(id)) socket.resume();
    }
  }

  has(id: ConnectionId): boolean {
    return this.open.has(id);
  }

  /** @returns the descriptor of a connection, null when it is not open */
  descriptor(id: ConnectionId): number | null {
    const socket = this.open.get(id)?.socket;
    return socket === undefined || socket.destroyed ? null : descriptorOf(socket);
  }

  /** @returns the descriptors of all connections that are open */
  descriptors(): Map<ConnectionId, number> {
    const descriptors = new Map<ConnectionId, number>();
    for (const [id, { socket }] of this.open) {
      if (!socket.destroyed) descriptors.set(id, descriptorOf(socket));
    }
    return descriptors;
  }

  /** Lets go of all sockets at once, and tells nobody; frozen ones end silently. */
  abandon(): void {
    for (const { socket } of this.open.values()) {
      socket.removeAllListeners();
      socket.on("error", () => {});
      socket.destroy();
    }
    for (const socket of this.connecting.values()) socket.destroy();
    this.open.clear();
    this.connecting.clear();
    this.listeners.end();
  }

  private adopt(id: ConnectionId, socket: net.Socket, toldSent = 0): void {
    const out = new Outbound(socket, toldSent, () => this.roomMade(id));
    const open: Open = { socket, out, closing: false };
    this.open.set(id, open);
    socket.on("data", (octets) => {
      if (open.closing || this.events.received(id, octets)) return;
      this.paused.add(id);
      socket.pause();
    });
    if (!this.isReading) holdBack(socket);
    socket.on("error", () => socket.destroy());
    socket.on("end", () => socket.destroy());
    socket.on("close", () => {
      this.open.delete(id);
      this.paused.delete(id);
      this.events.closed(id);
    });
  }

  private feed(id: ConnectionId, { out }: Open, octetsMax: number): void {
    out.feed(octetsMax);
    this.tellSent(id);
  }

  private roomMade(id: ConnectionId): void {
    this.tellSent(id);
    const open = this.open.get(id);
    if (open === undefined || !open.out.isReady) return;
    this.dirty.add(id);
    this.events.roomMade();
  }

  /** The router is told once what is at hand is done: it may be it that writes. */
  private tellSent(id: ConnectionId): void {
    const isNoted = this.progressed.size > 0;
    this.progressed.add(id);
    if (isNoted) return;
    process.nextTick(() => {
      const ids = [...this.progressed];
      this.progressed.clear();
      for (const one of ids) {
        const octets = this.open.get(one)?.out.takeUntold() ?? 0;
        if (octets > 0) this.events.sent(one, octets);
      }
    });
  }
}

function protectOutgoing(
  socket: net.Socket,
  neighbor: string,
  localAddress: string | null,
  protection: SocketProtection | null,
): void {
  const fd = bindOutgoing(socket, neighbor, localAddress);
  if (protection === null) return;
  setSessionOptions(fd, !neighbor.includes(":"), protection);
  if (protection.password !== null) setMd5Key(fd, neighbor, protection.password);
}

/**
 * Makes room for what must be there before the first segment leaves. `connect` sends it on the next tick;
 * until then the socket has no descriptor, unless it is bound by hand.
 *
 * @returns its descriptor; may throw a SocketOptionError
 */
export function bindOutgoing(
  socket: net.Socket,
  remoteAddress: string,
  localAddress: string | null,
): number {
  const { _handle: handle } = socket as unknown as { _handle: BindableHandle };
  const errno = !remoteAddress.includes(":")
    ? handle.bind(localAddress ?? "0.0.0.0", 0)
    : handle.bind6(localAddress ?? "::", 0, 0);
  if (errno !== 0) {
    const reason = getSystemErrorName(errno);
    throw new SocketOptionError(`cannot connect from ${localAddress ?? "any address"}: ${reason}`);
  }
  return handle.fd;
}

/** The handle under a TCP socket of `node:net`. */
interface BindableHandle {
  readonly fd: number;
  /** @returns 0 or a negative error number */
  bind(address: string, port: number): number;
  bind6(address: string, port: number, flags: number): number;
}

interface ReadableHandle {
  readStop(): number;
  readStart(): number;
}

function handleOf(socket: net.Socket): ReadableHandle | null {
  return (socket as unknown as { _handle: ReadableHandle | null })._handle;
}

/** Has what Node.js holds of a connection's octets go to the listener, and the kernel keep the rest. */
function holdBack(socket: net.Socket): void {
  socket.pause();
  // The listener of `data` gets what is read here, and asking for it begins to read on.
  while (socket.read() !== null);
  handleOf(socket)?.readStop();
}
