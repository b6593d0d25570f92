/**
 * Route Monitoring messages that many peers are told of: encoded once, without a peer, and copied for each with
 * its header.
 */

import { copyOctets, HEADER_OCTETS, MESSAGE, readU16, readU32 } from "@ts-bgp/wire-codec";
import {
  AT_OF,
  BMP,
  BMP_PEER,
  type BmpPeer,
  beginMessage,
  endMessage,
  flagsOf,
  tableFlags,
} from "./bmp-head.ts";
import { OctetSink } from "./octet-sink.ts";
import { writeUpdates } from "./run-updates.ts";
import type { RouteRun, Table } from "./table-routes.ts";

/** Where a message of BGP has its length, and its type (RFC 4271 section 4.1). */
const LENGTH_AT = 16;
const TYPE_AT = 18;
/** Memory for where a message begins, in an array that has grown. */
const START_OCTETS = 12;
const NOBODY: BmpPeer = {
  type: BMP_PEER.GLOBAL,
  address: new Uint8Array(0),
  as: 0,
  identifier: 0,
};

export class BmpBlock {
  private readonly sink: OctetSink = new OctetSink();
  private readonly flags: number;
  private readonly atMs: number;
  /** Where each message begins, and where the last one ends. */
  private readonly starts: number[] = [0];

  /** @param table - of which all messages are */
  constructor(table: Table, atMs: number) {
    this.flags = tableFlags(table);
    this.atMs = atMs;
  }

  /** Number of messages. */
  get length(): number {
    return this.starts.length - 1;
  }

  /** @returns the octets of messages `[from, to)` */
  octetsOf(from: number, to: number): number {
    return this.starts[to]! - this.starts[from]!;
  }

  /** Memory that it takes: the buffer may have room for as much again. */
  get heldOctets(): number {
    return this.sink.out.length + START_OCTETS * this.starts.length;
  }

  /** Adds what a run says, in as many messages as it takes. */
  routes(run: RouteRun): void {
    writeUpdates(
      run,
      this.sink,
      () => this.begin(),
      () => this.end(),
    );
  }

  /** Adds an UPDATE as it was sent or received: `[at, end)` of a buffer. */
  update(buf: Uint8Array, at: number, end: number): void {
    this.begin();
    this.sink.octets(buf, at, end);
    this.end();
  }

  /**
   * Appends messages `[from, to)` for a peer to a sink: at least the first, and no further one beyond a number of
   * octets.
   *
   * @param octetsMax - that the sink is to have
   * @param flags - beside those of the table and of the peer's address
   * @returns the number of the first message that was not appended
   */
  copy(
    from: number,
    to: number,
    peer: BmpPeer,
    flags: number,
    sink: OctetSink,
    octetsMax: number,
  ): number {
    const { starts } = this;
    if (from >= to) return to;
    const first = starts[from]!;
    const room = first + octetsMax - sink.length;
    let end = from + 1;
    if (starts[to]! <= room) end = to;
    else while (starts[end + 1]! <= room) end++;
    const octets = starts[end]! - first;
    sink.reserve(octets);
    const { out, length } = sink;
    copyOctets(this.sink.out, first, first + octets, out, length);
    this.address(from, end, peer, flags, new DataView(out.buffer, out.byteOffset + length));
    sink.length += octets;
    return end;
  }

  /** Writes a peer into the headers of messages `[from, to)`. @param view - where the first of them is */
  private address(from: number, to: number, peer: BmpPeer, more: number, view: DataView): void {
    const { starts } = this;
    const first = starts[from]!;
    const flags = this.flags | more | flagsOf(peer);
    const words = addressWords(peer);
    for (let i = from; i < to; i++) {
      const at = starts[i]! - first;
      view.setUint8(at + AT_OF.PEER_TYPE, peer.type);
      view.setUint8(at + AT_OF.FLAGS, flags);
      view.setUint32(at + AT_OF.ADDRESS, words[0]);
      view.setUint32(at + AT_OF.ADDRESS + 4, words[1]);
      view.setUint32(at + AT_OF.ADDRESS + 8, words[2]);
      view.setUint32(at + AT_OF.ADDRESS + 12, words[3]);
      view.setUint32(at + AT_OF.AS, peer.as);
      view.setUint32(at + AT_OF.IDENTIFIER, peer.identifier);
    }
  }

  private begin(): void {
    beginMessage(this.sink, BMP.ROUTE_MONITORING, NOBODY, 0, this.atMs);
  }

  private end(): void {
    const { sink, starts } = this;
    endMessage(sink, starts.at(-1)!);
    starts.push(sink.length);
  }
}

/** The UPDATE messages among those that were written to a peer or several, as a block. */
export class WrittenBlock {
  readonly block: BmpBlock;
  /** Where messages of any kind begin, and where the last one ends. */
  private readonly bounds: number[] = [];
  /** By bound, how many UPDATEs come before. */
  private readonly updates: number[] = [];

  /** @param buf - messages in `[at, end)`; those that follow on something that is none are left out */
  constructor(table: Table, buf: Uint8Array, at: number, end: number, atMs: number) {
    const { bounds, updates } = this;
    this.block = new BmpBlock(table, atMs);
    let i = at;
    for (; i < end; ) {
      const octets = readU16(buf, i + LENGTH_AT);
      if (octets < HEADER_OCTETS || i + octets > end) break;
      bounds.push(i);
      updates.push(this.block.length);
      if (buf[i + TYPE_AT] === MESSAGE.UPDATE) this.block.update(buf, i, i + octets);
      i += octets;
    }
    bounds.push(i);
    updates.push(this.block.length);
  }

  /** @returns how many UPDATEs come before a place; -1 when no message begins or ends there */
  updatesBefore(at: number): number {
    const { bounds, updates } = this;
    let low = 0;
    for (let high = bounds.length - 1; low < high; ) {
      const middle = (low + high) >> 1;
      if (bounds[middle]! < at) low = middle + 1;
      else high = middle;
    }
    return bounds[low] === at ? updates[low]! : -1;
  }
}

/** @returns the address as it stands in a header: 16 octets, the last 4 of them for IPv4 */
function addressWords({ address }: BmpPeer): [number, number, number, number] {
  const all = new Uint8Array(16);
  all.set(address, 16 - address.length);
  return [readU32(all, 0), readU32(all, 4), readU32(all, 8), readU32(all, 12)];
}
