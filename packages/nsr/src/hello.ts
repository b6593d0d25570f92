/** What sides say of themselves, and what follows from it. */

import type { NsrConfig } from "@ts-bgp/config";
import { type RecordOf, STREAM_VERSION } from "@ts-bgp/replication";
import type { LogEvent } from "@ts-bgp/speaker";
import type { HeartbeatThread } from "./heartbeats.ts";
import type { LinkThread } from "./link-thread.ts";
import type { Refusals } from "./refusals.ts";

/** What both sides say of themselves. */
export interface Side {
  readonly config: NsrConfig;
  readonly name: string;
  readonly software: string;
  /** See `programDigest`. */
  readonly build: string;
  /** A standby here has differed: from then on it asks for what the active puts out. */
  readonly differed: { once: boolean };
  readonly heartbeats: HeartbeatThread;
  readonly links: LinkThread;
  readonly refusals: Refusals;
  /** @returns why its host cannot take connections over; null when it can */
  readonly lack: () => Promise<string | null>;
  /** Where it notes what it reads, for its threads; null where that cannot be. */
  readonly notes: () => bigint | null;
  /** @returns how this side has ended before it began, as in the record `hello` */
  readonly ended: () => Pick<Hello, "ends" | "ended">;
  readonly log: (event: LogEvent) => void;
}

export type Hello = RecordOf<"hello">;

/** @param standby - what a standby says besides, see the record */
export function helloOf(
  side: Side,
  role: "active" | "standby",
  epoch: number,
  standby = { echo: 0, next: 0, problem: "" },
) {
  return {
    version: STREAM_VERSION,
    cluster: side.config.cluster,
    side: side.name,
    epoch,
    role,
    software: side.software,
    build: side.build,
    outputs: Number(side.differed.once),
    process: process.pid,
    ...standby,
    ...side.ended(),
    ways: role === "standby" ? side.config.peers.length : 0,
  };
}

/** Whether a standby is to be sent what the active puts out, because it may come to something else. */
export function wantsOutputs(build: string, hello: Hello): boolean {
  // One that does not say what it is could not read them.
  return hello.build !== "" && (hello.build !== build || hello.outputs === 1);
}
