/** What became of received routes, compared with what was decided about them before. */

import type { PeerRow, PrefixRow, Rib } from "@ts-bgp/rib";
import { RowSet } from "@ts-bgp/rib";

/** Of the routes of one neighbor. */
export interface Rejudged {
  /** Those that were rejected before, and are not now. */
  accepted: number;
  /** Those that were accepted before, by reason; 0 for those that are not kept. */
  readonly rejected: Map<number, number>;
}

const FREE = 0;
const REJECTED = 1;
const ACCEPTED = 2;

export class PathsBefore {
  private readonly state: Uint8Array;
  private readonly peer: Uint16Array;
  private readonly prefix: Uint32Array;
  private readonly pathId: Uint32Array;
  /** By prefix, whose path is the best one; 0 for nobody's. */
  private readonly bestPeer: Uint16Array;

  /** Takes down what is. Prefixes and paths must keep their rows as long as they are there. */
  constructor({ paths, prefixes }: Rib) {
    const { limit } = paths;
    this.peer = paths.peer.slice(0, limit);
    this.prefix = paths.prefix.slice(0, limit);
    this.pathId = paths.pathId.slice(0, limit);
    this.state = new Uint8Array(limit);
    for (let path = 1; path < limit; path++) {
      if (!paths.isFree(path)) this.state[path] = paths.attr[path] === 0 ? REJECTED : ACCEPTED;
    }
    this.bestPeer = new Uint16Array(prefixes.limit);
    for (let row = 1; row < this.bestPeer.length; row++) {
      const best = prefixes.best[row]!;
      if (best !== 0) this.bestPeer[row] = paths.peer[best]!;
    }
  }

  /** @returns prefixes whose best path was of one of these */
  bestOf(peers: ReadonlySet<PeerRow>): RowSet {
    const rows = new RowSet();
    if (peers.size === 0) return rows;
    for (let row = 1; row < this.bestPeer.length; row++) {
      if (peers.has(this.bestPeer[row]!)) rows.add(row);
    }
    return rows;
  }

  /**
   * @param note - told of each route that is judged otherwise: whose, and why, null for one that is accepted now
   * @returns by neighbor, how many are judged otherwise
   */
  compare(
    { paths }: Rib,
    note: (peer: PeerRow, prefix: PrefixRow, pathId: number, reason: number | null) => void,
  ): Map<PeerRow, Rejudged> {
    const found = new Map<PeerRow, Rejudged>();
    for (let path = 1; path < this.state.length; path++) {
      const was = this.state[path]!;
      if (was === FREE) continue;
      const peer = this.peer[path]!;
      const prefix = this.prefix[path]!;
      const pathId = this.pathId[path]!;
      const isThere =
        !paths.isFree(path) &&
        paths.peer[path] === peer &&
        paths.prefix[path] === prefix &&
        paths.pathId[path] === pathId;
      const isAccepted = isThere && paths.attr[path] !== 0;
      if (isAccepted === (was === ACCEPTED)) continue;
      const one = found.get(peer) ?? { accepted: 0, rejected: new Map<number, number>() };
      found.set(peer, one);
      const reason = isThere ? paths.reason[path]! : 0;
      if (isAccepted) one.accepted++;
      else one.rejected.set(reason, (one.rejected.get(reason) ?? 0) + 1);
      note(peer, prefix, pathId, isAccepted ? null : reason);
    }
    return found;
  }
}
