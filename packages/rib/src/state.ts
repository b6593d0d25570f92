/**
 * What a RIB holds and its update groups have advertised, as records, for another process that is to
 * hold the same.
 *
 *     tables --walk--> records --bracket--> apply --> tables
 *        ^ traffic       |                    |
 *        +-- marks what it changes            +-- all of a bracket or nothing of it
 *
 * A record says all there is of one prefix in one table, so that to apply it again changes nothing,
 * and the order of prefixes does not matter. A walk starts with every prefix of its table; what
 * changes meanwhile is put back into it. When nothing remains, the receiver holds what the tables
 * held at that moment.
 *
 * Attribute sets go by the sender's ids, each preceded by its octets once. Peers, classes and
 * reasons go by number: whoever carries the records turns them into the receiver's numbers.
 */

import type { Family } from "@ts-bgp/wire-codec";
import { type AdjRibOut, View } from "./adj-rib-out.ts";
import type { AttrId, AttrStore } from "./attr-store.ts";
import { grown } from "./columns.ts";
import type { PathState } from "./path-table.ts";
import type { PrefixRow } from "./prefix-table.ts";
import { keyOf, type PrefixKey } from "./queries.ts";
import type { Rib, RowFollower, RowHolder } from "./rib.ts";
import { PendingRows, RowSet } from "./row-set.ts";

/** An attribute set of the sender, before the first record that names it. */
export interface AttributesRecord {
  readonly kind: "attributes";
  readonly attr: AttrId;
  readonly octets: Uint8Array;
}

/** All paths of a prefix: others are gone. */
export interface PathsRecord {
  readonly kind: "paths";
  readonly family: Family;
  readonly prefix: PrefixKey;
  readonly paths: readonly PathState[];
}

/** All that an update group has advertised of a prefix: other path identifiers are withdrawn. */
export interface AdvertisedRecord {
  readonly kind: "advertised";
  readonly family: Family;
  /** As the sender numbers its groups. */
  readonly group: number;
  readonly prefix: PrefixKey;
  readonly routes: readonly AdvertisedRoute[];
}

/** What the members of a group see of one route; compare `View`. */
export interface AdvertisedRoute {
  /** 0 without ADD-PATH. */
  readonly pathId: number;
  /** 0 when it is advertised to listed classes alone. */
  readonly attr: AttrId;
  /** Class that it came from. */
  readonly source: number;
  /** Classes that see another set than the default, or nothing (0). */
  readonly listed: readonly (readonly [cls: number, attr: AttrId])[];
}

export type StateRecord = AttributesRecord | PathsRecord | AdvertisedRecord;

/**
 * Which attribute sets a receiver has been sent. One serves all walks for a receiver, which must
 * apply every bracket.
 */
export class SentSets {
  private readonly attrs: AttrStore;
  /** By id: serial of the set that was sent under it. */
  private serials: Uint32Array = new Uint32Array(1024);

  constructor(attrs: AttrStore) {
    this.attrs = attrs;
  }

  /** Puts a set into `out` unless it was sent already; 0 is none. */
  send(attr: AttrId, out: StateRecord[]): void {
    if (attr === 0) return;
    if (attr >= this.serials.length) {
      this.serials = grown(this.serials, Math.max(this.attrs.limit, 2 * this.serials.length));
    }
    const serial = this.attrs.serialOf(attr);
    if (this.serials[attr] === serial) return;
    this.serials[attr] = serial;
    out.push({ kind: "attributes", attr, octets: this.attrs.copyOf(attr) });
  }
}

/** A walk over one table, which `close` must end. */
export class StateWalk implements RowHolder, RowFollower {
  private readonly rib: Rib;
  private readonly followers: RowFollower[];
  private readonly pending: PendingRows = new PendingRows();
  /** Puts the records of a prefix into `out`; returns how many routes it has. */
  private readonly tell: (row: PrefixRow, out: StateRecord[]) => number;

  constructor(
    rib: Rib,
    rows: RowSet,
    followers: RowFollower[],
    tell: (row: PrefixRow, out: StateRecord[]) => number,
  ) {
    this.rib = rib;
    this.followers = followers;
    this.tell = tell;
    this.pending.addAll(rows);
    followers.push(this);
    rib.rowHolders.push(this);
  }

  /** Prefixes that the receiver is still to be told of; 0 when it has all. */
  get remaining(): number {
    return this.pending.size;
  }

  /** Puts records of about `max` routes into `out`, which is a bracket or a part of one. */
  next(max: number, out: StateRecord[]): void {
    for (let routes = 0; routes < max; ) {
      const row = this.pending.take();
      if (row === 0) return;
      routes += Math.max(1, this.tell(row, out));
      this.rib.freeIfUnused(row);
    }
  }

  close(): void {
    this.followers.splice(this.followers.indexOf(this), 1);
    this.rib.rowHolders.splice(this.rib.rowHolders.indexOf(this), 1);
    this.rib.freeUnused(this.pending);
  }

  changed(row: PrefixRow): void {
    this.pending.add(row);
  }

  needsRow(row: PrefixRow): boolean {
    return this.pending.has(row);
  }
}

/** Walks all paths of a RIB, accepted or not. Starting takes one pass over the prefixes. */
export function walkPaths(rib: Rib, sets: SentSets): StateWalk {
  const { prefixes, paths, family } = rib;
  const rows = new RowSet();
  for (let row = prefixes.limit - 1; row > 0; row--) if (prefixes.head[row] !== 0) rows.add(row);
  return new StateWalk(rib, rows, rib.followers, (row, out) => {
    const states: PathState[] = [];
    for (let path = prefixes.head[row]!; path !== 0; path = paths.next[path]!) {
      const state = paths.stateOf(path);
      sets.send(state.attrIn, out);
      sets.send(state.attr, out);
      states.push(state);
    }
    out.push({ kind: "paths", family, prefix: keyOf(prefixes, row), paths: states });
    return states.length;
  });
}

/** Walks what an update group has advertised. */
export function walkAdvertised(
  rib: Rib,
  adjRibOut: AdjRibOut,
  group: number,
  sets: SentSets,
): StateWalk {
  const { family } = rib;
  const ids: number[] = [];
  const view = new View();
  return new StateWalk(rib, adjRibOut.rows, adjRibOut.followers, (row, out) => {
    adjRibOut.pathIds(row, ids);
    const routes = ids.map((pathId) => {
      adjRibOut.load(row, pathId, view);
      const { attr, source } = view;
      sets.send(attr, out);
      const listed: [number, AttrId][] = [];
      for (let i = 0; i < view.listed.count; i++) {
        sets.send(view.attrs[i]!, out);
        listed.push([view.listed.items[i]!, view.attrs[i]!]);
      }
      return { pathId, attr, source, listed };
    });
    const prefix = keyOf(rib.prefixes, row);
    out.push({ kind: "advertised", family, group, prefix, routes });
    return routes.length;
  });
}

/** Where records of a receiver go. */
export interface StateTables {
  rib(family: Family): Rib;
  adjRibOut(family: Family, group: number): AdjRibOut;
}

/** Applies brackets; holds a reference of every set that it was sent, until `close`. */
export class StateReceiver {
  private readonly attrs: AttrStore;
  private readonly tables: StateTables;
  /** By the sender's id. */
  private readonly sets: Map<AttrId, AttrId> = new Map([[0, 0]]);
  private readonly old: View = new View();
  private readonly view: View = new View();
  private readonly ids: number[] = [];

  constructor(attrs: AttrStore, tables: StateTables) {
    this.attrs = attrs;
    this.tables = tables;
  }

  /**
   * Applies a whole bracket; the changed prefixes wait for `decide`.
   *
   * Linear in the routes. Throws, with nothing changed, when a record names a set that was not sent.
   */
  apply(bracket: readonly StateRecord[]): void {
    this.check(bracket);
    for (const record of bracket) {
      if (record.kind === "attributes") this.putSet(record);
      else if (record.kind === "paths") this.putPaths(record);
      else this.putAdvertised(record);
    }
  }

  /** Gives the references back. */
  close(): void {
    for (const attr of this.sets.values()) if (attr !== 0) this.attrs.release(attr);
    this.sets.clear();
  }

  private check(bracket: readonly StateRecord[]): void {
    const sent = new Set<AttrId>();
    const need = (attr: AttrId) => {
      if (sent.has(attr) || this.sets.has(attr)) return;
      throw new RangeError(`attribute set ${attr} is used before it was sent`);
    };
    for (const record of bracket) {
      if (record.kind === "attributes") sent.add(record.attr);
      else if (record.kind === "paths") {
        for (const { attrIn, attr } of record.paths) {
          need(attrIn);
          need(attr);
        }
      } else {
        for (const { attr, listed } of record.routes) {
          need(attr);
          for (const [, seen] of listed) need(seen);
        }
      }
    }
  }

  private putSet({ attr, octets }: AttributesRecord): void {
    const before = this.sets.get(attr) ?? 0;
    this.sets.set(attr, this.attrs.intern(octets, 0, octets.length));
    if (before !== 0) this.attrs.release(before);
  }

  private putPaths({ family, prefix, paths }: PathsRecord): void {
    const rib = this.tables.rib(family);
    const row = rowOf(rib, prefix, paths.length > 0);
    if (row === 0) return;
    const kept = new Set<number>();
    for (const state of paths) {
      const attrIn = this.sets.get(state.attrIn)!;
      const attr = this.sets.get(state.attr)!;
      kept.add(rib.putPath(row, { ...state, attrIn, attr }));
    }
    for (let path = rib.prefixes.head[row]!; path !== 0; ) {
      const next = rib.paths.next[path]!;
      if (!kept.has(path)) rib.removePath(path);
      path = next;
    }
  }

  private putAdvertised({ family, group, prefix, routes }: AdvertisedRecord): void {
    const rib = this.tables.rib(family);
    const adjRibOut = this.tables.adjRibOut(family, group);
    const row = rowOf(rib, prefix, routes.length > 0);
    const { old, view, ids } = this;
    adjRibOut.pathIds(row, ids);
    if (ids.length + routes.length === 0) return;
    for (const pathId of ids) {
      if (routes.some((route) => route.pathId === pathId)) continue;
      adjRibOut.load(row, pathId, old);
      view.clear();
      adjRibOut.store(row, pathId, old, view);
    }
    for (const { pathId, attr, source, listed } of routes) {
      view.clear();
      view.attr = this.held(attr);
      view.source = source;
      for (const [cls, seen] of listed) view.list(cls, this.held(seen));
      adjRibOut.load(row, pathId, old);
      adjRibOut.store(row, pathId, old, view);
    }
    // The group looks at the prefix again when it goes on, in case it advertises what is no more.
    rib.markDirty(row);
  }

  /** @returns the receiver's set, with one more reference */
  private held(attr: AttrId): AttrId {
    const own = this.sets.get(attr)!;
    if (own !== 0) this.attrs.hold(own);
    return own;
  }
}

function rowOf(rib: Rib, { words, bits }: PrefixKey, make: boolean): PrefixRow {
  const [w0, w1, w2, w3] = words;
  return make ? rib.prefixes.intern(w0, w1, w2, w3, bits) : rib.prefixes.find(w0, w1, w2, w3, bits);
}
