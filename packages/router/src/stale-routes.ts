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

import type { NeighborConfig } from "@ts-bgp/config";
import type { DownReason, Negotiated, Notified } from "@ts-bgp/fsm";
import type { PeerRow } from "@ts-bgp/rib";
import { CEASE, type Family, isHardReset, NOTIFICATION } from "@ts-bgp/wire-codec";
import { familyLabel } from "./facts.ts";
import type { NeighborLog } from "./neighbor-log.ts";
import { secondsOf } from "./restart-capabilities.ts";
import type { RouteImport } from "./route-import.ts";
import type { FamilyState, Session } from "./session.ts";
import { Fold, RemoveAll, RemoveOtherRounds } from "./stale-jobs.ts";
import { FAMILIES, type Tables } from "./tables.ts";

/** A peer that came back must have sent everything by then. */
const END_OF_RIB_MS = 360_000;

/** A family whose routes are kept. */
interface Kept {
  /** Round that a session has to give to routes that are not stale. */
  round: number;
  /** When the session ended that the oldest of the stale routes may be from. */
  firstMs: number;
  /** When the last session ended, and how long its peer asked to wait for the next one. */
  readonly sinceMs: number;
  readonly askedSeconds: number;
  /** For so long its peer asked to keep routes after that, and so long they are; 0 for not. */
  longLivedAskedSeconds: number;
  longLivedSeconds: number;
  /** That time has begun. */
  isLongLived: boolean;
  /** Its end, or that of the restart time before it; no session moves it (RFC 9494 section 4.2). */
  deadlineMs: number;
  /** The next session is there, and must have sent its End-of-RIB marker by then; else null. */
  endOfRibMs: number | null;
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
  /**
   * Families whose long-lived stale time was up before the session that is there had sent all: until when
   * it may still do so.
   */
  private spent: Map<Family, number> = new Map();
  /** What decided about routes that are kept, and still does. */
  private decides: RouteImport | null = null;
  /** Jobs at work: removals, and those that give stale routes one round. */
  removals = 0;
  folds = 0;

  constructor(tables: Tables, row: PeerRow, log: NeighborLog) {
    this.tables = tables;
    this.row = row;
    this.log = log;
  }

  /** Fills in what the state of an older program does not have. */
  complete(): void {
    for (const kept of this.kept.values() as Iterable<Kept & { readonly isBack?: boolean }>) {
      kept.firstMs ??= kept.sinceMs;
      kept.longLivedAskedSeconds ??= 0;
      kept.longLivedSeconds ??= 0;
      kept.isLongLived ??= false;
      if (kept.endOfRibMs === undefined) kept.endOfRibMs = kept.isBack ? kept.deadlineMs : null;
    }
    this.spent ??= new Map();
    this.folds ??= 0;
    this.decides?.complete();
  }

  /** @returns until when routes of an ended session are kept at most, null when none are */
  keptUntil(family: Family): KeptUntil | null {
    const kept = this.kept.get(family);
    if (kept === undefined) return null;
    const { isLongLived, deadlineMs, endOfRibMs } = kept;
    if (endOfRibMs === null) return { untilMs: deadlineMs, isLongLived };
    return { untilMs: isLongLived ? Math.min(deadlineMs, endOfRibMs) : endOfRibMs, isLongLived };
  }

  /** @returns how a route of that round is kept; null for one that the session stands behind */
  staleness(family: Family, round: number): KeptUntil | null {
    return this.kept.get(family)?.round === round ? null : this.keptUntil(family);
  }

  /** What decides about routes that are kept without a session; null when none are. */
  get import(): RouteImport | null {
    return this.kept.size > 0 ? this.decides : null;
  }

  /** The configuration says another thing of how long routes are kept at most. */
  bound({ gracefulRestart, longLivedGracefulRestart }: NeighborConfig): void {
    const { restartTimeMax } = gracefulRestart;
    for (const [family, kept] of this.kept) {
      const { longLivedAskedSeconds, longLivedSeconds } = kept;
      const staleMax = secondsOf(longLivedGracefulRestart.staleTimeMax, family);
      kept.longLivedSeconds = Math.min(longLivedAskedSeconds, staleMax);
      if (kept.isLongLived) kept.deadlineMs += 1000 * (kept.longLivedSeconds - longLivedSeconds);
      else kept.deadlineMs = restartDeadlineMs(kept, restartTimeMax);
    }
  }

  /** Whether routes are being removed, or told apart from those to come. */
  get isRemoving(): boolean {
    return this.removals + this.folds > 0;
  }

  /** Whether routes are kept or being removed. */
  get isAny(): boolean {
    return this.isRemoving || this.kept.size > 0;
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
      // RFC 9494 section 4.2 looks at its own capability alone, RFC 4724 at the other one.
      const stays = kept.isLongLived ? longLived : forwarding;
      if (state === undefined || (stays & family) === 0) {
        this.giveUp(family, "the neighbor came back, and did not keep forwarding");
        continue;
      }
      state.round = kept.round;
      kept.endOfRibMs = this.tables.nowMs + END_OF_RIB_MS;
      if (kept.isLongLived) state.import.freshRound = kept.round;
      else if ((longLived & family) === 0) {
        kept.longLivedAskedSeconds = 0;
        kept.longLivedSeconds = 0;
      }
    }
  }

  /**
   * The session has ended for that reason.
   *
   * @returns whether routes are a last resort from now on, so that all must be judged again
   */
  sessionDown(session: Session, reason: DownReason): boolean {
    const families = keptFamilies(session, reason);
    const { spent } = this;
    let isLongLived = false;
    this.decides = families === 0 ? null : session.import;
    this.spent = new Map();
    for (const state of session.families) {
      const { family } = state;
      const kept = this.kept.get(family);
      if ((families & family) === 0) this.removeAll(family);
      else if ((spent.get(family) ?? 0) > this.tables.nowMs) {
        this.giveUp(family, "the neighbor is gone again, and their time was up");
      } else if (kept !== undefined && kept.longLivedSeconds > 0) this.keepOn(state, kept);
      else this.keep(session, state);
      isLongLived ||= this.kept.get(family)?.isLongLived === true;
    }
    return isLongLived;
  }

  /** Begins to keep the routes of a family. */
  private keep(session: Session, state: FamilyState): void {
    const { family, round } = state;
    const { nowMs: sinceMs } = this.tables;
    const { gracefulRestart } = session.negotiated;
    const { restartTimeMax } = session.neighbor.config.gracefulRestart;
    const before = this.kept.get(family);
    const freshRound = (round + 1) & 0xff;
    // Routes that were stale already outlast another restart by RFC 8538 section 4.1, and not by RFC 4724 alone.
    const isStill = before !== undefined && gracefulRestart!.notification;
    if (isStill) this.fold(family, freshRound);
    else this.endOfRib(state);
    // RFC 9494 section 4.2: a family that is not among those of RFC 4724 has no restart time.
    const isListed = (gracefulRestart!.families & family) !== 0;
    const askedSeconds = isListed ? gracefulRestart!.restartTimeSeconds : 0;
    const seconds = Math.min(askedSeconds, restartTimeMax);
    const [longLivedAskedSeconds, longLivedSeconds] = longLivedTimes(session, family);
    const firstMs = isStill ? before.firstMs : sinceMs;
    const kept: Kept = {
      round: freshRound,
      ...{ firstMs, sinceMs, askedSeconds, longLivedAskedSeconds, longLivedSeconds },
      deadlineMs: restartDeadlineMs({ firstMs, sinceMs, askedSeconds }, restartTimeMax),
      ...{ isLongLived: false, endOfRibMs: null },
    };
    this.kept.set(family, kept);
    if (seconds === 0 && longLivedSeconds > 0) {
      this.beginLongLived(family, kept);
      return;
    }
    const lasts = Math.max(0, Math.round((kept.deadlineMs - sinceMs) / 1000));
    const asked = lasts < askedSeconds ? `, of ${askedSeconds} s that it asked for` : "";
    const then =
      longLivedSeconds > 0 ? `, and then as a last resort for ${longLivedSeconds} s` : "";
    this.tell("routes-kept", family, this.count(family), `for ${lasts} s at most${asked}${then}`);
  }

  /**
   * The neighbor came back, and is gone again before it has sent all: what it has sent is kept as what it
   * had before is, and no longer. That does not go before the end of its long-lived stale time (RFC 9494
   * section 4.2, consecutive restarts).
   */
  private keepOn({ family, round, import: decides }: FamilyState, kept: Kept): void {
    kept.endOfRibMs = null;
    kept.round = (round + 1) & 0xff;
    if (kept.isLongLived) decides.freshRound = kept.round;
    this.fold(family, kept.round);
  }

  /** All routes that there are become stale. @param freshRound - that of the next session */
  private fold(family: Family, freshRound: number): void {
    this.folds++;
    this.tables.jobs.add(new Fold(this, this.tables.rib(family), this.row, freshRound));
  }

  /** The peer has sent what it has: what is still stale goes. */
  endOfRib(state: FamilyState): void {
    this.spent.delete(state.family);
    if (this.kept.delete(state.family)) this.remove(state);
  }

  /** Removes what the peer did not send again in the refresh that has ended (RFC 7313). */
  endOfRefresh(state: FamilyState): void {
    this.remove(state);
  }

  /**
   * Removes the routes whose time is up, or begins with the long-lived stale time.
   *
   * @returns whether it has, so that all routes of the neighbor must be judged again
   */
  tick(session: Session | null): boolean {
    const { nowMs } = this.tables;
    let hasBegun = false;
    for (const [family, kept] of this.kept) {
      const { deadlineMs, endOfRibMs, isLongLived } = kept;
      const state = session?.family(family);
      if (state !== undefined && endOfRibMs !== null) {
        const isOver = isLongLived && deadlineMs <= nowMs;
        if (!isOver && endOfRibMs > nowMs) continue;
        this.endOfRib(state);
        if (isOver && endOfRibMs > nowMs) this.spent.set(family, endOfRibMs);
      } else if (deadlineMs > nowMs) continue;
      else if (isLongLived || kept.longLivedSeconds === 0) {
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

  /** All routes go, whoever they are from. */
  clear(): void {
    for (const family of FAMILIES) this.removeAll(family);
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

  /** Removes the routes that were not heard in the round of now; until they are gone they stay stale. */
  private remove({ family, round, import: decides }: FamilyState): void {
    this.removals++;
    const { jobs } = this.tables;
    jobs.add(new RemoveOtherRounds(this, this.tables.rib(family), this.row, round, decides));
  }
}

/** @returns FAMILY bits whose routes stay when a session ends for that reason */
function keptFamilies(session: Session, reason: DownReason): number {
  const { gracefulRestart } = session.negotiated;
  if (gracefulRestart === null) return 0;
  const { notification } = gracefulRestart;
  const longLived = FAMILIES.filter((family) => longLivedTimes(session, family)[1] > 0);
  const families = longLived.reduce<number>((bits, each) => bits | each, gracefulRestart.families);
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

/** @returns when routes go whose neighbor has not come back, or was never there long enough to send all */
function restartDeadlineMs(
  { firstMs, sinceMs, askedSeconds }: Pick<Kept, "firstMs" | "sinceMs" | "askedSeconds">,
  restartTimeMax: number,
): number {
  const deadlineMs = sinceMs + 1000 * Math.min(askedSeconds, restartTimeMax);
  // The stale timer of RFC 8538 section 4.1: however often it comes and goes.
  return Math.min(deadlineMs, firstMs + 1000 * restartTimeMax + END_OF_RIB_MS);
}

function isCollision({ code, subcode }: Notified): boolean {
  return code === NOTIFICATION.CEASE && subcode === CEASE.CONNECTION_COLLISION;
}

/** @returns FAMILY bits in which a peer has kept forwarding, by its long-lived capability */
function longLivedIn(times: Negotiated["longLivedGracefulRestart"]): number {
  return (times ?? []).reduce((bits, time) => bits | (time.forwarding ? time.family : 0), 0);
}

/** @returns the long-lived stale time that a peer asked for in a family, and the one that it gets; 0 for none */
function longLivedTimes(session: Session, family: Family): [asked: number, granted: number] {
  const { staleTimeMax } = session.neighbor.config.longLivedGracefulRestart;
  const times = session.negotiated.longLivedGracefulRestart ?? [];
  const asked = times.find((each) => each.family === family)?.staleTimeSeconds ?? 0;
  return [asked, Math.min(asked, secondsOf(staleTimeMax, family))];
}
