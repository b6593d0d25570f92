/**
 * Neighbors that other members of the cluster have the sessions with. Here they are neighbors without one: their
 * member tells what of their routes its import policies accept, and all that holds of routes behind import holds
 * of these.
 *
 *     begin --> peer, routes, ... --> complete --> peer, routes, ...     what it has not told again goes
 *                                        gone                            all goes
 *
 * Routes that are there stay until then, so what is the same before and after is no change.
 */

import { type RouteRun, runsOf, TABLE } from "@ts-bgp/feeds-codec";
import type { PathTable, PeerRow, PeerWalk, Rib } from "@ts-bgp/rib";
import type { Job, JobState } from "./jobs.ts";
import { type MemberNews, type MemberState, memberOf } from "./member-state.ts";
import type { Neighbor } from "./neighbor.ts";
import { AsItIs, UNLIMITED } from "./static-routes.ts";
import { FAMILIES, type Tables } from "./tables.ts";

interface Host {
  readonly tables: Tables;
  readonly neighbors: ReadonlyMap<string, Neighbor>;
}

/** Who tells all of its routes now and then. */
type Copied = Pick<MemberState, "copies">;

/** Paths that one step looks at. */
const STEP_PATHS = 4096;
/** In place of a round. */
const OLD = 0;

export function heardOfMember(
  host: Host,
  name: string,
  news: MemberNews,
  octets: Uint8Array,
): void {
  // One that has told nothing has no state, and is given none.
  if (news.what === "gone" && host.tables.members?.has(name) !== true) return;
  const member = memberOf(host.tables, name);
  switch (news.what) {
    case "begin":
      nextRound(host, name, member);
      member.isComplete = false;
      member.wantsCopy = false;
      member.peers.clear();
      return;
    case "peer":
      heardOfPeer(host, name, member, news);
      return;
    case "routes":
      for (const run of runsOf(octets)) take(host, name, member, run);
      return;
    case "complete":
      member.isComplete = true;
      removeUnheard(host, name, member);
      return;
    case "gone":
      nextRound(host, name, member);
      member.isComplete = false;
      removeUnheard(host, name, member);
  }
}

function heardOfPeer(
  host: Host,
  name: string,
  member: MemberState,
  { peer, address, identifier }: Extract<MemberNews, { what: "peer" }>,
): void {
  const { peers } = member;
  let hadAnother = false;
  for (const [number, of] of peers) {
    if (of !== address || number === peer) continue;
    peers.delete(number);
    hadAnother = true;
  }
  peers.set(peer, address);
  const neighbor = neighborOf(host, name, member, peer);
  if (neighbor === null) return;
  // What came under another number was of a neighbor that is gone, and nothing more is taken of it.
  if (hadAnother) removeOld(host, member, neighbor);
  identify(host, neighbor, identifier);
}

/**
 * The decision process asks for the identifier (RFC 4271 section 9.1.2.2 f): it may find another best path. A member
 * that has just started knows none, 0, of a neighbor whose session is not there yet: its old routes are as before.
 */
function identify({ tables }: Host, { row }: Neighbor, identifier: number): void {
  const { peers, jobs } = tables;
  if (identifier === 0 || peers.identifier[row] === identifier) return;
  peers.identifier[row] = identifier;
  for (const family of FAMILIES) {
    const rib = tables.rib(family);
    if (rib.paths.peerHead[row] !== 0) jobs.add(new DecideAgain(rib, row));
  }
}

/** @returns one that is that member's here as well, for a moment files may differ; null for none */
function neighborOf(
  { neighbors }: Host,
  name: string,
  { peers }: MemberState,
  peer: number,
): Neighbor | null {
  const neighbor = neighbors.get(peers.get(peer) ?? "");
  return neighbor?.config.speaker === name ? neighbor : null;
}

function take(host: Host, name: string, member: MemberState, run: RouteRun): void {
  const neighbor = neighborOf(host, name, member, run.peer);
  if (neighbor === null || run.table !== TABLE.ADJ_IN_POST) return;
  const { tables } = host;
  const { attrs } = tables;
  const { buf, at, end } = run.routes;
  const rib = tables.rib(run.family);
  if (run.attributes === null) {
    rib.withdraw(neighbor.row, buf, at, end, run.addPath);
    return;
  }
  const attr = attrs.intern(run.attributes.buf, run.attributes.at, run.attributes.end);
  const rest = [attr, new AsItIs(attr), UNLIMITED, roundOf(member), tables.nowSeconds] as const;
  rib.announce(neighbor.row, buf, at, end, run.addPath, ...rest);
  attrs.release(attr);
}

/** Routes of it have been told since the last copy began; those with `OLD` have not. */
export function roundOf({ copies }: Copied): number {
  return copies & 0xff;
}

/** Begins a round that no route has. */
function nextRound({ tables, neighbors }: Host, name: string, member: MemberState): void {
  member.copies++;
  if (roundOf(member) !== OLD) return;
  member.copies++;
  for (const { config, row } of neighbors.values()) {
    if (config.speaker === name) for (const family of FAMILIES) age(tables.rib(family), row);
  }
}

/** Has routes of a neighbor be such as were not told in any copy. */
export function age({ paths }: Rib, row: PeerRow): void {
  const { round, peerHead, peerNext } = paths;
  for (let path = peerHead[row]!; path !== 0; path = peerNext[path]!) round[path] = OLD;
}

function removeOld({ tables }: Host, member: MemberState, { row }: Neighbor): void {
  for (const family of FAMILIES) {
    const rib = tables.rib(family);
    if (rib.paths.peerHead[row] === 0) continue;
    age(rib, row);
    tables.jobs.add(new RemoveUnheard(member, rib, row));
  }
}

function removeUnheard({ tables, neighbors }: Host, name: string, member: MemberState): void {
  for (const { config, row } of neighbors.values()) {
    if (config.speaker !== name) continue;
    for (const family of FAMILIES) {
      const rib = tables.rib(family);
      if (rib.paths.peerHead[row] !== 0) tables.jobs.add(new RemoveUnheard(member, rib, row));
    }
  }
}

/** Removes the routes of a neighbor that were not told in the last copy; a later copy ends it. */
export class RemoveUnheard implements Job {
  private readonly member: Copied;
  private readonly rib: Rib;
  private readonly paths: PathTable;
  private readonly walk: PeerWalk;
  private readonly copies: number;

  constructor(member: Copied, rib: Rib, row: PeerRow) {
    this.member = member;
    this.rib = rib;
    this.paths = rib.paths;
    this.walk = rib.paths.walk(row);
    this.copies = member.copies;
  }

  step(): JobState {
    const { rib, paths, walk, member, copies } = this;
    if (member.copies === copies) {
      const round = roundOf(member);
      for (let n = 0; n < STEP_PATHS && walk.at !== 0; n++) {
        const path = walk.at;
        // A walk goes on by itself when its path is removed.
        if (paths.round[path] === round) walk.at = paths.peerNext[path]!;
        else rib.removePath(path);
      }
      if (walk.at !== 0) return "more";
    }
    paths.endWalk(walk);
    return "done";
  }
}

/** Has the prefixes decided once more that a neighbor has routes of. */
export class DecideAgain implements Job {
  private readonly rib: Rib;
  private readonly paths: PathTable;
  private readonly walk: PeerWalk;

  constructor(rib: Rib, row: PeerRow) {
    this.rib = rib;
    this.paths = rib.paths;
    this.walk = rib.paths.walk(row);
  }

  step(): JobState {
    const { rib, paths, walk } = this;
    for (let n = 0; n < STEP_PATHS && walk.at !== 0; n++) {
      const path = walk.at;
      rib.markDirty(paths.prefix[path]!);
      walk.at = paths.peerNext[path]!;
    }
    if (walk.at !== 0) return "more";
    paths.endWalk(walk);
    return "done";
  }
}
