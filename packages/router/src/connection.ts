/** One TCP connection as the router sees it: octets in, octets out, and how many are under way. */

import type { NeighborConfig } from "@ts-bgp/config";
import type { ConnectionEvent, ConnectionTimer } from "@ts-bgp/fsm";
import type { PeerRow } from "@ts-bgp/rib";
import { decodeOpen, encodeOpen, type Fault, type OpenMessage } from "@ts-bgp/wire-codec";
import { InputQueue } from "./input-queue.ts";
import type { ConnectionId, Outputs } from "./outputs.ts";
import { Timers } from "./timers.ts";

/** Where a connection ends. */
export interface Ends {
  /** Own address of the connection, as text. */
  readonly localAddress: string;
  /** Address of the other family on the same interface; null when there is none. */
  readonly otherAddress: string | null;
  readonly remotePort: number;
}

/** Whose connection it is: what the router has to say of it goes there. */
export interface ConnectionOwner {
  readonly row: PeerRow;
  readonly config: NeighborConfig;
  /** Whether messages may be read now. */
  mayRead(connection: Connection): boolean;
  /** Whether routes on a connection wait until origin validation knows something. */
  waitsForOrigins(connection: Connection): boolean;
  /** @returns whether there may be more to read now */
  read(connection: Connection, octetsMax: number): boolean;
  /** Octets were taken by TCP. */
  progressed(connection: Connection, octets: number): void;
  /** TCP is gone, and all that it brought was read. */
  closed(connection: Connection): void;
}

export class Connection implements Ends {
  readonly id: ConnectionId;
  readonly neighbor: ConnectionOwner;
  readonly localAddress: string;
  readonly otherAddress: string | null;
  readonly remotePort: number;
  readonly input: InputQueue = new InputQueue();
  readonly timers: Timers<ConnectionTimer> = new Timers();
  /** Written and not yet reported as sent. */
  backlogOctets = 0;
  octetsReceived = 0;
  octetsSent = 0;
  /** Stands in the router's list of connections with octets to read: somebody has to look at them. */
  isReadable = false;
  /** It had much to read, and waits behind those that have little until what it said is passed on. */
  isBulk = false;
  /** Marks in the change logs, by family, behind the last change of a bulk; null while it goes on. */
  marks: readonly number[] | null = null;
  /** TCP is gone, which counts once what it brought is read. */
  hungUp = false;
  /** Nothing is read or written any more. */
  closed = false;
  /** OPEN messages as they were sent and received; null before that. */
  openSent: Uint8Array | null = null;
  openReceived: Uint8Array | null = null;
  /** Events that recur, made once. */
  readonly updateEvent: ConnectionEvent;
  readonly keepaliveEvent: ConnectionEvent;
  private readonly outputs: Outputs;
  /** How long the timers were armed for, to restart them. */
  private readonly durationsMs: Map<ConnectionTimer, number> = new Map();

  constructor(
    id: ConnectionId,
    neighbor: ConnectionOwner,
    { localAddress, otherAddress, remotePort }: Ends,
    outputs: Outputs,
  ) {
    this.id = id;
    this.neighbor = neighbor;
    this.localAddress = localAddress;
    this.otherAddress = otherAddress;
    this.remotePort = remotePort;
    this.outputs = outputs;
    this.updateEvent = { kind: "update", connection: id };
    this.keepaliveEvent = { kind: "keepalive", connection: id };
  }

  write(octets: Uint8Array): void {
    if (this.closed || octets.length === 0) return;
    this.backlogOctets += octets.length;
    this.outputs.push({ do: "write", connection: this.id, octets });
  }

  writeOpen(open: OpenMessage): void {
    this.openSent = encodeOpen(open);
    this.write(this.openSent);
  }

  /** Decodes the OPEN message `[at, end)` of a buffer, and keeps it. */
  readOpen(buf: Uint8Array, at: number, end: number): OpenMessage | Fault {
    this.openReceived = buf.slice(at, end);
    return decodeOpen(buf, at, end);
  }

  /** Octets have left for the peer. */
  sent(octets: number): void {
    this.backlogOctets -= octets;
    this.octetsSent += octets;
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.input.clear();
    this.outputs.push({ do: "close", connection: this.id });
  }

  armTimer(timer: ConnectionTimer, ms: number, nowMs: number): void {
    this.durationsMs.set(timer, ms);
    this.timers.arm(timer, nowMs + ms);
  }

  cancelTimer(timer: ConnectionTimer): void {
    this.durationsMs.delete(timer);
    this.timers.cancel(timer);
  }

  /** Starts a timer anew if it runs. */
  restartTimer(timer: ConnectionTimer, nowMs: number): void {
    const ms = this.durationsMs.get(timer);
    if (ms !== undefined && this.timers.get(timer) !== null) this.timers.arm(timer, nowMs + ms);
  }
}
