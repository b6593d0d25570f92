/**
 * What an update group has advertised: Adj-RIB-Out, kept once for all members.
 *
 * For a prefix (and, with ADD-PATH, a path identifier) the members see one attribute set, the
 * default, except for classes of members listed apart: those the route came from, and those that
 * policy treats differently. A view that is 0 means nothing is advertised.
 *
 *     default view  ->  attr[row]            one column
 *     source class  ->  source[row]          sees nothing, unless listed
 *     other views   ->  nodes from extra[row]: (path id, class, attr)
 *
 * With ADD-PATH all views stand in nodes; class 0 is then the default of a path identifier.
 */

import type { AttrId, AttrStore } from "./attr-store.ts";
import { ClassSet } from "./class-set.ts";
import { Columns, grown, NumberStack, resized } from "./columns.ts";
import { Digest, mixIn } from "./digest.ts";
import type { PrefixRow, PrefixTable } from "./prefix-table.ts";
import { narrow, type RouteLimit } from "./route-limit.ts";
import { RowSet } from "./row-set.ts";

/** What one route looks like to the members: filled and compared while working on a prefix. */
export class View {
  /** Default attribute set, 0 for nothing. */
  attr: AttrId = 0;
  /** Class the route came from, which sees nothing unless listed; 0 for none. */
  source = 0;
  /** Classes listed apart: the one at index `i` sees `attrs[i]`. */
  readonly listed: ClassSet = new ClassSet();
  attrs: Uint32Array = new Uint32Array(16);

  clear(): void {
    this.attr = 0;
    this.source = 0;
    this.listed.clear();
  }

  /** Lists a class apart, which is not listed yet. */
  list(cls: number, attr: AttrId): void {
    this.listed.add(cls);
    const { count } = this.listed;
    if (count > this.attrs.length) this.attrs = grown(this.attrs, 2 * this.attrs.length);
    this.attrs[count - 1] = attr;
  }

  /** Puts the classes that may see something else than the default into `into`. */
  listApart(into: ClassSet): void {
    into.clear();
    if (this.source !== 0) into.add(this.source);
    for (let i = 0; i < this.listed.count; i++) into.add(this.listed.items[i]!);
  }

  /** @returns what members of a class see */
  of(cls: number): AttrId {
    const at = this.listed.indexOf(cls);
    if (at >= 0) return this.attrs[at]!;
    return cls === this.source ? 0 : this.attr;
  }

  /** @returns whether members of a class may see something else than the default */
  isApart(cls: number): boolean {
    return cls === this.source || this.listed.indexOf(cls) >= 0;
  }

  get isEmpty(): boolean {
    return this.attr === 0 && this.listed.count === 0;
  }

  /** Gives back one reference of each attribute set in the view. */
  release(store: AttrStore): void {
    if (this.attr !== 0) store.release(this.attr);
    for (let i = 0; i < this.listed.count; i++) {
      if (this.attrs[i] !== 0) store.release(this.attrs[i]!);
    }
  }
}

const NODE_COLUMNS = ["nodeNext", "nodePathId", "nodeClass", "nodeSource", "nodeAttr"];

/** Fewer nodes are not moved, nor more at a time, to give memory back. */
const NODES_MANY = 1 << 16;
const NODES_MOVED_MAX = 1 << 17;

/** Holds a reference of every attribute set in it. */
export class AdjRibOut {
  /** The prefixes of which anything is advertised to anyone. Read only for callers. */
  readonly rows: RowSet = new RowSet();
  /**
   * Of all that is advertised: prefix, path identifier, attributes, classes. Equal for equal
   * contents in processes with the same seed that number classes alike. See `stepDigest`.
   */
  readonly digest: Digest = new Digest();
  /** Null for none. */
  readonly limit: RouteLimit | null;
  /** Prefixes of which routes are not advertised since there is no room for them. Read only for callers. */
  readonly beyond: RowSet = new RowSet();
  /** No row below is in `beyond`: to look for the first one does not begin at the first of the table each time. */
  private beyondFrom: PrefixRow = 0;
  private attr: Uint32Array = new Uint32Array(0);
  private source: Uint16Array = new Uint16Array(0);
  /** First node of the row, 0 for none; empty until a node is needed. */
  private extra: Uint32Array = new Uint32Array(0);

  private nodeNext: Uint32Array = new Uint32Array(0);
  private nodePathId: Uint16Array = new Uint16Array(0);
  private nodeClass: Uint16Array = new Uint16Array(0);
  private nodeSource: Uint16Array = new Uint16Array(0);
  private nodeAttr: Uint32Array = new Uint32Array(0);
  private readonly nodeColumns: Columns = new Columns(this, NODE_COLUMNS);
  private readonly freeNodes: NumberStack = new NumberStack();
  private nodes = 1;

  private readonly attrs: AttrStore;
  private readonly prefixes: PrefixTable;
  private readonly addPath: boolean;
  /** Routes advertised by default, and how many each class has more (mostly: less) than that. */
  private defaults = 0;
  private classDelta: Int32Array = new Int32Array(64);
  private disposed = 0;
  /** Scratch of `rowsThatDiffer`. */
  private readonly own: View = new View();
  private readonly theirs: View = new View();
  private readonly ids: number[] = [];

  constructor(
    attrs: AttrStore,
    prefixes: PrefixTable,
    addPath: boolean,
    limit: RouteLimit | null = null,
  ) {
    this.limit = limit;
    this.attrs = attrs;
    this.prefixes = prefixes;
    this.addPath = addPath;
  }

  /** Memory in octets. */
  get octets(): number {
    return this.attr.length * 6 + this.extra.length * 4 + this.nodeColumns.octets;
  }

  /** @returns how many routes members of a class are advertised */
  countFor(cls: number): number {
    return this.defaults + (this.classDelta[cls] ?? 0);
  }

  /** Has what an older version does not write. */
  complete(): void {
    const known = this as unknown as { limit?: RouteLimit | null; beyond?: RowSet };
    known.limit ??= null;
    known.beyond ??= new RowSet();
    this.beyondFrom ??= 0;
  }

  private get isFull(): boolean {
    const { limit } = this;
    return limit !== null && this.countFor(limit.cls) >= limit.routes;
  }

  /** Whether a route that is to look like `next` makes room for another one: it is best sent first. */
  makesRoom(next: View): boolean {
    return this.limit !== null && next.isEmpty;
  }

  /** @returns the first prefix that waited for room and that there is some for, 0 for none */
  nextWithRoom(): PrefixRow {
    if (this.beyond.size === 0 || this.isFull) return 0;
    this.beyondFrom = this.beyond.next(this.beyondFrom);
    return this.beyondFrom;
  }

  /** Says anew, for each route of a prefix, whether there is room: to be called before `restrict`. */
  reconsider(row: PrefixRow): void {
    this.beyond.delete(row);
  }

  /**
   * Leaves of what a route should look like what the limit allows: a route that is advertised stays, and
   * another one comes if there is room.
   *
   * @param old - what `load` gave
   * @param next - with a reference of each set
   */
  restrict(row: PrefixRow, old: View, next: View): void {
    const { limit } = this;
    if (limit === null) return;
    const isOver = this.isFull && old.of(limit.cls) === 0;
    if (narrow(next, limit.cls, isOver, this.attrs)) this.addBeyond(row);
  }

  /** Puts what is advertised of a route into `view`; 0 is the path identifier without ADD-PATH. */
  load(row: PrefixRow, pathId: number, view: View): void {
    view.clear();
    if (!this.addPath && row < this.attr.length) {
      view.attr = this.attr[row]!;
      view.source = this.source[row]!;
    }
    for (let node = this.firstNode(row); node !== 0; node = this.nodeNext[node]!) {
      if (this.nodePathId[node] !== pathId) continue;
      if (this.nodeClass[node] === 0) {
        view.attr = this.nodeAttr[node]!;
        view.source = this.nodeSource[node]!;
      } else {
        view.list(this.nodeClass[node]!, this.nodeAttr[node]!);
      }
    }
  }

  /** Puts the path identifiers that something is advertised under into `into`. */
  pathIds(row: PrefixRow, into: number[]): void {
    into.length = 0;
    if (!this.addPath) {
      if (this.rows.has(row)) into.push(0);
      return;
    }
    // Nodes of one path identifier are neighbours, since they are only ever added together.
    for (let node = this.firstNode(row); node !== 0; node = this.nodeNext[node]!) {
      const pathId = this.nodePathId[node]!;
      if (into.at(-1) !== pathId) into.push(pathId);
    }
  }

  /**
   * @returns the same as it is now, for readers: it holds references of its own, and is not told when a
   *   prefix gets another row
   */
  copy(): AdjRibOut {
    const { attrs, prefixes, addPath } = this;
    const copy = new AdjRibOut(attrs, prefixes, addPath);
    copy.rows.addAll(this.rows);
    copy.attr = this.attr.slice();
    copy.source = this.source.slice();
    copy.extra = this.extra.slice();
    copy.nodeNext = this.nodeNext.slice();
    copy.nodePathId = this.nodePathId.slice();
    copy.nodeClass = this.nodeClass.slice();
    copy.nodeSource = this.nodeSource.slice();
    copy.nodeAttr = this.nodeAttr.slice();
    for (let row = copy.rows.next(0); row >= 0; row = copy.rows.next(row + 1)) {
      if (copy.attr[row]! !== 0) attrs.hold(copy.attr[row]!);
      for (let node = copy.firstNode(row); node !== 0; node = copy.nodeNext[node]!) {
        if (copy.nodeAttr[node] !== 0) attrs.hold(copy.nodeAttr[node]!);
      }
    }
    return copy;
  }

  /**
   * Finds the prefixes of which members of class `cls` see something else here than members of
   * class `otherCls` see in another table of the same RIB. One pass over what is advertised.
   */
  rowsThatDiffer(cls: number, other: AdjRibOut, otherCls: number): RowSet {
    const all = this.rows.copy();
    all.addAll(other.rows);
    const differ = new RowSet();
    for (let row = all.next(0); row >= 0; row = all.next(row + 1)) {
      if (this.sees(row, cls, other, otherCls) && other.sees(row, otherCls, this, cls)) continue;
      differ.add(row);
    }
    return differ;
  }

  /** Whether all that class `cls` sees of a prefix here is what class `otherCls` sees there. */
  private sees(row: PrefixRow, cls: number, other: AdjRibOut, otherCls: number): boolean {
    const { own, theirs, ids } = this;
    this.pathIds(row, ids);
    for (const pathId of ids) {
      this.load(row, pathId, own);
      other.load(row, pathId, theirs);
      if (own.of(cls) !== theirs.of(otherCls)) return false;
    }
    return true;
  }

  /**
   * Notes what is advertised from now on. The references of `next` become the table's, those of
   * `old` are given back.
   *
   * @param old - what `load` gave
   */
  store(row: PrefixRow, pathId: number, old: View, next: View): void {
    if (row >= this.attr.length) this.growRows();
    this.count(old, -1);
    this.count(next, 1);
    if (row < this.digest.frontier) {
      this.countInDigest(row, pathId, old, -1);
      this.countInDigest(row, pathId, next, 1);
    }
    if (old.listed.count > 0 || this.addPath) this.dropNodes(row, pathId);
    if (!this.addPath) {
      this.attr[row] = next.attr;
      this.source[row] = next.source;
    } else if (!next.isEmpty) {
      this.addNode(row, pathId, 0, next.source, next.attr);
    }
    for (let i = 0; i < next.listed.count; i++) {
      this.addNode(row, pathId, next.listed.items[i]!, 0, next.attrs[i]!);
    }
    if (old.isEmpty !== next.isEmpty) this.noteRow(row);
    old.release(this.attrs);
  }

  /** Has up to `max` more prefixes count in the digest. @returns whether there are more */
  stepDigest(max: number): boolean {
    const { own, ids } = this;
    return this.digest.advance(max, this.prefixes.limit, (row) => {
      this.pathIds(row, ids);
      for (const pathId of ids) {
        this.load(row, pathId, own);
        this.countInDigest(row, pathId, own, 1);
      }
    });
  }

  /** Makes room ahead of need, and gives back what is not needed; to be called now and then. */
  advance(): void {
    this.nodeColumns.advance(this.nodes);
    const { capacity } = this.prefixes;
    if (this.attr.length <= capacity) return;
    this.attr = resized(this.attr, capacity);
    this.source = resized(this.source, capacity);
    if (this.extra.length > capacity) this.extra = resized(this.extra, capacity);
    this.rows.fit(capacity);
    this.beyond.fit(capacity);
    this.compactNodes();
  }

  /** A prefix has another row, in which there was nothing. */
  moveRow(from: PrefixRow, to: PrefixRow): void {
    if (this.beyond.has(from)) {
      this.beyond.delete(from);
      this.addBeyond(to);
    }
    if (from >= this.attr.length) return;
    this.attr[to] = this.attr[from]!;
    this.source[to] = this.source[from]!;
    this.attr[from] = 0;
    this.source[from] = 0;
    if (from < this.extra.length) {
      this.extra[to] = this.extra[from]!;
      this.extra[from] = 0;
    }
    this.rows.move(from, to);
  }

  /**
   * Gives the references of up to `max` rows back; the table is of no use afterwards.
   *
   * @returns whether some are left
   */
  dispose(max: number): boolean {
    const end = Math.min(this.attr.length, this.disposed + max);
    for (; this.disposed < end; this.disposed++) {
      const attr = this.attr[this.disposed]!;
      if (attr !== 0) this.attrs.release(attr);
      for (let node = this.firstNode(this.disposed); node !== 0; node = this.nodeNext[node]!) {
        if (this.nodeAttr[node] !== 0) this.attrs.release(this.nodeAttr[node]!);
      }
    }
    return end < this.attr.length;
  }

  /** Moves nodes to the first rows of their columns when few are left of many. */
  private compactNodes(): void {
    const live = this.nodes - 1 - this.freeNodes.length;
    if (this.nodes < NODES_MANY || 4 * live > this.nodes || live > NODES_MOVED_MAX) return;
    const old = new Uint32Array(live);
    let count = 0;
    for (let row = this.rows.next(0); row >= 0; row = this.rows.next(row + 1)) {
      const first = this.firstNode(row);
      if (first !== 0) this.extra[row] = count + 1;
      for (let node = first; node !== 0; node = this.nodeNext[node]!) old[count++] = node;
    }
    const next = old.map((node, i) => (this.nodeNext[node] === 0 ? 0 : i + 2));
    for (const column of [this.nodePathId, this.nodeClass, this.nodeSource, this.nodeAttr]) {
      column.set(
        old.map((node) => column[node]!),
        1,
      );
    }
    this.nodeNext.set(next, 1);
    this.nodes = live + 1;
    this.freeNodes.reset();
    this.nodeColumns.shrink(this.nodes);
  }

  private addBeyond(row: PrefixRow): void {
    this.beyond.add(row);
    this.beyondFrom = Math.min(this.beyondFrom, row);
  }

  private noteRow(row: PrefixRow): void {
    if (this.attr[row] !== 0 || this.firstNode(row) !== 0) this.rows.add(row);
    else this.rows.delete(row);
  }

  private firstNode(row: PrefixRow): number {
    return row < this.extra.length ? this.extra[row]! : 0;
  }

  private count(view: View, sign: 1 | -1): void {
    if (view.isEmpty) return;
    const { attr, source, listed, attrs } = view;
    const byDefault = attr === 0 ? 0 : 1;
    this.defaults += sign * byDefault;
    if (source !== 0) this.addDelta(source, -sign * byDefault);
    for (let i = 0; i < listed.count; i++) {
      const cls = listed.items[i]!;
      const others = cls === source ? 0 : byDefault;
      this.addDelta(cls, sign * ((attrs[i] === 0 ? 0 : 1) - others));
    }
  }

  private countInDigest(row: PrefixRow, pathId: number, view: View, sign: 1 | -1): void {
    const { digest, attrs } = this;
    const hash = mixIn(this.prefixes.hashOfRow(row), pathId);
    if (view.attr !== 0) {
      digest.count(mixIn(mixIn(hash, attrs.hashOf(view.attr)), view.source), sign);
    }
    for (let i = 0; i < view.listed.count; i++) {
      const attr = view.attrs[i]!;
      const seen = mixIn(hash, attr === 0 ? 0 : attrs.hashOf(attr));
      digest.count(mixIn(seen, ~view.listed.items[i]!), sign);
    }
  }

  private addDelta(cls: number, delta: number): void {
    if (delta === 0) return;
    if (cls >= this.classDelta.length) this.classDelta = grown(this.classDelta, 2 * cls);
    this.classDelta[cls]! += delta;
  }

  private addNode(row: number, pathId: number, cls: number, source: number, attr: AttrId): void {
    let node = this.freeNodes.pop();
    if (node === 0) {
      node = this.nodes++;
      this.nodeColumns.reserve(node);
    }
    if (row >= this.extra.length) this.extra = grown(this.extra, this.attr.length);
    this.nodeNext[node] = this.extra[row]!;
    this.nodePathId[node] = pathId;
    this.nodeClass[node] = cls;
    this.nodeSource[node] = source;
    this.nodeAttr[node] = attr;
    this.extra[row] = node;
  }

  private dropNodes(row: PrefixRow, pathId: number): void {
    let previous = 0;
    for (let node = this.firstNode(row); node !== 0; ) {
      const next = this.nodeNext[node]!;
      if (this.nodePathId[node] !== pathId) previous = node;
      else {
        if (previous === 0) this.extra[row] = next;
        else this.nodeNext[previous] = next;
        this.freeNodes.push(node);
      }
      node = next;
    }
  }

  private growRows(): void {
    const { capacity } = this.prefixes;
    this.attr = grown(this.attr, capacity);
    this.source = grown(this.source, capacity);
    if (this.extra.length > 0) this.extra = grown(this.extra, capacity);
  }
}
