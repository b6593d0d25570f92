/**
 * What says to looking glasses why a route was rejected.
 *
 * Two vocabularies are in use: that of IXP Manager and the Euro-IX members, a large community
 * `RS:1101:N`, and the reject cause of arouteserver, `RS:65520:N` with the AS that announced the
 * route in `RS:65521:AS`. Neither is ever sent: they stand on rejected routes where these are shown.
 */

import type { ReasonCode } from "./reasons.ts";
import { REJECT_IDS, type RejectReason } from "./reject-reasons.ts";

export type RejectPreset = "ixp-manager" | "arouteserver";

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
  const [ixpManager, arouteserver] = why === undefined ? [null, null] : REJECT_IDS[why];
  if (preset === "ixp-manager") return ixpManager === null ? [] : [`${localAs}:1101:${ixpManager}`];
  return [`${localAs}:65520:${arouteserver ?? UNKNOWN_CAUSE}`, `${localAs}:65521:${neighborAs}`];
}
