/** Telling those who observe: what there is to say of sessions and routes, see `observed.ts`. */

import { type Octets, RunWriter, TABLE, type Table } from "@ts-bgp/feeds-codec";
import type { Negotiated } from "@ts-bgp/fsm";
import {
  ATTR_SET,
  type AttrId,
  type AttrStore,
  clearRouteNotes,
  eachNotedPath,
  type PathRow,
  type PeerRow,
  type PrefixRow,
  type Rib,
  type RouteNotes,
} from "@ts-bgp/rib";
import { AS_TRANS, encodeOpen, type OpenMessage, parseIpv4 } from "@ts-bgp/wire-codec";
import type { Connection } from "./connection.ts";
import { addressOctets } from "./facts.ts";
import type { NeighborDirectory } from "./neighbor-directory.ts";
import { NextHopRuns } from "./next-hop-runs.ts";
import { type ObservedSession, tellsNextHops } from "./observed.ts";
import type { SessionPeer } from "./session-peer.ts";
import type { Tables } from "./tables.ts";

/** What is asked of a session. */
interface UpSession {
  readonly neighbor: SessionPeer;
  readonly connection: Connection;
  readonly negotiated: Negotiated;
  readonly sinceMs: number;
}

/** Between two calls it holds nothing. */
const writer = new RunWriter();

/** @returns what there is to say of a session that is up */
export function observedSession(session: UpSession): ObservedSession {
  const { neighbor, connection, negotiated, sinceMs } = session;
  const { config, row, tables } = neighbor;
  const { localAddress, remotePort, openSent, openReceived } = connection;
  const isOurs = remotePort === config.port;
  return {
    peer: row,
    connection: connection.id,
    neighbor: config.address,
    group: config.group,
    as: negotiated.peerAs,
    identifier: negotiated.peerIdentifier,
    localAs: config.localAs,
    address: addressOctets(config.address),
    localAddress: addressOctets(localAddress),
    localPort: isOurs ? 0 : (tables.config.listen[0]?.port ?? 0),
    remotePort,
    sentOpen: openSent ?? encodeOpen(openOf(session, true)),
    receivedOpen: openReceived ?? encodeOpen(openOf(session, false)),
    fourOctetAs: negotiated.fourOctetAs,
    families: negotiated.families,
    addPathReceive: negotiated.addPathReceive,
    addPathSend: negotiated.addPathSend,
    sinceMs,
  };
}

/** An OPEN that an older version of this program did not keep, from what it did. */
function openOf({ neighbor, negotiated }: UpSession, isOwn: boolean): OpenMessage {
  const { config, tables } = neighbor;
  const as = isOwn ? config.localAs : negotiated.peerAs;
  return {
    version: 4,
    as: as > 0xffff ? AS_TRANS : as,
    holdTimeSeconds: negotiated.holdTimeSeconds,
    bgpIdentifier: isOwn ? parseIpv4(tables.config.router.id)! : negotiated.peerIdentifier,
    capabilities: [...(isOwn ? negotiated.localCapabilities : negotiated.peerCapabilities)],
  };
}

/** Tells what routes have changed since they were told last. */
export function tellRoutes(tables: Tables, rib: Rib): void {
  const { notes } = rib;
  if (notes === null || notes.touched.size + notes.best.length === 0) return;
  const routes = new RouteRuns(tables, rib, writer);
  const { wants, directory } = tables;
  if (wants.routes) tellReceived(rib, notes, routes, directory);
  if (wants.routes || wants.accepted === true) tellAccepted(rib, notes, routes, directory);
  const withHops = tellsNextHops(wants);
  if (wants.routes || (wants.best === true && !withHops)) {
    for (const row of notes.best) routes.addBest(row);
  }
  if (withHops) {
    const hops = new NextHopRuns(tables, rib, writer);
    for (const row of notes.best) hops.add(row);
  }
  clearRouteNotes(notes);
  const event = { kind: "routes", atMs: tables.nowMs, octets: writer.take() } as const;
  if (event.octets.length > 0) tables.outputs.push({ do: "observe", event });
}

/** What this speaker's neighbors have said; of others it has no more than what is accepted. */
function tellReceived(
  rib: Rib,
  notes: RouteNotes,
  routes: RouteRuns,
  directory: NeighborDirectory,
): void {
  eachNotedPath(notes, (noted) => {
    if (directory.isElsewhere(noted.peer)) return;
    const path = currentPath(rib, noted.path, noted.prefix, noted.peer, noted.pathId);
    const attr = path === 0 ? 0 : receivedSet(rib.attrs, rib.paths.attrIn[path]!);
    routes.add(TABLE.ADJ_IN_PRE, noted.peer, attr, noted.prefix, noted.pathId);
  });
}

/** What of it is accepted; routes that this speaker originates are nobody's. */
function tellAccepted(
  rib: Rib,
  notes: RouteNotes,
  routes: RouteRuns,
  directory: NeighborDirectory,
): void {
  eachNotedPath(notes, (noted) => {
    if (rib.peers.ownRank(noted.peer) > 0 || directory.isElsewhere(noted.peer)) return;
    const path = currentPath(rib, noted.path, noted.prefix, noted.peer, noted.pathId);
    const attr = path === 0 ? 0 : rib.paths.attr[path]!;
    if (attr === 0 && !noted.wasAccepted) return;
    routes.add(TABLE.ADJ_IN_POST, noted.peer, attr, noted.prefix, noted.pathId);
  });
}

/** @returns a path that has been noted, as it is now, or 0 */
function currentPath(
  rib: Rib,
  path: PathRow,
  prefix: PrefixRow,
  peer: PeerRow,
  pathId: number,
): PathRow {
  const { paths } = rib;
  const isThere =
    !paths.isFree(path) &&
    paths.prefix[path] === prefix &&
    paths.peer[path] === peer &&
    paths.pathId[path] === pathId;
  return isThere ? path : rib.find(prefix, peer, pathId);
}

/** @returns a set as it was received; 0 for one of a message that was not taken as it came */
export function receivedSet(attrs: AttrStore, attr: AttrId): AttrId {
  return (attrs.flags[attr]! & ATTR_SET.FAULTY) !== 0 || attrs.lengthOf(attr) === 0 ? 0 : attr;
}

/** Puts routes of tables into runs. */
export class RouteRuns {
  private readonly tables: Tables;
  private readonly rib: Rib;
  private readonly writer: RunWriter;
  private table: Table | 0 = 0;
  private peer: PeerRow = 0;
  private attr: AttrId = 0;
  private withPathIds = false;

  constructor(tables: Tables, rib: Rib, writer: RunWriter) {
    this.tables = tables;
    this.rib = rib;
    this.writer = writer;
  }

  /** @param attr - 0 for a route that is there no more */
  add(table: Table, peer: PeerRow, attr: AttrId, row: PrefixRow, pathId: number): void {
    const { rib, writer } = this;
    // Routes of a session that has ended have their identifiers still.
    const withPathIds = table !== TABLE.LOC_RIB && (pathId !== 0 || this.hasPathIds(peer));
    const isOne = table === this.table && peer === this.peer && attr === this.attr;
    if (!isOne || withPathIds !== this.withPathIds) {
      this.table = table;
      this.peer = peer;
      this.attr = attr;
      this.withPathIds = withPathIds;
      writer.run(table, rib.family, peer, withPathIds, attr === 0 ? null : octetsOf(rib, attr));
    }
    this.route(row, pathId);
  }

  /** Begins a run of routes with other attributes than those of a set; `route` adds to it. */
  run(table: Table, peer: PeerRow, hasPathIds: boolean, attributes: Octets): void {
    this.table = 0;
    this.writer.run(table, this.rib.family, peer, hasPathIds, attributes);
  }

  route(row: PrefixRow, pathId: number): void {
    const { writer } = this;
    const { bitsMax, w0, w1, w2, w3, bits } = this.rib.prefixes;
    if (bitsMax === 32) writer.prefix(w0[row]!, 0, 0, 0, bits[row]!, pathId);
    else writer.prefix(w0[row]!, w1[row]!, w2[row]!, w3[row]!, bits[row]!, pathId);
  }

  /** The best path of a prefix. */
  addBest(row: PrefixRow): void {
    const { paths, prefixes } = this.rib;
    const best = prefixes.best[row]!;
    const attr = best === 0 ? 0 : paths.attr[best]!;
    this.add(TABLE.LOC_RIB, best === 0 ? 0 : paths.peer[best]!, attr, row, 0);
  }

  private hasPathIds(peer: PeerRow): boolean {
    return (this.tables.directory.addPathOf(peer) & this.rib.family) !== 0;
  }
}

function octetsOf({ attrs }: Rib, attr: AttrId): Octets {
  const at = attrs.offsetOf(attr);
  return { buf: attrs.bytesOf(attr), at, end: at + attrs.lengthOf(attr) };
}
