/** Connections between two owners. */

import type { TcpState } from "@ts-bgp/takeover";

/** A connection as its active left it, on purpose. */
export interface Frozen {
  /** Octets that the peer had acknowledged, in all. */
  readonly acknowledged: number;
  /** Octets behind those that the kernel had, and how many of them had not left. */
  readonly unackedOctets: number;
  readonly unsentOctets: number;
  /** What had arrived and was not read, in base 64. */
  readonly unread: string;
  /** As it was at that moment. */
  readonly tcp: TcpState;
}

/** What became of the connections. */
export interface Resumed {
  resumed: number;
  lost: { address: string; cause: string }[];
  /** Of the slowest connection. */
  longestMs: number;
}
