/** What the thread that routes and the thread of the followers say to each other. */

import type { FollowersConfig } from "@ts-bgp/config";
import type { Table } from "@ts-bgp/feeds-codec";

export type FollowersOrder =
  /** Followers are let in by this from now on; null: nobody is. Answered by `configured`. */
  | {
      readonly order: "configure";
      readonly config: FollowersConfig | null;
      /** Version of this program, for people. */
      readonly software: string;
    }
  /** This side is active, and what follows are its routes; the table is asked for. */
  | { readonly order: "begin"; readonly epoch: number; readonly table: Table }
  /** It is active no more. */
  | { readonly order: "end" }
  /** Routes have changed, runs of `feeds-codec`. Octets count against what may be under way. */
  | { readonly order: "routes"; readonly runs: readonly Uint8Array[]; readonly octets: number }
  /** More has changed than could be told: the table is to be asked for again. */
  | { readonly order: "missed" }
  /** A piece of the table, likewise; null at its end. */
  | { readonly order: "walked"; readonly octets: Uint8Array | null }
  | { readonly order: "stop" };

export type FollowersReport =
  | { readonly report: "configured"; readonly problem: string | null }
  /** Routes were taken in. */
  | { readonly report: "taken"; readonly octets: number }
  /** The next piece of the table is wanted; the first one begins it. */
  | { readonly report: "walk"; readonly isFirst: boolean }
  | { readonly report: "shown"; readonly shown: ShownFollowers }
  | { readonly report: "say"; readonly level: "info" | "warn"; readonly message: string };

/** Those who follow, as they are shown. */
export interface ShownFollowers {
  /** Routes in the table that they are told of; 0 on a standby. */
  routes: number;
  /** The table has all that is used. */
  complete: boolean;
  /** Octets of the table. */
  octets: number;
  followers: ShownFollower[];
}

export interface ShownFollower {
  name: string;
  software: string;
  /** Milliseconds since 1970. */
  since_ms: number;
  /** `silent`: it listens to another server. `copying`: it has not been told all yet. */
  state: "silent" | "copying" | "up to date" | "behind";
  /** Changes that it has not been told. */
  lag: number;
  told: number;
  brackets: number;
}

export const NO_FOLLOWERS: ShownFollowers = {
  routes: 0,
  complete: false,
  octets: 0,
  followers: [],
};
