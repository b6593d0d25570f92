/** What a speaker needs of whoever has its connections be taken over. */

import type { ActiveHooks } from "@ts-bgp/replication";
import type { ConnectionId } from "@ts-bgp/router";

/** What keeps connections in step with a standby; see `Protector`. */
export interface Protection {
  /** Whether connections can be taken over at all. */
  readonly canProtect: boolean;
  /** @returns what has to be known of a new connection to take it over; null when it cannot be */
  opened(id: ConnectionId, fd: number): unknown;
  /** The speaker is about to end a connection. */
  closing(id: ConnectionId): void;
  /** @returns octets that the peer has acknowledged, in all */
  acknowledgedOctets(id: ConnectionId): number;
  /** Lets out what was released since the last time. */
  wake(): void;
  readonly hooks: Pick<
    ActiveHooks,
    | "send"
    | "hasRoom"
    | "acknowledge"
    | "gone"
    | "closeGate"
    | "openGate"
    | "declare"
    | "undeclare"
    | "drop"
  >;
}

/** Of a speaker that nobody takes over from. */
export const UNPROTECTED: Protection["hooks"] = {
  send() {},
  acknowledge() {},
  gone() {},
  closeGate: () => new Map(),
  openGate() {},
  declare: async () => false,
  undeclare: async () => true,
  drop() {},
};
