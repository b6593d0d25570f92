/**
 * What both sides know of each TCP connection: how many octets of either direction are part of the
 * state, and those that the peer's TCP has not acknowledged yet.
 */

import { ensure } from "@ts-bgp/pair";
import { type ConnectionId, type ConnectTarget, isEffect, type Output } from "@ts-bgp/router";
import { joined } from "./octet-writer.ts";

/** What is shorter is cheaper to copy than to hand on. */
const LARGE_OCTETS = 1 << 12;

/** Octets that were written to a connection, from the first one that is not acknowledged on. */
export class SendBuffer {
  /** Octets that were written, in all. */
  appended = 0;
  /** Octets that the peer has acknowledged, in all. */
  acked = 0;
  private readonly isKept: boolean;
  private pieces: Uint8Array[] = [];
  /** Octets of the first piece that are acknowledged. */
  private skip = 0;

  /** @param isKept - whether the octets are wanted again; else they are counted only */
  constructor(isKept: boolean) {
    this.isKept = isKept;
  }

  /** Adds octets, which must not change any more. */
  append(octets: Uint8Array): void {
    if (this.isKept) this.pieces.push(octets);
    this.appended += octets.length;
  }

  /** The peer has acknowledged `total` octets; less than before, or more than there are, is ignored. */
  acknowledge(total: number): void {
    if (total <= this.acked || total > this.appended) return;
    let left = this.skip + total - this.acked;
    let done = 0;
    while (done < this.pieces.length && left >= this.pieces[done]!.length) {
      left -= this.pieces[done++]!.length;
    }
    this.pieces.splice(0, done);
    this.skip = left;
    this.acked = total;
  }

  /**
   * @returns the octets behind the first `total`, which are not all acknowledged, in pieces. Those that were
   *   written in one large piece are not copied, since many connections may have the same; others are gathered
   */
  from(total: number): Uint8Array[] {
    const found: Uint8Array[] = [];
    let small: Uint8Array[] = [];
    let smallOctets = 0;
    const close = () => {
      // A copy in any case, and not of the memory that a small one may be a part of.
      if (smallOctets > 0) found.push(small.length === 1 ? small[0]!.slice() : joined(small));
      small = [];
      smallOctets = 0;
    };
    let skip = this.skip + total - this.acked;
    for (const piece of this.pieces) {
      const octets = piece.subarray(skip);
      skip = Math.max(0, skip - piece.length);
      if (octets.length >= LARGE_OCTETS) {
        close();
        found.push(octets);
        continue;
      }
      small.push(octets);
      smallOctets += octets.length;
      if (smallOctets >= LARGE_OCTETS) close();
    }
    close();
    return found;
  }
}

/** One connection. */
export class LedgerConnection {
  readonly id: ConnectionId;
  /** What TCP was like when nothing was counted yet; null when it cannot be taken over. */
  tcp: unknown;
  readonly send: SendBuffer;
  /** Octets received, in all. */
  received = 0;
  /** Octets that the router was told to be sent, in all. */
  sent = 0;
  /** It is to be closed once all is sent. */
  closing = false;

  constructor(id: ConnectionId, tcp: unknown) {
    this.id = id;
    this.tcp = tcp;
    this.send = new SendBuffer(tcp !== null);
  }
}

export class Ledger {
  readonly connections: Map<ConnectionId, LedgerConnection> = new Map();
  /** Connections that were asked for and are not there yet. */
  readonly attempts: Map<ConnectionId, ConnectTarget> = new Map();

  /** A connection is there, or its TCP is described anew, by a state with the counts of the first one. */
  opened(id: ConnectionId, tcp: unknown): void {
    const known = this.connections.get(id);
    if (known !== undefined) {
      known.tcp = tcp;
      return;
    }
    this.connections.set(id, new LedgerConnection(id, tcp));
  }

  /** An attempt has come to its end. */
  answered(id: ConnectionId): void {
    this.attempts.delete(id);
  }

  received(id: ConnectionId, octets: number): void {
    const connection = this.connections.get(id);
    if (connection !== undefined) connection.received += octets;
  }

  sent(id: ConnectionId, octets: number): void {
    const connection = this.connections.get(id);
    if (connection === undefined) return;
    const { appended } = connection.send;
    connection.sent += octets;
    ensure(connection.sent <= appended, "what is sent was written", id, connection.sent, appended);
  }

  acknowledged(id: ConnectionId, total: number): void {
    this.connections.get(id)?.send.acknowledge(total);
  }

  closed(id: ConnectionId): void {
    this.connections.delete(id);
  }

  /** The router has given a connection up that is still there: it is closed behind these octets. */
  sayFarewell(id: ConnectionId, octets: Uint8Array): void {
    const connection = this.connections.get(id);
    if (connection === undefined || connection.closing) return;
    connection.send.append(octets);
    connection.closing = true;
  }

  /** Takes in what the router wants done. */
  note(outputs: readonly Output[]): void {
    for (const output of outputs) {
      if (!isEffect(output)) continue;
      const connection = this.connections.get(output.connection);
      if (output.do === "connect") this.attempts.set(output.connection, output.target);
      else if (output.do === "write") {
        if (connection?.closing === false) connection.send.append(output.octets);
      } else if (connection !== undefined) connection.closing = true;
      else this.attempts.delete(output.connection);
    }
  }
}
