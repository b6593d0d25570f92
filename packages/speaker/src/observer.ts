/** Who observes a speaker: what it is told costs no more than it wants. */

import type { ConnectionId, Observed } from "@ts-bgp/router";

export interface Observer {
  /** Whether `wrote` is to be called. */
  readonly wantsWrites: boolean;
  event(event: Observed): void;
  /** Octets were written to a connection: whole messages, which must not be changed. */
  wrote(connection: ConnectionId, octets: Uint8Array): void;
}
