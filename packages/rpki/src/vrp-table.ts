/**
 * The VRPs of one family as columns, listed at the nodes of a tree of their prefixes, and what they say of
 * a route (RFC 6811).
 *
 * Who says that there is a VRP is a set of bits, one for each source; whether it counts is another column,
 * so that a question costs no more for many sources. A change takes many steps, and nobody sees half of it:
 * questions are answered as before it, until `show` has all of it count at once. Prefixes for which another
 * VRP counts than before are marked, until `takeChanges` and `endChanges`.
 */

import { Columns, Digest, mixIn, NumberStack, RowSet, Rows } from "@ts-bgp/rib";
import type { Vrp } from "./payload-octets.ts";
import { type NodeRow, PrefixTree } from "./prefix-tree.ts";

/** Row of a VRP; 0 is none. */
export type VrpRow = number;

/** States of a route by the numbers of RFC 8097. */
export const ORIGIN_STATE = { valid: 0, "not-found": 1, invalid: 2 } as const;
export type OriginStateName = keyof typeof ORIGIN_STATE;
export type OriginState = (typeof ORIGIN_STATE)[OriginStateName];
/** Names by number. */
export const ORIGIN_STATE_NAMES: readonly OriginStateName[] = ["valid", "not-found", "invalid"];

/** Marks of nodes: changed since the last `takeChanges`, and before that. */
const CHANGED = 1;
const TAKEN = 2;

const COLUMNS = ["as", "maxLength", "sources", "isUsed", "node", "next"];

/** Columns read `column[vrp]`; they are replaced when the table grows, so do not keep them. */
export class VrpTable {
  readonly tree: PrefixTree;
  as: Uint32Array = new Uint32Array(0);
  maxLength: Uint8Array = new Uint8Array(0);
  /** Bits of those who have it. */
  sources: Uint32Array = new Uint32Array(0);
  /** 1 when it counts, once all of the change at hand is shown. */
  isUsed: Uint8Array = new Uint8Array(0);
  /** 0 in a row that is free. */
  node: Uint32Array = new Uint32Array(0);
  /** Next VRP of the same prefix. */
  next: Uint32Array = new Uint32Array(0);
  /** VRPs, and those of them that count once all of the change at hand is shown. */
  size = 0;
  used = 0;
  /** Of these. */
  readonly digest: Digest = new Digest();
  readonly rows: Rows = new Rows();
  private readonly columns: Columns = new Columns(this, COLUMNS);
  /** Nodes marked as changed, and those taken. */
  private changed: NumberStack = new NumberStack();
  private taken: NumberStack = new NumberStack();
  /** Rows that count where they did not, or the other way round, by the change at hand. */
  private ahead: RowSet = new RowSet();
  /** Whether that is hidden still. */
  private hides = true;

  /** @param bitsMax - 32 or 128 */
  constructor(bitsMax: 32 | 128) {
    this.tree = new PrefixTree(bitsMax);
  }

  /** Rows are below this. */
  get limit(): number {
    return this.rows.limit;
  }

  isFree(vrp: VrpRow): boolean {
    return this.node[vrp] === 0;
  }

  /** Memory in octets. */
  get octets(): number {
    return this.columns.octets + this.tree.columns.octets;
  }

  /** @returns the row of a VRP, made without sources when it was not there */
  intern({ w0, w1, w2, w3, bits, maxLength, as }: Readonly<Vrp>): VrpRow {
    const node = this.tree.intern(w0, w1, w2, w3, bits);
    const known = this.among(node, maxLength, as);
    if (known !== 0) return known;
    const vrp = this.rows.take();
    this.columns.reserve(vrp);
    this.as[vrp] = as;
    this.maxLength[vrp] = maxLength;
    this.sources[vrp] = 0;
    this.isUsed[vrp] = 0;
    this.node[vrp] = node;
    this.next[vrp] = this.tree.head[node]!;
    this.tree.head[node] = vrp;
    this.size++;
    return vrp;
  }

  /** @returns the row of a VRP, 0 when it is not there */
  find({ w0, w1, w2, w3, bits, maxLength, as }: Readonly<Vrp>): VrpRow {
    const node = this.tree.find(w0, w1, w2, w3, bits);
    return node === 0 ? 0 : this.among(node, maxLength, as);
  }

  /**
   * Says whether a VRP counts from the next `show` on, and takes it out when nobody has it any more. All
   * that the last one showed must have been followed.
   */
  settle(vrp: VrpRow, counts: boolean): void {
    const isUsed = counts ? 1 : 0;
    const { ahead } = this;
    const node = this.node[vrp]!;
    if (this.isUsed[vrp] !== isUsed) {
      this.isUsed[vrp] = isUsed;
      if (ahead.has(vrp)) ahead.delete(vrp);
      else ahead.add(vrp);
      this.used += counts ? 1 : -1;
      this.digest.count(this.hashOf(vrp, node), counts ? 1 : -1);
      this.mark(node);
    }
    if (this.sources[vrp] === 0 && !ahead.has(vrp)) this.remove(vrp, node);
  }

  /** Whether something was settled that is not shown, or not followed. */
  get isAhead(): boolean {
    return this.ahead.size > 0;
  }

  /** Has all that was settled count; `follow` must come until there is no more. */
  show(): void {
    this.hides = false;
  }

  /** Gets ready for the next change, so many VRPs at most. @returns whether there are more */
  follow(count: number): boolean {
    const { ahead } = this;
    let vrp = ahead.next(0);
    for (let left = count; left > 0 && vrp > 0; left--) {
      ahead.delete(vrp);
      if (this.sources[vrp] === 0 && this.isUsed[vrp] === 0) this.remove(vrp, this.node[vrp]!);
      vrp = ahead.next(vrp);
    }
    this.hides = vrp < 0;
    return !this.hides;
  }

  /** Has what an image of an older program does not have. */
  complete(): void {
    this.ahead ??= new RowSet();
    this.hides ??= true;
  }

  private counts(vrp: VrpRow): boolean {
    return (this.isUsed[vrp] === 1) !== (this.hides && this.ahead.has(vrp));
  }

  private hashOf(vrp: VrpRow, node: NodeRow): number {
    const { tree } = this;
    let h = mixIn(
      mixIn(mixIn(tree.bits[node]!, this.maxLength[vrp]!), this.as[vrp]!),
      tree.w0[node]!,
    );
    if (tree.isWide) h = mixIn(mixIn(mixIn(h, tree.w1[node]!), tree.w2[node]!), tree.w3[node]!);
    return h;
  }

  /**
   * What the VRPs say of a route (RFC 6811 section 2).
   *
   * @param origin - the AS that the path ends with; 0 for none, which no VRP is for
   */
  stateOf(
    w0: number,
    w1: number,
    w2: number,
    w3: number,
    bits: number,
    origin: number,
  ): OriginState {
    const { tree } = this;
    let state: OriginState = ORIGIN_STATE["not-found"];
    let node = tree.first(w0, w1, w2, w3, bits);
    for (; node !== 0; node = tree.next(node, w0, w1, w2, w3, bits)) {
      for (let vrp = tree.head[node]!; vrp !== 0; vrp = this.next[vrp]!) {
        if (!this.counts(vrp)) continue;
        if (origin !== 0 && this.as[vrp] === origin && this.maxLength[vrp]! >= bits) {
          return ORIGIN_STATE.valid;
        }
        state = ORIGIN_STATE.invalid;
      }
    }
    return state;
  }

  /** @returns the VRPs that count and cover a prefix, the shortest ones first */
  covering(w0: number, w1: number, w2: number, w3: number, bits: number): VrpRow[] {
    const { tree } = this;
    const found: VrpRow[] = [];
    let node = tree.first(w0, w1, w2, w3, bits);
    for (; node !== 0; node = tree.next(node, w0, w1, w2, w3, bits)) {
      for (let vrp = tree.head[node]!; vrp !== 0; vrp = this.next[vrp]!) {
        if (this.counts(vrp)) found.push(vrp);
      }
    }
    return found;
  }

  /** Whether another VRP counts than before for some prefix. */
  get hasChanges(): boolean {
    return this.changed.length > 0;
  }

  /** Changes so far are taken: `isChanged` says which prefixes they are for. `endChanges` must come first. */
  takeChanges(): void {
    const { marks } = this.tree;
    const { changed } = this;
    this.changed = this.taken;
    this.taken = changed;
    for (let i = 0; i < changed.length; i++) marks[changed.at(i)] = TAKEN;
  }

  /** Whether what was taken may make another state of a prefix. */
  isChanged(w0: number, w1: number, w2: number, w3: number, bits: number): boolean {
    const { tree } = this;
    let node = tree.first(w0, w1, w2, w3, bits);
    for (; node !== 0; node = tree.next(node, w0, w1, w2, w3, bits)) {
      if ((tree.marks[node]! & TAKEN) !== 0) return true;
    }
    return false;
  }

  /** Forgets changes that were taken, so many at most. @returns whether there are more */
  endChanges(count: number): boolean {
    const { taken, tree } = this;
    for (let left = count; left > 0 && taken.length > 0; left--) {
      const node = taken.pop();
      tree.marks[node]! &= ~TAKEN;
      tree.release(node);
    }
    if (taken.length > 0) return true;
    taken.reset();
    return false;
  }

  /** Grows columns ahead of need; to be called now and then. */
  advance(): void {
    this.tree.advance();
    this.columns.advance(this.limit);
  }

  private mark(node: NodeRow): void {
    const { marks } = this.tree;
    if ((marks[node]! & CHANGED) !== 0) return;
    marks[node]! |= CHANGED;
    this.changed.push(node);
  }

  private among(node: NodeRow, maxLength: number, as: number): VrpRow {
    let vrp = this.tree.head[node]!;
    while (vrp !== 0 && (this.as[vrp] !== as || this.maxLength[vrp] !== maxLength)) {
      vrp = this.next[vrp]!;
    }
    return vrp;
  }

  private remove(vrp: VrpRow, node: NodeRow): void {
    const { head } = this.tree;
    if (head[node] === vrp) head[node] = this.next[vrp]!;
    else {
      let before = head[node]!;
      while (this.next[before] !== vrp) before = this.next[before]!;
      this.next[before] = this.next[vrp]!;
    }
    this.next[vrp] = 0;
    this.node[vrp] = 0;
    this.size--;
    this.rows.give(vrp);
    this.tree.release(node);
  }
}
