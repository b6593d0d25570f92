/** How following an active ends, and what it can begin with. */

import {
  type Deviation,
  deviationText,
  FormatError,
  type LogReader,
  type Standby,
} from "@ts-bgp/replication";
import type { ConnectionId } from "@ts-bgp/router";
import type { Frozen } from "./frozen.ts";
import type { ThreadLink } from "./link-thread.ts";

/** By which a standby follows, and finds out that the active is gone. */
export const TIMES = {
  /** Longest time from a bracket that was run to its acknowledgement. */
  appliedMs: 2,
  /** Brackets are run for so long before the link has its turn. */
  workMs: 4,
  /** So often the arbiter is asked what has become of an active that is silent. */
  askMs: 20,
  lookMs: 50,
  /** From this on, and so often, the arbiter is asked of an active of which nothing comes. */
  stoppedMs: 500,
  stoppedLookMs: 250,
  /** An active that runs sends brackets several times a second, but may be at its image for long. */
  linkSilentMs: 4000,
  /** An active that runs has so long, beside its patience, to take the standby's right back. */
  undeclareMs: 500,
} as const;

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

/** What a side has that begins to follow; both null when it is to be sent everything. */
export interface Had {
  readonly before: Before | null;
  /** What was read from its log, of an active that may run still. */
  readonly read: LogReader | null;
}

/** @returns how a standby says of itself that it differs */
export function ownDeviationText(deviation: Deviation): string {
  const text = deviationText(deviation) || "this side differs no more";
  return deviation.what === "" ? text : `this side differs in ${text}`;
}

/**
 * Takes what the active says. What is broken there ends the link; anything else that is thrown is a fault of
 * this program, which the next image would set off again, and ends the process.
 */
export function heeding(take: () => void): void {
  try {
    take();
  } catch (error) {
    if (!(error instanceof FormatError)) {
      setImmediate(() => {
        throw error;
      });
    }
    throw error;
  }
}
