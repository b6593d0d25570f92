/**
 * The routing information base of one address family: what peers said (Adj-RIB-In), which of it is
 * used (Loc-RIB), and the log of what changed.
 *
 * Inbound: `announce` and `withdraw` take the NLRI octets of a checked UPDATE and change paths;
 * prefixes whose accepted paths changed wait. `decide` then finds their best paths and notes them in
 * the change log. Update groups and other readers follow the log.
 */

import { FAMILY, type Family } from "@ts-bgp/wire-codec";
import type { AttrId, AttrStore } from "./attr-store.ts";
import { ChangeLog } from "./change-log.ts";
import { grown, NumberStack } from "./columns.ts";
import { Compaction } from "./compaction.ts";
import { Decision } from "./decision.ts";
import { Digest, mixIn } from "./digest.ts";
import { NlriReader } from "./nlri-reader.ts";
import { type PathRow, PathTable } from "./path-table.ts";
import type { PeerRow, PeerTable } from "./peer-table.ts";
import { type PrefixRow, PrefixTable } from "./prefix-table.ts";
import { noteBest, noteRoute, type RouteNotes } from "./route-notes.ts";
import type { RowSet } from "./row-set.ts";

/** What import policy says of one route; the attribute set stays the policy's to hold. */
export interface ImportVerdict {
  /** Set to use in the Loc-RIB, 0 when the route is rejected. */
  attr: AttrId;
  /** Row of the reason table when rejected, else 0. */
  reason: number;
}

/** Import policy as the RIB sees it, set up for one peer and one attribute set. */
export interface Importer extends ImportVerdict {
  /** Whether the verdict differs between prefixes; when not, `judge` need not be called. */
  readonly perPrefix: boolean;
  /** Whether rejected routes are kept, to be shown. */
  readonly keepsRejected: boolean;
  /** Puts the verdict for one prefix into `attr` and `reason`. */
  judge(w0: number, w1: number, w2: number, w3: number, bits: number): void;
}

/** How much of one peer is taken, in prefixes, whatever the number of their paths; Infinity for all. */
export interface PeerLimits {
  /** Paths of further prefixes are not stored. */
  readonly received: number;
  /** Prefixes with an accepted path; paths that would add one are rejected, with `reason`. */
  readonly accepted: number;
  readonly reason: number;
}

/** What became of the routes of one `announce` or `withdraw`; reset by the caller. */
export interface UpdateCounts {
  added: number;
  changed: number;
  /** Announced again with nothing changed. */
  unchanged: number;
  withdrawn: number;
  /** Not taken: the peer's limit was reached, or too many path identifiers for one prefix. */
  blocked: number;
}

/** A reader that remembers rows by number. */
export interface RowHolder {
  needsRow(row: PrefixRow): boolean;
  /** Whether prefixes may get other rows now. */
  readonly isSettled: boolean;
  /** The prefix of row `from` has row `to` now, which was free. */
  moveRow(from: PrefixRow, to: PrefixRow): void;
}

/** More path identifiers of one peer for one prefix are not taken. */
export const PATHS_PER_PREFIX_MAX = 256;
/**
 * Nor are more paths of one prefix from peers with ADD-PATH: each has a number of 16 bits to be sent
 * with, and half of the numbers are for peers that send one path.
 */
const ADD_PATHS_PER_PREFIX_MAX = 0x7fff;

export class Rib {
  readonly family: Family;
  readonly attrs: AttrStore;
  readonly peers: PeerTable;
  readonly prefixes: PrefixTable;
  readonly paths: PathTable;
  readonly decision: Decision;
  readonly log: ChangeLog = new ChangeLog();
  /** Counts since the last `resetCounts`. */
  readonly counts: UpdateCounts = {
    added: 0,
    changed: 0,
    unchanged: 0,
    withdrawn: 0,
    blocked: 0,
  };

  /** Who may need a row beyond the change log; each calls `freeIfUnused` when it no longer does. */
  readonly rowHolders: RowHolder[] = [];
  /**
   * Of all paths: prefix, peer's address, path identifiers and attributes; not why and when. Equal
   * for equal paths in processes with the same seed. See `stepDigest`.
   */
  readonly digest: Digest = new Digest();

  /** Null while nobody observes; see `RouteNotes`. */
  notes: RouteNotes | null = null;
  readonly compaction: Compaction = new Compaction(this);
  private readonly dirty: NumberStack = new NumberStack();
  /** Scratch of `freePathId`, all 0 in between. */
  private taken: Uint8Array = new Uint8Array(64);
  /** Verdict at hand, with the peer's limits applied. */
  private attr: AttrId = 0;
  private reason = 0;
  /** See `find`. */
  private others = 0;
  private othersAccepted = 0;
  private readonly nlri: NlriReader;

  constructor(family: Family, attrs: AttrStore, peers: PeerTable, seed: number) {
    this.family = family;
    this.attrs = attrs;
    this.peers = peers;
    this.prefixes = new PrefixTable(family === FAMILY.IPV4_UNICAST ? 32 : 128, seed);
    this.nlri = new NlriReader(this.prefixes.bitsMax);
    this.paths = new PathTable(attrs);
    this.decision = new Decision(attrs, peers, this.paths);
  }

  /**
   * Takes announced routes of a peer.
   *
   * Linear in the routes, times the paths of their prefixes; allocates nothing but longer columns.
   *
   * @param buf - NLRI octets `[at, end)`, checked by the codec
   * @param addPath - whether each carries a path identifier
   * @param attrIn - the attributes as received
   * @param importer - import policy, set up for `attrIn`
   * @param limits - prefixes that the peer may have; paths of more are counted as blocked, and not
   *   stored or stored as rejected
   * @param round - the peer's current refresh round
   */
  announce(
    peer: PeerRow,
    buf: Uint8Array,
    at: number,
    end: number,
    addPath: boolean,
    attrIn: AttrId,
    importer: Importer,
    limits: PeerLimits,
    round: number,
    nowSeconds: number,
  ): void {
    const { prefixes, paths, counts, nlri } = this;
    for (let i = at; i < end; ) {
      i = nlri.read(buf, i, addPath);
      const { pathId, w0, w1, w2, w3, bits } = nlri;
      if (importer.perPrefix) importer.judge(w0, w1, w2, w3, bits);
      const row = prefixes.intern(w0, w1, w2, w3, bits);
      const path = this.find(row, peer, pathId);
      const { others, othersAccepted } = this;
      if (importer.attr === 0 && !importer.keepsRejected) {
        this.drop(row, path);
        continue;
      }
      if (path === 0 && this.isBlocked(row, peer, addPath, limits)) {
        counts.blocked++;
        this.freeIfUnused(row);
        continue;
      }
      if (this.limitVerdict(peer, path, importer, limits)) counts.blocked++;
      if (path === 0) {
        if (others > 0) paths.surplus[peer]!++;
        if (othersAccepted > 0 && this.attr !== 0) paths.surplusAccepted[peer]!++;
        this.add(row, peer, pathId, attrIn, round, nowSeconds);
        counts.added++;
      } else if (this.isSame(path, attrIn)) {
        if (this.notes !== null && paths.round[path] !== round) noteRoute(this.notes, paths, path);
        paths.round[path] = round;
        counts.unchanged++;
      } else {
        paths.round[path] = round;
        paths.sinceSeconds[path] = nowSeconds;
        this.replace(path, attrIn);
        counts.changed++;
      }
    }
  }

  /** Takes withdrawn routes of a peer; unknown ones are ignored. Cost as `announce`. */
  withdraw(peer: PeerRow, buf: Uint8Array, at: number, end: number, addPath: boolean): void {
    const { nlri } = this;
    for (let i = at; i < end; ) {
      i = nlri.read(buf, i, addPath);
      const row = this.prefixes.find(nlri.w0, nlri.w1, nlri.w2, nlri.w3, nlri.bits);
      if (row === 0) continue;
      const path = this.find(row, peer, nlri.pathId);
      if (path === 0) continue;
      this.removePath(path);
      this.counts.withdrawn++;
    }
  }

  /** Removes up to `max` paths of a peer. @returns whether some are left */
  removePeer(peer: PeerRow, max: number): boolean {
    const { peerHead } = this.paths;
    for (let n = 0; n < max && peerHead[peer] !== 0; n++) this.removePath(peerHead[peer]!);
    return peerHead[peer] !== 0;
  }

  /** Removes one path. */
  removePath(path: PathRow): void {
    const { prefixes, paths } = this;
    const row = paths.prefix[path]!;
    const { next } = paths;
    let previous = 0;
    for (let p = prefixes.head[row]!; p !== path; p = next[p]!) previous = p;
    if (previous === 0) prefixes.head[row] = next[path]!;
    else next[previous] = next[path]!;
    const wasAccepted = paths.attr[path] !== 0;
    this.noteChange(path, -1);
    // The path stands in the list of its prefix no longer: what is found there are others.
    this.countOthers(path);
    const peer = paths.peer[path]!;
    if (this.others > 0) paths.surplus[peer]!--;
    if (this.othersAccepted > 0 && wasAccepted) paths.surplusAccepted[peer]!--;
    paths.remove(path);
    if (wasAccepted || this.notes !== null) this.markDirty(row);
    else this.freeIfUnused(row);
  }

  /**
   * Gives a path the verdict of policy as it is now, after a change of policy.
   *
   * @returns whether the path changed
   */
  rejudge(path: PathRow, importer: Importer, limits: PeerLimits): boolean {
    const { prefixes, paths } = this;
    const row = paths.prefix[path]!;
    const wide = prefixes.bitsMax === 128;
    if (importer.perPrefix) {
      importer.judge(
        prefixes.w0[row]!,
        wide ? prefixes.w1[row]! : 0,
        wide ? prefixes.w2[row]! : 0,
        wide ? prefixes.w3[row]! : 0,
        prefixes.bits[row]!,
      );
    }
    const attrIn = paths.attrIn[path]!;
    this.limitVerdict(paths.peer[path]!, path, importer, limits);
    if (this.isSame(path, attrIn)) return false;
    this.replace(path, attrIn);
    return true;
  }

  /** Number of prefixes that wait for `decide`. */
  get pending(): number {
    return this.dirty.length;
  }

  /**
   * Runs the decision process for up to `max` waiting prefixes and notes them in the change log;
   * where they are urgent, update groups look at them before all that is not.
   */
  decide(isUrgent = false, max = Infinity): void {
    const { prefixes, decision, dirty, log, notes } = this;
    const from = Math.max(0, dirty.length - max);
    for (let i = from; i < dirty.length; i++) {
      const row = dirty.at(i);
      prefixes.dirty[row] = 0;
      const best = decision.best(prefixes.head[row]!);
      if (notes !== null) noteBest(notes, row, prefixes.best[row]!, best);
      prefixes.best[row] = best;
      log.append(row, prefixes.capacity, isUrgent);
    }
    dirty.length = from;
  }

  /** Frees what no reader of the change log needs any more; to be called once a slice. */
  trim(): void {
    this.log.trim((row) => this.freeIfUnused(row));
    this.prefixes.advance();
    this.paths.advance();
    this.attrs.advance();
  }

  /**
   * Has the tables give back what they have not needed for a while, piece by piece; to be called once
   * a slice, after `trim`.
   *
   * @returns whether there is more to do
   */
  compact(nowMs: number): boolean {
    return this.compaction.step(nowMs);
  }

  /** Has up to `max` more rows of paths count in the digest. @returns whether there are more */
  stepDigest(max: number): boolean {
    const { digest, paths } = this;
    return digest.advance(max, paths.limit, (path) => {
      if (paths.attrIn[path] !== 0) this.countInDigest(path, 1);
    });
  }

  /**
   * @returns the path of a prefix from one peer with one path identifier, or 0; then `others` and
   *   `othersAccepted` count the paths that the peer has for the prefix with other identifiers
   */
  find(row: PrefixRow, peer: PeerRow, pathId: number): PathRow {
    const { next, peer: peers, pathId: pathIds, attr } = this.paths;
    this.others = 0;
    this.othersAccepted = 0;
    for (let path = this.prefixes.head[row]!; path !== 0; path = next[path]!) {
      if (peers[path] !== peer) continue;
      if (pathIds[path] === pathId) return path;
      this.others++;
      if (attr[path] !== 0) this.othersAccepted++;
    }
    return 0;
  }

  /**
   * Counts into `others` and `othersAccepted` what else the peer of a path has for its prefix; costs
   * nothing where the peer has one path of each.
   */
  private countOthers(path: PathRow): void {
    const { paths, prefixes } = this;
    const peer = paths.peer[path]!;
    this.others = 0;
    this.othersAccepted = 0;
    if (paths.surplus[peer] === 0) return;
    const { next, peer: peers, attr } = paths;
    for (let p = prefixes.head[paths.prefix[path]!]!; p !== 0; p = next[p]!) {
      if (peers[p] !== peer || p === path) continue;
      this.others++;
      if (attr[p] !== 0) this.othersAccepted++;
    }
  }

  resetCounts(): void {
    const { counts } = this;
    counts.added = 0;
    counts.changed = 0;
    counts.unchanged = 0;
    counts.withdrawn = 0;
    counts.blocked = 0;
  }

  /**
   * Takes the verdict of policy into `attr` and `reason`; rejects what would be one accepted prefix
   * too many.
   *
   * @param path - that is there already, or 0: `othersAccepted` is then as `find` has left it
   * @returns whether the limit rejected it
   */
  private limitVerdict(
    peer: PeerRow,
    path: PathRow,
    verdict: ImportVerdict,
    limits: PeerLimits,
  ): boolean {
    const { paths } = this;
    const isNew = verdict.attr !== 0 && (path === 0 || paths.attr[path] === 0);
    let isOver = isNew && paths.acceptedPrefixesOf(peer) >= limits.accepted;
    if (isOver) {
      if (path !== 0) this.countOthers(path);
      isOver = this.othersAccepted === 0;
    }
    this.attr = isOver ? 0 : verdict.attr;
    this.reason = isOver ? limits.reason : verdict.reason;
    return isOver;
  }

  private isSame(path: PathRow, attrIn: AttrId): boolean {
    const { attrIn: ins, attr, reason } = this.paths;
    return ins[path] === attrIn && attr[path] === this.attr && reason[path] === this.reason;
  }

  /** Gives a path other attributes, and the verdict at hand. */
  private replace(path: PathRow, attrIn: AttrId): void {
    const { paths } = this;
    const row = paths.prefix[path]!;
    const before = paths.attr[path]!;
    if (before !== this.attr) this.markDirty(row);
    if ((before === 0) !== (this.attr === 0)) this.noteAccepted(path, this.attr === 0 ? -1 : 1);
    this.noteChange(path, -1);
    paths.replace(path, attrIn, this.attr);
    paths.reason[path] = this.reason;
    this.noteChange(path, 1);
  }

  /** A path is about to be accepted, or no longer. */
  private noteAccepted(path: PathRow, change: 1 | -1): void {
    const { paths } = this;
    this.countOthers(path);
    if (this.othersAccepted > 0) paths.surplusAccepted[paths.peer[path]!]! += change;
  }

  /** Adds a path with the verdict at hand. */
  private add(
    row: PrefixRow,
    peer: PeerRow,
    pathId: number,
    attrIn: AttrId,
    round: number,
    nowSeconds: number,
  ): void {
    const { paths } = this;
    const sentPathId = this.freePathId(this.prefixes.head[row]!);
    const path = this.link(row, peer, pathId, attrIn);
    paths.sentPathId[path] = sentPathId;
    paths.round[path] = round;
    paths.sinceSeconds[path] = nowSeconds;
    if (this.attr !== 0) this.markDirty(row);
    this.noteChange(path, 1);
  }

  /** Makes a path and puts it in front of its prefix's list. */
  private link(row: PrefixRow, peer: PeerRow, pathId: number, attrIn: AttrId): PathRow {
    const { prefixes, paths } = this;
    const path = paths.add(peer, row, attrIn, this.attr);
    paths.pathId[path] = pathId;
    paths.reason[path] = this.reason;
    paths.next[path] = prefixes.head[row]!;
    prefixes.head[row] = path;
    return path;
  }

  /** A route that was rejected and is not kept takes the place of an earlier one. */
  private drop(row: PrefixRow, path: PathRow): void {
    if (path !== 0) this.removePath(path);
    else this.freeIfUnused(row);
  }

  /** A path is as it is now, or will no longer be so. */
  private noteChange(path: PathRow, sign: 1 | -1): void {
    if (this.notes !== null) noteRoute(this.notes, this.paths, path, sign === 1);
    if (path < this.digest.frontier) this.countInDigest(path, sign);
  }

  private countInDigest(path: PathRow, sign: 1 | -1): void {
    const { attrs, paths, peers } = this;
    const attr = paths.attr[path]!;
    let h = mixIn(this.prefixes.hashOfRow(paths.prefix[path]!), peers.key[paths.peer[path]!]!);
    h = mixIn(mixIn(h, paths.pathId[path]!), paths.sentPathId[path]!);
    h = mixIn(h, attrs.hashOf(paths.attrIn[path]!));
    this.digest.count(mixIn(h, attr === 0 ? 0 : attrs.hashOf(attr)), sign);
  }

  /** Smallest path identifier to send that no path of the list has; linear in the list. */
  private freePathId(head: PathRow): number {
    const { next, sentPathId } = this.paths;
    let count = 0;
    let max = 0;
    for (let path = head; path !== 0; path = next[path]!) {
      count++;
      if (sentPathId[path]! > max) max = sentPathId[path]!;
    }
    if (max === count) return count + 1;
    if (this.taken.length <= max) this.taken = grown(this.taken, 2 * max);
    for (let path = head; path !== 0; path = next[path]!) this.taken[sentPathId[path]!] = 1;
    const free = this.taken.indexOf(0, 1);
    for (let path = head; path !== 0; path = next[path]!) this.taken[sentPathId[path]!] = 0;
    return free;
  }

  /** Whether one more path of the peer, which `find` has not found, is not taken. */
  private isBlocked(row: PrefixRow, peer: PeerRow, addPath: boolean, limits: PeerLimits): boolean {
    const { paths, others } = this;
    if (others === 0 && paths.prefixesOf(peer) >= limits.received) return true;
    if (!addPath) return false;
    let all = 0;
    for (let path = this.prefixes.head[row]!; path !== 0; path = paths.next[path]!) all++;
    return others >= PATHS_PER_PREFIX_MAX || all >= ADD_PATHS_PER_PREFIX_MAX;
  }

  /** Has a prefix decided again, and noted in the change log. */
  markDirty(row: PrefixRow): void {
    if (this.prefixes.dirty[row] !== 0) return;
    this.prefixes.dirty[row] = 1;
    this.dirty.push(row);
  }

  /** Frees a prefix's row when neither a path nor a reader of changes refers to it. */
  freeIfUnused(row: PrefixRow): void {
    const { prefixes } = this;
    if (prefixes.head[row] !== 0 || prefixes.dirty[row] !== 0 || this.log.has(row)) return;
    for (const holder of this.rowHolders) if (holder.needsRow(row)) return;
    prefixes.free(row);
  }

  /** Frees what is unused of rows that a holder does not need any more; linear in the rows. */
  freeUnused(rows: RowSet): void {
    const { head } = this.prefixes;
    for (let row = rows.next(0); row >= 0; row = rows.next(row + 1)) {
      if (head[row] === 0) this.freeIfUnused(row);
    }
  }
}
