/**
 * Policies as values: what the configuration says, checked, with every default filled in.
 *
 * Plain data that can be sent to another process. Patterns stay text in the operator's notation
 * ("65500:*", "10.0.0.0/8 le 24"); `Policies` compiles them.
 */

import type { AsEntries, PrefixEntries } from "./packed-lists.ts";
import type { RejectReason } from "./reject-reasons.ts";

/** Where something stands in the operator's files. */
export interface Source {
  readonly file: string;
  /** 1 is the first line. */
  readonly line: number;
}

/** Both ends belong to the range; an absent end is open. */
export interface Range {
  readonly min?: number;
  readonly max?: number;
}

export type FamilyName = "ipv4-unicast" | "ipv6-unicast";
export type OriginName = "igp" | "egp" | "incomplete";
export type PathStateName = "valid" | "unknown" | "invalid";
export type OriginStateName = "valid" | "not-found" | "invalid";
/** How the speaker learned a route: of an external or an internal neighbor, of its own configuration, of the kernel. */
export type RouteType = "ebgp" | "ibgp" | "static" | "kernel";

/** An AS number in decimal, the name of an AS list, `$peer-as`, `$local-as`, or values of a neighbor. */
export type AsTerm = string;
/** The name of a prefix list, or an entry: `PREFIX [ge N] [le N]`. */
export type PrefixTerm = string;
/**
 * The name of a community list, a well-known name, or a pattern: fields joined by colons, each a
 * number, ranges of them ("1-99,200"), `*`, `$peer-as`, `$local-as` or a value of the neighbor;
 * extended communities have their kind in front ("rt:").
 */
export type CommunityTerm = string;

/** About the neighbor that a route was learned from. */
export interface SourceTest {
  readonly as?: readonly AsTerm[];
  /** Its address or group. */
  readonly peer?: readonly string[];
  /** Of each name it has one of these values, or of those that the peer has: `$name`. */
  readonly vars?: Readonly<Record<string, readonly string[]>>;
}

/** A route satisfies the test when one of `anyOf`, and each of `allOf`, matches a community. */
export interface CommunityTest {
  readonly anyOf?: readonly CommunityTerm[];
  readonly allOf?: readonly CommunityTerm[];
  /** How many communities of the kind there are. */
  readonly count?: Range;
}

export interface AsPathTest {
  /** AS at the left, the neighboring one. A path that is empty or starts with a set has none. */
  readonly first?: readonly AsTerm[];
  /** AS at the right. An empty path, or one that ends with a set, has none. */
  readonly origin?: readonly AsTerm[];
  /** At least one of these ASes is in the path, inside sets too. */
  readonly contains?: readonly AsTerm[];
  /** The same behind the first AS and its repetitions. */
  readonly behindFirst?: readonly AsTerm[];
  /** The same in front of the last AS and its repetitions. */
  readonly beforeOrigin?: readonly AsTerm[];
  /** As RFC 4271 section 9.1.2.2 a counts: a set is one. */
  readonly length?: Range;
  /** See `compileAsPathRegex`. */
  readonly regex?: string;
}

/**
 * A route satisfies the conditions when it satisfies all that are there: always when none is.
 * Where a condition is a list, one of its entries suffices.
 */
export interface Conditions {
  readonly prefix?: readonly PrefixTerm[];
  readonly prefixLength?: Range;
  readonly family?: FamilyName;
  readonly asPath?: AsPathTest;
  /** AS of the peer on whose session the policy is. */
  readonly neighborAs?: readonly AsTerm[];
  /** Address or group of the peer on whose session the policy is. */
  readonly peer?: readonly string[];
  readonly community?: CommunityTest;
  readonly largeCommunity?: CommunityTest;
  readonly extendedCommunity?: CommunityTest;
  readonly source?: SourceTest;
  /** Names of route lists: prefix and origin AS of the route are a pair in one of them. */
  readonly route?: readonly string[];
  /** Communities of all three kinds together. */
  readonly communityCount?: Range;
  /**
   * `peer-address`, `same-as` (an address of any session of the peer's AS), address, prefix, or name of
   * a prefix list.
   */
  readonly nextHop?: readonly string[];
  /** A route without LOCAL_PREF has 100. */
  readonly localPref?: Range;
  /** A route without MED satisfies only `none`. */
  readonly med?: Range | "none";
  readonly origin?: readonly OriginName[];
  /**
   * What origin validation says of the route as the policy was given it (RFC 6811): for import policies,
   * which are asked again when it says something else.
   */
  readonly rpki?: readonly OriginStateName[];
  /** What ASPAs say of its path, by what this speaker is to the peer; likewise. */
  readonly aspa?: readonly PathStateName[];
  /** Of the session that the route was learned on. */
  readonly routeType?: readonly RouteType[];
  /** Satisfied when all of these are. */
  readonly all?: readonly Conditions[];
  /** Satisfied when one of these is. */
  readonly any?: readonly Conditions[];
  /** Satisfied unless all that it has are. */
  readonly not?: Conditions;
}

/** Done in the order set, remove, add. A set or added community has no wildcard. */
export interface CommunityChange {
  readonly set?: readonly CommunityTerm[];
  readonly remove?: readonly CommunityTerm[];
  readonly add?: readonly CommunityTerm[];
}

export interface Prepend {
  /** A number, `$local-as`, `$peer-as`, or `first`: the AS that is at the left already. */
  readonly as: string;
  /** 1..64 */
  readonly count: number;
}

/** Done in this order. */
export interface AsPathChange {
  /** Private AS numbers (RFC 6996) are taken out, wherever they stand. */
  readonly removePrivate?: true;
  /** These ASes are replaced by the own one. */
  readonly replace?: readonly AsTerm[];
}

/** What a rule changes in a route; later rules see the change. `$name` is a value of the neighbor. */
export interface Modifications {
  /** `add` and `subtract` stop at 4294967295 and 0. */
  readonly localPref?:
    | { readonly set: number | string }
    | { readonly add: number }
    | { readonly subtract: number };
  readonly med?: number | string | { readonly add: number } | { readonly subtract: number };
  readonly origin?: OriginName;
  /** `self`, `peer-address`, `unchanged` (in place of what the session would do), or an address. */
  readonly nextHop?: string;
  readonly community?: CommunityChange;
  readonly largeCommunity?: CommunityChange;
  readonly extendedCommunity?: CommunityChange;
  /** Before anything is prepended. */
  readonly asPath?: AsPathChange;
  readonly prepend?: Prepend;
  /** Attributes taken out, by type; never the mandatory ones. */
  readonly removeAttributes?: readonly number[];
}

/**
 * The verdict on a route, `next` to go on with the following rule, or `return` to go on with the
 * following policy of the chain.
 */
export type Action = "accept" | "reject" | "next" | "return";

export interface Rule {
  /** Unique in its policy. */
  readonly name: string;
  readonly source: Source;
  readonly if: Conditions;
  /** Of a rule that rejects: seen where rejected routes are shown, and nowhere else. */
  readonly set: Modifications;
  readonly action: Action;
  /** Routes from a peer that the rule matches are logged, as many as a bounded log takes. */
  readonly log?: true;
  /** Of a rule that rejects: what kind of reason it is; absent for none of these. */
  readonly why?: RejectReason;
}

export interface Policy {
  readonly name: string;
  readonly source: Source;
  /** Tried in order; the first that accepts or rejects a route decides. */
  readonly rules: readonly Rule[];
  /** For a route that no rule decided: `next` leaves it to the following policy of the chain. */
  readonly default: Exclude<Action, "return">;
}

/** Named lists, shared by all policies. */
export interface Lists {
  /** Entries as of `PREFIX [ge N] [le N]`. */
  readonly prefixLists: Readonly<Record<string, PrefixEntries>>;
  /** Entries as of `N` or `N-N`. */
  readonly asLists: Readonly<Record<string, AsEntries>>;
  /** Entries `PREFIX [ge N] [le N] AS`; absent for none. */
  readonly routeLists?: Readonly<Record<string, readonly string[]>>;
  /** Entries are patterns of one kind of community. */
  readonly communityLists: Readonly<Record<string, readonly string[]>>;
}

/** Name of the policy that accepts every route unchanged; it needs no definition. */
export const ACCEPT_ALL = "accept-all";
