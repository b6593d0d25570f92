/**
 * Members of an update group by address, to find those that a route's next hop belongs to: they are not
 * sent it (RFC 4271 section 5.1.3), while all others are.
 */

import {
  ATTR,
  attributeValueAt,
  attributeValueOctets,
  findAttribute,
  readU32,
} from "@ts-bgp/wire-codec";
import type { View } from "./adj-rib-out.ts";
import type { AttrId, AttrStore } from "./attr-store.ts";
import type { AudienceId, AudienceTable } from "./audience.ts";
import { hashWords } from "./hash-index.ts";
import type { Member } from "./member.ts";
import type { PeerRow, PeerTable } from "./peer-table.ts";
import type { PrefixRow } from "./prefix-table.ts";
import type { Rib } from "./rib.ts";
import { RowSet } from "./row-set.ts";

const NOBODY: readonly Member[] = [];
/** Sets that are remembered; a power of two. */
const FOUND = 256;
/** The first half of an IPv4 address that is mapped into IPv6 (RFC 4291 section 2.5.5.2). */
const MAPPED = 0xffff;

export class NextHopPeers {
  private readonly attrs: AttrStore;
  private readonly peers: PeerTable;
  /** By hash of the address. */
  private readonly byHash: Map<number, Member[]> = new Map();
  /**
   * What was found for attribute sets of the batch at hand, by the low bits of their serial numbers: the
   * number of a set that is released may be another one's in the same batch.
   */
  private readonly foundFor: Uint32Array = new Uint32Array(FOUND);
  private readonly found: (readonly Member[])[] = new Array(FOUND).fill(NOBODY);
  private hasFound = false;
  /** By peer and path identifier: prefixes that the peer would be sent otherwise. */
  private readonly withheld: Map<PeerRow, Map<number, RowSet>> = new Map();

  private readonly isUsed: boolean;

  /** @param isUsed - false where routes get another next hop on the way out */
  constructor({ attrs, peers }: Pick<Rib, "attrs" | "peers">, isUsed: boolean) {
    this.attrs = attrs;
    this.peers = peers;
    this.isUsed = isUsed;
  }

  add(member: Member): void {
    if (!this.isUsed) return;
    const hash = this.hashOf(member.peer);
    const known = this.byHash.get(hash);
    if (known === undefined) this.byHash.set(hash, [member]);
    else known.push(member);
    this.endBatch();
  }

  remove(member: Member): void {
    const hash = this.hashOf(member.peer);
    const left = (this.byHash.get(hash) ?? []).filter((other) => other !== member);
    if (left.length > 0) this.byHash.set(hash, left);
    else this.byHash.delete(hash);
    this.withheld.delete(member.peer);
    this.endBatch();
  }

  /** Forgets what was found for sets, whose numbers may be those of others soon. */
  endBatch(): void {
    if (!this.hasFound) return;
    this.hasFound = false;
    this.foundFor.fill(0);
    this.found.fill(NOBODY);
  }

  /** @returns the members whose address is a next hop of the set: mostly none, or its source */
  of(attr: AttrId): readonly Member[] {
    if (attr === 0 || this.byHash.size === 0) return NOBODY;
    const serial = this.attrs.serialOf(attr);
    const slot = serial & (FOUND - 1);
    if (this.foundFor[slot] !== serial) {
      this.found[slot] = this.find(attr);
      this.foundFor[slot] = serial;
      this.hasFound = true;
    }
    return this.found[slot]!;
  }

  /** Whether the set's next hop is an address of the peer. */
  has(attr: AttrId, peer: PeerRow): boolean {
    return this.of(attr).some((member) => member.peer === peer);
  }

  /** As `has`, of a question outside a batch: it keeps nothing that has to be forgotten afterwards. */
  isNextHop(attr: AttrId, peer: PeerRow): boolean {
    if (attr === 0 || this.byHash.size === 0) return false;
    return this.find(attr).some((member) => member.peer === peer);
  }

  /** Whether a member was sent what its class sees. */
  isSeen(view: View, member: Member): boolean {
    const attr = view.of(member.cls);
    return attr !== 0 && !this.has(attr, member.peer);
  }

  /** @returns the audience of a withdrawal without those that a view's routes were kept from */
  exceptUnseen(audiences: AudienceTable, audience: AudienceId, view: View): AudienceId {
    if (this.withheld.size === 0) return audience;
    let left = audience;
    for (let i = -1; i < view.listed.count; i++) {
      const attr = i < 0 ? view.attr : view.attrs[i]!;
      for (const { cls, peer } of this.of(attr)) {
        if (view.of(cls) !== attr || !audiences.get(left).includes(cls, peer)) continue;
        left = audiences.without(left, peer);
      }
    }
    return left;
  }

  /** Notes which members do not see a view's routes, or did not, though their class does. */
  noteView(row: PrefixRow, pathId: number, view: View, isWithheld: boolean): void {
    if (!isWithheld && this.withheld.size === 0) return;
    for (let i = -1; i < view.listed.count; i++) {
      const attr = i < 0 ? view.attr : view.attrs[i]!;
      for (const { cls, peer } of this.of(attr)) {
        if (view.of(cls) === attr) this.note(peer, row, pathId, isWithheld);
      }
    }
  }

  /** A prefix has another row. */
  moveRow(from: PrefixRow, to: PrefixRow): void {
    for (const byPathId of this.withheld.values()) {
      for (const rows of byPathId.values()) rows.move(from, to);
    }
  }

  private note(peer: PeerRow, row: number, pathId: number, isWithheld: boolean): void {
    let byPathId = this.withheld.get(peer);
    if (byPathId === undefined) {
      if (!isWithheld) return;
      byPathId = new Map();
      this.withheld.set(peer, byPathId);
    }
    let rows = byPathId.get(pathId);
    if (rows === undefined) {
      if (!isWithheld) return;
      rows = new RowSet();
      byPathId.set(pathId, rows);
    }
    // An empty set stays: that there was one is what a withdrawal goes by.
    if (isWithheld) rows.add(row);
    else rows.delete(row);
  }

  /** @returns the number of routes that a peer is not sent, and would be otherwise */
  countOf(peer: PeerRow): number {
    let count = 0;
    for (const rows of this.withheld.get(peer)?.values() ?? []) count += rows.size;
    return count;
  }

  /** @returns by path identifier, the prefixes that a peer would be sent otherwise */
  withheldFrom(peer: PeerRow): ReadonlyMap<number, RowSet> {
    return this.withheld.get(peer) ?? new Map();
  }

  /**
   * Takes over what another group has withheld from a peer.
   *
   * @param isSame - whether the peer sees the same of a route here as it did there
   */
  adopt(
    peer: PeerRow,
    withheld: ReadonlyMap<number, RowSet>,
    isSame: (row: PrefixRow, pathId: number) => boolean,
  ): void {
    if (!this.isUsed) return;
    for (const [pathId, rows] of withheld) {
      for (let row = rows.next(0); row >= 0; row = rows.next(row + 1)) {
        if (isSame(row, pathId)) this.note(peer, row, pathId, true);
      }
    }
  }

  private find(attr: AttrId): readonly Member[] {
    const buf = this.attrs.bytesOf(attr);
    const at = this.attrs.offsetOf(attr);
    const i = findAttribute(buf, at, at + this.attrs.lengthOf(attr), ATTR.NEXT_HOP);
    if (i < 0) return NOBODY;
    const valueAt = attributeValueAt(buf, i);
    const octets = attributeValueOctets(buf, i);
    if (octets === 4) return this.at(0, 0, MAPPED, readU32(buf, valueAt));
    const first = this.atOctets(buf, valueAt);
    // A link-local address may follow the global one (RFC 2545 section 3).
    return octets < 32 ? first : [...new Set([...first, ...this.atOctets(buf, valueAt + 16)])];
  }

  private atOctets(buf: Uint8Array, i: number): readonly Member[] {
    return this.at(readU32(buf, i), readU32(buf, i + 4), readU32(buf, i + 8), readU32(buf, i + 12));
  }

  private at(w0: number, w1: number, w2: number, w3: number): readonly Member[] {
    const known = this.byHash.get(hashWords(0, w0, w1, w2, w3, 128));
    if (known === undefined) return NOBODY;
    const { a0, a1, a2, a3 } = this.peers;
    const isThere = ({ peer }: Member) =>
      a0[peer] === w0 && a1[peer] === w1 && a2[peer] === w2 && a3[peer] === w3;
    return known.every(isThere) ? known : known.filter(isThere);
  }

  private hashOf(peer: PeerRow): number {
    return this.peers.key[peer]!;
  }
}
