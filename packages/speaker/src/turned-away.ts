/**
 * Connections that are turned away before the router hears of them: of strangers, and of a neighbor that
 * makes more than anyone needs. There may be thousands a second, so each costs some microseconds.
 */

import type { LogEvent } from "./log-event.ts";

/**
 * `unknown`: from an address that no neighbor has; `dynamic`: there are as many dynamic neighbors of its
 * prefix as may be; `elsewhere`: from a neighbor of another member of the cluster; `rate`: too many from one; `limit`: too many in all.
 */
export type TurnedAwayReason = "unknown" | "dynamic" | "elsewhere" | "rate" | "limit";

/** What one address may have accepted at once, after a while without any, and for good. */
export const CONNECTIONS_BURST = 20;
export const CONNECTIONS_PER_SECOND = 10;
/** So many addresses are kept apart. */
const BUCKETS_MAX = 1 << 14;
/** Those of a reason are logged no more often. */
const LOG_MS = 10_000;

interface Bucket {
  tokens: number;
  filledMs: number;
}

/** How many connections each neighbor may make: a token bucket by address. */
export class ConnectionRate {
  private readonly buckets: Map<string, Bucket> = new Map();

  /**
   * @param address - of a neighbor, or of one of a prefix, of which there may be any number
   * @param nowMs - by a clock that never goes back
   * @returns whether a connection may be accepted, which then counts
   */
  take(address: string, nowMs: number): boolean {
    if (this.buckets.size >= BUCKETS_MAX && !this.buckets.has(address)) this.forgetFull(nowMs);
    const bucket = this.buckets.get(address) ?? { tokens: CONNECTIONS_BURST, filledMs: nowMs };
    this.buckets.set(address, bucket);
    const earned = ((nowMs - bucket.filledMs) * CONNECTIONS_PER_SECOND) / 1000;
    bucket.tokens = Math.min(CONNECTIONS_BURST, bucket.tokens + earned);
    bucket.filledMs = nowMs;
    if (bucket.tokens < 1) return false;
    bucket.tokens -= 1;
    return true;
  }

  /** Addresses that are remembered. */
  get size(): number {
    return this.buckets.size;
  }

  /** One that has filled again is as good as none. Where that is not enough, all begin anew. */
  private forgetFull(nowMs: number): void {
    const fillMs = (1000 * CONNECTIONS_BURST) / CONNECTIONS_PER_SECOND;
    for (const [address, { filledMs }] of this.buckets) {
      if (nowMs >= filledMs + fillMs) this.buckets.delete(address);
    }
    if (this.buckets.size >= BUCKETS_MAX) this.buckets.clear();
  }
}

const MESSAGES: Readonly<Record<TurnedAwayReason, (address: string) => string>> = {
  unknown: (address) => `connection from ${address}, which no neighbor has`,
  dynamic: (address) =>
    `connection from ${address}: there are as many dynamic neighbors of its prefix as may be`,
  elsewhere: (address) => `connection from ${address}, whose session is with another member`,
  rate: (address) =>
    `more than ${CONNECTIONS_PER_SECOND} connections a second from ${address}: some are turned away`,
  limit: (address) => `too many connections are open: one from ${address} is turned away`,
};

/** Counts them, and tells of some. */
export class TurnedAway {
  readonly counts: Record<TurnedAwayReason, number> = {
    unknown: 0,
    dynamic: 0,
    elsewhere: 0,
    rate: 0,
    limit: 0,
  };
  private readonly log: (event: LogEvent) => void;
  /** By reason: when the last one was logged, and how many there had been. */
  private readonly logged: Map<TurnedAwayReason, { atMs: number; count: number }> = new Map();

  constructor(log: (event: LogEvent) => void) {
    this.log = log;
  }

  note(reason: TurnedAwayReason, address: string, nowMs: number): void {
    this.counts[reason]++;
    const last = this.logged.get(reason);
    if (last !== undefined && nowMs < last.atMs + LOG_MS) return;
    const count = this.counts[reason] - (last?.count ?? 0);
    this.logged.set(reason, { atMs: nowMs, count: this.counts[reason] });
    const isKnown = reason === "rate";
    this.log({
      id: "connection-refused",
      level: isKnown ? "warn" : "info",
      neighbor: isKnown ? address : null,
      message: MESSAGES[reason](address),
      fields: { address, count },
    });
  }
}
