/** What a mirror is given to follow somebody, and what it shows of that. */

import type { MirrorConfig } from "@ts-bgp/config";
import type { LogEvent } from "@ts-bgp/speaker";
import type { Mirrored } from "./mirror-server.ts";

/** What is followed, for people. */
export interface ShownFollowing {
  cluster: string;
  /** Name of the side or mirror that is followed, or was last; empty before there was one. */
  side: string;
  /** Names of all from the active side to this mirror, which is the last; empty before anybody was followed. */
  path: readonly string[];
  /** The server's address; empty while there is no link. */
  over: string;
  state: "looking" | "joining" | "following";
  /** When it was last another state. */
  since_ms: number;
  /** How old what is shown is, at most; null when nothing is. */
  age_ms: number | null;
  /** Why nobody is followed, here or by the mirror that is; empty when somebody is. */
  reason: string;
  /** Brackets and octets that have come and are not run. */
  behind: { brackets: number; octets: number };
  /** States that have come, each of them whole. */
  states: number;
}

export interface FollowerOptions {
  readonly config: MirrorConfig["follow"];
  readonly software: string;
  readonly log: (event: LogEvent) => void;
  /** What is shown is of another machine, or there is none. */
  readonly changed: () => void;
  /** What is shown is as it was at this time, by `nowMs`; called twice a second or so. */
  readonly seen: (atMs: number) => void;
  /** Told what other mirrors can follow here, null for nothing; absent where none may. */
  readonly relayed?: (mirrored: Mirrored | null) => void;
  /** Octets that a state has at most; as the memory allows when absent. */
  readonly imageOctetsMax?: number;
}
