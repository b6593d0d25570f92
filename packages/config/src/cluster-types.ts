/** Speakers that have the sessions of one route server between them. */

import type { LinkAddress, NsrTls } from "./types.ts";

export interface ClusterConfig {
  /** What certificates of members are for. */
  readonly name: string;
  /** Which member this speaker is. */
  readonly self: string;
  /** Where this process is followed by the others. */
  readonly listen: LinkAddress;
  /** The others, in the order of the file. */
  readonly members: readonly ClusterMember[];
  /** So long the routes of a member stay that is not there. */
  readonly holdSeconds: number;
  /** Null where all links are Unix sockets. */
  readonly tls: NsrTls | null;
}

export interface ClusterMember {
  readonly name: string;
  /** Where it is followed: of a pair, each of its sides. */
  readonly links: readonly LinkAddress[];
}
