/** Which routes a dump has, and of whom they are: those that neighbors sent, or those that one of them was sent. */

import type { RibWriter } from "@ts-bgp/feeds-codec";
import { type AttrId, advertised, type PathRow, type PrefixRow, type Rib } from "@ts-bgp/rib";
import {
  addressOctets,
  type Neighbor,
  type Router,
  receivedSet,
  type SessionMember,
  sourceOf,
} from "@ts-bgp/router";
import { parseIpv4 } from "@ts-bgp/wire-codec";
import type { DumpedPeer, DumpRequest } from "./orders.ts";
import type { WritePaths } from "./rib-walk.ts";
import { sentAttributes } from "./sent-attributes.ts";

export interface DumpedRoutes {
  /** Whoever may have routes. */
  readonly peers: readonly DumpedPeer[];
  readonly writePaths: WritePaths;
  /** Why it cannot be gone on with; null when it can. */
  problem(): string | null;
}

/** Throws where a neighbor has no session: then there is nothing that it was sent. */
export function dumpedRoutes(router: Router, { routes }: DumpRequest): DumpedRoutes {
  if (typeof routes !== "string") return sentRoutes(router, routes.advertised);
  const isReceived = routes === "received";
  const writePaths: WritePaths = ({ prefixes, paths, attrs }, row, writer) => {
    let looked = 0;
    for (let path = prefixes.head[row]!; path !== 0; path = paths.next[path]!, looked++) {
      const attr = isReceived ? receivedSet(attrs, paths.attrIn[path]!) : paths.attr[path]!;
      if (attr === 0) continue;
      const at = attrs.offsetOf(attr);
      writer.path(paths.peer[path]!, paths.pathId[path]!, paths.sinceSeconds[path]!, {
        buf: attrs.bytesOf(attr),
        at,
        end: at + attrs.lengthOf(attr),
      });
    }
    return looked;
  };
  return { peers: peersOf(router), writePaths, problem: () => null };
}

function peersOf({ neighbors, tables }: Router): DumpedPeer[] {
  const peers = [...neighbors.values()].map(peerOf);
  const { staticPeer, config } = tables;
  if (staticPeer === null) return peers;
  // This speaker itself.
  const { as, id } = config.router;
  const own = { as, address: new Uint8Array(4), identifier: parseIpv4(id)! };
  return [...peers, { peer: staticPeer.row, ...own }];
}

function peerOf({ row, config, session }: Neighbor): DumpedPeer {
  return {
    peer: row,
    address: addressOctets(config.address),
    as: config.as,
    identifier: session?.negotiated.peerIdentifier ?? 0,
  };
}

function sentRoutes(router: Router, address: string): DumpedRoutes {
  const neighbor = router.neighbors.get(address);
  const session = neighbor?.session ?? null;
  if (neighbor === undefined || session === null) {
    throw new Error(`${address} has no session: it was sent nothing`);
  }
  const { held } = router.tables.groups;
  const writePaths: WritePaths = (rib, row, writer) => {
    const member = session.family(rib.family)?.member;
    // Its group goes on without one that is sent nothing yet.
    if (member === undefined || held.includes(member)) return 0;
    return writeSent(rib, row, member, writer);
  };
  const problem = () =>
    neighbor.session === session ? null : `the session with ${address} has ended meanwhile`;
  return { peers: [peerOf(neighbor)], writePaths, problem };
}

/** @returns how many routes there were */
function writeSent(rib: Rib, row: PrefixRow, member: SessionMember, writer: RibWriter): number {
  const { addPath } = member.entry.settings.form;
  const routes = advertised(member.group, row, member);
  const times = addPath && routes.length > 0 ? timesOf(rib, row) : null;
  for (const [pathId, attr, source] of routes) {
    const since =
      times === null
        ? sinceOf(rib, sentPath(rib, row, member, attr, source))
        : (times.get(pathId) ?? now());
    const attributes = sentAttributes(rib.attrs, attr, member);
    writer.path(member.peer, addPath ? pathId : 0, since, attributes);
  }
  return routes.length;
}

/** @returns since when there is each path, by the identifier that it is sent with */
function timesOf({ prefixes, paths }: Rib, row: PrefixRow): Map<number, number> {
  const times = new Map<number, number>();
  for (let path = prefixes.head[row]!; path !== 0; path = paths.next[path]!) {
    times.set(paths.sentPathId[path]!, paths.sinceSeconds[path]!);
  }
  return times;
}

/** @returns the path that a member is sent without identifiers: mostly the best one; 0 where it is on its way out */
function sentPath(
  rib: Rib,
  row: PrefixRow,
  member: SessionMember,
  attr: AttrId,
  source: number | null,
): PathRow {
  const { exporter, settings } = member.entry;
  const best = rib.prefixes.best[row]!;
  if (best === 0 || !settings.mitigatesPathHiding) return best;
  if (source !== null && exporter.sourceClass(rib.paths.peer[best]!) === source) return best;
  return sourceOf(rib, row, member, 0, attr);
}

function sinceOf({ paths }: Rib, path: PathRow): number {
  return path === 0 ? now() : paths.sinceSeconds[path]!;
}

function now(): number {
  return Math.floor(Date.now() / 1000);
}
