/**
 * BMP messages, version 3 (RFC 7854, RFC 8671, RFC 9069): a common header, for most kinds a header that
 * says whose routes or messages these are, and a body.
 *
 *     version (1) | length (4) | type (1) | peer type (1) | flags (1) | distinguisher (8) |
 *     address (16) | AS (4) | BGP Identifier (4) | seconds (4) | microseconds (4) | body
 */

import { writeU32 } from "@ts-bgp/wire-codec";
import { OctetSink } from "./octet-sink.ts";
import { writeEndOfRib, writeUpdates } from "./run-updates.ts";
import { type RouteRun, TABLE, type Table } from "./table-routes.ts";

const VERSION = 3;

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

/** Types of the information that begins or ends a session (RFC 7854 section 4.4 and 4.5). */
export const BMP_INFO = { TEXT: 0, SYS_DESCR: 1, SYS_NAME: 2, TABLE_NAME: 3 } as const;
const TERMINATION_REASON = 1;

/** Why a session is ended by this side (RFC 7854 section 4.5). */
export const BMP_TERMINATION = { ADMIN_CLOSE: 0, OUT_OF_RESOURCES: 2 } as const;

/** Counters and gauges (RFC 7854 section 4.8, RFC 8671 section 6.2). */
export const BMP_STATISTIC = {
  ADJ_IN: 7,
  LOC_RIB: 8,
  ADJ_IN_OF_FAMILY: 9,
  LOC_RIB_OF_FAMILY: 10,
  TREATED_AS_WITHDRAW: 11,
  ADJ_OUT_PRE: 14,
  ADJ_OUT_POST: 15,
  ADJ_OUT_PRE_OF_FAMILY: 16,
  ADJ_OUT_POST_OF_FAMILY: 17,
} as const;

/** Whom messages are about. */
export interface BmpPeer {
  readonly type: (typeof BMP_PEER)[keyof typeof BMP_PEER];
  /** 4 or 16 octets; of the Loc-RIB none. */
  readonly address: Uint8Array;
  readonly as: number;
  readonly identifier: number;
}

/** How a session ended (RFC 7854 section 4.9). */
export type BmpPeerDown =
  | { readonly reason: 1 | 3; readonly notification: Uint8Array }
  /** `event`: of the state machine, RFC 4271 section 8.1; 0 for none that it names. */
  | { readonly reason: 2; readonly event: number }
  | { readonly reason: 4 | 5 };

/** Its end of the BGP session, and both OPENs. */
export interface BmpPeerUp {
  readonly localAddress: Uint8Array;
  readonly localPort: number;
  readonly remotePort: number;
  readonly sentOpen: Uint8Array;
  readonly receivedOpen: Uint8Array;
}

/** A number: 32 bits of a counter, 64 of a gauge, which may be that of a family. */
export interface BmpStatistic {
  readonly type: number;
  readonly value: number;
  readonly family: { readonly afi: number; readonly safi: number } | null;
}

/** Appends BMP messages to a sink. */
export class BmpWriter {
  readonly sink: OctetSink = new OctetSink();
  private start = 0;

  take(): Uint8Array<ArrayBuffer> {
    return this.sink.take();
  }

  initiation(name: string, description: string, text: string | null): void {
    this.begin(BMP.INITIATION);
    this.info(BMP_INFO.SYS_DESCR, description);
    this.info(BMP_INFO.SYS_NAME, name);
    if (text !== null) this.info(BMP_INFO.TEXT, text);
    this.end();
  }

  termination(reason: number, text: string | null): void {
    this.begin(BMP.TERMINATION);
    if (text !== null) this.info(BMP_INFO.TEXT, text);
    this.sink.u16(TERMINATION_REASON);
    this.sink.u16(2);
    this.sink.u16(reason);
    this.end();
  }

  /** @param tableName - of the Loc-RIB (RFC 9069 section 5.2.1); null for a peer */
  peerUp(peer: BmpPeer, atMs: number, up: BmpPeerUp, tableName: string | null): void {
    const { sink } = this;
    this.beginOf(BMP.PEER_UP, peer, 0, atMs);
    this.address(up.localAddress);
    sink.u16(up.localPort);
    sink.u16(up.remotePort);
    sink.octets(up.sentOpen);
    sink.octets(up.receivedOpen);
    if (tableName !== null) this.info(BMP_INFO.TABLE_NAME, tableName);
    this.end();
  }

  peerDown(peer: BmpPeer, atMs: number, down: BmpPeerDown): void {
    const { sink } = this;
    this.beginOf(BMP.PEER_DOWN, peer, 0, atMs);
    sink.u8(down.reason);
    if ("notification" in down) sink.octets(down.notification);
    if ("event" in down) sink.u16(down.event);
    this.end();
  }

  /** What a run says, in as many messages as it takes. @returns how many these are */
  routes(peer: BmpPeer, atMs: number, run: RouteRun): number {
    return writeUpdates(
      run,
      this.sink,
      () => this.beginOf(BMP.ROUTE_MONITORING, peer, tableFlags(run.table), atMs),
      () => this.end(),
    );
  }

  endOfRib(peer: BmpPeer, atMs: number, table: Table, family: RouteRun["family"]): void {
    this.beginOf(BMP.ROUTE_MONITORING, peer, tableFlags(table), atMs);
    writeEndOfRib(this.sink, family);
    this.end();
  }

  /** An UPDATE as it was sent or received. @param twoOctetAs - its AS numbers have 2 octets */
  update(peer: BmpPeer, atMs: number, table: Table, twoOctetAs: boolean, octets: Uint8Array): void {
    const flags = tableFlags(table) | (twoOctetAs ? BMP_FLAG.TWO_OCTET_AS : 0);
    this.beginOf(BMP.ROUTE_MONITORING, peer, flags, atMs);
    this.sink.octets(octets);
    this.end();
  }

  /** A message as it came that is not of the form that it should have (RFC 7854 section 4.7). */
  mirror(peer: BmpPeer, atMs: number, octets: Uint8Array): void {
    const { sink } = this;
    this.beginOf(BMP.ROUTE_MIRRORING, peer, 0, atMs);
    // Errored PDU; the message itself comes last.
    sink.u16(1);
    sink.u16(2);
    sink.u16(0);
    sink.u16(0);
    sink.u16(octets.length);
    sink.octets(octets);
    this.end();
  }

  statistics(peer: BmpPeer, atMs: number, statistics: readonly BmpStatistic[]): void {
    const { sink } = this;
    this.beginOf(BMP.STATISTICS_REPORT, peer, 0, atMs);
    sink.u32(statistics.length);
    for (const { type, value, family } of statistics) {
      const isCounter = type === BMP_STATISTIC.TREATED_AS_WITHDRAW;
      sink.u16(type);
      sink.u16((isCounter ? 4 : 8) + (family === null ? 0 : 3));
      if (family !== null) {
        sink.u16(family.afi);
        sink.u8(family.safi);
      }
      if (!isCounter) sink.u32(Math.floor(value / 2 ** 32));
      sink.u32(value);
    }
    this.end();
  }

  private info(type: number, text: string): void {
    const { sink } = this;
    const octets = new TextEncoder().encode(text);
    sink.u16(type);
    sink.u16(octets.length);
    sink.octets(octets);
  }

  /** An address in 16 octets: the last 4 of them for IPv4. */
  private address(octets: Uint8Array): void {
    this.sink.zeros(16 - octets.length);
    this.sink.octets(octets);
  }

  private begin(type: number): void {
    const { sink } = this;
    this.start = sink.length;
    sink.u8(VERSION);
    sink.u32(0);
    sink.u8(type);
  }

  private beginOf(type: number, peer: BmpPeer, tableFlags: number, atMs: number): void {
    const { sink } = this;
    this.begin(type);
    sink.u8(peer.type);
    sink.u8(tableFlags | (peer.address.length === 16 ? BMP_FLAG.IPV6 : 0));
    sink.zeros(8);
    this.address(peer.address);
    sink.u32(peer.as);
    sink.u32(peer.identifier);
    const seconds = Math.floor(atMs / 1000);
    sink.u32(seconds);
    sink.u32(Math.floor((atMs - 1000 * seconds) * 1000));
  }

  private end(): void {
    writeU32(this.sink.out, this.start + 1, this.sink.length - this.start);
  }
}

function tableFlags(table: Table): number {
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
