/**
 * The decision process: RFC 4271 section 9.1 with the tie-breaks of RFC 4456 section 9.
 *
 * The order of preference, highest first:
 *   not long-lived stale (RFC 9494 section 4.4); LOCAL_PREF; originated by this speaker, by its
 *   configuration before the kernel; shorter AS_PATH; lower ORIGIN; lower MED among paths of one neighbouring AS; external before internal; lower BGP
 *   Identifier (ORIGINATOR_ID if present); shorter CLUSTER_LIST; lower peer address; lower path identifier.
 * The interior cost of step e is equal for all paths here: the speaker has no interior routes.
 *
 * MED is not an order of pairs but removes paths from a group (step c), so it is applied to all
 * paths that tie up to there. The result depends on the set of paths alone, never on rows or on the
 * order of arrival: an active and a standby hold the same path in different rows.
 */

import { formatIpv4 } from "@ts-bgp/wire-codec";
import { ATTR_SET, type AttrId, type AttrStore } from "./attr-store.ts";
import { grown } from "./columns.ts";
import type { PathRow, PathTable } from "./path-table.ts";
import type { PeerTable } from "./peer-table.ts";

const ORIGINS = ["IGP", "EGP", "INCOMPLETE"] as const;

function sessionText(external: number): string {
  return external === 1 ? "external" : "internal";
}

function originText(local: number): string {
  return ["a neighbor", "the kernel", "this speaker"][local]!;
}

export class Decision {
  private readonly attrs: AttrStore;
  private readonly peers: PeerTable;
  private readonly paths: PathTable;
  /** Accepted paths of the prefix at hand. */
  private list: Uint32Array = new Uint32Array(64);
  /** Those of them that tie up to step b. */
  private tied: Uint32Array = new Uint32Array(64);
  private count = 0;
  /** By hash of a neighbouring AS: index in `list`, plus one, of a tied path with its lowest MED. */
  private lowest: Uint32Array = new Uint32Array(256);
  /** How many of `list` stand in order of preference already. */
  private ordered = 0;

  constructor(attrs: AttrStore, peers: PeerTable, paths: PathTable) {
    this.attrs = attrs;
    this.peers = peers;
    this.paths = paths;
  }

  /**
   * @param head - first path of a prefix, or 0
   * @returns its best accepted path, or 0; linear in the paths, allocates nothing
   */
  best(head: PathRow): PathRow {
    const count = this.collect(head);
    if (count <= 1) return count === 0 ? 0 : this.list[0]!;
    return this.list[this.bestFrom(0)]!;
  }

  /**
   * Lists the accepted paths of a prefix; `preferred` then tells them in order of preference.
   *
   * @returns how many there are
   */
  collect(head: PathRow): number {
    const { attr, next } = this.paths;
    let count = 0;
    for (let path = head; path !== 0; path = next[path]!) {
      if (attr[path] === 0) continue;
      if (count === this.list.length) this.widen();
      this.list[count++] = path;
    }
    this.count = count;
    this.ordered = 0;
    return count;
  }

  /** @returns one of the paths collected, which are numbered from 0 in no particular order */
  collected(index: number): PathRow {
    return this.list[index]!;
  }

  /** @returns the path at place `rank`, from 0, among those collected; a pass for each new rank */
  preferred(rank: number): PathRow {
    const { list } = this;
    for (; this.ordered <= rank; this.ordered++) {
      const at = this.bestFrom(this.ordered);
      const path = list[at]!;
      list[at] = list[this.ordered]!;
      list[this.ordered] = path;
    }
    return list[rank]!;
  }

  /**
   * The best accepted path and those that are equal to it up to step d of RFC 4271 section 9.1.2.2, so that only
   * identifiers and addresses tell them apart: packets may take any of them.
   *
   * @param head - first path of a prefix, or 0
   * @returns by preference, the best one first
   */
  equal(head: PathRow): PathRow[] {
    const { list, tied, peers, paths } = this;
    const count = this.collect(head);
    if (count <= 1) return count === 0 ? [] : [list[0]!];
    const ties = this.tiedFrom(0);
    const equals = Array.from(tied.subarray(0, ties), (at) => list[at]!);
    equals.sort((one, other) => this.compareTail(one, other));
    const external = (path: PathRow) => peers.external[paths.peer[path]!];
    return equals.filter((path) => external(path) === external(equals[0]!));
  }

  /**
   * In words, for `explain`: what makes one path preferred to another of the same prefix. When a
   * third path decides between them by MED, that is named all the same.
   */
  firstDifference(better: PathRow, worse: PathRow): string {
    const { attrs, paths, peers } = this;
    const x = paths.attr[better]!;
    const y = paths.attr[worse]!;
    const p = paths.peer[better]!;
    const q = paths.peer[worse]!;
    const identifiers = [
      attrs.originatorId[x] || peers.identifier[p]!,
      attrs.originatorId[y] || peers.identifier[q]!,
    ] as const;
    const origin = (code: number) => ORIGINS[code]!;
    const sameAs = attrs.firstAs[x] === attrs.firstAs[y];
    const isStale = (set: number) => Number((attrs.flags[set]! & ATTR_SET.LLGR_STALE) !== 0);
    const staleText = (stale: number) => (stale === 1 ? "stale" : "not stale");
    const steps: [name: string, better: number, worse: number, text: (n: number) => string][] = [
      ["not LLGR_STALE", isStale(x), isStale(y), staleText],
      ["higher LOCAL_PREF", attrs.localPref[x]!, attrs.localPref[y]!, String],
      ["origin", peers.ownRank(p), peers.ownRank(q), originText],
      ["shorter AS_PATH", attrs.asPathLength[x]!, attrs.asPathLength[y]!, String],
      ["lower ORIGIN", attrs.origin[x]!, attrs.origin[y]!, origin],
      ["lower MULTI_EXIT_DISC", sameAs ? attrs.med[x]! : 0, sameAs ? attrs.med[y]! : 0, String],
      ["session", peers.external[p]!, peers.external[q]!, sessionText],
      ["lower BGP Identifier", ...identifiers, formatIpv4],
      ["shorter CLUSTER_LIST", attrs.clusterListLength[x]!, attrs.clusterListLength[y]!, String],
    ];
    for (const [name, a, b, text] of steps) {
      if (a !== b) return `${name} (${text(a)} against ${text(b)})`;
    }
    return p === q ? "lower path identifier" : "lower peer address";
  }

  /** @returns the index in `list` of the best of `list[from..count)` */
  private bestFrom(from: number): number {
    const { list, tied } = this;
    const ties = this.tiedFrom(from);
    let best = tied[0]!;
    for (let i = 1; i < ties; i++) {
      if (this.compareTail(list[tied[i]!]!, list[best]!) < 0) best = tied[i]!;
    }
    return best;
  }

  /** Puts into `tied` those of `list[from..count)` that are best up to step c. @returns how many these are */
  private tiedFrom(from: number): number {
    const { list, tied, count } = this;
    let ties = 0;
    for (let i = from; i < count; i++) {
      const order = ties === 0 ? -1 : this.compareHead(list[i]!, list[tied[0]!]!);
      if (order < 0) ties = 0;
      if (order <= 0) tied[ties++] = i;
    }
    return ties > 1 && this.hasMed(ties) ? this.keepLowestMed(ties) : ties;
  }

  private hasMed(ties: number): boolean {
    const { list, tied } = this;
    const { attr } = this.paths;
    for (let i = 0; i < ties; i++) if (this.attrs.med[attr[list[tied[i]!]!]!] !== 0) return true;
    return false;
  }

  /**
   * RFC 4271 section 9.1.2.2 c: removes those that are not of the lowest MED among the tied paths of
   * their neighbouring AS.
   *
   * @returns how many are left
   */
  private keepLowestMed(ties: number): number {
    const { list, tied, lowest } = this;
    const { med } = this.attrs;
    const { attr } = this.paths;
    const mask = (1 << (33 - Math.clz32(ties))) - 1;
    lowest.fill(0, 0, mask + 1);
    for (let i = 0; i < ties; i++) {
      const slot = this.slotOf(list[tied[i]!]!, mask);
      const known = lowest[slot]!;
      const own = med[attr[list[tied[i]!]!]!]!;
      if (known === 0 || own < med[attr[list[known - 1]!]!]!) lowest[slot] = tied[i]! + 1;
    }
    let left = 0;
    for (let i = 0; i < ties; i++) {
      const known = lowest[this.slotOf(list[tied[i]!]!, mask)]!;
      const own = med[attr[list[tied[i]!]!]!]!;
      if (own === med[attr[list[known - 1]!]!]) tied[left++] = tied[i]!;
    }
    return left;
  }

  /** @returns where `lowest` has the neighbouring AS of a path, or where it is to go */
  private slotOf(path: PathRow, mask: number): number {
    const { list, lowest } = this;
    const { firstAs } = this.attrs;
    const { attr } = this.paths;
    const as = firstAs[attr[path]!]!;
    let slot = (Math.imul(as, 0x9e3779b1) >>> 8) & mask;
    while (lowest[slot] !== 0 && firstAs[attr[list[lowest[slot]! - 1]!]!] !== as) {
      slot = (slot + 1) & mask;
    }
    return slot;
  }

  /** RFC 9494, section 9.1.1 and steps a and b of 9.1.2.2; negative when `a` is preferred. */
  private compareHead(a: PathRow, b: PathRow): number {
    const { localPref, asPathLength, origin, staleSets } = this.attrs;
    const x = this.paths.attr[a]!;
    const y = this.paths.attr[b]!;
    return (
      (staleSets === 0 ? 0 : this.compareStale(x, y)) ||
      localPref[y]! - localPref[x]! ||
      ((this.peers.local | this.peers.kernel) === 0 ? 0 : this.compareLocal(a, b)) ||
      asPathLength[x]! - asPathLength[y]! ||
      origin[x]! - origin[y]!
    );
  }

  /** RFC 9494 section 4.4: whatever is not stale is preferred. */
  private compareStale(x: AttrId, y: AttrId): number {
    const { flags } = this.attrs;
    return (flags[x]! & ATTR_SET.LLGR_STALE) - (flags[y]! & ATTR_SET.LLGR_STALE);
  }

  /** What the speaker originates is preferred to what it is told. */
  private compareLocal(a: PathRow, b: PathRow): number {
    const { peers } = this;
    const { peer } = this.paths;
    return peers.ownRank(peer[b]!) - peers.ownRank(peer[a]!);
  }

  /** Steps d, f and g; RFC 4456 section 9; RFC 7911 leaves the last step open. */
  private compareTail(a: PathRow, b: PathRow): number {
    const { paths, peers, attrs } = this;
    const p = paths.peer[a]!;
    const q = paths.peer[b]!;
    const x = paths.attr[a]!;
    const y = paths.attr[b]!;
    return (
      peers.external[q]! - peers.external[p]! ||
      (attrs.originatorId[x] || peers.identifier[p]!) -
        (attrs.originatorId[y] || peers.identifier[q]!) ||
      attrs.clusterListLength[x]! - attrs.clusterListLength[y]! ||
      peers.compareAddress(p, q) ||
      paths.pathId[a]! - paths.pathId[b]!
    );
  }

  private widen(): void {
    this.list = grown(this.list, 2 * this.list.length);
    this.tied = grown(this.tied, 2 * this.tied.length);
    this.lowest = new Uint32Array(4 * this.list.length);
  }
}
