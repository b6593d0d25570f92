/** Which routes a dump has, and of whom they are: those that neighbors sent, or those that one of them was sent. */

import type { RibWriter } from "@ts-bgp/feeds-codec";
import { advertised, type PrefixRow, type Rib } from "@ts-bgp/rib";
import {
  addressOctets,
  type Neighbor,
  type Router,
  receivedSet,
  type SessionMember,
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
    for (let path = prefixes.head[row]!; path !== 0; path = paths.next[path]!) {
      const attr = isReceived ? receivedSet(attrs, paths.attrIn[path]!) : paths.attr[path]!;
      if (attr === 0) continue;
      const at = attrs.offsetOf(attr);
      writer.path(paths.peer[path]!, paths.pathId[path]!, paths.sinceSeconds[path]!, {
        buf: attrs.bytesOf(attr),
        at,
        end: at + attrs.lengthOf(attr),
      });
    }
  };
  return { peers: peersOf(router), writePaths, problem: () => null };
}

function peersOf({ neighbors, tables }: Router): DumpedPeer[] {
  const peers = [...neighbors.values()].map(peerOf);
  const { staticPeer, kernelPeer, config } = tables;
  // This speaker itself.
  const { as, id } = config.router;
  const own = { as, address: new Uint8Array(4), identifier: parseIpv4(id)! };
  for (const peer of [staticPeer, kernelPeer])
    if (peer !== null) peers.push({ peer: peer.row, ...own });
  return peers;
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
    if (member !== undefined && !held.includes(member)) writeSent(rib, row, member, writer);
  };
  const problem = () =>
    neighbor.session === session ? null : `the session with ${address} has ended meanwhile`;
  return { peers: [peerOf(neighbor)], writePaths, problem };
}

function writeSent(rib: Rib, row: PrefixRow, member: SessionMember, writer: RibWriter): void {
  const { addPath } = member.entry.settings.form;
  for (const [pathId, attr] of advertised(member.group, row, member)) {
    const id = addPath ? pathId : 0;
    writer.path(
      member.peer,
      id,
      sinceSeconds(rib, row, id),
      sentAttributes(rib.attrs, attr, member),
    );
  }
}

/** @returns since when there is the path that is sent with an identifier; 0: the best one. Now, where it is on its way out */
function sinceSeconds({ prefixes, paths }: Rib, row: PrefixRow, pathId: number): number {
  let path = pathId === 0 ? prefixes.best[row]! : prefixes.head[row]!;
  while (path !== 0 && pathId !== 0 && paths.sentPathId[path] !== pathId) path = paths.next[path]!;
  return path === 0 ? Math.floor(Date.now() / 1000) : paths.sinceSeconds[path]!;
}
