/** What a side of a pair is given. */

import type { Config, NsrConfig } from "@ts-bgp/config";
import type { Bfd, Crash, Held, LogEvent } from "@ts-bgp/speaker";
import type { Arbiter } from "./arbiter.ts";

export interface PairOptions {
  /** With a section `nsr`. */
  readonly config: Config;
  readonly name: string;
  readonly software: string;
  readonly arbiter: Arbiter;
  readonly bfd: Bfd;
  readonly log: (event: LogEvent) => void;
  /** What this side notes of what it reads; null where that cannot be. */
  readonly crash: () => Crash | null;
  /** Who is held down, for a side that begins with nothing. */
  readonly held: Held;
  /** @returns the file with the notes of another side, null when that is on another host */
  readonly crashFile: (side: string) => string | null;
  /** This side has another role now. */
  readonly changed: () => void;
  /** This side is not to be the active one, for the time being. */
  readonly waits: () => void;
}

/** @returns the section `nsr` without this side: a file that is for all sides names each of them */
export function nsrOf({ config, name }: PairOptions): NsrConfig {
  const nsr = config.nsr!;
  return { ...nsr, peers: nsr.peers.filter((peer) => peer.name !== name) };
}
