/** Work on routes of a neighbor that its session does not stand behind, piece by piece. */

import type { PathTable, PeerRow, PeerWalk, Rib } from "@ts-bgp/rib";
import type { Family } from "@ts-bgp/wire-codec";
import type { Job, JobState } from "./jobs.ts";
import type { FamilyImport } from "./route-import.ts";

/** Paths that one step looks at. */
const STEP_PATHS = 4096;

/** Whose routes they are: counts the jobs at work. */
export interface JobsOwner {
  removals: number;
  folds: number;
  /** So many routes that the peer did not send again have been removed. */
  removed(family: Family, count: number): void;
}

/** Removes all routes of a peer. */
export class RemoveAll implements Job {
  private readonly stale: JobsOwner;
  private readonly rib: Rib;
  private readonly row: PeerRow;

  constructor(stale: JobsOwner, rib: Rib, row: PeerRow) {
    this.stale = stale;
    this.rib = rib;
    this.row = row;
  }

  step(): JobState {
    if (this.rib.removePeer(this.row, STEP_PATHS)) return "more";
    this.stale.removals--;
    return "done";
  }
}

/** Removes the routes of a peer that were not heard in a round. */
export class RemoveOtherRounds implements Job {
  private readonly stale: JobsOwner;
  private readonly rib: Rib;
  private readonly round: number;
  /** That of an older program has none. */
  private readonly decides: FamilyImport | undefined;
  private readonly walk: PeerWalk;
  private count = 0;

  constructor(stale: JobsOwner, rib: Rib, row: PeerRow, round: number, decides: FamilyImport) {
    this.stale = stale;
    this.rib = rib;
    this.round = round;
    this.decides = decides;
    this.walk = rib.paths.walk(row);
  }

  step(): JobState {
    const { rib, round, walk, decides } = this;
    const { paths } = rib;
    for (let n = 0; n < STEP_PATHS && walk.at !== 0; n++) {
      const path = walk.at;
      if (paths.round[path] === round) walk.at = paths.peerNext[path]!;
      else {
        rib.removePath(path);
        this.count++;
      }
    }
    if (walk.at !== 0) return "more";
    paths.endWalk(walk);
    // Judged again before, they would be fresh for as long as they are there.
    if (decides?.freshRound === round) decides.freshRound = null;
    this.stale.removed(rib.family, this.count);
    return "done";
  }
}

/**
 * Gives all routes that are stale the round before the one that is fresh: rounds begin again after 256,
 * and a neighbor may come and go more often than that in its long-lived stale time.
 */
export class Fold implements Job {
  private readonly stale: JobsOwner;
  private readonly paths: PathTable;
  private readonly fresh: number;
  private readonly walk: PeerWalk;

  constructor(stale: JobsOwner, rib: Rib, row: PeerRow, fresh: number) {
    this.stale = stale;
    this.paths = rib.paths;
    this.fresh = fresh;
    this.walk = rib.paths.walk(row);
  }

  step(): JobState {
    const { stale, paths, fresh, walk } = this;
    // A removal tells by rounds as well what it is about.
    if (stale.removals > 0) return "waiting";
    for (let n = 0; n < STEP_PATHS && walk.at !== 0; n++) {
      const path = walk.at;
      walk.at = paths.peerNext[path]!;
      if (paths.round[path] !== fresh) paths.round[path] = (fresh - 1) & 0xff;
    }
    if (walk.at !== 0) return "more";
    paths.endWalk(walk);
    stale.folds--;
    return "done";
  }
}
