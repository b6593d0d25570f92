/** Octets of a stream that have come in pieces, until whoever reads them has enough of them. */

import { joined } from "./octet-writer.ts";

export class OctetPieces {
  /** Octets that are there. */
  length = 0;
  private readonly pieces: Uint8Array[] = [];

  /** Adds octets, which must not change any more. */
  push(octets: Uint8Array): void {
    this.pieces.push(octets);
    this.length += octets.length;
  }

  /** @returns the first octets in one piece, at least `count` of them, which must be there */
  first(count: number): Uint8Array {
    if (this.pieces[0]!.length >= count) return this.pieces[0]!;
    let taken = 0;
    let have = 0;
    while (have < count) have += this.pieces[taken++]!.length;
    const one = joined(this.pieces.slice(0, taken));
    this.pieces.splice(0, taken, one);
    return one;
  }

  /** Takes octets away that `first` has in one piece. */
  drop(count: number): void {
    const rest = this.pieces[0]!.subarray(count);
    if (rest.length === 0) this.pieces.shift();
    else this.pieces[0] = rest;
    this.length -= count;
  }
}
