/** Kinds of reasons for which a route is rejected, and the numbers that looking glasses know them by. */

/** Numbers of IXP Manager and of arouteserver; null where there is none. */
export const REJECT_IDS = {
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

export type RejectReason = keyof typeof REJECT_IDS;
