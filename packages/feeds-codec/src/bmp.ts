/**
 * BMP messages, version 3 (RFC 7854, RFC 8671, RFC 9069): a common header, for most kinds a header that
 * says whose routes or messages these are, and a body. See `bmp-head.ts`.
 */

import type { BmpBlock } from "./bmp-block.ts";
import {
  BMP,
  BMP_FLAG,
  type BmpPeer,
  beginMessage,
  beginPlain,
  endMessage,
  tableFlags,
} from "./bmp-head.ts";
import { OctetSink } from "./octet-sink.ts";
import { writeEndOfRib, writeUpdates } from "./run-updates.ts";
import type { RouteRun, Table } from "./table-routes.ts";

/** Types of the information that begins or ends a session (RFC 7854 section 4.4 and 4.5). */
export const BMP_INFO = { TEXT: 0, SYS_DESCR: 1, SYS_NAME: 2, TABLE_NAME: 3 } as const;
const TERMINATION_REASON = 1;

/** Why a session is ended by this side (RFC 7854 section 4.5). */
export const BMP_TERMINATION = { ADMIN_CLOSE: 0, OUT_OF_RESOURCES: 2 } as const;

/** Counters and gauges (RFC 7854 section 4.8, RFC 8671 section 6.2). */
export const BMP_STATISTIC = {
  REJECTED: 0,
  DUPLICATE_ROUTES: 1,
  DUPLICATE_WITHDRAWALS: 2,
  CLUSTER_LOOPS: 3,
  AS_PATH_LOOPS: 4,
  ORIGINATOR_LOOPS: 5,
  ADJ_IN: 7,
  LOC_RIB: 8,
  ADJ_IN_OF_FAMILY: 9,
  LOC_RIB_OF_FAMILY: 10,
  TREATED_AS_WITHDRAW: 11,
  ROUTES_TREATED_AS_WITHDRAW: 12,
  DUPLICATE_UPDATES: 13,
  ADJ_OUT_PRE: 14,
  ADJ_OUT_POST: 15,
  ADJ_OUT_PRE_OF_FAMILY: 16,
  ADJ_OUT_POST_OF_FAMILY: 17,
} as const;

const COUNTERS: ReadonlySet<number> = new Set([
  BMP_STATISTIC.REJECTED,
  BMP_STATISTIC.DUPLICATE_ROUTES,
  BMP_STATISTIC.DUPLICATE_WITHDRAWALS,
  BMP_STATISTIC.CLUSTER_LOOPS,
  BMP_STATISTIC.AS_PATH_LOOPS,
  BMP_STATISTIC.ORIGINATOR_LOOPS,
  BMP_STATISTIC.TREATED_AS_WITHDRAW,
  BMP_STATISTIC.ROUTES_TREATED_AS_WITHDRAW,
  BMP_STATISTIC.DUPLICATE_UPDATES,
]);

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

/** A number: the low 32 bits of a counter, 64 bits of a gauge, which may be that of a family. */
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

  /**
   * Messages `[from, to)` of a block for a peer: at least the first, and no further one beyond a number of octets.
   *
   * @param octetsMax - that are there then
   * @param twoOctetAs - their AS numbers have 2 octets
   * @returns the number of the first message that was not appended
   */
  block(
    peer: BmpPeer,
    block: BmpBlock,
    from: number,
    to: number,
    octetsMax: number,
    twoOctetAs = false,
  ): number {
    const flags = twoOctetAs ? BMP_FLAG.TWO_OCTET_AS : 0;
    return block.copy(from, to, peer, flags, this.sink, octetsMax);
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
      const isCounter = COUNTERS.has(type);
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
    this.start = this.sink.length;
    beginPlain(this.sink, type);
  }

  private beginOf(type: number, peer: BmpPeer, flags: number, atMs: number): void {
    this.start = this.sink.length;
    beginMessage(this.sink, type, peer, flags, atMs);
  }

  private end(): void {
    endMessage(this.sink, this.start);
  }
}
