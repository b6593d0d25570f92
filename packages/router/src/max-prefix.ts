/** The limit on a peer's prefixes (RFC 4271 section 6.7, RFC 4486 section 4) in one family. */

import type { MaxPrefixOptions } from "@ts-bgp/config";
import { REASON } from "@ts-bgp/policy";
import type { PathTable, PeerLimits, PeerRow } from "@ts-bgp/rib";
import { FAMILY, type Family, familyAfi, SAFI, writeU32 } from "@ts-bgp/wire-codec";

/** What to do about the number of prefixes that a peer has. */
export type LimitEvent =
  | { readonly kind: "none" }
  | { readonly kind: "warning" | "reached"; readonly count: number; readonly limit: number };

const NONE: LimitEvent = { kind: "none" };
const { POSITIVE_INFINITY: UNLIMITED } = Number;

/** @returns the configured limit, null for none */
export function limitIn(
  options: Pick<MaxPrefixOptions, "ipv4Unicast" | "ipv6Unicast">,
  family: Family,
): number | null {
  return family === FAMILY.IPV4_UNICAST ? options.ipv4Unicast : options.ipv6Unicast;
}

/** @returns how much of the peer the RIB takes: limited only where the action is `block` */
export function limitsOf(options: readonly MaxPrefixOptions[], family: Family): PeerLimits {
  const least = (counted: MaxPrefixOptions["count"]) => {
    const blocking = options.filter(({ action, count }) => action === "block" && count === counted);
    return Math.min(UNLIMITED, ...blocking.map((each) => limitIn(each, family) ?? UNLIMITED));
  };
  return {
    received: least("received"),
    accepted: least("accepted"),
    reason: REASON["max-prefix"],
  };
}

/** @returns how many prefixes of a peer count: several paths of one prefix are one */
export function countedPrefixes(
  { count }: MaxPrefixOptions,
  paths: PathTable,
  peer: PeerRow,
): number {
  return count === "accepted" ? paths.acceptedPrefixesOf(peer) : paths.prefixesOf(peer);
}

/** Watches the count, and speaks once each time it crosses a line upwards. */
export class MaxPrefix {
  private readonly family: Family;
  readonly options: MaxPrefixOptions;
  private warned = false;
  private reached = false;

  constructor(options: MaxPrefixOptions, family: Family) {
    this.options = options;
    this.family = family;
  }

  /** @param blocked - whether the RIB has just refused routes of the peer */
  check(paths: PathTable, peer: PeerRow, blocked: boolean): LimitEvent {
    const { warnPercent, action } = this.options;
    const limit = limitIn(this.options, this.family);
    if (limit === null) return NONE;
    const count = countedPrefixes(this.options, paths, peer);
    // Another limit may have blocked them.
    const over = action === "block" ? blocked && count >= limit : count > limit;
    const near = warnPercent > 0 && 100 * count >= warnPercent * limit;
    const { warned, reached } = this;
    // A count that goes up and down at the limit is told once: it has to fall below it first.
    this.reached = over || (reached && count >= limit);
    this.warned = near || (over && warned);
    if (over && !reached) return { kind: "reached", count, limit };
    return near && !warned ? { kind: "warning", count, limit } : NONE;
  }
}

/** @returns the data of Cease, Maximum Number of Prefixes Reached (RFC 4486 section 4) */
export function limitData(family: Family, limit: number): Uint8Array {
  const data = new Uint8Array(7);
  data[1] = familyAfi(family);
  data[2] = SAFI.UNICAST;
  writeU32(data, 3, limit);
  return data;
}
