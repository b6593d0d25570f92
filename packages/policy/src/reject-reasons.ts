/**
 * Kinds of reasons for which a route is rejected, and the numbers that looking glasses know them by.
 *
 * Two vocabularies are in use: that of IXP Manager and the Euro-IX members, a large community
 * `RS:1101:N`, and the reject cause of arouteserver, `RS:65520:N` with the AS that announced the
 * route in `RS:65521:AS`. Neither is ever sent: they stand on rejected routes where these are shown.
 */

import type { ReasonCode } from "./reasons.ts";

export type RejectPreset = "ixp-manager" | "arouteserver";

/** Numbers of IXP Manager and of arouteserver; null where there is none. */
const IDS = {
  "prefix-too-long": [1, 13],
  "prefix-too-short": [2, 13],
  "bogon-prefix": [3, 2],
  "bogon-as": [4, 7],
  "as-path-too-long": [5, 1],
  "as-path-too-short": [6, null],
  "first-as": [7, 6],
  "next-hop": [8, 5],
  "irr-prefix": [9, 12],
  "irr-origin": [10, 9],
  "irr-route": [11, 12],
  "rpki-not-found": [12, null],
  "rpki-invalid": [13, 14],
  "transit-free": [14, 8],
  "too-many-communities": [15, null],
  "address-family": [null, 4],
  "not-global-unicast": [3, 10],
  "never-via-route-servers": [null, 15],
  blacklist: [null, 3],
  "client-blacklist": [null, 11],
} as const satisfies Record<string, readonly [number | null, number | null]>;

export type RejectReason = keyof typeof IDS;

export const REJECT_REASONS = Object.keys(IDS) as readonly RejectReason[];

/** What the speaker's own checks mean in these words. */
const CHECKS: Partial<Record<ReasonCode, RejectReason>> = {
  "first-as-mismatch": "first-as",
  "next-hop-self": "next-hop",
  "next-hop-not-peer": "next-hop",
  "next-hop-invalid": "next-hop",
  "prefix-invalid": "bogon-prefix",
};

/** arouteserver's number for a reason that it has no number for. */
const UNKNOWN_CAUSE = 65535;

/**
 * @param localAs - own AS number towards the neighbor
 * @returns the large communities that say why a route of a neighbor was rejected
 */
export function rejectCommunities(
  preset: RejectPreset,
  reason: { readonly code: ReasonCode; readonly why?: RejectReason },
  localAs: number,
  neighborAs: number,
): string[] {
  const why = reason.why ?? CHECKS[reason.code];
  const [ixpManager, arouteserver] = why === undefined ? [null, null] : IDS[why];
  if (preset === "ixp-manager") return ixpManager === null ? [] : [`${localAs}:1101:${ixpManager}`];
  return [`${localAs}:65520:${arouteserver ?? UNKNOWN_CAUSE}`, `${localAs}:65521:${neighborAs}`];
}
