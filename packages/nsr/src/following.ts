/** How following an active ends, and what it can begin with. */

import type { Standby } from "@ts-bgp/replication";
import type { ConnectionId } from "@ts-bgp/router";
import type { Frozen } from "./frozen.ts";
import type { ThreadLink } from "./link-thread.ts";

/** How following an active came to its end. */
export type FollowEnd =
  /** The active has given its role away. */
  | {
      readonly kind: "handover";
      readonly number: number;
      readonly frozen: ReadonlyMap<ConnectionId, Frozen>;
      readonly link: ThreadLink;
    }
  /** The active is gone or silent; `mayTakeOver` when this side has all, if the arbiter lets it. */
  | { readonly kind: "lost"; readonly cause: string; readonly mayTakeOver: boolean };

/** What a standby has of an active that another standby has taken over from. */
export interface Before {
  readonly standby: Standby;
  /** Of that active, and when something was last heard of it. */
  readonly epoch: number;
  readonly heardMs: number;
}
