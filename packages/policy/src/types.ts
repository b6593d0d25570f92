/** What a filter is given and what it answers. */

import type { Family } from "@ts-bgp/wire-codec";
import type { Action, RouteType, Source } from "./values.ts";
import type { Vars } from "./vars.ts";

/** Row of an attribute set; 0 is none. */
export type AttrId = number;

/**
 * The store of attribute sets as far as filters use it: canonical octets by id, references counted.
 */
export interface AttributeSets {
  /** @returns the page that holds the octets of a set, valid while the set is held */
  bytesOf(id: AttrId): Uint8Array;
  offsetOf(id: AttrId): number;
  lengthOf(id: AttrId): number;
  /** @returns a number that no other set has had under this id; another one once the set is gone */
  serialOf(id: AttrId): number;
  /** Finds or stores a set and counts one reference for the caller. */
  intern(buf: Uint8Array, at: number, end: number): AttrId;
  hold(id: AttrId): void;
  release(id: AttrId): void;
}

/** Validation of origins and paths as far as filters use it; see `Validation` in the rpki package. */
export interface Origins {
  /**
   * @param origin - the AS that the path ends with, 0 when there is no such one
   * @returns 0 valid, 1 not found, 2 invalid
   */
  stateOf(
    isWide: boolean,
    w0: number,
    w1: number,
    w2: number,
    w3: number,
    bits: number,
    origin: number,
  ): number;
  /**
   * @param buf - with the value of AS_PATH at `[at, end)`, 4-octet AS numbers
   * @param isDownstream - the route came from a provider
   * @param neighborAs - that the path must begin with; 0 when it need not
   * @returns 0 valid, 1 unknown, 2 invalid
   */
  pathStateOf(
    buf: Uint8Array,
    at: number,
    end: number,
    isDownstream: boolean,
    neighborAs: number,
  ): number;
}

/**
 * What policies may ask about a peer. Never changed: other facts are another object with another
 * number.
 */
export interface PeerFacts {
  /** Number of the peer, unique while the filters live; 0 for the speaker itself. */
  readonly number: number;
  readonly as: number;
  /** Own AS number towards the peer. */
  readonly localAs: number;
  /** What routes from this peer are. */
  readonly routeType: RouteType;
  /** What this speaker is to the peer (RFC 9234), null when that is not configured. */
  readonly role: "provider" | "rs" | "rs-client" | "customer" | "peer" | null;
  /** Name of the peer's group in the configuration, empty when it has none. */
  readonly group: string;
  /** In canonical text (RFC 5952). */
  readonly address: string;
  /** 4 or 16 octets. */
  readonly addressOctets: Uint8Array;
  /** Addresses of all sessions of the peer's AS, its own among them. */
  readonly sameAsAddresses: readonly Uint8Array[];
  /** Own addresses towards the peer, for `next-hop: self`: 4 octets, 16 (or 32) octets. */
  readonly localAddress4: Uint8Array | null;
  readonly localAddress6: Uint8Array | null;
  /** Values that policies ask for by `$name`; absent for none. */
  readonly vars?: Vars;
  /** Those of all sessions of the peer's AS, its own among them; absent when they are the same. */
  readonly sameAsVars?: readonly Vars[];
  /**
   * True: stands for all peers with an equal `Filter.groupKey`, except those whose AS the verdict
   * lists in `exceptions`.
   */
  readonly anyPeer: boolean;
}

export interface LoggedRule {
  readonly policy: string;
  readonly rule: string;
  readonly action: Action;
}

/** What a filter decided about one route. Valid until the filter is asked again. */
export interface Verdict {
  readonly accept: boolean;
  /**
   * The attribute set of the accepted route, 0 when it was rejected. When it is not the set that
   * was given, the filter holds a reference until `Policies.endSlice`; who keeps it longer holds
   * one.
   */
  readonly attr: AttrId;
  /** Why it was rejected, a number of the ReasonTable; 0 when accepted. */
  readonly reason: number;
  /** A rule has decided the next hop; the session must not put another in its place. */
  readonly nextHopFixed: boolean;
  /**
   * AS numbers, and values as `name=value`, for whose peers the verdict may be another one. Filled
   * only when the peer stands for a group (`anyPeer`); each once, in no particular order.
   */
  readonly exceptions: readonly (number | string)[];
  /** Rules that matched and are to be logged, in order. */
  readonly logged: readonly LoggedRule[];
}

/** An import or export chain of policies, compiled. */
export interface Filter {
  /** Names of the policies in the chain. */
  readonly names: readonly string[];
  /** Accepts every route unchanged: there is no need to ask. */
  readonly acceptsAll: boolean;
  /** Rejects every route with this reason: there is no need to ask; 0 when it does not. */
  readonly rejectsAll: number;
  /** Verdicts may differ between prefixes of a set; when not, one serves for all of them. */
  readonly asksPrefix: boolean;
  /** Verdicts depend on validation, of origins or of paths; and of paths. */
  readonly asksOrigin: boolean;
  readonly asksPath: boolean;
  /** Some rule decides the next hop. */
  readonly setsNextHop: boolean;
  /** Some rule sets or removes MED. */
  readonly setsMed: boolean;
  /** Values of a peer that stand in its rules: it is for peers that have these. */
  readonly constants: Vars;
  /**
   * Whether peers with the key of this one have its values of all names that the filter asks peers for.
   * If not, all sessions of an AS have the same.
   */
  varsAreFixed(peer: PeerFacts): boolean;
  /**
   * Peers with equal keys may share verdicts, except where `Verdict.exceptions` names their AS or a
   * value of theirs.
   * Equal for all peers when no policy of the chain asks for the peer.
   */
  groupKey(peer: PeerFacts): string;
  /**
   * Decides one route.
   *
   * Allocates nothing when the same attribute set was asked for lately and its prefix took a known
   * turn at each prefix condition; else one run through the rules.
   *
   * @param attr - the attribute set, held by the caller
   * @param source - whom the route was learned from
   * @param peer - whose session the filter is on: `source` for import, the receiver for export
   * @param w0 - first 32 bits of the prefix, signed or unsigned; `w1`..`w3` follow for IPv6 and are
   *   0 for IPv4; bits beyond `bits` are 0
   * @param bits - prefix length
   */
  decide(
    attr: AttrId,
    source: PeerFacts,
    peer: PeerFacts,
    family: Family,
    w0: number,
    w1: number,
    w2: number,
    w3: number,
    bits: number,
  ): Verdict;
  /**
   * @returns the canonical octets of a rejected route's attributes as the rules left them; null when
   *   they changed nothing, or do not reject it. Parameters are those of `decide`
   */
  rejected(...question: Parameters<Filter["decide"]>): Uint8Array | null;
  /** Decides like `decide`, and tells how. `peer` must not stand for a group. */
  explain(...question: Parameters<Filter["decide"]>): Explanation;
}

/** One condition of a rule and what came of it. */
export interface ConditionTrace {
  /** In the words of the configuration: "prefix: bogons". */
  readonly condition: string;
  readonly holds: boolean;
  /** What the route has: "10.0.0.0/8", "AS_PATH 65001 65002". */
  readonly found: string;
}

/** One rule that the route came to. */
export interface RuleTrace {
  readonly policy: string;
  readonly rule: string;
  readonly source: Source;
  readonly matches: boolean;
  readonly conditions: readonly ConditionTrace[];
  /** In the words of the configuration, with what came of it; empty when the rule did not match. */
  readonly modifications: readonly string[];
  readonly action: Action;
}

/** How a filter came to its verdict, rule by rule. */
export interface Explanation {
  readonly rules: readonly RuleTrace[];
  readonly verdict: Verdict;
}
