/** Graceful restart and its long-lived kin in a neighbor's options: filled in, and checked together. */

import type {
  FileFamilySeconds,
  FileGracefulRestart,
  FileLongLived,
  FileOptions,
} from "./file-shape.ts";
import type { FamilySeconds, NeighborConfig, NeighborOptions } from "./types.ts";

/** Seconds: the longest times that the capabilities can tell (RFC 4724 section 3, RFC 9494 section 3.1). */
const RESTART_TIME_MAX = 4095;
const STALE_TIME_MAX = 0xffffff;
const RESTART_TIME = 120;
const DEFER_LIMIT = 120;

/** @returns what a neighbor has of these, defaults filled in */
export function restartOptions(
  restart: FileGracefulRestart,
  longLived: FileLongLived,
): Pick<NeighborOptions, "gracefulRestart" | "ownRestart" | "longLivedGracefulRestart"> {
  const mode = restart.mode ?? "helper";
  return {
    gracefulRestart: { mode, restartTimeMax: restart["restart-time-max"] ?? RESTART_TIME_MAX },
    ownRestart: {
      time: restart["restart-time"] ?? RESTART_TIME,
      notification: restart.notification ?? mode === "full",
      deferSeconds: restart["defer-limit"] ?? DEFER_LIMIT,
    },
    longLivedGracefulRestart: {
      mode: longLived.mode ?? "off",
      staleTime: familySeconds(longLived["stale-time"], 0),
      staleTimeMax: familySeconds(longLived["stale-time-max"], STALE_TIME_MAX),
      partial: longLived.partial ?? false,
    },
  };
}

function familySeconds(value: FileFamilySeconds | undefined, absent: number): FamilySeconds {
  if (value === undefined) return { ipv4Unicast: absent, ipv6Unicast: absent };
  if (typeof value === "number") return { ipv4Unicast: value, ipv6Unicast: value };
  // Whoever names one family means that one (RFC 9494 section 5).
  return { ipv4Unicast: value["ipv4-unicast"] ?? 0, ipv6Unicast: value["ipv6-unicast"] ?? 0 };
}

/** What does not go together; `add` notes a mistake at an option. */
export function checkRestart(
  { gracefulRestart, longLivedGracefulRestart, families }: NeighborConfig,
  external: boolean,
  add: (key: keyof FileOptions, message: string) => void,
): void {
  const { mode, staleTime, partial } = longLivedGracefulRestart;
  const key = "long-lived-graceful-restart";
  if (mode !== "off" && gracefulRestart.mode === "off") {
    add(key, "it goes on where graceful restart ends, and that is off (RFC 9494 section 4.1)");
  } else if (mode === "full" && gracefulRestart.mode !== "full") {
    add(key, '"full" needs "graceful-restart: full" as well');
  }
  const times = families.map((name) =>
    name === "ipv4-unicast" ? staleTime.ipv4Unicast : staleTime.ipv6Unicast,
  );
  if (mode === "full" && times.every((seconds) => seconds === 0)) {
    add(key, '"full" needs a "stale-time": for how long the neighbor is to keep routes');
  }
  if (partial && external) {
    add(key, '"partial" is for internal neighbors (RFC 9494 section 4.6)');
  }
}
