/** What a speaker is told at its beginning, and how loud it says what. */

import type { ActiveEvent, Estate } from "@ts-bgp/replication";
import type { LogEvent } from "./log-event.ts";
import type { Protection } from "./protection.ts";

/** How much an operator should mind. */
export const LEVELS: Readonly<Record<ActiveEvent, LogEvent["level"]>> = {
  "standby-joining": "info",
  "standby-ready": "info",
  "standby-lost": "warn",
  "standby-differs": "error",
  "standby-deviates": "warn",
  "standby-slow": "warn",
  fenced: "error",
};

export interface SpeakerOptions {
  readonly log: (event: LogEvent) => void;
  /** With which the connections can be taken over; null when there is nobody to. */
  readonly protection?: Protection | null;
  readonly epoch?: number;
  readonly patienceMs?: number;
  readonly estate?: Estate | null;
  /** See `ActiveOptions`. */
  readonly recentOctets?: number;
  readonly stream?: number;
  /** What the router's clock is ahead of this host's. */
  readonly clockOffsetMs?: number;
  /** Whether something may be let out at this instant. */
  readonly isHeld?: () => boolean;
}
