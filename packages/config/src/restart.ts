/** Graceful restart and its long-lived kin in a neighbor's options: filled in, and checked together. */

import type { Checker } from "./checker.ts";
import type {
  FileFamilySeconds,
  FileGracefulRestart,
  FileLongLived,
  FileOptions,
  FileShape,
} from "./file-shape.ts";
import type {
  DynamicNeighbors,
  FamilySeconds,
  NeighborConfig,
  NeighborOptions,
  RpkiConfig,
} from "./types.ts";

/** Seconds: the longest times that the capabilities can tell (RFC 4724 section 3, RFC 9494 section 3.1). */
const RESTART_TIME_MAX = 4095;
const STALE_TIME_MAX = 0xffffff;
const RESTART_TIME = 120;
const DEFER_LIMIT = 120;
/** So long speakers keep routes of a neighbor that is back, and of which they hear nothing; some for 360 s. */
const PATIENCE_SECONDS = 300;

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

/** Warns when peers would drop the routes that they kept before they are sent any after a start. */
export function warnOfLongWait(
  shape: FileShape,
  neighbors: readonly NeighborConfig[],
  ranges: readonly DynamicNeighbors[],
  rpki: RpkiConfig | null,
  checker: Checker,
): void {
  const enabled = neighbors.filter((neighbor) => neighbor.enabled);
  if (!enabled.some(({ gracefulRestart }) => gracefulRestart.mode === "full")) return;
  const hasSources = rpki !== null && rpki.caches.length + rpki.files.length > 0;
  const startSeconds = hasSources ? rpki.startLimitSeconds : 0;
  const waits = [...enabled, ...ranges.map(({ options }) => options)]
    .filter(({ gracefulRestart }) => gracefulRestart.mode !== "off")
    .map(({ ownRestart }) => ownRestart.deferSeconds)
    .filter((seconds) => startSeconds + seconds > PATIENCE_SECONDS);
  const { yaml } = checker;
  const warn = (at: number, seconds: number) => {
    const parts = `"start-limit" of ${startSeconds} s, then "defer-limit" of ${seconds} s`;
    const sum = hasSources ? `${startSeconds + seconds} s (${parts})` : `${seconds} s`;
    const message = `after a start, peers are sent no routes for up to ${sum}`;
    checker.warn(at, `${message}, and many drop those that they kept after ${PATIENCE_SECONDS} s`);
  };
  const sections: readonly FileOptions[] = [
    ...(shape.neighbors ?? []),
    ...(shape["dynamic-neighbors"] ?? []),
    ...Object.values(shape.groups ?? {}),
    shape.defaults ?? {},
  ];
  for (const seconds of new Set(waits)) {
    const written = sections
      .map((section) => section["graceful-restart"])
      .filter((value) => typeof value === "object" && value["defer-limit"] === seconds);
    for (const value of written) warn(yaml.valueAt(value as object, "defer-limit"), seconds);
    // The default alone is not too long.
    if (written.length === 0) warn(yaml.valueAt(shape.rpki!, "start-limit"), seconds);
  }
}
