/**
 * Why a route is not used or not sent: one table for policies and for the speaker's own checks.
 *
 * A reason is a code that never changes its meaning, with the rule when a policy spoke. Reasons are
 * numbered so that a path stores two octets.
 */

import type { RejectReason } from "./reject-reasons.ts";
import type { Source } from "./values.ts";

/** Reason codes and what they mean to people. New ones go to the end. */
const TEXTS = {
  "policy-rule": "rejected by policy",
  "policy-default": "no rule accepted it",
  "no-policy": "eBGP session without a policy (RFC 8212)",
  "as-path-loop": "own AS number in AS_PATH",
  "first-as-mismatch": "first AS in AS_PATH is not the peer's",
  "next-hop-self": "next hop is an address of this speaker",
  "next-hop-not-peer": "next hop is not the peer's address",
  "next-hop-invalid": "next hop is not a usable unicast address",
  "next-hop-unavailable": "no own address of the next hop's family on this session",
  "originator-loop": "ORIGINATOR_ID is this speaker's identifier (RFC 4456)",
  "cluster-loop": "own cluster in CLUSTER_LIST (RFC 4456)",
  "route-leak": "route leak by its OTC attribute and the peer's role (RFC 9234)",
  malformed: "malformed UPDATE, treated as withdraw (RFC 7606)",
  "prefix-invalid": "not a unicast prefix that can be routed",
  "max-prefix": "over the max-prefix limit of the peer",
  "well-known-community": "held back by a well-known community (RFC 1997, RFC 9494)",
  "own-route": "learned from this peer",
  "same-as": "learned from another session of the peer's AS",
  "not-reflected": "learned from an internal peer and not reflected (RFC 4456)",
  "not-best": "another path is preferred",
  "attributes-too-long": "attributes do not fit into a message",
  "family-not-negotiated": "the session does not carry this address family",
  "next-hop-receiver": "next hop is the neighbor's own address (RFC 4271 section 5.1.3)",
} as const;

export type ReasonCode = keyof typeof TEXTS;

/** One reason, with the rule for the codes `policy-rule` and `policy-default`. */
export interface Reason {
  readonly code: ReasonCode;
  /** Name of the policy, empty when none spoke. */
  readonly policy: string;
  /** Name of the rule, empty when none spoke. */
  readonly rule: string;
  readonly source: Source | null;
  /** What the rule says of it; absent when it says nothing, or none spoke. */
  readonly why?: RejectReason;
}

const CODES = Object.keys(TEXTS) as ReasonCode[];

/** Number of each bare code, the same in every table. */
export const REASON: Readonly<Record<ReasonCode, number>> = Object.fromEntries(
  CODES.map((code, i) => [code, i + 1]),
) as Record<ReasonCode, number>;

/** Reasons are numbered below this, to be stored in 16 bits. */
const NUMBERS_MAX = 0xffff;

/** Reasons and their numbers; 0 is none. */
export class ReasonTable {
  private readonly reasons: (Reason | null)[];
  private readonly numbers: Map<string, number> = new Map();

  constructor() {
    this.reasons = [null, ...CODES.map((code) => ({ code, policy: "", rule: "", source: null }))];
  }

  /**
   * Numbers a rule's reason. The same rule of the same policy keeps its number when its line moves,
   * so that reloads do not fill the table; when it is full, the code stands alone.
   */
  add(code: ReasonCode, policy: string, rule: string, source: Source, why?: RejectReason): void {
    const key = keyOf(code, policy, rule);
    const number = this.numbers.get(key) ?? this.reasons.length;
    if (number > NUMBERS_MAX) return;
    const reason = { code, policy, rule, source };
    this.reasons[number] = why === undefined ? reason : { ...reason, why };
    this.numbers.set(key, number);
  }

  /** @returns the number of a reason that was added */
  numberOf(code: ReasonCode, policy: string, rule: string): number {
    return this.numbers.get(keyOf(code, policy, rule)) ?? REASON[code];
  }

  /** @param number - from `intern` or `REASON` */
  get(number: number): Reason {
    const reason = this.reasons[number];
    if (reason == null) throw new Error(`no reason has the number ${number}`);
    return reason;
  }

  /** One line for people. */
  text(number: number): string {
    return reasonText(this.get(number));
  }
}

function keyOf(code: ReasonCode, policy: string, rule: string): string {
  return `${code}\n${policy}\n${rule}`;
}

/** One line for people: what happened, then rule, policy and place. */
export function reasonText(reason: Reason): string {
  const { code, policy, rule, source } = reason;
  if (source === null) return TEXTS[code];
  const by = rule === "" ? `policy "${policy}"` : `rule "${rule}" of policy "${policy}"`;
  return `${TEXTS[code]}: ${by} (${source.file}:${source.line})`;
}
