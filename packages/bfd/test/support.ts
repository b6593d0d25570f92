/** Two ends of a session in a world with a clock and a wire, for tests. */
import { createHash } from "node:crypto";
import {
  type BfdAction,
  type BfdAuth,
  type BfdConfig,
  type BfdPacket,
  type BfdRecord,
  type BfdSession,
  beginSession,
  type Digest,
  decodePacket,
  expireDue,
  listen,
  newRecord,
  nextMs,
  received,
  type SequenceSeen,
  sendDue,
  signPacket,
  verifyPacket,
} from "../src/index.ts";

export const digest: Digest = (algorithm, octets) => createHash(algorithm).update(octets).digest();

export const CONFIG: BfdConfig = { intervalMs: 50, multiplier: 3, isPassive: false };

export const PACKET: BfdPacket = {
  diagnostic: 0,
  state: "down",
  isPoll: false,
  isFinal: false,
  isControlIndependent: false,
  isDemand: false,
  multiplier: 3,
  myDiscriminator: 7,
  yourDiscriminator: 0,
  desiredMinTxUs: 1_000_000,
  requiredMinRxUs: 50_000,
};

/** @returns a session that is heard */
export function begun(
  config = CONFIG,
  discriminator = 1,
  record?: BfdRecord,
  nowMs = 0,
): BfdSession {
  const known = record ?? newRecord(config, discriminator, 1000 * discriminator, nowMs);
  const session = beginSession(config, known, nowMs);
  listen(session, nowMs, 0);
  return session;
}

export function sentIn(actions: readonly BfdAction[]): BfdPacket[] {
  return actions.flatMap((action) => (action.do === "send" ? [action.packet] : []));
}

/** One end. */
export class End {
  session: BfdSession;
  readonly auth: BfdAuth | null;
  readonly seen: SequenceSeen = { last: null };
  readonly refused: string[] = [];
  /** States that it went through, and why. */
  readonly changes: string[] = [];
  /** Times between packets. */
  readonly gapsMs: number[] = [];
  private sentMs: number | null = null;

  constructor(session: BfdSession, auth: BfdAuth | null = null) {
    this.session = session;
    this.auth = auth;
  }

  /** @returns octets on the wire */
  do(actions: readonly BfdAction[], nowMs: number): Uint8Array[] {
    return actions.flatMap((action) => {
      if (action.do === "changed") this.changes.push(`${action.to}: ${action.reason}`);
      if (action.do !== "send") return [];
      if (this.sentMs !== null) this.gapsMs.push(nowMs - this.sentMs);
      this.sentMs = nowMs;
      return [signPacket(action.packet, this.auth, action.sequence, digest)];
    });
  }

  hear(octets: Uint8Array, nowMs: number, jitter: number): Uint8Array[] {
    const read = decodePacket(octets);
    const why =
      typeof read === "string" ? read : verifyPacket(octets, read, this.auth, this.seen, digest);
    if (typeof read === "string" || why !== null) {
      this.refused.push(why!);
      return [];
    }
    return this.do(received(this.session, read, nowMs, jitter), nowMs);
  }

  pass(nowMs: number, jitter: number): Uint8Array[] {
    const sent = sendDue(this.session, nowMs, jitter);
    return this.do([...sent, ...expireDue(this.session, nowMs)], nowMs);
  }
}

export class World {
  nowMs = 0;
  readonly ends: readonly [End, End];
  /** Whether packets of an end arrive. */
  readonly arrives: [boolean, boolean] = [true, true];
  private readonly jitter: () => number;
  private readonly delayMs: number;
  private wire: { atMs: number; to: number; octets: Uint8Array }[] = [];

  constructor(a: End, b: End, jitter: () => number = () => 0.5, delayMs = 1) {
    this.ends = [a, b];
    this.jitter = jitter;
    this.delayMs = delayMs;
  }

  run(untilMs: number): void {
    for (;;) {
      const timers = this.ends.map(({ session }) => nextMs(session));
      const next = Math.min(...timers, ...this.wire.map(({ atMs }) => atMs));
      if (next > untilMs) break;
      this.nowMs = Math.max(this.nowMs, next);
      const due = this.wire.filter(({ atMs }) => atMs <= this.nowMs);
      this.wire = this.wire.filter(({ atMs }) => atMs > this.nowMs);
      for (const { to, octets } of due) {
        this.put(to, this.ends[to]!.hear(octets, this.nowMs, this.jitter()));
      }
      for (const [from, end] of this.ends.entries()) {
        this.put(from, end.pass(this.nowMs, this.jitter()));
      }
    }
    this.nowMs = untilMs;
  }

  private put(from: number, sent: readonly Uint8Array[]): void {
    if (!this.arrives[from as 0 | 1]) return;
    for (const octets of sent) {
      this.wire.push({ atMs: this.nowMs + this.delayMs, to: 1 - from, octets });
    }
  }
}
