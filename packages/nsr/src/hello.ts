/** What sides say of themselves to each other, and what follows from it. */

import { Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { NsrConfig } from "@ts-bgp/config";
import { type Joining, type RecordOf, STREAM_VERSION } from "@ts-bgp/replication";
import type { Bfd, LogEvent } from "@ts-bgp/speaker";
import type { HeartbeatThread } from "./heartbeats.ts";
import type { LinkThread } from "./link-thread.ts";
import { addressText } from "./links.ts";
import type { Refusals } from "./refusals.ts";
import type { StandbyLog } from "./standby-log.ts";

/** A link must be silent for longer than that: a side that has nothing to do sends something every 100 ms. */
const WAY_MS_MIN = 150;
/** However patient the pair is, another way is tried after so long, since peers wait for what is held up. */
const WAY_MS_MAX = 1000;

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
  /** What it stores as a standby; null where nothing is configured for that. */
  readonly diskLog: StandbyLog | null;
  readonly bfd: Bfd;
  readonly refusals: Refusals;
  /** It lets mirrors follow while it is active. */
  readonly hasMirrors: boolean;
  /** @returns why its host cannot take connections over; null when it can */
  readonly lack: () => Promise<string | null>;
  /** Where it notes what it reads, for its threads; null where that cannot be. */
  readonly notes: () => bigint | null;
  /** @returns how this side has ended before it began, as in the record `hello` */
  readonly ended: () => Pick<Hello, "ends" | "ended">;
  readonly log: (event: LogEvent) => void;
}

export type Hello = RecordOf<"hello">;

/** @returns the address of this end, undefined for a Unix socket */
export function ownAddressOf(stream: Duplex): string | undefined {
  if (!(stream instanceof Socket) || stream.localAddress === undefined) return undefined;
  return addressText({ address: stream.localAddress, port: stream.localPort! });
}

/** @param more - what a standby says besides, see the record */
export function helloOf(
  side: Side,
  role: "active" | "standby",
  epoch: number,
  more: Partial<Pick<Hello, "echo" | "next" | "problem" | "ways" | "stream" | "lacks" | "goesOn">>,
) {
  return {
    ...{ echo: 0, next: 0, problem: "", ways: 0, stream: 0, lacks: 0, goesOn: 0, path: "" },
    version: STREAM_VERSION,
    cluster: side.config.cluster,
    side: side.name,
    epoch,
    role,
    software: side.software,
    build: side.build,
    outputs: Number(side.differed.once),
    numbers: 1,
    process: process.pid,
    ...more,
    ...side.ended(),
  };
}

/** Whether a standby is to be sent what the active puts out, because it may come to something else. */
export function wantsOutputs(build: string, hello: Hello): boolean {
  // One that does not say what it is could not read them.
  return hello.build !== "" && (hello.build !== build || hello.outputs === 1);
}

/** @returns what there is to say of a standby that joins */
export function joiningOf(build: string, hello: Hello): Joining {
  return { wantsOutputs: wantsOutputs(build, hello), needsNames: hello.numbers === 0 };
}

/**
 * @returns for how long a link may be silent before another way is tried: half of the time after which
 *   the standby is given up, but longer than an active that has nothing to do is silent
 */
export function wayPatienceMs({ patienceMs }: NsrConfig): number {
  return Math.min(Math.max(WAY_MS_MIN, patienceMs / 2), WAY_MS_MAX);
}

/** @returns why sides do not belong together, null when they do */
export function mismatch({ cluster, peers }: NsrConfig, name: string, hello: Hello): string | null {
  if (hello.cluster !== cluster) return `this is cluster "${cluster}", not "${hello.cluster}"`;
  if (hello.role === "mirror") return `${hello.side} is a mirror, which has no part in a pair`;
  if (hello.side === name) return `both sides have the name "${name}"`;
  if (hello.version !== STREAM_VERSION) {
    return `replication stream ${hello.version} is not understood, only ${STREAM_VERSION}`;
  }
  const isKnown = peers.some((peer) => peer.name === null || peer.name === hello.side);
  return isKnown ? null : `${hello.side} is none of the sides that "peers" names`;
}

/** Of a standby that has ended of its own doing: how often, and how. */
export function endsText({ side, ends, ended }: Hello): string {
  const times = ends === 1 ? "once" : `${ends} times in a row`;
  return `${side} has ended ${times} as a standby, by ${ended}`;
}
