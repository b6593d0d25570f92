/** What the control socket can be asked of feeds: BMP stations and MRT files. */

import { compressionOf, type DumpRequest, type DumpResult, type Feeds } from "@ts-bgp/feeds";
import type { Router } from "@ts-bgp/router";
import { ControlError } from "./control.ts";

/** A BMP station. */
export interface ShownFeedStation {
  name: string;
  state: "waiting" | "connecting" | "up";
  /** Milliseconds since 1970; null when it is not up. */
  since_ms: number | null;
  /** It has been told all that there was when its session began. */
  complete: boolean;
  messages: number;
  octets: number;
  queued_octets: number;
  /** Memory that these take. */
  held_octets: number;
  /** Sessions that were begun, and those that were ended since the station was too slow. */
  sessions: number;
  missed: number;
  problem: string | null;
}

/** MRT files. */
export interface ShownFeedFiles {
  dir: string;
  last_dump: string | null;
  last_updates: string | null;
  files: number;
  messages: number;
  /** Messages that were not written. */
  missed: number;
  problem: string | null;
}

/** Empty on a standby: the active side tells. */
export interface ShownFeeds {
  stations: ShownFeedStation[];
  mrt: ShownFeedFiles | null;
}

/** Of all feeds, for `show status`; null when there are none. */
export interface ShownFeedStatus {
  stations: number;
  up: number;
  /** Those that are not up, and files that cannot be written. */
  problems: number;
}

export function showFeeds({ stations, mrt }: Feeds): ShownFeeds {
  return {
    stations: stations.map((station) => ({
      name: station.name,
      state: station.state,
      since_ms: station.sinceMs === null ? null : Math.round(station.sinceMs),
      complete: station.isComplete,
      messages: station.messages,
      octets: station.octets,
      queued_octets: station.queuedOctets,
      held_octets: station.heldOctets,
      sessions: station.sessions,
      missed: station.missed,
      problem: station.problem,
    })),
    mrt:
      mrt === null
        ? null
        : {
            dir: mrt.dir,
            last_dump: mrt.lastDump,
            last_updates: mrt.lastUpdates,
            files: mrt.files,
            messages: mrt.messages,
            missed: mrt.missed,
            problem: mrt.problem,
          },
  };
}

export function showFeedStatus({ stations, mrt }: Feeds): ShownFeedStatus | null {
  if (stations.length === 0 && mrt === null) return null;
  const up = stations.filter(({ state }) => state === "up").length;
  const files = mrt !== null && mrt.problem !== null ? 1 : 0;
  return { stations: stations.length, up, problems: stations.length - up + files };
}

/**
 * Writes routes of a router into a file.
 *
 * @param file - from the root, and not there yet; compressed when its name ends in .gz or .zst
 */
export async function dumpRoutes(
  feeds: Feeds,
  router: Router,
  file: string | null,
  routes: DumpRequest["routes"],
): Promise<DumpResult> {
  if (file === null || !file.startsWith("/")) throw new ControlError("a file is missing");
  try {
    const compress = compressionOf(file);
    return await feeds.dump(router, { file, routes, compress, isTimed: false });
  } catch (error) {
    throw new ControlError((error as Error).message);
  }
}
