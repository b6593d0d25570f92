/** Limits, in octets and prefixes. */
export const GROUP_LIMITS = {
  /** A member with less than this on its way is ready for more. */
  readyOctets: 1 << 20,
  /** A member with more than this leaves the group for a catch-up. */
  backlogOctetsMax: 16 << 20,
  /** With no member ready, the group waits until it lags by this many changes. */
  lagMax: 1 << 16,
  /** Prefixes worked on in one step; what ends it early is octets, or how often policy was asked. */
  stepRows: 1 << 13,
  stepOctets: 1 << 20,
  stepEvaluations: 1 << 14,
} as const;
