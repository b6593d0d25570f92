/**
 * Routes of a neighbor that its session does not stand behind: removed piece by piece, or kept while
 * the neighbor restarts gracefully (RFC 4724 section 4.2, the receiving speaker).
 *
 *     session lost --kept--> stale --session up, forwarding--> refreshed --End-of-RIB--> fresh
 *          |                   |                                  |
 *          '-- not kept -------'-- not forwarding, time is up ----'--> removed
 *
 * What is stale is told by the refresh round of a route, as in an enhanced route refresh. While
 * routes are being removed the neighbor's session is not read, so that there is never a doubt which
 * routes are the old ones.
 */

import type { DownReason, Negotiated } from "@ts-bgp/fsm";
import type { PeerRow, PeerWalk, Rib } from "@ts-bgp/rib";
import type { Family } from "@ts-bgp/wire-codec";
import { familyLabel } from "./facts.ts";
import type { Job, JobState } from "./jobs.ts";
import type { NeighborLog } from "./neighbor-log.ts";
import type { RouteImport } from "./route-import.ts";
import type { FamilyState, Session } from "./session.ts";
import { FAMILIES, type Tables } from "./tables.ts";

/** A peer that came back must have sent everything by then. */
const END_OF_RIB_MS = 360_000;
/** Paths that one step of a removal looks at. */
const REMOVE_PATHS = 4096;

/** A family whose routes are kept. */
interface Kept {
  /** Round that a session has to give to routes that are not stale. */
  readonly round: number;
  /** When the session ended, and how long its peer asked to wait for the next one. */
  readonly sinceMs: number;
  readonly askedSeconds: number;
  deadlineMs: number;
  /** The next session is there, and the deadline is for its End-of-RIB marker. */
  isBack: boolean;
}

/** Why routes that were kept go. */
type Why =
  | "the neighbor did not come back in time"
  | "the neighbor came back, and did not keep forwarding"
  | "the neighbor was taken down or reset";

export class StaleRoutes {
  private readonly tables: Tables;
  private readonly row: PeerRow;
  private readonly log: NeighborLog;
  private readonly kept: Map<Family, Kept> = new Map();
  /** What decided about routes that are kept, and still does. */
  private decides: RouteImport | null = null;
  /** Jobs at work. */
  removals = 0;

  constructor(tables: Tables, row: PeerRow, log: NeighborLog) {
    this.tables = tables;
    this.row = row;
    this.log = log;
  }

  /** @returns until when routes of an ended session are kept at most, null when none are */
  keptUntilMs(family: Family): number | null {
    return this.kept.get(family)?.deadlineMs ?? null;
  }

  /** What decides about routes that are kept without a session; null when none are. */
  get import(): RouteImport | null {
    return this.kept.size > 0 ? this.decides : null;
  }

  /** @param restartTimeMax - seconds for which routes of an ended session are kept at most */
  bound(restartTimeMax: number): void {
    for (const kept of this.kept.values()) {
      if (kept.isBack) continue;
      kept.deadlineMs = kept.sinceMs + 1000 * Math.min(kept.askedSeconds, restartTimeMax);
    }
  }

  /** Whether routes are being removed. */
  get isRemoving(): boolean {
    return this.removals > 0;
  }

  /** Whether routes are kept or being removed. */
  get isAny(): boolean {
    return this.removals > 0 || this.kept.size > 0;
  }

  /** The session is up: of the routes that were kept for it, those stay that the peer stands by. */
  sessionUp(session: Session): void {
    const forwarding = session.negotiated.gracefulRestart?.forwarding ?? 0;
    for (const family of FAMILIES) {
      const kept = this.kept.get(family);
      if (kept === undefined) continue;
      const state = session.family(family);
      if (state === undefined || (forwarding & family) === 0) {
        this.giveUp(family, "the neighbor came back, and did not keep forwarding");
      } else {
        state.round = kept.round;
        kept.isBack = true;
        kept.deadlineMs = this.tables.nowMs + END_OF_RIB_MS;
      }
    }
  }

  /** The session has ended for that reason. */
  sessionDown(session: Session, reason: DownReason): void {
    const families = keptFamilies(session.negotiated, reason);
    const { nowMs: sinceMs } = this.tables;
    const { restartTimeMax } = session.neighbor.config.gracefulRestart;
    this.decides = families === 0 ? null : session.import;
    for (const state of session.families) {
      const { family, round } = state;
      if ((families & family) === 0) {
        this.removeAll(family);
        continue;
      }
      // Routes that were stale already do not outlast another restart.
      this.endOfRib(state);
      const { restartTimeSeconds: askedSeconds } = session.negotiated.gracefulRestart!;
      const seconds = Math.min(askedSeconds, restartTimeMax);
      const deadlineMs = sinceMs + 1000 * seconds;
      const next = (round + 1) & 0xff;
      this.kept.set(family, { round: next, sinceMs, askedSeconds, deadlineMs, isBack: false });
      const asked = seconds < askedSeconds ? `, of ${askedSeconds} s that it asked for` : "";
      this.tell("routes-kept", family, this.count(family), `for ${seconds} s at most${asked}`);
    }
  }

  /** The peer has sent what it has: what is still stale goes. */
  endOfRib(state: FamilyState): void {
    if (this.kept.delete(state.family)) this.remove(state.family, state.round);
  }

  /** Removes what the peer did not send again in the refresh that has ended (RFC 7313). */
  endOfRefresh({ family, round }: FamilyState): void {
    this.remove(family, round);
  }

  /** Removes the routes whose time is up. */
  tick(session: Session | null): void {
    for (const [family, { deadlineMs }] of this.kept) {
      if (deadlineMs > this.tables.nowMs) continue;
      const state = session?.family(family);
      if (state === undefined) this.giveUp(family, "the neighbor did not come back in time");
      else this.endOfRib(state);
    }
  }

  /** Keeps nothing any longer. */
  drop(): void {
    for (const family of this.kept.keys())
      this.giveUp(family, "the neighbor was taken down or reset");
  }

  /** Routes that the peer did not send again have been removed. */
  removed(family: Family, count: number): void {
    this.removals--;
    this.tell("routes-removed", family, count, "the neighbor did not send them again");
  }

  private giveUp(family: Family, why: Why): void {
    this.tell("routes-removed", family, this.count(family), why);
    this.removeAll(family);
  }

  private count(family: Family): number {
    return this.tables.rib(family).paths.received[this.row]!;
  }

  private tell(id: "routes-kept" | "routes-removed", family: Family, count: number, more: string) {
    if (count === 0) return;
    const label = familyLabel(family);
    const text =
      id === "routes-kept" ? "routes are kept while the neighbor is away" : "routes are removed";
    const message = `${count} ${label} ${text}: ${more}`;
    this.log.add(id, "info", this.tables.nowMs, message, { family: label, count });
  }

  private removeAll(family: Family): void {
    this.kept.delete(family);
    this.removals++;
    this.tables.jobs.add(new RemoveAll(this, this.tables.rib(family), this.row));
  }

  /** Removes the routes that were not heard in a round. */
  private remove(family: Family, round: number): void {
    this.removals++;
    this.tables.jobs.add(new RemoveOtherRounds(this, this.tables.rib(family), this.row, round));
  }
}

/** Removes all routes of a peer. */
export class RemoveAll implements Job {
  private readonly stale: StaleRoutes;
  private readonly rib: Rib;
  private readonly row: PeerRow;

  constructor(stale: StaleRoutes, rib: Rib, row: PeerRow) {
    this.stale = stale;
    this.rib = rib;
    this.row = row;
  }

  step(): JobState {
    if (this.rib.removePeer(this.row, REMOVE_PATHS)) return "more";
    this.stale.removals--;
    return "done";
  }
}

/** Removes the routes of a peer that were not heard in a round. */
export class RemoveOtherRounds implements Job {
  private readonly stale: StaleRoutes;
  private readonly rib: Rib;
  private readonly round: number;
  private readonly walk: PeerWalk;
  private count = 0;

  constructor(stale: StaleRoutes, rib: Rib, row: PeerRow, round: number) {
    this.stale = stale;
    this.rib = rib;
    this.round = round;
    this.walk = rib.paths.walk(row);
  }

  step(): JobState {
    const { rib, round, walk } = this;
    const { paths } = rib;
    for (let n = 0; n < REMOVE_PATHS && walk.at !== 0; n++) {
      const path = walk.at;
      if (paths.round[path] === round) walk.at = paths.peerNext[path]!;
      else {
        rib.removePath(path);
        this.count++;
      }
    }
    if (walk.at !== 0) return "more";
    paths.endWalk(walk);
    this.stale.removed(rib.family, this.count);
    return "done";
  }
}

/** @returns FAMILY bits whose routes stay when a session ends for that reason */
function keptFamilies(negotiated: Negotiated, reason: DownReason): number {
  if (reason.kind !== "connection-lost" && reason.kind !== "graceful-restart") return 0;
  return negotiated.gracefulRestart?.families ?? 0;
}
