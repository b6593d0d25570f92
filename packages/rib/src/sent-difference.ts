/** What members of an update group are sent, compared with what another group has sent the same members. */

import { AttributeRewriter, type WireForm } from "@ts-bgp/wire-codec";
import { AdjRibOut, View } from "./adj-rib-out.ts";
import type { AttrId } from "./attr-store.ts";
import type { Member } from "./member.ts";
import { NextHopPeers } from "./next-hop-peers.ts";
import type { PeerRow } from "./peer-table.ts";
import type { PrefixRow } from "./prefix-table.ts";
import type { Rib } from "./rib.ts";
import type { RowSet } from "./row-set.ts";

/** What a member has of a route: as before, or it is new, gone, or another one. */
export const ROUTE = { SAME: 0, GAINED: 1, LOST: 2, CHANGED: 3 } as const;
export type RouteFate = (typeof ROUTE)[keyof typeof ROUTE];

/** What a group has sent. */
export interface Sent {
  /** Read only, and not told when prefixes get other rows: they must not. */
  readonly adjRibOut: AdjRibOut;
  readonly form: WireForm;
}

/** How many routes a member has otherwise. */
export class SentTo {
  readonly peer: PeerRow;
  readonly wasCls: number;
  readonly cls: number;
  /** By fate. */
  readonly counts: Int32Array = new Int32Array(4);
  /** Of those that are gained, lost and changed, the ones of `SentDifference.marked`. */
  marked = 0;
  /** Scratch: the route at which it was last looked at by itself, and what it has of it. */
  turn = 0;
  fate: RouteFate = ROUTE.SAME;

  constructor(peer: PeerRow, wasCls: number, cls: number) {
    this.peer = peer;
    this.wasCls = wasCls;
    this.cls = cls;
  }
}

interface Place extends Member {
  readonly of: SentTo;
}

export class SentDifference {
  private readonly rib: Rib;
  private readonly before: Sent;
  private readonly after: Sent;
  private readonly members: readonly SentTo[];
  private readonly marked: RowSet;
  private readonly note:
    | ((row: PrefixRow, pathId: number, of: (one: SentTo) => RouteFate) => void)
    | null;
  private readonly byWasCls: Map<number, SentTo[]> = new Map();
  private readonly byCls: Map<number, SentTo[]> = new Map();
  private readonly wasNextHops: NextHopPeers;
  private readonly nextHops: NextHopPeers;
  private readonly was: View = new View();
  private readonly is: View = new View();
  private readonly pathIds: number[] = [];
  private readonly morePathIds: number[] = [];
  private readonly rewriters = [new AttributeRewriter(), new AttributeRewriter()] as const;
  private readonly known: Map<string, boolean> = new Map();
  private readonly isSameForm: boolean;
  private turn = 0;
  /** For those that are like all others. */
  private readonly counts: Int32Array = new Int32Array(4);
  private markedCount = 0;

  /**
   * @param before - a copy of what the one group has sent; `after`: likewise
   * @param marked - prefixes of which is counted apart how many are otherwise
   * @param note - told of each route that may be another one for somebody, and what each has of it
   */
  constructor(
    rib: Rib,
    before: Sent,
    after: Sent,
    members: readonly SentTo[],
    marked: RowSet,
    note: SentDifference["note"] = null,
  ) {
    this.rib = rib;
    this.before = before;
    this.after = after;
    this.members = members;
    this.marked = marked;
    this.note = note;
    this.isSameForm = textOf(before.form) === textOf(after.form);
    this.wasNextHops = new NextHopPeers(rib, before.form.nextHop === null);
    this.nextHops = new NextHopPeers(rib, after.form.nextHop === null);
    for (const of of members) {
      const { peer, wasCls, cls } = of;
      push(this.byWasCls, wasCls, of);
      push(this.byCls, cls, of);
      const was: Place = { of, peer, cls: wasCls, backlogOctets: 0 };
      const is: Place = { of, peer, cls, backlogOctets: 0 };
      this.wasNextHops.add(was);
      this.nextHops.add(is);
    }
  }

  /** Counts, for all members. One pass over what both groups have sent, whatever the number of members. */
  count(): void {
    const rows = this.before.adjRibOut.rows.copy();
    rows.addAll(this.after.adjRibOut.rows);
    for (let row = rows.next(0); row >= 0; row = rows.next(row + 1)) this.countRow(row);
    // No attribute set is released before that.
    this.wasNextHops.endBatch();
    this.nextHops.endBatch();
    for (const one of this.members) {
      for (let fate = 0; fate < one.counts.length; fate++) one.counts[fate]! += this.counts[fate]!;
      one.marked += this.markedCount;
    }
  }

  private countRow(row: PrefixRow): void {
    const { pathIds, morePathIds, was, is } = this;
    this.before.adjRibOut.pathIds(row, pathIds);
    this.after.adjRibOut.pathIds(row, morePathIds);
    for (const id of morePathIds) if (!pathIds.includes(id)) pathIds.push(id);
    const isMarked = this.marked.has(row) ? 1 : 0;
    for (const pathId of pathIds) {
      this.before.adjRibOut.load(row, pathId, was);
      this.after.adjRibOut.load(row, pathId, is);
      const fate = this.fateOf(was.attr, is.attr);
      this.turn++;
      this.counts[fate]!++;
      if (fate !== ROUTE.SAME) this.markedCount += isMarked;
      this.lookApart(was, this.byWasCls, this.wasNextHops, fate, isMarked);
      this.lookApart(is, this.byCls, this.nextHops, fate, isMarked);
      this.note?.(row, pathId, (one) => (one.turn === this.turn ? one.fate : fate));
    }
  }

  /** Looks at those by themselves who may see something else of a view than the others. */
  private lookApart(
    view: View,
    byCls: ReadonlyMap<number, readonly SentTo[]>,
    nextHops: NextHopPeers,
    others: RouteFate,
    isMarked: number,
  ): void {
    const { listed, source } = view;
    if (source !== 0) {
      for (const one of byCls.get(source) ?? []) this.lookAt(one, others, isMarked);
    }
    for (let i = -1; i < listed.count; i++) {
      const attr = i < 0 ? view.attr : view.attrs[i]!;
      for (const { of } of nextHops.of(attr) as readonly Place[]) this.lookAt(of, others, isMarked);
      if (i < 0) continue;
      for (const one of byCls.get(listed.items[i]!) ?? []) this.lookAt(one, others, isMarked);
    }
  }

  private lookAt(one: SentTo, others: RouteFate, isMarked: number): void {
    if (one.turn === this.turn) return;
    one.turn = this.turn;
    const was = this.was.of(one.wasCls);
    const is = this.is.of(one.cls);
    one.fate = this.fateOf(
      this.wasNextHops.has(was, one.peer) ? 0 : was,
      this.nextHops.has(is, one.peer) ? 0 : is,
    );
    one.counts[others]!--;
    one.counts[one.fate]!++;
    if (others !== ROUTE.SAME) one.marked -= isMarked;
    if (one.fate !== ROUTE.SAME) one.marked += isMarked;
  }

  private fateOf(was: AttrId, is: AttrId): RouteFate {
    if (was === 0) return is === 0 ? ROUTE.SAME : ROUTE.GAINED;
    if (is === 0) return ROUTE.LOST;
    return this.areSame(was, is) ? ROUTE.SAME : ROUTE.CHANGED;
  }

  /** Whether a peer reads the same. */
  private areSame(was: AttrId, is: AttrId): boolean {
    if (was === is && this.isSameForm) return true;
    const key = `${was} ${is}`;
    let same = this.known.get(key);
    if (same === undefined) {
      const [first, second] = this.rewriters;
      this.rewrite(first, this.before.form, was);
      this.rewrite(second, this.after.form, is);
      same =
        areEqual(first.out, first.octets, second.out, second.octets) &&
        areEqual(first.nextHop, first.nextHopOctets, second.nextHop, second.nextHopOctets);
      this.known.set(key, same);
    }
    return same;
  }

  private rewrite(rewriter: AttributeRewriter, form: WireForm, attr: AttrId): void {
    const { attrs } = this.rib;
    const at = attrs.offsetOf(attr);
    rewriter.rewrite(form, attrs.bytesOf(attr), at, at + attrs.lengthOf(attr));
  }
}

/** @returns what a group has sent in which nobody has been sent anything */
export function nothingSent({ attrs, prefixes }: Rib, form: WireForm): Sent {
  return { form, adjRibOut: new AdjRibOut(attrs, prefixes, form.addPath) };
}

function push(into: Map<number, SentTo[]>, cls: number, one: SentTo): void {
  const known = into.get(cls);
  if (known === undefined) into.set(cls, [one]);
  else known.push(one);
}

function areEqual(a: Uint8Array, aOctets: number, b: Uint8Array, bOctets: number): boolean {
  if (aOctets !== bOctets) return false;
  for (let i = 0; i < aOctets; i++) if (a[i] !== b[i]) return false;
  return true;
}

function textOf(form: WireForm): string {
  return JSON.stringify({ ...form, nextHop: form.nextHop && [...form.nextHop] });
}
