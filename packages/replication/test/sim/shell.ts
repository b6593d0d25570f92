/** A router in the world of the simulator, as the speaker is in the real one. */

import { type ConnectionId, isEffect, type Output } from "@ts-bgp/router";
import {
  Active,
  type ActiveHooks,
  type Call,
  type CallName,
  Journal,
  type LedgerConnection,
  type Machine,
  type ResultOf,
  type Standby,
} from "../../src/index.ts";
import { Answer } from "./arbiter.ts";
import type { LinkEnd } from "./link.ts";
/** What a snapshot says of a connection. */ import { runOtherShell } from "./other-version.ts";
import type { Process } from "./process.ts";
import type { HostTcp, PeerTcp } from "./tcp.ts";

export interface Tcp {
  readonly endpoint: number;
  /** Octets that the kernel had acknowledged before the gate knew the connection. */
  readonly acked: number;
}

const TICK_MS = 100;
const LINGER_MS = 300;

/** One connection of the speaker. */
interface Open {
  readonly tcp: HostTcp;
  /** Written, and not yet with the kernel. */
  pending: Uint8Array[];
  closing: boolean;
}

export class Shell {
  readonly process: Process;
  readonly journal: Journal;
  readonly active: Active;
  readonly open: Map<ConnectionId, Open> = new Map();
  link: LinkEnd | null = null;
  /** Who was sent the state last. */
  follower: Standby | null = null;
  /** Calls were run since the last bracket. */
  isDirty = false;
  /** What has come is left with the kernel. */
  isHeldUp = false;
  /** The role is given away: nothing happens any more. */
  isOver = false;
  /** All connections that were taken over are there. */
  isServing = false;
  /** Closed, and not for the standby yet: the guard keeps the kernel from telling the peer. */
  private readonly ending: Map<ConnectionId, HostTcp> = new Map();
  private readonly attempts: Set<ConnectionId> = new Set();
  private isScheduled = false;

  constructor(process: Process, machine: Machine, epoch: number) {
    this.process = process;
    this.journal = new Journal(machine);
    const { world } = process;
    const hooks = this.hooks();
    this.active = new Active(this.journal, { epoch, patienceMs: 300 }, hooks);
    world.checks.watch(this);
    if (world.hasOther) runOtherShell(this);
    world.sabotage?.shell?.(this, hooks);
  }

  get nowMs(): number {
    return this.process.nowMs;
  }

  /** Begins to listen, and lets time pass. */
  listen(): void {
    this.isServing = true;
    this.process.after(this.process.world.chance.int(1, TICK_MS), () => this.tick());
  }

  run<N extends CallName>(call: Call<N>): ResultOf<N> {
    this.process.point();
    this.isDirty = true;
    this.process.world.checks.call(this, call);
    const result = this.journal.run(call);
    this.schedule();
    return result;
  }

  schedule(): void {
    if (this.isScheduled || this.isOver || !this.active.mayWork) return;
    this.isScheduled = true;
    this.process.after(this.process.world.chance.int(0, 4) / 2, () => {
      this.isScheduled = false;
      this.slice();
    });
  }

  slice(): void {
    if (this.isOver) return;
    const { chance } = this.process.world;
    let left = chance.pick([0, 1, 3, 1000]);
    const more = this.journal.slice(this.nowMs, () => left-- > 0);
    this.process.point();
    this.active.commit(this.nowMs);
    if (more) this.schedule();
  }

  /** A peer has connected to this kernel. */
  accept(tcp: HostTcp): void {
    const { chance, peers } = this.process.world;
    this.process.after(chance.int(0, 3), () => {
      if (tcp.isGone || this.isOver) return;
      const { address } = peers[tcp.peer.peer]!;
      const id = this.run({
        record: "accepted",
        remoteAddress: address,
        remotePort: tcp.peer.id,
        localAddress: "192.0.2.254",
        otherAddress: "2001:db8::254",
        connection: 0,
        nowMs: this.nowMs,
      });
      if (id !== null) this.opened(id, tcp);
    });
  }

  /** A connection of the ledger has a socket here again. */
  resumed({ id, send, sent, closing, tcp: state }: LedgerConnection, tcp: HostTcp): void {
    const open = this.adopt(id, tcp);
    // Described anew for the next time, as the real one has to be.
    this.run({ record: "tcp", connection: id, state });
    // The kernel's queue takes all that was not acknowledged.
    if (sent < send.appended) {
      const octets = send.appended - sent;
      this.run({ record: "sent", connection: id, octets, nowMs: this.nowMs });
    }
    if (closing) this.close(id);
    else if (tcp.rcvNxt > tcp.rcvNxt - tcp.unreadOctets || tcp.finReceived)
      open.tcp.app?.readable();
  }

  /** Begins an attempt to connect, or begins it again. */
  connect(id: ConnectionId, address: string): void {
    const { world } = this.process;
    this.attempts.add(id);
    world.connect(this.process, address, (tcp) => {
      if (this.isOver) return;
      if (!this.attempts.delete(id)) {
        if (tcp !== null) {
          tcp.isProtected = false;
          tcp.reset();
        }
        return;
      }
      if (tcp === null) {
        this.run({ record: "connectFailed", connection: id, nowMs: this.nowMs });
        return;
      }
      const own = { localAddress: "192.0.2.254", otherAddress: "2001:db8::254" };
      this.run({ record: "connected", connection: id, ...own, nowMs: this.nowMs });
      this.opened(id, tcp);
    });
  }

  /** Leaves what comes with the kernel, or reads it again. */
  holdUp(isHeldUp: boolean): void {
    this.isHeldUp = isHeldUp;
    if (isHeldUp) return;
    for (const { tcp } of this.open.values()) {
      if (tcp.isGone) tcp.app?.ended();
      else tcp.app?.readable();
    }
  }

  /** Everything is with the standby, and nothing was done since. */
  get isSettled(): boolean {
    const { active, isDirty } = this;
    return !isDirty && active.behind.brackets === 0 && active.applied === active.number;
  }

  /** Silences all connections. @returns how far each peer is */
  freeze(): Record<string, number> {
    this.isOver = true;
    this.isServing = false;
    const positions: Record<string, number> = {};
    for (const [id, { tcp }] of this.open) {
      if (tcp.isGone) continue;
      positions[id] = Math.min(tcp.una, tcp.out.end);
      tcp.isGone = true;
    }
    return positions;
  }

  /** Reads what has come. */
  private read(id: ConnectionId): void {
    const { open: connections } = this;
    const open = connections.get(id);
    if (open === undefined || this.isHeldUp) return;
    if (!open.closing) {
      for (const octets of open.tcp.read())
        this.run({ record: "received", connection: id, octets });
    }
    if (open.tcp.finReceived) this.ended(id);
  }

  private opened(id: ConnectionId, tcp: HostTcp): void {
    const state: Tcp = { endpoint: tcp.peer.id, acked: tcp.ackedOut };
    tcp.isAccepted = true;
    this.run({ record: "tcp", connection: id, state });
    this.adopt(id, tcp);
    if (tcp.rcvNxt > 0) tcp.app?.readable();
  }

  private adopt(id: ConnectionId, tcp: HostTcp): Open {
    const { process } = this;
    const { chance } = process.world;
    const open: Open = { tcp, pending: [], closing: false };
    this.open.set(id, open);
    let isReading = false;
    const later = (act: () => void) => process.after(chance.int(0, 3) / 2, act);
    tcp.app = {
      readable: () => {
        if (isReading) return;
        isReading = true;
        later(() => {
          isReading = false;
          this.read(id);
        });
      },
      writable: () => later(() => this.flush(id)),
      ended: () => later(() => this.ended(id)),
    };
    return open;
  }

  private ended(id: ConnectionId): void {
    const open = this.open.get(id);
    if (open === undefined || this.isHeldUp) return;
    this.open.delete(id);
    open.tcp.isDestroyed = true;
    this.ending.set(id, open.tcp);
    this.run({ record: "closed", connection: id, nowMs: this.nowMs });
  }

  private tick(): void {
    if (this.isOver) return;
    const { active, journal, nowMs, process } = this;
    this.run({ record: "tick", nowMs });
    active.tick(nowMs);
    for (const { id, send } of journal.machine.ledger.connections.values()) {
      const tcp = this.open.get(id)?.tcp;
      if (tcp === undefined || tcp.una <= send.acked) continue;
      this.run({ record: "acked", connection: id, octets: Math.min(tcp.una, tcp.out.end) });
    }
    process.after(TICK_MS, () => this.tick());
  }

  private do(output: Output): void {
    if (!isEffect(output)) return;
    this.process.point();
    const { connection } = output;
    if (output.do === "connect") this.connect(connection, output.target.neighbor);
    else if (output.do === "close") this.close(connection);
    else {
      const open = this.open.get(connection);
      if (open === undefined || open.closing) return;
      open.pending.push(output.octets);
      this.flush(connection);
    }
  }

  /** Gives the kernel what it has room for. */
  private flush(id: ConnectionId): void {
    const open = this.open.get(id);
    if (open === undefined || this.isOver) return;
    const { tcp, pending } = open;
    let taken = 0;
    for (let next = pending[0]; next !== undefined && tcp.room > 0; next = pending[0]) {
      const part = next.subarray(0, tcp.room);
      tcp.write(part.slice());
      taken += part.length;
      if (part.length === next.length) pending.shift();
      else pending[0] = next.subarray(part.length);
    }
    if (taken > 0) this.run({ record: "sent", connection: id, octets: taken, nowMs: this.nowMs });
    if (open.closing && pending.length === 0 && !tcp.finQueued) tcp.shutdown();
  }

  private close(id: ConnectionId): void {
    const open = this.open.get(id);
    if (this.attempts.delete(id) || open === undefined || open.closing) return;
    open.closing = true;
    open.tcp.isProtected = false;
    open.tcp.flush();
    this.flush(id);
    this.process.after(LINGER_MS, () => {
      open.tcp.reset();
      this.ended(id);
    });
  }

  private hooks(): ActiveHooks {
    const { process } = this;
    const { world, kernel } = process;
    const { checks } = world;
    return {
      send: (_to, frame) => {
        process.point();
        checks.sending(this);
        this.link?.send(frame);
      },
      release: (outputs) => {
        for (const output of outputs) this.do(output);
      },
      acknowledge: (id, octets) => {
        process.point();
        this.open.get(id)?.tcp.release(octets);
      },
      gone: (id) => {
        const tcp = this.ending.get(id);
        if (tcp === undefined) return;
        this.ending.delete(id);
        tcp.isProtected = false;
        tcp.reset();
      },
      closeGate: () => {
        process.point();
        kernel.gateIsClosed = true;
        return new Map([...this.open].map(([id, { tcp }]) => [id, tcp.rcvNxt]));
      },
      openGate: () => {
        kernel.gateIsClosed = false;
        kernel.flush();
      },
      declare: ({ standbys }) => this.name(standbys[0]!),
      undeclare: () => this.name(null),
      drop: () => {
        this.link?.close();
        this.link = null;
      },
      say: (id, message) => checks.said(this, id, message),
    };
  }

  private name(standby: string | null): Promise<boolean> {
    const { process } = this;
    const answer = new Answer<boolean>();
    process.world.arbiter.nameStandby(process, process.holder, standby).then((isOurs) => {
      answer.give(isOurs);
      if (!isOurs && process.shell === this) process.roleLost();
    });
    return answer.promise;
  }

  get epoch(): number {
    return this.process.epoch;
  }

  /** The other end of the connection with an endpoint's number. */
  endpointOf(tcp: Tcp): PeerTcp {
    return this.process.world.endpoints.get(tcp.endpoint)!;
  }
}
