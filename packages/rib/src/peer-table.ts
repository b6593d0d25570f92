/**
 * What the RIB must know of each peer, in columns: the decision process and the update groups ask
 * by number. One table serves all address families.
 */

import { Columns, NumberStack } from "./columns.ts";
import { hashWords } from "./hash-index.ts";

/** Row of a peer, 1 to 65,535; 0 is none. */
export type PeerRow = number;

/** Facts of a peer that the decision process and split horizon use. */
export interface PeerFacts {
  /** AS number of the peer. */
  as: number;
  /** External session: another AS than ours. */
  external: boolean;
  /** Address as four 32-bit words, an IPv4 address mapped (RFC 4291 section 2.5.5.2). */
  address: readonly [number, number, number, number];
}

const COLUMNS = ["as", "external", "identifier", "a0", "a1", "a2", "a3", "key"];

export class PeerTable {
  as: Uint32Array = new Uint32Array(0);
  /** 1 for external peers. */
  external: Uint8Array = new Uint8Array(0);
  /** BGP Identifier that the peer's OPEN carried; 0 before. */
  identifier: Uint32Array = new Uint32Array(0);
  /** Address in words, high first. */
  a0: Uint32Array = new Uint32Array(0);
  a1: Uint32Array = new Uint32Array(0);
  a2: Uint32Array = new Uint32Array(0);
  a3: Uint32Array = new Uint32Array(0);

  /** Hash of the address, by which a peer is known in any process. */
  key: Uint32Array = new Uint32Array(0);

  /** The peer whose routes are those of the speaker itself, 0 when there is none. */
  local: PeerRow = 0;
  /** The one whose routes are those of the kernel, 0 when there is none. */
  kernel: PeerRow = 0;

  private readonly freeRows: NumberStack = new NumberStack();
  private readonly columns: Columns = new Columns(this, COLUMNS);
  private rows = 1;

  /** Peers are below this. */
  get limit(): number {
    return this.rows;
  }

  /** Peers that there are. */
  get count(): number {
    return this.rows - 1 - this.freeRows.length;
  }

  add(facts: PeerFacts): PeerRow {
    let row = this.freeRows.pop();
    if (row === 0) {
      if (this.rows > 0xffff) throw new Error("more than 65,535 peers");
      row = this.rows++;
      this.columns.reserve(row);
    }
    this.as[row] = facts.as;
    this.external[row] = facts.external ? 1 : 0;
    this.identifier[row] = 0;
    this.a0[row] = facts.address[0];
    this.a1[row] = facts.address[1];
    this.a2[row] = facts.address[2];
    this.a3[row] = facts.address[3];
    this.key[row] = hashWords(0, ...facts.address, 128);
    return row;
  }

  /** Forgets a peer that has no paths. */
  remove(row: PeerRow): void {
    this.freeRows.push(row);
  }

  /** @returns 2 for routes of the speaker itself, 1 for those of the kernel, 0 for a neighbor's */
  ownRank(peer: PeerRow): number {
    return peer === this.local ? 2 : Number(peer === this.kernel);
  }

  /** @returns negative when the address of `a` is the lower one (RFC 4271 section 9.1.2.2 g) */
  compareAddress(a: PeerRow, b: PeerRow): number {
    return (
      this.a0[a]! - this.a0[b]! ||
      this.a1[a]! - this.a1[b]! ||
      this.a2[a]! - this.a2[b]! ||
      this.a3[a]! - this.a3[b]!
    );
  }
}
