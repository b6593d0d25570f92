/**
 * Paths as columns: entry `p` of every column belongs to path `p`. A path is what one peer says of
 * one prefix (and one path identifier), accepted or not: the rows together are all Adj-RIBs-In.
 *
 * Each path stands in two lists: that of its prefix, and that of its peer.
 */

import type { AttrId, AttrStore } from "./attr-store.ts";
import { Columns, grown, grownLength, Rows } from "./columns.ts";
import type { PeerRow } from "./peer-table.ts";
import type { PrefixRow } from "./prefix-table.ts";

/** Row of a path; 0 is none. */
export type PathRow = number;

const COLUMNS = [
  "prefix",
  "peer",
  "pathId",
  "sentPathId",
  "attrIn",
  "attr",
  "reason",
  "round",
  "sinceSeconds",
  "next",
  "peerNext",
  "peerPrevious",
];

/** Columns read `column[path]`; they are replaced when the table grows, so do not keep them. */
export class PathTable {
  prefix: Uint32Array = new Uint32Array(0);
  peer: Uint16Array = new Uint16Array(0);
  /** Path identifier as received (RFC 7911), 0 on a session without ADD-PATH. */
  pathId: Uint32Array = new Uint32Array(0);
  /** Path identifier to send: smallest one free among the prefix's paths when this one came. */
  sentPathId: Uint16Array = new Uint16Array(0);
  /** Attributes as received, a reference held; 0 in a row that is free. */
  attrIn: Uint32Array = new Uint32Array(0);
  /** Attributes after import policy, a reference held; 0 when the path was rejected. */
  attr: Uint32Array = new Uint32Array(0);
  /** Why it was rejected, a row of the reason table; 0 when accepted. */
  reason: Uint16Array = new Uint16Array(0);
  /** Peer's refresh round in which the path was last heard (RFC 7313 section 4). */
  round: Uint8Array = new Uint8Array(0);
  /** When the path last changed, seconds of the caller's clock. */
  sinceSeconds: Uint32Array = new Uint32Array(0);
  /** Next path of the same prefix. */
  next: Uint32Array = new Uint32Array(0);
  /** Neighbours in the list of the same peer. */
  peerNext: Uint32Array = new Uint32Array(0);
  peerPrevious: Uint32Array = new Uint32Array(0);
  /** First path of each peer, by peer row. */
  peerHead: Uint32Array = new Uint32Array(0);
  /** Number of paths, and of accepted ones, by peer row. */
  received: Uint32Array = new Uint32Array(0);
  accepted: Uint32Array = new Uint32Array(0);
  /**
   * By peer row, those that are not the first of the peer for their prefix: nothing but ADD-PATH brings
   * any. The RIB keeps them, which knows the list of a prefix.
   */
  surplus: Uint32Array = new Uint32Array(0);
  surplusAccepted: Uint32Array = new Uint32Array(0);

  size = 0;
  private readonly attrs: AttrStore;
  readonly rows: Rows = new Rows();
  readonly columns: Columns = new Columns(this, COLUMNS);
  private readonly walks: PeerWalk[] = [];

  constructor(attrs: AttrStore) {
    this.attrs = attrs;
  }

  /** Memory in octets. */
  memory(): { columns: number } {
    return { columns: this.columns.octets };
  }

  /** Makes room for a peer's counters. */
  addPeer(peer: PeerRow): void {
    if (peer < this.peerHead.length) return;
    const length = grownLength(this.peerHead.length, peer + 1);
    this.peerHead = grown(this.peerHead, length);
    this.received = grown(this.received, length);
    this.accepted = grown(this.accepted, length);
    this.surplus = grown(this.surplus, length);
    this.surplusAccepted = grown(this.surplusAccepted, length);
  }

  /** @returns number of prefixes of which a peer has any path */
  prefixesOf(peer: PeerRow): number {
    return this.received[peer]! - this.surplus[peer]!;
  }

  /** @returns number of prefixes of which a peer has an accepted path */
  acceptedPrefixesOf(peer: PeerRow): number {
    return this.accepted[peer]! - this.surplusAccepted[peer]!;
  }

  /**
   * Adds a path; its prefix's list is the caller's to link.
   *
   * Holds a reference of both sets.
   */
  add(peer: PeerRow, prefix: PrefixRow, attrIn: AttrId, attr: AttrId): PathRow {
    const path = this.rows.take();
    this.columns.reserve(path);
    this.prefix[path] = prefix;
    this.peer[path] = peer;
    const first = this.peerHead[peer]!;
    this.peerNext[path] = first;
    this.peerPrevious[path] = 0;
    if (first !== 0) this.peerPrevious[first] = path;
    this.peerHead[peer] = path;
    this.received[peer]!++;
    this.size++;
    this.attrs.hold(attrIn);
    this.attrIn[path] = attrIn;
    this.attr[path] = attr;
    if (attr !== 0) {
      this.attrs.hold(attr);
      this.accepted[peer]!++;
    }
    return path;
  }

  /** Gives a path other attributes; counts references and accepted paths. */
  replace(path: PathRow, attrIn: AttrId, attr: AttrId): void {
    this.attrs.hold(attrIn);
    this.attrs.release(this.attrIn[path]!);
    this.attrIn[path] = attrIn;
    const old = this.attr[path]!;
    if (attr !== 0) {
      this.attrs.hold(attr);
      this.accepted[this.peer[path]!]!++;
    }
    if (old !== 0) {
      this.attrs.release(old);
      this.accepted[this.peer[path]!]!--;
    }
    this.attr[path] = attr;
  }

  /** Removes a path that its prefix's list no longer holds. */
  remove(path: PathRow): void {
    const peer = this.peer[path]!;
    const next = this.peerNext[path]!;
    const previous = this.peerPrevious[path]!;
    for (const walk of this.walks) if (walk.at === path) walk.at = next;
    if (previous !== 0) this.peerNext[previous] = next;
    else this.peerHead[peer] = next;
    if (next !== 0) this.peerPrevious[next] = previous;
    this.received[peer]!--;
    this.size--;
    this.attrs.release(this.attrIn[path]!);
    const attr = this.attr[path]!;
    if (attr !== 0) {
      this.attrs.release(attr);
      this.accepted[peer]!--;
    }
    this.attrIn[path] = 0;
    this.attr[path] = 0;
    this.rows.give(path);
  }

  isFree(path: PathRow): boolean {
    return this.attrIn[path] === 0;
  }

  /**
   * Gives a path a row that was taken for it, in place of the one that it has, which is lost; its
   * prefix's list is the caller's to link.
   */
  move(from: PathRow, to: PathRow): void {
    this.columns.copy(from, to);
    const next = this.peerNext[from]!;
    const previous = this.peerPrevious[from]!;
    if (previous !== 0) this.peerNext[previous] = to;
    else this.peerHead[this.peer[from]!] = to;
    if (next !== 0) this.peerPrevious[next] = to;
    for (const walk of this.walks) if (walk.at === from) walk.at = to;
    this.attrIn[from] = 0;
    this.attr[from] = 0;
  }

  /**
   * Starts a walk over a peer's paths that stays right while paths come and go: it meets every path
   * that was there at the start and still is. `endWalk` must be called when it is over.
   */
  walk(peer: PeerRow): PeerWalk {
    const walk = { at: this.peerHead[peer] ?? 0 };
    this.walks.push(walk);
    return walk;
  }

  endWalk(walk: PeerWalk): void {
    const at = this.walks.indexOf(walk);
    if (at >= 0) this.walks.splice(at, 1);
  }

  /** Rows are below this. */
  get limit(): number {
    return this.rows.limit;
  }

  /** Has columns give back what they do not need for the rows that there are. */
  shrink(): void {
    this.columns.shrink(this.limit);
  }

  /** Makes room ahead of need, or gives it back; to be called once a slice. */
  advance(): void {
    this.columns.advance(this.rows.limit);
  }
}

/** Where a walk over a peer's paths stands; 0 at the end. */
export interface PeerWalk {
  at: PathRow;
}
