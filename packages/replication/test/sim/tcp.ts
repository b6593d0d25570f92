/**
 * TCP between a peer and whichever side serves it: octets under way, lost segments, timeouts, windows.
 * Offsets count octets from the beginning of the connection; a FIN counts as one.
 */

import type { Chance } from "./chance.ts";
import type { Actor, Clock } from "./clock.ts";

export interface Segment {
  readonly seq: number;
  readonly octets: Uint8Array;
  readonly fin: boolean;
  readonly rst: boolean;
  /** Asks for an acknowledgement. */
  readonly probe: boolean;
  /** All octets before this one have come. */
  readonly ack: number;
  /** Octets before this one are welcome. */
  readonly edge: number;
}

const NO_OCTETS = new Uint8Array(0);
const BARE = { octets: NO_OCTETS, fin: false, rst: false, probe: false };
const RTO_MS = 40;
/** Segments that the gate keeps of a connection; older ones are lost, as in a full queue. */
const HELD_MAX = 64;

/** Octets by their offsets, from some offset on. */
export class Octets {
  base: number;
  private buf: Uint8Array = new Uint8Array(256);
  private used = 0;

  constructor(base = 0) {
    this.base = base;
  }

  get end(): number {
    return this.base + this.used;
  }

  append(octets: Uint8Array): void {
    if (this.used + octets.length > this.buf.length) {
      const larger = new Uint8Array(2 * (this.used + octets.length));
      larger.set(this.buf.subarray(0, this.used));
      this.buf = larger;
    }
    this.buf.set(octets, this.used);
    this.used += octets.length;
  }

  /** A copy. */
  slice(from: number, to: number): Uint8Array {
    return this.buf.slice(from - this.base, to - this.base);
  }

  /** Forgets what lies behind an offset. */
  truncate(end: number): void {
    this.used = Math.min(this.used, end - this.base);
  }

  /** @returns the first offset at which other octets differ from these, where both have some; or -1 */
  conflict(at: number, octets: Uint8Array): number {
    const from = Math.max(at, this.base);
    for (let i = from; i < Math.min(at + octets.length, this.end); i++) {
      if (octets[i - at] !== this.buf[i - this.base]) return i;
    }
    return -1;
  }
}

/** What carries segments, and what is wrong about it. */
export interface Net {
  readonly clock: Clock;
  readonly chance: Chance;
  /** One segment in so many is lost; 0 for none. */
  lossOneIn: number;
  /** @returns a number for a new connection */
  register(endpoint: PeerTcp): number;
  toHost(from: PeerTcp, segment: Segment): void;
  toPeer(from: HostTcp, segment: Segment): void;
  violation(what: string): void;
}

/** What both ends have in common: what was sent and is not acknowledged, and when it is sent again. */
export abstract class End {
  readonly out: Octets;
  una: number;
  nxt: number;
  /** Farthest offset that was ever sent. */
  max: number;
  rcvNxt: number;
  finQueued = false;
  /** The other end accepts octets before this offset. */
  edge = 400;
  mss = 1460;
  /** Octets that may be under way. */
  cwnd = 1 << 16;
  isGone = false;
  /** When the last segment of this end arrives. */
  arrivesMs = 0;
  protected readonly net: Net;
  private isTimed = false;

  constructor(net: Net, una: number, rcvNxt: number) {
    this.net = net;
    this.out = new Octets(una);
    this.una = una;
    this.nxt = una;
    this.max = una;
    this.rcvNxt = rcvNxt;
  }

  protected abstract emit(segment: Omit<Segment, "ack" | "edge">): void;
  protected abstract finAcked(): void;

  /** Sends what may be sent. */
  pump(): void {
    const { out } = this;
    const limit = Math.min(out.end, this.edge, this.una + this.cwnd);
    while (!this.isGone && this.nxt < limit) {
      const to = Math.min(limit, this.nxt + this.mss);
      this.emit({ ...BARE, seq: this.nxt, octets: out.slice(this.nxt, to) });
      this.nxt = to;
    }
    if (this.finQueued && this.nxt === out.end && !this.isGone) {
      this.nxt++;
      this.emit({ ...BARE, seq: out.end, fin: true });
    }
    this.max = Math.max(this.max, this.nxt);
    const waits = this.una < this.nxt || this.nxt < out.end;
    if (waits && !this.isTimed && !this.isGone) this.time();
  }

  protected acknowledged(ack: number): void {
    if (ack <= this.una || ack > this.max) return;
    this.una = ack;
    if (this.nxt < ack) this.nxt = ack;
    if (this.finQueued && ack > this.out.end) this.finAcked();
  }

  private time(): void {
    this.isTimed = true;
    const una = this.una;
    this.net.clock.after(RTO_MS, null, () => {
      this.isTimed = false;
      if (this.isGone || (this.una === this.nxt && this.nxt >= this.out.end)) return;
      if (this.una === una) {
        this.nxt = this.una;
        // One octet beyond a closed window, to learn when it opens.
        if (this.nxt < this.out.end && this.nxt >= this.edge) {
          const octets = this.out.slice(this.nxt, this.nxt + 1);
          this.emit({ ...BARE, seq: this.nxt, octets, probe: true });
        }
      }
      this.pump();
      if (!this.isTimed && this.nxt < this.out.end) this.time();
    });
  }
}

export interface PeerApp {
  established(): void;
  octets(octets: Uint8Array): void;
  ended(how: "closed" | "reset"): void;
}

/** The peer's end: it lives through everything. */
export class PeerTcp extends End {
  /** Its port, as it were. */
  readonly id: number;
  /** Number of the peer. */
  readonly peer: number;
  /** Whatever came, in order. */
  readonly in: Octets = new Octets();
  app: PeerApp | null = null;
  isEstablished = false;
  /** Octets that may wait to be read. */
  private readonly window: number;
  private waiting: Uint8Array[] = [];
  private waitingOctets = 0;
  private isReading = true;

  constructor(net: Net, peer: number) {
    super(net, 0, 0);
    this.id = net.register(this);
    this.peer = peer;
    this.edge = 1 << 16;
    this.mss = net.chance.pick([30, 100, 1460]);
    // A congestion window of one segment waits for an acknowledgement after each.
    this.cwnd = net.chance.pick([this.mss, 3 * this.mss, 1 << 16]);
    this.window = net.chance.pick([90, 400, 1 << 16]);
  }

  send(octets: Uint8Array): void {
    if (this.isGone || this.finQueued) return;
    this.out.append(octets);
    this.pump();
  }

  close(): void {
    this.finQueued = true;
    this.pump();
  }

  abort(): void {
    this.end("reset");
    this.emit({ ...BARE, seq: this.nxt, rst: true });
  }

  set reads(reads: boolean) {
    this.isReading = reads;
    if (!reads || this.isGone) return;
    const { waiting } = this;
    this.waiting = [];
    this.waitingOctets = 0;
    for (const octets of waiting) this.app?.octets(octets);
    this.emit({ ...BARE, seq: this.nxt });
  }

  segment(segment: Segment): void {
    if (this.isGone) {
      if (!segment.rst) this.emit({ ...BARE, seq: this.nxt, rst: true });
      return;
    }
    if (segment.rst) {
      this.end("reset");
      return;
    }
    if (segment.ack > this.max) this.net.violation("acknowledges what was never sent");
    this.acknowledged(segment.ack);
    if (this.isGone) return;
    const { seq, octets } = segment;
    const conflict = this.in.conflict(seq, octets);
    if (conflict >= 0) this.net.violation(`octet ${conflict} is another one when sent again`);
    if (seq <= this.rcvNxt) {
      const room = Math.max(0, this.window - this.waitingOctets);
      const fresh = octets.subarray(this.rcvNxt - seq).subarray(0, room);
      this.take(fresh);
      if (segment.fin && seq + octets.length === this.rcvNxt) {
        this.rcvNxt++;
        this.end("closed");
        this.emit({ ...BARE, seq: this.nxt, fin: true });
        return;
      }
    }
    if (octets.length > 0 || segment.fin || segment.probe) this.emit({ ...BARE, seq: this.nxt });
    this.pump();
  }

  protected emit(segment: Omit<Segment, "ack" | "edge">): void {
    const edge = this.rcvNxt + Math.max(0, this.window - this.waitingOctets);
    this.net.toHost(this, { ...segment, ack: this.rcvNxt, edge });
  }

  protected finAcked(): void {
    this.end("closed");
  }

  private take(octets: Uint8Array): void {
    if (octets.length === 0) return;
    this.in.append(octets);
    this.rcvNxt += octets.length;
    if (this.isReading) this.app?.octets(octets);
    else {
      this.waiting.push(octets);
      this.waitingOctets += octets.length;
    }
  }

  private end(how: "closed" | "reset"): void {
    if (this.isGone) return;
    this.isGone = true;
    this.app?.ended(how);
  }
}

/** The kernel that a socket of ours lives in. */
export interface Kernel {
  readonly actor: Actor;
  /** The gate holds acknowledgements back. */
  readonly gateIsClosed: boolean;
  /** Somebody answers the queue that all segments go through, and has the right to. */
  readonly letsOut: boolean;
}

export interface HostApp {
  readable(): void;
  /** There may be room for more. */
  writable(): void;
  /** The peer has closed, or there is no peer. */
  ended(): void;
}

/** Our end, in the kernel of a side. */
export class HostTcp extends End {
  readonly peer: PeerTcp;
  readonly kernel: Kernel;
  app: HostApp | null = null;
  /** The gate lets acknowledgements up to this offset out. */
  released = 0;
  /** The gate and the guard know the connection. */
  isProtected = true;
  /** Farthest acknowledgement that has left. */
  ackedOut: number;
  finReceived = false;
  /** The process has closed it. */
  isDestroyed = false;
  /** A process has it. */
  isAccepted = false;
  /** Restored, and not told yet where the peer is. */
  onAnswer: ((ack: number) => void) | null = null;
  private readonly sendOctetsMax: number;
  private unread: Uint8Array[] = [];
  unreadOctets = 0;
  private held: Segment[] = [];

  constructor(net: Net, kernel: Kernel, peer: PeerTcp, received: number, sent: number) {
    super(net, sent, received);
    this.kernel = kernel;
    this.peer = peer;
    this.released = received;
    this.ackedOut = received;
    this.mss = net.chance.pick([19, 60, 1460]);
    this.sendOctetsMax = net.chance.pick([60, 300, 1 << 20]);
  }

  /** The socket that takes this one's place, once it is known where the peer is. */
  continueAt(sent: number): HostTcp {
    const socket = new HostTcp(this.net, this.kernel, this.peer, this.rcvNxt, sent);
    socket.isAccepted = true;
    socket.unread = this.unread;
    socket.unreadOctets = this.unreadOctets;
    socket.finReceived = this.finReceived;
    socket.ackedOut = this.ackedOut;
    socket.edge = Math.max(this.edge, socket.edge);
    this.isGone = true;
    return socket;
  }

  /** Room in the send queue, in octets. */
  get room(): number {
    return Math.max(0, this.sendOctetsMax - (this.out.end - this.una));
  }

  write(octets: Uint8Array): void {
    this.out.append(octets);
    this.pump();
  }

  /** @returns what has come and nobody has read */
  read(): Uint8Array[] {
    const { unread } = this;
    this.unread = [];
    this.unreadOctets = 0;
    return unread;
  }

  /** A FIN behind everything. */
  shutdown(): void {
    this.finQueued = true;
    this.pump();
  }

  /** Asks the peer where it is. */
  probe(): void {
    this.emit({ ...BARE, seq: this.una - 1, probe: true });
  }

  reset(): void {
    if (this.isGone) return;
    this.isGone = true;
    if (!this.isProtected) this.emit({ ...BARE, seq: this.nxt, rst: true });
  }

  release(octets: number): void {
    if (octets > this.released) this.released = octets;
    this.flush();
  }

  /** Lets out what may leave now. */
  flush(): void {
    const { held } = this;
    this.held = [];
    for (const segment of held) this.gate(segment);
  }

  segment(segment: Segment): void {
    if (this.isGone || this.isDestroyed) return;
    if (segment.rst) {
      this.isGone = true;
      this.app?.ended();
      return;
    }
    this.edge = Math.max(this.edge, segment.edge);
    this.acknowledged(segment.ack);
    const { seq, octets } = segment;
    const before = this.rcvNxt;
    if (seq <= this.rcvNxt && !this.finReceived) {
      const fresh = octets.subarray(this.rcvNxt - seq);
      if (fresh.length > 0) {
        this.unread.push(fresh);
        this.unreadOctets += fresh.length;
        this.rcvNxt += fresh.length;
      }
      if (segment.fin && seq + octets.length === this.rcvNxt) {
        this.rcvNxt++;
        this.finReceived = true;
      }
    }
    if (octets.length > 0 || segment.fin || segment.probe) this.emit({ ...BARE, seq: this.nxt });
    this.pump();
    if (this.rcvNxt > before) this.app?.readable();
    this.app?.writable();
    const { onAnswer } = this;
    this.onAnswer = null;
    onAnswer?.(segment.ack);
  }

  protected emit(segment: Omit<Segment, "ack" | "edge">): void {
    this.gate({ ...segment, ack: this.rcvNxt, edge: this.rcvNxt + (1 << 16) });
  }

  protected finAcked(): void {
    this.isGone = true;
    this.app?.ended();
  }

  private gate(segment: Segment): void {
    const { kernel } = this;
    if (this.isDestroyed && !segment.rst) return;
    if (kernel.actor.isDead && this.isProtected) return;
    // The gate does not know connections that nobody has accepted yet.
    const isKnown = this.isAccepted && this.isProtected;
    const isHeld = kernel.gateIsClosed && isKnown && segment.ack > this.released;
    if (!kernel.letsOut || isHeld) {
      this.held.push(segment);
      if (this.held.length > HELD_MAX) this.held.shift();
      return;
    }
    this.net.toPeer(this, segment);
    this.ackedOut = Math.max(this.ackedOut, segment.ack);
  }
}
