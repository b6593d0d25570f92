/**
 * A walk of the tables of a router for somebody who observes it, in pieces between slices: what a piece tells
 * was so when it was taken, and what has changed since is told as a change.
 */

import { RunWriter, TABLE, type Table } from "@ts-bgp/feeds-codec";
import { type AttrId, advertised, type PeerRow, type PrefixRow, type Rib } from "@ts-bgp/rib";
import {
  FAMILIES,
  type Neighbor,
  NextHopRuns,
  RouteRuns,
  type Router,
  receivedSet,
  type SessionMember,
} from "@ts-bgp/router";
import { sentAttributes } from "./sent-attributes.ts";

/** Rows and paths that are looked at between two looks at the time. */
const PATHS = 64;
/** A piece is over when it has about so many octets; the routes of one prefix are in one. */
const PIECE_OCTETS = 1 << 17;
/** Of a run beside its attributes, and of a route, at most. */
const RUN_OCTETS = 13;
const ROUTE_OCTETS = 21;

/** Routes of a piece with one table, neighbor and attribute set. */
interface Bucket {
  readonly table: Table;
  readonly peer: PeerRow;
  readonly attr: AttrId;
  readonly member: SessionMember | null;
  /** Pairs of a prefix and a path identifier. */
  readonly routes: number[];
}

export class TableWalk {
  private readonly router: Router;
  private readonly tables: ReadonlySet<Table>;
  private readonly peers: ReadonlySet<PeerRow> | null;
  private readonly writer: RunWriter = new RunWriter();
  private familyAt = 0;
  private row = 1;
  /** Of the piece, about. */
  private octets = 0;
  private hops: NextHopRuns | null = null;
  /** Rows and paths since the last look at the time. */
  private looked = 0;
  private moves: number;

  /** @param peers - whose tables; null for all */
  constructor(router: Router, tables: readonly Table[], peers: readonly PeerRow[] | null) {
    this.router = router;
    this.tables = new Set(tables);
    this.peers = peers === null ? null : new Set(peers);
    this.moves = this.rib.compaction.moves;
  }

  /**
   * Looks at rows until `mayGoOn` says no, or there are octets enough.
   *
   * @param octetsMax - of a piece that is to be smaller than others, about
   * @returns runs of `feeds-codec`, which may be none; null at the end
   */
  next(mayGoOn: () => boolean, octetsMax: number = PIECE_OCTETS): Uint8Array<ArrayBuffer> | null {
    if (this.familyAt === FAMILIES.length) return null;
    const { rib } = this;
    const buckets: Map<number, Bucket> = new Map();
    const members = this.members(rib);
    const missed = rib.compaction.movedBehind(this.moves, this.row);
    this.moves = rib.compaction.moves;
    this.octets = 0;
    this.looked = 0;
    this.hops = this.tables.has(TABLE.NEXT_HOPS)
      ? new NextHopRuns(this.router.tables, rib, this.writer)
      : null;
    for (const row of missed) this.look(rib, row, members, buckets);
    while (this.row < rib.prefixes.limit) {
      this.look(rib, this.row++, members, buckets);
      if (this.octets >= Math.min(octetsMax, PIECE_OCTETS)) break;
      if (++this.looked < PATHS) continue;
      this.looked = 0;
      if (!mayGoOn()) break;
    }
    this.write(rib, buckets);
    if (this.row >= rib.prefixes.limit) this.nextFamily();
    return this.writer.take();
  }

  private get rib(): Rib {
    return this.router.tables.rib(FAMILIES[this.familyAt]!);
  }

  private nextFamily(): void {
    this.row = 1;
    this.familyAt++;
    if (this.familyAt < FAMILIES.length) this.moves = this.rib.compaction.moves;
  }

  private members(rib: Rib): SessionMember[] {
    if (!this.tables.has(TABLE.ADJ_OUT_POST)) return [];
    const { neighbors, tables } = this.router;
    const memberOf = ({ session }: Neighbor) => session?.family(rib.family)?.member ?? [];
    return [...neighbors.values()]
      .flatMap(memberOf)
      .filter((member) => this.wants(member.peer) && !tables.groups.held.includes(member));
  }

  private wants(peer: PeerRow): boolean {
    return this.peers === null || this.peers.has(peer);
  }

  private look(
    rib: Rib,
    row: PrefixRow,
    members: readonly SessionMember[],
    buckets: Map<number, Bucket>,
  ): void {
    const { prefixes, paths, attrs } = rib;
    if (prefixes.isFree(row)) return;
    const { tables } = this;
    const add = (
      table: Table,
      peer: PeerRow,
      attr: AttrId,
      pathId: number,
      member: SessionMember | null,
    ) => {
      if (attr === 0 || !tables.has(table)) return;
      const key = (table * 0x10000 + peer) * 2 ** 32 + attr;
      const known = buckets.get(key);
      this.octets += ROUTE_OCTETS;
      if (known !== undefined) known.routes.push(row, pathId);
      else {
        this.octets += RUN_OCTETS + attrs.lengthOf(attr);
        buckets.set(key, { table, peer, attr, member, routes: [row, pathId] });
      }
    };
    for (let path = prefixes.head[row]!; path !== 0; path = paths.next[path]!) {
      const peer = paths.peer[path]!;
      this.looked++;
      if (!this.wants(peer)) continue;
      const pathId = paths.pathId[path]!;
      add(TABLE.ADJ_IN_PRE, peer, receivedSet(attrs, paths.attrIn[path]!), pathId, null);
      add(TABLE.ADJ_IN_POST, peer, paths.attr[path]!, pathId, null);
    }
    const best = prefixes.best[row]!;
    if (best !== 0 && this.hops !== null) {
      this.hops.add(row);
      this.octets += RUN_OCTETS + ROUTE_OCTETS;
    }
    if (best !== 0) add(TABLE.LOC_RIB, paths.peer[best]!, paths.attr[best]!, 0, null);
    for (const member of members) {
      for (const [pathId, attr] of advertised(member.group, row, member)) {
        add(TABLE.ADJ_OUT_POST, member.peer, attr, pathId, member);
      }
    }
  }

  private write(rib: Rib, buckets: ReadonlyMap<number, Bucket>): void {
    const { writer } = this;
    const runs = new RouteRuns(this.router.tables, rib, writer);
    for (const { table, peer, attr, member, routes } of buckets.values()) {
      if (member !== null) {
        const attributes = sentAttributes(rib.attrs, attr, member);
        runs.run(table, peer, member.entry.settings.form.addPath, attributes);
      }
      for (let i = 0; i < routes.length; i += 2) {
        if (member !== null) runs.route(routes[i]!, routes[i + 1]!);
        else runs.add(table, peer, attr, routes[i]!, routes[i + 1]!);
      }
    }
  }
}
