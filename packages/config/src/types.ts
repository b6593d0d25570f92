/**
 * The configuration as a value: checked, every default filled in, no secret left to look up. Plain
 * data that can be compared, stored as JSON and sent to a standby.
 */

import type { FamilyName, Lists, Policy, Source } from "@ts-bgp/policy";

export interface Config extends Lists {
  readonly router: RouterConfig;
  /** Addresses to accept connections on. */
  readonly listen: readonly ListenAddress[];
  readonly control: { readonly socket: string };
  /** Where metrics and health are served, null for nowhere. */
  readonly http: ListenAddress | null;
  readonly log: LogConfig;
  /** In the order of the file; addresses are unique. */
  readonly neighbors: readonly NeighborConfig[];
  readonly policies: Readonly<Record<string, Policy>>;
}

export interface RouterConfig {
  readonly as: number;
  /** BGP Identifier, dotted. */
  readonly id: string;
  /** Cluster of a route reflector (RFC 4456), dotted; the BGP Identifier unless given. */
  readonly clusterId: string;
}

export interface ListenAddress {
  readonly address: string;
  readonly port: number;
}

export interface LogConfig {
  readonly level: "trace" | "debug" | "info" | "warn" | "error";
  /** Null for standard output. */
  readonly file: string | null;
}

/** Roles of RFC 9234 section 4.1: what this speaker is to the peer. */
export type RoleName = "provider" | "rs" | "rs-client" | "customer" | "peer";

export interface NeighborConfig extends NeighborOptions {
  /** Canonical text (RFC 5952), with a zone when link-local. Names the neighbor. */
  readonly address: string;
  /** Name of its group, empty when it has none. */
  readonly group: string;
  /** The neighbor's place in the file. */
  readonly source: Source;
}

/** What a neighbor can take from its group and from the defaults. */
export interface NeighborOptions {
  readonly as: number;
  readonly description: string;
  readonly enabled: boolean;
  readonly passive: boolean;
  /** Port to connect to. */
  readonly port: number;
  /** Address to connect from; null for the one that the system chooses. */
  readonly localAddress: string | null;
  /** AS number shown to the neighbor. */
  readonly localAs: number;
  /** 0 or 3..65535 */
  readonly holdTime: number;
  /** Seconds between attempts to connect. */
  readonly connectRetry: number;
  /** At least one. */
  readonly families: readonly FamilyName[];
  readonly routeServerClient: boolean;
  readonly routeReflectorClient: boolean;
  readonly nextHop: "self" | "unchanged";
  /** Names of policies; `accept-all` alone accepts everything, none rejects everything. */
  readonly import: readonly string[];
  readonly export: readonly string[];
  readonly ebgpRequiresPolicy: boolean;
  readonly enforceFirstAs: boolean;
  /** How often the own AS number may stand in a received AS_PATH. */
  readonly allowOwnAs: number;
  /** What to do with AS_SET in AS_PATH (RFC 9774). */
  readonly asSet: "reject" | "accept";
  readonly addPath: AddPathOptions;
  readonly extendedNextHop: boolean;
  readonly extendedMessage: boolean;
  /** Whether routes of a neighbor that restarts gracefully are kept meanwhile (RFC 4724). */
  readonly gracefulRestart: "helper" | "off";
  readonly role: RoleName | "none";
  readonly strictRole: boolean;
  /** TCP MD5 secret in clear, null for none. */
  readonly password: string | null;
  /** GTSM (RFC 5082): the neighbor is at most so many hops away; 0 for off. */
  readonly ttlSecurity: number;
  /** TTL of an eBGP session over several hops; 0 when the neighbor is directly connected. */
  readonly multihop: number;
  readonly maxPrefix: MaxPrefixOptions;
  /** Whether NO_EXPORT and its kin bind this speaker or are only passed on (RFC 1997). */
  readonly honorWellKnownCommunities: boolean;
  /** Route server client: gets the next path when the best is filtered (RFC 7947 section 2.3.1). */
  readonly pathHiding: "mitigate" | "off";
  /** Whether routes learned from one session of an AS go to its other sessions. */
  readonly sendSameAs: boolean;
  readonly keepRejected: boolean;
}

export interface AddPathOptions {
  readonly receive: boolean;
  /** Number of best paths to send; 0 sends without ADD-PATH. */
  readonly send: number | "all";
}

export interface MaxPrefixOptions {
  /** Null for no limit. */
  readonly ipv4Unicast: number | null;
  readonly ipv6Unicast: number | null;
  /**
   * Over the limit: `warn` logs, `block` accepts no further prefix, `restart` ends the session for
   * `restartAfter` seconds, `shutdown` until an operator enables it.
   */
  readonly action: "warn" | "block" | "restart" | "shutdown";
  /** Warn at this share of the limit; 0 for never. */
  readonly warnPercent: number;
  /** Seconds */
  readonly restartAfter: number;
  /** Which prefixes count. */
  readonly count: "received" | "accepted";
}
