/**
 * Prefixes of one family as a path-compressed binary tree on columns: entry `n` of every column belongs to
 * node `n`. A node without anything of its own is there only where two branches part.
 *
 * What a node has of its own is `head`, which the tree does not look into, and `marks`. A node keeps its
 * number while it has either.
 */

import { Columns, Rows } from "@ts-bgp/rib";

/** Row of a node; 0 is none. */
export type NodeRow = number;

/** Columns read `column[node]`; they are replaced when the tree grows, so do not keep them. */
export class PrefixTree {
  /** The prefix in 32-bit words, high first; words 1 to 3 stay empty for IPv4. */
  w0: Uint32Array = new Uint32Array(0);
  w1: Uint32Array = new Uint32Array(0);
  w2: Uint32Array = new Uint32Array(0);
  w3: Uint32Array = new Uint32Array(0);
  /** Prefix length. */
  bits: Uint8Array = new Uint8Array(0);
  /** Branches whose next bit is 0, and 1. */
  zero: Uint32Array = new Uint32Array(0);
  one: Uint32Array = new Uint32Array(0);
  /** What the owner of the tree has at the prefix; 0 for nothing. */
  head: Uint32Array = new Uint32Array(0);
  /** Flags of the owner. */
  marks: Uint8Array = new Uint8Array(0);
  root: NodeRow = 0;
  readonly isWide: boolean;
  readonly rows: Rows = new Rows();
  readonly columns: Columns;

  /** @param bitsMax - 32 or 128 */
  constructor(bitsMax: 32 | 128) {
    this.isWide = bitsMax === 128;
    const words = this.isWide ? ["w0", "w1", "w2", "w3"] : ["w0"];
    this.columns = new Columns(this, [...words, "bits", "zero", "one", "head", "marks"]);
  }

  /** @returns the node of a prefix whose bits beyond `bits` are 0; made when it was not there */
  intern(w0: number, w1: number, w2: number, w3: number, bits: number): NodeRow {
    let parent = 0;
    let node = this.root;
    let common = 0;
    while (node !== 0) {
      common = this.commonBits(node, w0, w1, w2, w3, bits);
      if (common < this.bits[node]!) break;
      if (common === bits) return node;
      parent = node;
      node = this.branch(node, w0, w1, w2, w3);
    }
    const made = this.add(w0, w1, w2, w3, bits);
    if (node === 0) this.hang(parent, 0, made);
    else if (common === bits) {
      this.hang(parent, node, made);
      this.putBelow(made, node);
    } else {
      const fork = this.add(w0, w1, w2, w3, common);
      this.hang(parent, node, fork);
      this.putBelow(fork, node);
      this.putBelow(fork, made);
    }
    return made;
  }

  /** @returns the node of a prefix, 0 when there is none */
  find(w0: number, w1: number, w2: number, w3: number, bits: number): NodeRow {
    let node = this.first(w0, w1, w2, w3, bits);
    while (node !== 0 && this.bits[node]! < bits) node = this.next(node, w0, w1, w2, w3, bits);
    return node;
  }

  /** @returns the shortest node that covers a prefix, itself included; 0 when there is none */
  first(w0: number, w1: number, w2: number, w3: number, bits: number): NodeRow {
    return this.covers(this.root, w0, w1, w2, w3, bits) ? this.root : 0;
  }

  /** @returns the next longer one than `node`, which covers it; 0 when there is none */
  next(node: NodeRow, w0: number, w1: number, w2: number, w3: number, bits: number): NodeRow {
    if (this.bits[node]! >= bits) return 0;
    const below = this.branch(node, w0, w1, w2, w3);
    return this.covers(below, w0, w1, w2, w3, bits) ? below : 0;
  }

  /** Takes a node out that has nothing of its own any more, unless two branches part there. */
  release(node: NodeRow): void {
    if (this.head[node] !== 0 || this.marks[node] !== 0) return;
    const [parent, above] = this.parentsOf(node);
    const { zero, one } = this;
    if (zero[node] !== 0 && one[node] !== 0) return;
    this.replace(parent, node, zero[node]! || one[node]!);
    this.free(node);
    if (parent === 0 || this.head[parent] !== 0 || this.marks[parent] !== 0) return;
    if (zero[parent] !== 0 && one[parent] !== 0) return;
    this.replace(above, parent, zero[parent]! || one[parent]!);
    this.free(parent);
  }

  /** Grows columns ahead of need; to be called now and then. */
  advance(): void {
    this.columns.advance(this.rows.limit);
  }

  /** Whether the prefix of a node, 0 for none, contains another one. */
  private covers(
    node: NodeRow,
    w0: number,
    w1: number,
    w2: number,
    w3: number,
    bits: number,
  ): boolean {
    if (node === 0) return false;
    const length = this.bits[node]!;
    if (length > bits) return false;
    const differs = this.w0[node]! ^ w0;
    if (length <= 32) return length === 0 || differs >>> (32 - length) === 0;
    return this.commonBits(node, w0, w1, w2, w3, bits) === length;
  }

  /** @returns how many bits a node and a prefix have in common, at most as many as the shorter one has */
  private commonBits(
    node: NodeRow,
    w0: number,
    w1: number,
    w2: number,
    w3: number,
    bits: number,
  ): number {
    const max = Math.min(this.bits[node]!, bits);
    const d0 = this.w0[node]! ^ w0;
    if (d0 !== 0 || !this.isWide) return Math.min(max, Math.clz32(d0));
    const d1 = this.w1[node]! ^ w1;
    if (d1 !== 0) return Math.min(max, 32 + Math.clz32(d1));
    const d2 = this.w2[node]! ^ w2;
    if (d2 !== 0) return Math.min(max, 64 + Math.clz32(d2));
    return Math.min(max, 96 + Math.clz32(this.w3[node]! ^ w3));
  }

  /** @returns the branch of a node that a longer prefix is in */
  private branch(node: NodeRow, w0: number, w1: number, w2: number, w3: number): NodeRow {
    return bitOf(this.bits[node]!, w0, w1, w2, w3) === 0 ? this.zero[node]! : this.one[node]!;
  }

  private add(w0: number, w1: number, w2: number, w3: number, bits: number): NodeRow {
    const node = this.rows.take();
    this.columns.reserve(node);
    this.w0[node] = masked(w0, bits);
    if (this.isWide) {
      this.w1[node] = masked(w1, bits - 32);
      this.w2[node] = masked(w2, bits - 64);
      this.w3[node] = masked(w3, bits - 96);
    }
    this.bits[node] = bits;
    this.zero[node] = 0;
    this.one[node] = 0;
    this.head[node] = 0;
    this.marks[node] = 0;
    return node;
  }

  private free(node: NodeRow): void {
    this.zero[node] = 0;
    this.one[node] = 0;
    this.rows.give(node);
  }

  /** Puts a new node below `parent`, 0 for the root, in place of `old`, if there is one. */
  private hang(parent: NodeRow, old: NodeRow, node: NodeRow): void {
    if (old !== 0) this.replace(parent, old, node);
    else if (parent === 0) this.root = node;
    else this.putBelow(parent, node);
  }

  private replace(parent: NodeRow, old: NodeRow, node: NodeRow): void {
    if (parent === 0) this.root = node;
    else if (this.zero[parent] === old) this.zero[parent] = node;
    else this.one[parent] = node;
  }

  private putBelow(parent: NodeRow, node: NodeRow): void {
    const wide = this.isWide;
    const bit = bitOf(
      this.bits[parent]!,
      this.w0[node]!,
      wide ? this.w1[node]! : 0,
      wide ? this.w2[node]! : 0,
      wide ? this.w3[node]! : 0,
    );
    if (bit === 0) this.zero[parent] = node;
    else this.one[parent] = node;
  }

  /** @returns the node above a node, and the one above that; 0 for none */
  private parentsOf(node: NodeRow): [NodeRow, NodeRow] {
    const wide = this.isWide;
    const w0 = this.w0[node]!;
    const w1 = wide ? this.w1[node]! : 0;
    const w2 = wide ? this.w2[node]! : 0;
    const w3 = wide ? this.w3[node]! : 0;
    let above = 0;
    let parent = 0;
    for (let at = this.root; at !== node; at = this.branch(at, w0, w1, w2, w3)) {
      above = parent;
      parent = at;
    }
    return [parent, above];
  }
}

/** @returns bit `at` of four words, counted from the left */
function bitOf(at: number, w0: number, w1: number, w2: number, w3: number): number {
  const word = at < 32 ? w0 : at < 64 ? w1 : at < 96 ? w2 : w3;
  return (word >>> (31 - (at & 31))) & 1;
}

/** @returns the first bits of a word; any number of bits */
function masked(word: number, bits: number): number {
  if (bits >= 32) return word;
  return bits <= 0 ? 0 : word & (-1 << (32 - bits));
}
