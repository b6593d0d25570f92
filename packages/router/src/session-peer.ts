/**
 * A neighbor as its session sees it, and what is decided about its routes: they read it, log and count.
 * What they find that is not theirs to act on they return; the neighbor does what follows.
 */

import type { NeighborConfig } from "@ts-bgp/config";
import type { PeerFacts } from "@ts-bgp/policy";
import type { PeerRow } from "@ts-bgp/rib";
import type { HeardCounts } from "./heard-counts.ts";
import type { MessageCounts } from "./message-counts.ts";
import type { NeighborLog } from "./neighbor-log.ts";
import type { Tables } from "./tables.ts";

export interface SessionPeer {
  readonly row: PeerRow;
  readonly tables: Tables;
  readonly log: NeighborLog;
  /** Messages sent. */
  readonly sent: MessageCounts;
  readonly heard: HeardCounts;
  /** As it is now: another one may come while a session lasts. */
  readonly config: NeighborConfig;
  readonly facts: PeerFacts;
  /** The session that is up; a session compares itself with it. */
  readonly session: object | null;
  /** Ends it, see Neighbor. */
  stop(subcode: number, text: string | null, restartAfterSeconds: number | null): void;
}
