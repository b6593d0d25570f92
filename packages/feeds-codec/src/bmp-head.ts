/**
 * What BMP messages begin with (RFC 7854 section 4.1 and 4.2, RFC 8671, RFC 9069):
 *
 *     version (1) | length (4) | type (1) | peer type (1) | flags (1) | distinguisher (8) |
 *     address (16) | AS (4) | BGP Identifier (4) | seconds (4) | microseconds (4) | body
 */

import { writeU32 } from "@ts-bgp/wire-codec";
import type { OctetSink } from "./octet-sink.ts";
import { TABLE, type Table } from "./table-routes.ts";

const VERSION = 3;
const HEAD_OCTETS = 48;
/** Where parts of it are. */
export const AT_OF = {
  PEER_TYPE: 6,
  FLAGS: 7,
  ADDRESS: 16,
  AS: 32,
  IDENTIFIER: 36,
  TIME: 40,
} as const;

export const BMP = {
  ROUTE_MONITORING: 0,
  STATISTICS_REPORT: 1,
  PEER_DOWN: 2,
  PEER_UP: 3,
  INITIATION: 4,
  TERMINATION: 5,
  ROUTE_MIRRORING: 6,
} as const;

/** Peer types (RFC 7854 section 4.2, RFC 9069 section 4.1). */
export const BMP_PEER = { GLOBAL: 0, LOC_RIB: 3 } as const;

/** Flags of a peer header (RFC 7854 section 4.2, RFC 8671 section 4). */
export const BMP_FLAG = {
  IPV6: 0x80,
  POST_POLICY: 0x40,
  TWO_OCTET_AS: 0x20,
  ADJ_OUT: 0x10,
} as const;

/** Whom messages are about. */
export interface BmpPeer {
  readonly type: (typeof BMP_PEER)[keyof typeof BMP_PEER];
  /** 4 or 16 octets; of the Loc-RIB none. */
  readonly address: Uint8Array;
  readonly as: number;
  readonly identifier: number;
}

/** Begins a message that is about nobody. */
export function beginPlain(sink: OctetSink, type: number): void {
  sink.u8(VERSION);
  sink.u32(0);
  sink.u8(type);
}

/** Begins a message about a peer. @param flags - beside that of its address */
export function beginMessage(
  sink: OctetSink,
  type: number,
  peer: BmpPeer,
  flags: number,
  atMs: number,
): void {
  sink.reserve(HEAD_OCTETS);
  const { out, length: start } = sink;
  const { address } = peer;
  const seconds = Math.floor(atMs / 1000);
  out[start] = VERSION;
  out[start + 5] = type;
  out[start + AT_OF.PEER_TYPE] = peer.type;
  out[start + AT_OF.FLAGS] = flags | flagsOf(peer);
  // The last octets of the address are those of one with 4.
  const addressAt = start + AT_OF.AS - address.length;
  for (let i = start + AT_OF.FLAGS + 1; i < addressAt; i++) out[i] = 0;
  for (let i = 0; i < address.length; i++) out[addressAt + i] = address[i]!;
  writeU32(out, start + AT_OF.AS, peer.as);
  writeU32(out, start + AT_OF.IDENTIFIER, peer.identifier);
  writeU32(out, start + AT_OF.TIME, seconds);
  writeU32(out, start + AT_OF.TIME + 4, Math.floor((atMs - 1000 * seconds) * 1000));
  sink.length = start + HEAD_OCTETS;
}

/** Ends a message that begins at `start`: its length is known. */
export function endMessage(sink: OctetSink, start: number): void {
  writeU32(sink.out, start + 1, sink.length - start);
}

/** Flags that the address of a peer asks for. */
export function flagsOf({ address }: BmpPeer): number {
  return address.length === 16 ? BMP_FLAG.IPV6 : 0;
}

/** Flags that tell tables apart. */
export function tableFlags(table: Table): number {
  switch (table) {
    case TABLE.ADJ_IN_POST:
      return BMP_FLAG.POST_POLICY;
    case TABLE.ADJ_OUT_PRE:
      return BMP_FLAG.ADJ_OUT;
    case TABLE.ADJ_OUT_POST:
      return BMP_FLAG.ADJ_OUT | BMP_FLAG.POST_POLICY;
    default:
      return 0;
  }
}
