/**
 * What the router wants done in the world. A slice of work collects outputs; together with the
 * changes of state it is one bracket, and the shell lets the outputs out when the bracket may.
 */

import type { Observed } from "./observed.ts";

/** Number of a TCP connection, given by the router; positive, never used twice. */
export type ConnectionId = number;

export type Output =
  /** Begin a TCP connection; answered by `connected` or `connectFailed` with the same number. */
  | { readonly do: "connect"; readonly connection: ConnectionId; readonly target: ConnectTarget }
  /**
   * Send octets. Several members of an update group share one buffer: the octets must not be
   * changed, and the buffer's identity tells what is the same.
   */
  | { readonly do: "write"; readonly connection: ConnectionId; readonly octets: Uint8Array }
  /** Close after what was written before has left, within a bound of the shell's choice. */
  | { readonly do: "close"; readonly connection: ConnectionId }
  | { readonly do: "log"; readonly event: LogEvent }
  /** Tell those who observe; there is none of these while nobody does. */
  | { readonly do: "observe"; readonly event: Observed };

/** What peers see of outputs: a standby has to come to the same. The rest it drops. */
export type Effect = Exclude<Output, { readonly do: "log" | "observe" }>;

export function isEffect(output: Output): output is Effect {
  return output.do !== "log" && output.do !== "observe";
}

/** Where and how to connect. */
export interface ConnectTarget {
  /** Address of the neighbor; names it. */
  readonly neighbor: string;
  readonly port: number;
  readonly localAddress: string | null;
}

/** Something an operator may want to know. `id` never changes its meaning. */
export interface LogEvent {
  readonly id: LogId;
  readonly level: "debug" | "info" | "warn" | "error";
  /** Address of the neighbor it is about, null when it is about the speaker. */
  readonly neighbor: string | null;
  readonly message: string;
  /** Further values, JSON-able. */
  readonly fields: Readonly<Record<string, string | number | boolean | null>>;
}

export type LogId =
  | "session-up"
  | "session-down"
  | "connection-closed"
  | "connection-refused"
  | "update-fault"
  | "message-fault"
  | "next-hop-unavailable"
  | "routes-kept"
  | "routes-removed"
  | "max-prefix-warning"
  | "max-prefix-reached"
  | "max-prefix-out"
  | "policy-rule"
  | "refresh"
  | "quarantine"
  | "rpki-source"
  | "rpki-gate"
  | "restart"
  | "graceful-shutdown"
  | "dynamic-neighbor"
  | "bfd-up"
  | "bfd-down"
  | "configured"
  | "operator";

/** Collects outputs in order. */
export class Outputs {
  private list: Output[] = [];

  push(output: Output): void {
    this.list.push(output);
  }

  log(
    id: LogId,
    level: LogEvent["level"],
    neighbor: string | null,
    message: string,
    fields: LogEvent["fields"] = {},
  ): void {
    this.list.push({ do: "log", event: { id, level, neighbor, message, fields } });
  }

  /** Hands over what was collected. */
  take(): Output[] {
    const list = this.list;
    this.list = [];
    return list;
  }
}
