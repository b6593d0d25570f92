/**
 * What those are told who observe the speaker: sessions that come up and end, routes that change, and
 * messages. It is said as outputs, which a standby drops, and only where the configuration has somebody who
 * observes: that is the same on both sides of a pair, and so is what the tables do.
 *
 * Routes are told as they are once the decision process has run, so several changes in a slice may be one.
 */

import type { Config } from "@ts-bgp/config";
import type { DownReason } from "@ts-bgp/fsm";
import { newRouteNotes, type PeerRow, type Rib } from "@ts-bgp/rib";
import { isElsewhere } from "./neighbor-directory.ts";

/** A session that is up. Octets must not be changed. */
export interface ObservedSession {
  /** Row of the neighbor: no other has it while routes of this one are there. */
  readonly peer: PeerRow;
  /** Tells sessions of a neighbor apart. */
  readonly connection: number;
  /** Text that names the neighbor, and its group; empty when it has none. */
  readonly neighbor: string;
  readonly group: string;
  readonly as: number;
  readonly identifier: number;
  readonly localAs: number;
  /** 4 or 16 octets. */
  readonly address: Uint8Array;
  readonly localAddress: Uint8Array;
  /** 0 where it is not known. */
  readonly localPort: number;
  readonly remotePort: number;
  readonly sentOpen: Uint8Array;
  readonly receivedOpen: Uint8Array;
  readonly fourOctetAs: boolean;
  /** FAMILY bits, as in what was negotiated. */
  readonly families: number;
  readonly addPathReceive: number;
  readonly addPathSend: number;
  /** Milliseconds since 1970. */
  readonly sinceMs: number;
}

export type Observed =
  | ({ readonly kind: "up" } & ObservedSession)
  | {
      readonly kind: "down";
      readonly peer: PeerRow;
      readonly connection: number;
      readonly atMs: number;
      readonly reason: DownReason;
    }
  /** Runs of `feeds-codec`. */
  | { readonly kind: "routes"; readonly atMs: number; readonly octets: Uint8Array }
  /** An UPDATE of the peer; `malformed`: it was not taken as it came (RFC 7606). */
  | {
      readonly kind: "update";
      readonly peer: PeerRow;
      readonly atMs: number;
      readonly octets: Uint8Array;
      readonly isMalformed: boolean;
    };

/** What of it is wanted. */
export interface Wants {
  readonly sessions: boolean;
  readonly routes: boolean;
  /** Routes that are used, alone. */
  readonly best?: boolean;
  /** Next hops of each of them, at most so many, from the best path and those that are equal; absent for 1. */
  readonly paths?: number;
  /** Neighbors may be on interfaces that their addresses name: those of their next hops are told. */
  readonly interfaces?: boolean;
  /** Routes of this speaker's neighbors that are accepted, alone. */
  readonly accepted?: boolean;
  readonly updates: "all" | "malformed" | "none";
}

/** Those of the BMP tables that routes are noted for; what is sent is seen where it is sent. */
const NOTED: ReadonlySet<string> = new Set(["adj-in-pre", "adj-in-post", "loc-rib", "adj-out-pre"]);

export function wantsOf(config: Config): Wants {
  const { bmp, mrt, followers, cluster } = config;
  const stations = bmp?.stations ?? [];
  const keepsUpdates = mrt !== null && mrt.updatesSeconds > 0;
  const mirrors = stations.some(({ mirrorMalformed }) => mirrorMalformed);
  // The configuration of an older program does not have these.
  const isMember = (cluster ?? null) !== null;
  return {
    sessions: bmp !== null || keepsUpdates || isMember,
    routes: stations.some(({ tables }) => tables.some((table) => NOTED.has(table))),
    best: (followers ?? null) !== null,
    // Nor has it this one.
    paths: followers?.paths ?? 1,
    ...((followers ?? null) !== null && hasInterfaces(config) ? { interfaces: true } : {}),
    accepted: isMember,
    updates: keepsUpdates ? "all" : mirrors ? "malformed" : "none",
  };
}

/** Whether next hops are told in runs of their own, and not as attributes of the best path. */
export function tellsNextHops({ best, paths = 1, interfaces = false }: Wants): boolean {
  return best === true && (paths > 1 || interfaces);
}

/** Whether the address of a neighbor here names its interface, or of one that may come. */
function hasInterfaces({ neighbors, dynamicNeighbors }: Config): boolean {
  return (
    neighbors.some((neighbor) => !isElsewhere(neighbor) && neighbor.address.includes("%")) ||
    dynamicNeighbors.some(({ prefix }) => mayBeLinkLocal(prefix))
  );
}

/** Whether a prefix is in fe80::/10, or has that in it. */
function mayBeLinkLocal(prefix: string): boolean {
  const isIpv6 = prefix.includes(":");
  return isIpv6 && (/^fe[89ab]/i.test(prefix) || Number(prefix.split("/")[1]) < 10);
}

/** Has tables note what changes in them, or no more. */
export function noteRoutesOf(rib: Rib, { routes, best, accepted, paths = 1 }: Wants): void {
  if (!routes && best !== true && accepted !== true) {
    rib.notes = null;
    return;
  }
  rib.notes ??= newRouteNotes();
  rib.notes.bestAlone = !routes && accepted !== true;
  rib.notes.eachDecided = best === true && paths > 1;
}
