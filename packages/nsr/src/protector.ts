/**
 * The speaker's TCP connections, kept so that another process can go on with them: what the kernel said
 * of each when it came about, its flow in the gate, and how far the peer is.
 */

import type { ConnectionId } from "@ts-bgp/router";
import type { Protection } from "@ts-bgp/speaker";
import {
  acknowledgedOctets,
  type Ends,
  type FlowSlot,
  type Gate,
  receivedOctets,
  sequenceAfter,
  snapshot,
  type TcpState,
} from "@ts-bgp/takeover";

/** One connection. Counts are of octets since `tcp` was taken. */
interface Protected {
  readonly fd: number;
  readonly tcp: TcpState;
  /** Null when there was no gate. */
  readonly flow: FlowSlot | null;
  /** What the counts are when those of the kernel are 0. */
  readonly start: Position;
}

/** What a connection is taken over by. */
export interface ProtectedTcp extends TcpState {
  /** Octets that had arrived, and may have been acknowledged, before the gate knew the connection. */
  readonly arrivedOctets: number;
}

/** How far a connection is. */
export interface Position {
  /** Octets that the peer has acknowledged, and that were received from it, in all. */
  readonly acknowledged: number;
  readonly received: number;
}

export class Protector implements Protection {
  readonly hooks: Protection["hooks"];
  /** Why connections cannot be protected; null when they can. */
  problem: string | null;
  private gate: Gate | null;
  private readonly now: () => number;
  private readonly connections: Map<ConnectionId, Protected> = new Map();
  /** Flows of connections that have no socket here yet. */
  private readonly expected: Map<ConnectionId, FlowSlot> = new Map();

  /**
   * @param gate - null when there is none: `problem` says why
   * @param link - what the pair does
   */
  constructor(
    gate: Gate | null,
    problem: string | null,
    now: () => number,
    link: Pick<Protection["hooks"], "send" | "hasRoom" | "declare" | "undeclare" | "drop">,
  ) {
    this.gate = gate;
    this.problem = problem;
    this.now = now;
    this.hooks = {
      ...link,
      acknowledge: (id, octets) => this.acknowledge(id, octets),
      gone: (id) => this.unprotect(id),
      closeGate: () => this.closeGate(),
      openGate: () => this.gate?.open(),
    };
  }

  /** What the gate lets through is not to be relied on. @param problem - null when that is over already */
  gateLost(problem: string | null): void {
    this.problem = problem;
  }

  /** There is a gate again: connections go through that one from now on. */
  use(gate: Gate): void {
    this.gate = gate;
    this.problem = null;
    this.expected.clear();
    for (const [id, connection] of this.connections) {
      const { local, remote } = endsOf(connection.tcp);
      const released = sequenceAfter(connection.tcp.receiveSequence, connection.start.received);
      this.connections.set(id, { ...connection, flow: gate.protect(local, remote, released) });
    }
  }

  get canProtect(): boolean {
    return this.gate !== null && this.problem === null;
  }

  opened(id: ConnectionId, fd: number): ProtectedTcp | null {
    if (this.gate === null) return null;
    const tcp = snapshot(fd, this.now());
    if (tcp !== null) {
      // The handshake counts among what was acknowledged; nothing that the kernel has was read yet.
      this.add(id, fd, tcp, 0, { acknowledged: -acknowledgedOctets(fd), received: 0 });
    }
    return tcp === null ? null : { ...tcp, arrivedOctets: receivedOctets(fd) };
  }

  /** A connection is about to get a socket here: its packets wait for that from now on. */
  expect(id: ConnectionId, tcp: TcpState, received: number): void {
    if (this.gate === null) return;
    const { local, remote } = endsOf(tcp);
    const released = sequenceAfter(tcp.receiveSequence, received);
    const known = this.expected.get(id);
    if (known !== undefined) this.gate.release(known, released);
    else this.expected.set(id, this.gate.protect(local, remote, released));
  }

  /** Those that were expected are gone, but for these. */
  expectOnly(connections: ReadonlySet<ConnectionId>): void {
    for (const id of [...this.expected.keys()]) if (!connections.has(id)) this.unprotect(id);
  }

  /**
   * A connection was taken over.
   *
   * @param start - where its socket began
   */
  resumed(id: ConnectionId, fd: number, tcp: TcpState, start: Position): void {
    this.add(id, fd, tcp, start.received, start);
  }

  /**
   * @param now - of a connection that was taken over, as it is
   * @returns the same as if nothing had been counted: for the next takeover, whose timestamps must not lie
   *   behind those of the socket here
   */
  describe(id: ConnectionId, now: TcpState, received: number): ProtectedTcp {
    const { sendSequence, receiveSequence } = this.connections.get(id)!.tcp;
    const receiveWindow = now.receiveWindow + received;
    return { ...now, sendSequence, receiveSequence, receiveWindow, arrivedOctets: 0 };
  }

  closing(id: ConnectionId): void {
    this.unprotect(id);
  }

  /** Whether a connection could be taken over. */
  has(id: ConnectionId): boolean {
    return this.connections.has(id);
  }

  acknowledgedOctets(id: ConnectionId): number {
    const connection = this.connections.get(id);
    if (connection === undefined) return 0;
    try {
      return connection.start.acknowledged + acknowledgedOctets(connection.fd);
    } catch {
      // The socket is closed, and its end on the way to the router.
      return 0;
    }
  }

  wake(): void {
    this.gate?.wake();
  }

  /** @param start - what the counts of the connection are when those of the kernel are 0 */
  private add(
    id: ConnectionId,
    fd: number,
    tcp: TcpState,
    received: number,
    start: Position,
  ): void {
    const { local, remote } = endsOf(tcp);
    const released = sequenceAfter(tcp.receiveSequence, received);
    const expected = this.expected.get(id);
    if (expected !== undefined) this.gate!.release(expected, released);
    // One that lost its gate a moment ago goes on without, rather than not at all.
    const flow = expected ?? this.gate?.protect(local, remote, released) ?? null;
    this.connections.set(id, { fd, tcp, flow, start });
    this.expected.delete(id);
  }

  private acknowledge(id: ConnectionId, octets: number): void {
    const { flow = null, tcp } = this.connections.get(id) ?? {};
    if (flow === null) return;
    this.gate!.release(flow, sequenceAfter(tcp!.receiveSequence, octets));
  }

  private unprotect(id: ConnectionId): void {
    const flow = this.connections.get(id)?.flow ?? this.expected.get(id);
    this.connections.delete(id);
    this.expected.delete(id);
    if (flow !== undefined) this.gate!.unprotect(flow);
  }

  private closeGate(): ReadonlyMap<ConnectionId, number> {
    this.gate?.close();
    const received: Map<ConnectionId, number> = new Map();
    for (const [id, { fd, start }] of this.connections) {
      try {
        received.set(id, start.received + receivedOctets(fd));
      } catch {
        // Closed, and its end on the way to the router.
      }
    }
    return received;
  }
}

/** @returns the ends of a connection by its state */
export function endsOf(tcp: TcpState): Ends {
  return {
    local: { address: tcp.localAddress, port: tcp.localPort },
    remote: { address: tcp.remoteAddress, port: tcp.remotePort },
  };
}
