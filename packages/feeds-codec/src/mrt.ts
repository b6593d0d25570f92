/**
 * MRT records (RFC 6396, RFC 8050): dumps of tables, and messages with the time to the microsecond.
 *
 *     seconds (4) | type (2) | subtype (2) | octets (4) | [microseconds (4)] | body
 */

import {
  AS_TRANS,
  ATTR,
  ATTR_FLAG,
  attributeValueAt,
  FAMILY,
  findAttribute,
  nextAttribute,
  writeU16,
  writeU32,
} from "@ts-bgp/wire-codec";
import { OctetSink } from "./octet-sink.ts";
import type { RibPath, RibPrefix } from "./rib-entries.ts";
import type { Octets } from "./table-routes.ts";

export const MRT_TYPE = { TABLE_DUMP_V2: 13, BGP4MP_ET: 17 } as const;

/** Subtypes of TABLE_DUMP_V2 (RFC 6396 section 4.3, RFC 8050 section 4). */
const PEER_INDEX_TABLE = 1;
const RIB_SUBTYPE = {
  [FAMILY.IPV4_UNICAST]: { plain: 2, addPath: 8 },
  [FAMILY.IPV6_UNICAST]: { plain: 4, addPath: 10 },
} as const;
/** Of BGP4MP (RFC 6396 section 4.4, RFC 8050 section 3). */
const BGP4MP = {
  MESSAGE: 1,
  MESSAGE_AS4: 4,
  STATE_AS4: 5,
  MESSAGE_ADDPATH: 8,
  AS4_ADDPATH: 9,
} as const;

/** Types of a peer in the index: its AS takes 4 octets, its address is IPv6. */
const PEER_AS4 = 2;
const PEER_IPV6 = 1;

/** States as RFC 6396 section 4.4.1 numbers them. */
export const MRT_STATE = { IDLE: 1, ESTABLISHED: 6 } as const;

export interface MrtPeer {
  /** 4 or 16 octets. */
  readonly address: Uint8Array;
  readonly as: number;
  readonly identifier: number;
}

/** Both ends of a session. */
export interface MrtSession {
  readonly address: Uint8Array;
  readonly as: number;
  readonly localAddress: Uint8Array;
  readonly localAs: number;
}

/** Appends MRT records to a sink. */
export class MrtWriter {
  readonly sink: OctetSink = new OctetSink();
  private start = 0;

  take(): Uint8Array<ArrayBuffer> {
    return this.sink.take();
  }

  peerIndex(atMs: number, collector: number, view: string, peers: readonly MrtPeer[]): void {
    const { sink } = this;
    this.begin(atMs, MRT_TYPE.TABLE_DUMP_V2, PEER_INDEX_TABLE);
    sink.u32(collector);
    const name = new TextEncoder().encode(view);
    sink.u16(name.length);
    sink.octets(name);
    sink.u16(peers.length);
    for (const { address, as, identifier } of peers) {
      sink.u8(PEER_AS4 | (address.length === 16 ? PEER_IPV6 : 0));
      sink.u32(identifier);
      sink.octets(address);
      sink.u32(as);
    }
    this.end();
  }

  /**
   * All paths of a prefix; those with and without path identifiers make a record each.
   *
   * @param sequence - number of the first record
   * @param indexOf - place of a peer in the index; paths of others are left out
   * @returns how many records these are
   */
  rib(
    atMs: number,
    sequence: number,
    entry: RibPrefix,
    indexOf: (peer: number) => number | undefined,
  ): number {
    let records = 0;
    for (const addPath of [false, true]) {
      const paths = entry.paths.filter(
        ({ peer, pathId }) => (pathId !== 0) === addPath && indexOf(peer) !== undefined,
      );
      if (paths.length === 0) continue;
      const subtype = RIB_SUBTYPE[entry.family][addPath ? "addPath" : "plain"];
      const { sink } = this;
      this.begin(atMs, MRT_TYPE.TABLE_DUMP_V2, subtype);
      sink.u32(sequence + records);
      sink.u8(entry.bits);
      sink.octets(entry.prefix.buf, entry.prefix.at, entry.prefix.end);
      sink.u16(paths.length);
      for (const path of paths) this.path(path, indexOf(path.peer)!, addPath, entry.family);
      this.end();
      records++;
    }
    return records;
  }

  /** A message of a peer. @param addPath - its routes have path identifiers */
  message(
    atMs: number,
    session: MrtSession,
    fourOctetAs: boolean,
    addPath: boolean,
    octets: Uint8Array,
  ): void {
    const plain = fourOctetAs ? BGP4MP.MESSAGE_AS4 : BGP4MP.MESSAGE;
    const withIds = fourOctetAs ? BGP4MP.AS4_ADDPATH : BGP4MP.MESSAGE_ADDPATH;
    this.begin(atMs, MRT_TYPE.BGP4MP_ET, addPath ? withIds : plain);
    this.ends(session, fourOctetAs);
    this.sink.octets(octets);
    this.end();
  }

  stateChange(atMs: number, session: MrtSession, before: number, after: number): void {
    this.begin(atMs, MRT_TYPE.BGP4MP_ET, BGP4MP.STATE_AS4);
    this.ends(session, true);
    this.sink.u16(before);
    this.sink.u16(after);
    this.end();
  }

  private ends({ address, as, localAddress, localAs }: MrtSession, fourOctetAs: boolean): void {
    const { sink } = this;
    for (const each of [as, localAs]) {
      if (fourOctetAs) sink.u32(each);
      else sink.u16(each > 0xffff ? AS_TRANS : each);
    }
    sink.u16(0);
    sink.u16(address.length === 16 ? 2 : 1);
    sink.octets(address);
    // A session has one family of addresses.
    sink.octets(localAddress);
  }

  private path(
    { sinceSeconds, pathId, attributes }: RibPath,
    index: number,
    addPath: boolean,
    family: RibPrefix["family"],
  ): void {
    const { sink } = this;
    sink.u16(index);
    sink.u32(sinceSeconds);
    if (addPath) sink.u32(pathId);
    const lengthAt = sink.length;
    sink.u16(0);
    this.attributes(attributes, family);
    writeU16(sink.out, lengthAt, sink.length - lengthAt - 2);
  }

  /** Next hops of other lengths than 4 stand in MP_REACH_NLRI, with nothing else (RFC 6396 section 4.3.4). */
  private attributes({ buf, at, end }: Octets, family: RibPrefix["family"]): void {
    const { sink } = this;
    const i = findAttribute(buf, at, end, ATTR.NEXT_HOP);
    const valueAt = i < 0 ? 0 : attributeValueAt(buf, i);
    const next = i < 0 ? 0 : nextAttribute(buf, i);
    if (i < 0 || (family === FAMILY.IPV4_UNICAST && next - valueAt === 4)) {
      sink.octets(buf, at, end);
      return;
    }
    sink.octets(buf, at, i);
    sink.octets(buf, next, end);
    sink.u8(ATTR_FLAG.OPTIONAL);
    sink.u8(ATTR.MP_REACH_NLRI);
    sink.u8(1 + next - valueAt);
    sink.u8(next - valueAt);
    sink.octets(buf, valueAt, next);
  }

  private begin(atMs: number, type: number, subtype: number): void {
    const { sink } = this;
    const seconds = Math.floor(atMs / 1000);
    this.start = sink.length;
    sink.u32(seconds);
    sink.u16(type);
    sink.u16(subtype);
    sink.u32(0);
    if (type === MRT_TYPE.BGP4MP_ET) sink.u32(Math.floor((atMs - 1000 * seconds) * 1000));
  }

  private end(): void {
    const { sink, start } = this;
    writeU32(sink.out, start + 8, sink.length - start - 12);
  }
}
