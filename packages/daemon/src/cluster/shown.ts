/** What `show cluster` answers. */

export interface ShownCluster {
  /** Which member this speaker is; null where the configuration has no cluster. */
  self: string | null;
  /** Where the others are from; null likewise. */
  membership: ShownMembership | null;
  /**
   * Connections of clients that came to another member than theirs, given by this one and taken of others; null where members
   * do not share an address.
   */
  clients: { given: number; taken: number } | null;
  /** The others. */
  members: ShownMember[];
  /** Processes that follow this one. */
  followers: ShownTeller[];
}

export interface ShownMembership {
  by: "file" | "etcd";
  /** The key of this process, and whether it is there as far as this process can know; null with a file. */
  entry: string | null;
  has_entry: boolean | null;
  /** Milliseconds since 1970 when the list was read last; null before that, and with a file. */
  read_ms: number | null;
  /** What is wrong, for people. */
  problems: string[];
}

export interface ShownMember {
  name: string;
  /** The file or the list in etcd says where it is. */
  listed: boolean;
  /** `away`: none of its links has an active side; `copying`: it has not told all yet. */
  state: "away" | "copying" | "up to date";
  /** Where it is followed; null while it is away. */
  source: string | null;
  /** Milliseconds since 1970 since when it is away; null while it is not. */
  away_since_ms: number | null;
  /** When its routes go unless it comes back; null while it is there, or when they are gone. */
  keep_until_ms: number | null;
  /** Its neighbors, by the configuration of this speaker, and their routes here. */
  neighbors: number;
  routes: number;
  /** Runs of routes that it told of which less was taken since this process follows it, and why of the last one. */
  faulty_runs: number;
  last_fault: string | null;
  links: { address: string; problem: string | null }[];
}

export interface ShownTeller {
  /** The member that follows. */
  name: string;
  software: string;
  since_ms: number;
  /** `silent`: it listens to another side; `behind`: it takes too little, and is told all again when it does. */
  state: "silent" | "copying" | "up to date" | "behind";
}

/** A member of the cluster that does not answer, as `ask-cluster` says it. */
export interface SilentMember {
  member: string;
  problem: string;
  /** See `ShownMember`. */
  away_since_ms: number | null;
}

/** One item of an answer, with the member that says it. */
export interface OfMember<T> {
  member: string;
  item: T;
}

export const NO_CLUSTER: ShownCluster = {
  self: null,
  membership: null,
  clients: null,
  members: [],
  followers: [],
};
