/** Parts of the configuration as a value: routes that it has, and what bounds those of neighbors. */

import type { FamilyName, OriginName } from "@ts-bgp/policy";

/** A route that the speaker originates. */
export interface StaticRoute {
  /** In canonical form. */
  readonly prefix: string;
  /** In canonical text, of the prefix's family, or IPv6 (RFC 8950). */
  readonly nextHop: string;
  readonly origin: OriginName;
  /** Behind the own AS number. */
  readonly asPath: readonly number[];
  /** Null for none. */
  readonly med: number | null;
  readonly localPref: number;
  /** Numbers in canonical text, each once. */
  readonly communities: readonly string[];
  readonly largeCommunities: readonly string[];
  readonly extendedCommunities: readonly string[];
}

/** Which routes of the host's kernel the speaker originates. */
export interface KernelConfig {
  /** Number of the kernel's table. */
  readonly table: number;
  /** Numbers of rtnetlink(7), ascending, each once; at least one, and never that of BGP. */
  readonly protocols: readonly number[];
  /** Names of policies that routes go through, at least one; `accept-all` alone accepts everything. */
  readonly import: readonly string[];
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

/** On what the neighbor is sent. */
export interface MaxPrefixOutOptions {
  /** Routes; null for no limit. */
  readonly ipv4Unicast: number | null;
  readonly ipv6Unicast: number | null;
  /**
   * As of `MaxPrefixOptions`; `block` sends no further route. Those that are sent stay, and where one of
   * them goes another one comes.
   */
  readonly action: MaxPrefixOptions["action"];
  /** Seconds */
  readonly restartAfter: number;
}

/** Attributes by type, in ascending order, that are not looked at when messages are read. */
export interface PathAttributeOptions {
  readonly discard: readonly number[];
  readonly treatAsWithdraw: readonly number[];
}

/** Names of capabilities, and address families that both sides must carry. */
export type RequiredCapability =
  | FamilyName
  | "four-octet-as"
  | "route-refresh"
  | "enhanced-route-refresh"
  | "extended-message"
  | "extended-next-hop"
  | "add-path"
  | "graceful-restart"
  | "long-lived-graceful-restart";
