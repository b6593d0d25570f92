/**
 * Routes of a neighbor that its session does not stand behind: removed piece by piece, or kept while
 * the neighbor restarts gracefully (RFC 4724 section 4.2, the receiving speaker), and beyond that as a
 * last resort (RFC 9494 section 4.2, the helper).
 *
 *     session lost --kept--> stale --session up, forwarding--> refreshed --End-of-RIB--> fresh
 *          |                 |   |                                ^  |
 *          |                 |   '- time is up -> long-lived stale'  |
 *          '-- not kept -----'-- not forwarding, time is up ---------'--> removed
 *
 * What is stale is told by the refresh round of a route, as in an enhanced route refresh. While
 * routes are being removed the neighbor's session is not read, so that there is never a doubt which
 * routes are the old ones.
 */

import type { DownReason, Negotiated, Notified } from "@ts-bgp/fsm";
import type { PeerRow, PeerWalk, Rib } from "@ts-bgp/rib";
import { CEASE, type Family, isHardReset, NOTIFICATION } from "@ts-bgp/wire-codec";
import { familyLabel } from "./facts.ts";
import type { Job, JobState } from "./jobs.ts";
import type { NeighborLog } from "./neighbor-log.ts";
import { secondsOf } from "./restart-capabilities.ts";
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
  round: number;
  /** When the session ended, and how long its peer asked to wait for the next one. */
  readonly sinceMs: number;
  readonly askedSeconds: number;
  deadlineMs: number;
  /** For so long its peer asked to keep routes after that; 0 for not. */
  readonly longLivedSeconds: number;
  /** That time has begun, and the deadline is its end. */
  isLongLived: boolean;
  /** The next session is there, and the deadline is for its End-of-RIB marker as well. */
  isBack: boolean;
}

/** Until when routes of an ended session are kept at most. */
export interface KeptUntil {
  readonly untilMs: number;
  /** They are a last resort by now. */
  readonly isLongLived: boolean;
}

/** Why routes that were kept go. */
type Why =
  | "the neighbor did not come back in time"
  | "the neighbor came back, and did not keep forwarding"
  | "the neighbor is gone again, and their time was up"
  | "the neighbor was taken down or reset";

export class StaleRoutes {
  private readonly tables: Tables;
  private readonly row: PeerRow;
  private readonly log: NeighborLog;
  private readonly kept: Map<Family, Kept> = new Map();
  /** FAMILY bits whose long-lived stale time was up before the session that is there had sent all. */
  private spent = 0;
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
  keptUntil(family: Family): KeptUntil | null {
    const kept = this.kept.get(family);
    return kept === undefined ? null : { untilMs: kept.deadlineMs, isLongLived: kept.isLongLived };
  }

  /** @returns how a route of that round is kept; null for one that the session stands behind */
  staleness(family: Family, round: number): KeptUntil | null {
    return this.kept.get(family)?.round === round ? null : this.keptUntil(family);
  }

  /** What decides about routes that are kept without a session; null when none are. */
  get import(): RouteImport | null {
    return this.kept.size > 0 ? this.decides : null;
  }

  /** @param restartTimeMax - seconds for which routes of an ended session are kept at most */
  bound(restartTimeMax: number): void {
    for (const kept of this.kept.values()) {
      // RFC 9494 section 4.2: a long-lived stale time that has begun stays.
      if (kept.isBack || kept.isLongLived) continue;
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
    const { gracefulRestart, longLivedGracefulRestart } = session.negotiated;
    const forwarding = gracefulRestart?.forwarding ?? 0;
    const longLived = longLivedIn(longLivedGracefulRestart);
    for (const family of FAMILIES) {
      const kept = this.kept.get(family);
      if (kept === undefined) continue;
      const state = session.family(family);
      const stays = kept.isLongLived ? forwarding & longLived : forwarding;
      if (state === undefined || (stays & family) === 0) {
        this.giveUp(family, "the neighbor came back, and did not keep forwarding");
      } else {
        state.round = kept.round;
        kept.isBack = true;
        const limitMs = this.tables.nowMs + END_OF_RIB_MS;
        kept.deadlineMs = kept.isLongLived ? Math.min(kept.deadlineMs, limitMs) : limitMs;
        if (kept.isLongLived) state.import.freshRound = kept.round;
      }
    }
  }

  /** The session has ended for that reason. */
  sessionDown(session: Session, reason: DownReason): void {
    const families = keptFamilies(session.negotiated, reason);
    const { spent } = this;
    this.decides = families === 0 ? null : session.import;
    this.spent = 0;
    for (const state of session.families) {
      const { family } = state;
      if ((families & family) === 0) this.removeAll(family);
      else if ((spent & family) !== 0) {
        this.giveUp(family, "the neighbor is gone again, and their time was up");
      } else if (this.kept.get(family)?.isLongLived === true) this.keepOn(state);
      else this.keep(session, state);
    }
  }

  /** Begins to keep the routes of a family. */
  private keep({ negotiated, neighbor }: Session, state: FamilyState): void {
    const { family, round } = state;
    const { nowMs: sinceMs } = this.tables;
    const { gracefulRestart, longLivedGracefulRestart } = neighbor.config;
    // Routes that were stale already do not outlast another restart.
    this.endOfRib(state);
    const { restartTimeSeconds: askedSeconds } = negotiated.gracefulRestart!;
    const seconds = Math.min(askedSeconds, gracefulRestart.restartTimeMax);
    const entry = negotiated.longLivedGracefulRestart?.find((each) => each.family === family);
    const staleMax = secondsOf(longLivedGracefulRestart.staleTimeMax, family);
    const longLivedSeconds = Math.min(entry?.staleTimeSeconds ?? 0, staleMax);
    this.kept.set(family, {
      round: (round + 1) & 0xff,
      ...{ sinceMs, askedSeconds, longLivedSeconds },
      deadlineMs: sinceMs + 1000 * seconds,
      ...{ isLongLived: false, isBack: false },
    });
    const asked = seconds < askedSeconds ? `, of ${askedSeconds} s that it asked for` : "";
    const then =
      longLivedSeconds > 0 ? `, and then as a last resort for ${longLivedSeconds} s` : "";
    this.tell("routes-kept", family, this.count(family), `for ${seconds} s at most${asked}${then}`);
  }

  /**
   * The neighbor came back in the long-lived stale time, and is gone again before it has sent all: what
   * it has sent is kept as what it had before is, and no longer (RFC 9494 section 4.2).
   */
  private keepOn({ family, round, import: decides }: FamilyState): void {
    const kept = this.kept.get(family)!;
    kept.isBack = false;
    kept.round = (round + 1) & 0xff;
    decides.freshRound = kept.round;
  }

  /** The peer has sent what it has: what is still stale goes. */
  endOfRib(state: FamilyState): void {
    this.spent &= ~state.family;
    state.import.freshRound = null;
    if (this.kept.delete(state.family)) this.remove(state.family, state.round);
  }

  /** Removes what the peer did not send again in the refresh that has ended (RFC 7313). */
  endOfRefresh({ family, round }: FamilyState): void {
    this.remove(family, round);
  }

  /**
   * Removes the routes whose time is up, or begins with the long-lived stale time.
   *
   * @returns whether it has, so that all routes of the neighbor must be judged again
   */
  tick(session: Session | null): boolean {
    let hasBegun = false;
    for (const [family, kept] of this.kept) {
      if (kept.deadlineMs > this.tables.nowMs) continue;
      const state = session?.family(family);
      if (state !== undefined) {
        this.endOfRib(state);
        if (kept.isLongLived) this.spent |= family;
      } else if (kept.isLongLived || kept.longLivedSeconds === 0) {
        this.giveUp(family, "the neighbor did not come back in time");
      } else {
        hasBegun = true;
        this.beginLongLived(family, kept);
      }
    }
    return hasBegun;
  }

  private beginLongLived(family: Family, kept: Kept): void {
    const { longLivedSeconds } = kept;
    kept.isLongLived = true;
    kept.deadlineMs += 1000 * longLivedSeconds;
    this.decides!.family(family)!.freshRound = kept.round;
    const how = `as a last resort (RFC 9494), for ${longLivedSeconds} s at most`;
    this.tell("routes-kept", family, this.count(family), how);
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
function keptFamilies({ gracefulRestart }: Negotiated, reason: DownReason): number {
  if (gracefulRestart === null) return 0;
  const { families, notification } = gracefulRestart;
  switch (reason.kind) {
    case "connection-lost":
    case "graceful-restart":
      return families;
    case "send-hold-timer-expired":
      return notification ? families : 0;
    case "notification-sent":
    case "notification-received":
      // The peer is there, with another connection, and both sides had a session on one of the two.
      if (isCollision(reason)) return families;
      // RFC 8538 section 4.
      return notification && !isHardReset(reason) ? families : 0;
    case "restarting":
    case "not-wanted":
      return 0;
  }
}

function isCollision({ code, subcode }: Notified): boolean {
  return code === NOTIFICATION.CEASE && subcode === CEASE.CONNECTION_COLLISION;
}

/** @returns FAMILY bits in which a peer has kept forwarding, by its long-lived capability */
function longLivedIn(times: Negotiated["longLivedGracefulRestart"]): number {
  return (times ?? []).reduce((bits, time) => bits | (time.forwarding ? time.family : 0), 0);
}
