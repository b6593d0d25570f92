/**
 * What MRT records say: routes of table dumps and messages of update files (RFC 6396, RFC 8050).
 *
 * | type          | subtypes read here                                                           |
 * | ------------- | ---------------------------------------------------------------------------- |
 * | TABLE_DUMP    | IPv4 and IPv6, one route a record                                            |
 * | TABLE_DUMP_V2 | PEER_INDEX_TABLE, then RIB_IPV4_UNICAST and RIB_IPV6_UNICAST, with and       |
 * |               | without path identifiers: one prefix a record, a route for each peer         |
 * | BGP4MP, _ET   | messages with 2- and 4-octet AS numbers, received and sent (LOCAL), with and |
 * |               | without path identifiers                                                     |
 *
 * Everything else of the registry (state changes, multicast, other protocols) is passed over. What the
 * registry does not have is passed over and counted: a record says how long it is.
 */

import {
  AFI,
  EXTENDED_MESSAGE_OCTETS_MAX,
  formatAddress,
  MESSAGE,
  messageLength,
  readU16,
  readU32,
} from "@ts-bgp/wire-codec";
import type { FileFault } from "./file-fault.ts";
import { isKnownType, MRT, type MrtRecord } from "./mrt-records.ts";

const V2 = {
  PEER_INDEX_TABLE: 1,
  RIB_IPV4_UNICAST: 2,
  RIB_IPV6_UNICAST: 4,
  RIB_IPV4_UNICAST_ADDPATH: 8,
  RIB_IPV6_UNICAST_ADDPATH: 10,
} as const;

/** BGP4MP subtypes that hold a message, by what they say of it (RFC 6396 4.4, RFC 8050 3). */
const MESSAGES: ReadonlyMap<number, { fourOctetAs: boolean; addPath: boolean }> = new Map([
  [1, { fourOctetAs: false, addPath: false }],
  [4, { fourOctetAs: true, addPath: false }],
  [6, { fourOctetAs: false, addPath: false }],
  [7, { fourOctetAs: true, addPath: false }],
  [8, { fourOctetAs: false, addPath: true }],
  [9, { fourOctetAs: true, addPath: true }],
  [10, { fourOctetAs: false, addPath: true }],
  [11, { fourOctetAs: true, addPath: true }],
]);

/** Highest assigned subtypes (RFC 6396, RFC 6397, RFC 8050). */
const SUBTYPES_MAX: ReadonlyMap<number, number> = new Map([
  [MRT.TABLE_DUMP, 2],
  [MRT.TABLE_DUMP_V2, 12],
  [MRT.BGP4MP, 11],
  [MRT.BGP4MP_ET, 11],
]);

/** Bits of the peer type in a PEER_INDEX_TABLE (RFC 6396 section 4.3.1). */
const PEER_IPV6 = 1;
const PEER_FOUR_OCTET_AS = 2;

/** A peer of the collector. */
export interface MrtPeer {
  readonly address: string;
  readonly as: number;
}

/** Number of a peer in `MrtReader.peers`. */
export type PeerNumber = number;

/** One route of a table dump; the same object each time. */
export interface MrtRoute {
  peer: PeerNumber;
  afi: 1 | 2;
  /** The prefix as NLRI without path identifier; bits beyond its length may be set. */
  readonly nlri: Uint8Array;
  /** 0 when the dump has none. */
  pathId: number;
  /** Path attributes as they stand in the dump: `[at, end)` of `buf`. */
  buf: Uint8Array;
  at: number;
  end: number;
  fourOctetAs: boolean;
}

/** One UPDATE of an update file; the same object each time. */
export interface MrtUpdate {
  peer: PeerNumber;
  /** The message with its header: `[at, end)` of `buf`. */
  buf: Uint8Array;
  at: number;
  end: number;
  fourOctetAs: boolean;
  addPath: boolean;
}

/** Who takes what is read. What is handed over is valid during the call. */
export interface MrtVisitor {
  route(route: MrtRoute): void;
  update(update: MrtUpdate): void;
}

const NO_OCTETS = new Uint8Array(0);
const CUT_SHORT = "the record is shorter than what should be in it";

/** Reads records one after the other. */
export class MrtReader {
  /** In the order in which the file names them. */
  readonly peers: MrtPeer[] = [];
  /** Records of unknown kinds that were passed over, by kind in words. */
  readonly unknown: Map<string, number> = new Map();

  private readonly visitor: MrtVisitor;
  private readonly numbers: Map<string, PeerNumber> = new Map();
  /** Peers of the last PEER_INDEX_TABLE. */
  private index: PeerNumber[] = [];
  private readonly route: MrtRoute = {
    peer: 0,
    afi: 1,
    nlri: new Uint8Array(17),
    pathId: 0,
    buf: NO_OCTETS,
    at: 0,
    end: 0,
    fourOctetAs: true,
  };
  private readonly update: MrtUpdate = {
    peer: 0,
    buf: NO_OCTETS,
    at: 0,
    end: 0,
    fourOctetAs: true,
    addPath: false,
  };
  /** Reading position in the record. Beyond the end everything is 0, and `cutShort` is set. */
  private buf: Uint8Array = NO_OCTETS;
  private at = 0;
  private end = 0;
  private cutShort = false;

  constructor(visitor: MrtVisitor) {
    this.visitor = visitor;
  }

  /**
   * Reads one record and hands over what is in it.
   *
   * @returns the fault when the record contradicts itself; what came before it was handed over
   */
  read(record: MrtRecord): FileFault | null {
    this.buf = record.buf;
    this.at = record.at;
    this.end = record.end;
    this.cutShort = false;
    const problem = this.readBody(record);
    const reason = this.cutShort ? CUT_SHORT : problem;
    return reason === null ? null : { offset: record.offset, reason };
  }

  private readBody({ type, subtype }: MrtRecord): string | null {
    if (!isKnownType(type)) return this.passOver(`type ${type}`);
    if (subtype > (SUBTYPES_MAX.get(type) ?? subtype)) {
      return this.passOver(`type ${type} subtype ${subtype}`);
    }
    switch (type) {
      case MRT.TABLE_DUMP:
        return this.tableDump(subtype);
      case MRT.TABLE_DUMP_V2:
        return this.tableDumpV2(subtype);
      case MRT.BGP4MP:
      case MRT.BGP4MP_ET:
        return this.message(subtype);
      default:
        return null;
    }
  }

  private passOver(kind: string): null {
    this.unknown.set(kind, (this.unknown.get(kind) ?? 0) + 1);
    return null;
  }

  /** RFC 6396 section 4.2. */
  private tableDump(subtype: number): string | null {
    if (subtype !== AFI.IPV4 && subtype !== AFI.IPV6) return null;
    const { route } = this;
    const addressOctets = subtype === AFI.IPV4 ? 4 : 16;
    this.skip(4);
    route.afi = subtype;
    route.nlri.set(this.octets(addressOctets), 1);
    route.nlri[0] = this.u8();
    if (route.nlri[0] > 8 * addressOctets) return badPrefix(route);
    // Status, and when the route came.
    this.skip(5);
    const address = this.address(subtype);
    const as = this.u16();
    if (this.cutShort) return null;
    route.peer = this.peerNumber(address, as);
    route.pathId = 0;
    route.fourOctetAs = false;
    this.attributes();
    return null;
  }

  private tableDumpV2(subtype: number): string | null {
    switch (subtype) {
      case V2.PEER_INDEX_TABLE:
        this.peerIndexTable();
        return null;
      case V2.RIB_IPV4_UNICAST:
        return this.rib(AFI.IPV4, false);
      case V2.RIB_IPV4_UNICAST_ADDPATH:
        return this.rib(AFI.IPV4, true);
      case V2.RIB_IPV6_UNICAST:
        return this.rib(AFI.IPV6, false);
      case V2.RIB_IPV6_UNICAST_ADDPATH:
        return this.rib(AFI.IPV6, true);
      default:
        return null;
    }
  }

  /** RFC 6396 section 4.3.1. */
  private peerIndexTable(): void {
    this.skip(4);
    this.skip(this.u16());
    this.index = [];
    for (let left = this.u16(); left > 0; left--) {
      const type = this.u8();
      this.skip(4);
      const address = this.address((type & PEER_IPV6) !== 0 ? AFI.IPV6 : AFI.IPV4);
      const as = (type & PEER_FOUR_OCTET_AS) !== 0 ? this.u32() : this.u16();
      if (this.cutShort) return;
      this.index.push(this.peerNumber(address, as));
    }
  }

  /** RFC 6396 section 4.3.2, RFC 8050 section 4.1. */
  private rib(afi: 1 | 2, addPath: boolean): string | null {
    const { route, index } = this;
    this.skip(4);
    route.afi = afi;
    route.nlri[0] = this.u8();
    if (route.nlri[0] > bitsMax(afi)) return badPrefix(route);
    const octets = (route.nlri[0] + 7) >> 3;
    route.nlri.set(this.octets(octets), 1);
    route.fourOctetAs = true;
    for (let left = this.u16(); left > 0; left--) {
      const number = this.u16();
      if (this.cutShort) return null;
      const peer = index[number];
      if (peer === undefined) return `peer ${number} is not in the peer index table`;
      route.peer = peer;
      // When the route came.
      this.skip(4);
      route.pathId = addPath ? this.u32() : 0;
      this.attributes();
    }
    return null;
  }

  /** Hands the route over whose attributes come next. */
  private attributes(): void {
    const { route } = this;
    const octets = this.u16();
    route.buf = this.buf;
    route.at = this.at;
    this.skip(octets);
    route.end = this.at;
    if (!this.cutShort) this.visitor.route(route);
  }

  /** RFC 6396 sections 4.4.2 and 4.4.3. */
  private message(subtype: number): string | null {
    const kind = MESSAGES.get(subtype);
    if (kind === undefined) return null;
    const { update } = this;
    const asOctets = kind.fourOctetAs ? 4 : 2;
    const as = kind.fourOctetAs ? this.u32() : this.u16();
    // The AS number of the collector, and an interface.
    this.skip(asOctets + 2);
    const afi = this.u16();
    if (this.cutShort) return null;
    if (afi !== AFI.IPV4 && afi !== AFI.IPV6) {
      return this.passOver(`BGP message of a peer with an address of family ${afi}`);
    }
    const address = this.address(afi);
    this.skip(afi === AFI.IPV4 ? 4 : 16);
    if (this.cutShort) return null;
    const length = messageLength(this.buf, this.at, this.end, EXTENDED_MESSAGE_OCTETS_MAX);
    if (typeof length !== "number") return `BGP message: ${length.reason}`;
    if (length === 0) return CUT_SHORT;
    if (this.buf[this.at + 18] !== MESSAGE.UPDATE) return null;
    update.peer = this.peerNumber(address, as);
    update.buf = this.buf;
    update.at = this.at;
    update.end = this.at + length;
    update.fourOctetAs = kind.fourOctetAs;
    update.addPath = kind.addPath;
    this.visitor.update(update);
    return null;
  }

  private peerNumber(address: string, as: number): PeerNumber {
    const key = `${address} ${as}`;
    let number = this.numbers.get(key);
    if (number === undefined) {
      number = this.peers.length;
      this.peers.push({ address, as });
      this.numbers.set(key, number);
    }
    return number;
  }

  private u8(): number {
    this.skip(1);
    return this.cutShort ? 0 : this.buf[this.at - 1]!;
  }

  private u16(): number {
    this.skip(2);
    return this.cutShort ? 0 : readU16(this.buf, this.at - 2);
  }

  private u32(): number {
    this.skip(4);
    return this.cutShort ? 0 : readU32(this.buf, this.at - 4);
  }

  private address(afi: 1 | 2): string {
    const octets = this.octets(afi === AFI.IPV4 ? 4 : 16);
    return formatAddress(afi, octets, 0);
  }

  private octets(count: number): Uint8Array {
    this.skip(count);
    return this.cutShort ? NO_OCTETS : this.buf.subarray(this.at - count, this.at);
  }

  private skip(octets: number): void {
    if (octets <= this.end - this.at) this.at += octets;
    else {
      this.at = this.end;
      this.cutShort = true;
    }
  }
}

function badPrefix({ afi, nlri }: MrtRoute): string {
  return `prefix length ${nlri[0]} is more than ${bitsMax(afi)}`;
}

function bitsMax(afi: 1 | 2): number {
  return afi === AFI.IPV4 ? 32 : 128;
}
