/**
 * The log events of one neighbor, bounded: what a peer can cause with each message must not fill a
 * disk. Of each kind some are let through in a while, and then one that tells how many were not.
 */

import { type DownReason, describeDown, type Negotiated } from "@ts-bgp/fsm";
import { type Fault, formatHex } from "@ts-bgp/wire-codec";
import type { LogEvent, LogId, Outputs } from "./outputs.ts";

/** Events of one kind that are let through in `WINDOW_MS`. */
const EVENTS_MAX = 10;
const WINDOW_MS = 60_000;
/** Octets of a faulty UPDATE that are logged. */
const FAULT_OCTETS_SHOWN = 512;

/** What was logged of one kind since `startMs`. */
interface Window {
  startMs: number;
  count: number;
}

export class NeighborLog {
  private readonly address: string;
  private readonly outputs: Outputs;
  private readonly windows: Map<LogId, Window> = new Map();

  constructor(address: string, outputs: Outputs) {
    this.address = address;
    this.outputs = outputs;
  }

  /**
   * Counts an event, to be asked before its text is made.
   *
   * @returns whether it may be logged with `write`
   */
  admits(id: LogId, nowMs: number): boolean {
    this.close(id, nowMs);
    let window = this.windows.get(id);
    if (window === undefined) {
      window = { startMs: nowMs, count: 0 };
      this.windows.set(id, window);
    }
    return ++window.count <= EVENTS_MAX;
  }

  /** Logs an event that `admits` has let through. */
  write(
    id: LogId,
    level: LogEvent["level"],
    message: string,
    fields: LogEvent["fields"] = {},
  ): void {
    this.outputs.log(id, level, this.address, message, fields);
  }

  /** Logs what is wrong with a message, which `admits` has let through. */
  fault(
    id: "update-fault" | "message-fault",
    { action, code, subcode, attribute, reason }: Fault,
    more: LogEvent["fields"] = {},
  ): void {
    const level = action === "attribute-discard" ? "info" : "warn";
    const fields = { action, code, subcode, attribute, reason, ...more };
    this.write(id, level, `${action}: ${reason}`, fields);
  }

  /** Logs an UPDATE with faults `[at, end)`, of which one is the heaviest. */
  updateFault(
    nowMs: number,
    heaviest: Fault,
    faults: number,
    buf: Uint8Array,
    at: number,
    end: number,
  ): void {
    if (!this.admits("update-fault", nowMs)) return;
    const update = formatHex(buf, at, Math.min(end, at + FAULT_OCTETS_SHOWN));
    this.fault("update-fault", heaviest, { faults, update });
  }

  /** Logs an event unless there were too many of its kind. */
  add(
    id: LogId,
    level: LogEvent["level"],
    nowMs: number,
    message: string,
    fields: LogEvent["fields"] = {},
  ): void {
    if (this.admits(id, nowMs)) this.write(id, level, message, fields);
  }

  /** @param families - for people */
  sessionUp(nowMs: number, { peerAs, holdTimeSeconds }: Negotiated, families: string): void {
    const fields = { as: peerAs, families, holdTimeSeconds };
    this.add("session-up", "info", nowMs, "session established", fields);
  }

  sessionDown(nowMs: number, reason: DownReason, sinceMs: number): void {
    const seconds = Math.round((nowMs - sinceMs) / 1000);
    this.add("session-down", "warn", nowMs, describeDown(reason), { reason: reason.kind, seconds });
  }

  /** Tells how many events were not logged, once their time is over. */
  tick(nowMs: number): void {
    for (const id of this.windows.keys()) this.close(id, nowMs);
  }

  private close(id: LogId, nowMs: number): void {
    const window = this.windows.get(id);
    if (window === undefined || nowMs < window.startMs + WINDOW_MS) return;
    this.windows.delete(id);
    const suppressed = window.count - EVENTS_MAX;
    if (suppressed <= 0) return;
    this.write(id, "warn", `${suppressed} more events of this kind were not logged`, {
      suppressed,
      seconds: Math.round((nowMs - window.startMs) / 1000),
    });
  }
}
