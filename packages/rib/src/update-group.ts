/**
 * Update groups: members whose UPDATEs are the same octets, encoded once.
 *
 *     change log --cursor--> compute views --> Adj-RIB-Out --diff--> batch --> chunk --> members
 *                                                  |
 *                                                  +--> catch-ups (bits of rows) --> chunk --> members
 *
 * The group follows the change log with one cursor. For each changed prefix it computes what its
 * members should see, compares it with what they were sent, and writes the difference once, cut into
 * runs by audience. Members that do not stand where the group stands (just come up, asked for a
 * refresh, or too slow) belong to a catch-up: a set of rows that they still have to be sent as they
 * are then. So a queued change is replaced, not followed, and a slow member costs three bits a prefix
 * and holds nobody back.
 */

import { UpdateWriter, type WireForm } from "@ts-bgp/wire-codec";
import { AdjRibOut, View } from "./adj-rib-out.ts";
import type { AttrId } from "./attr-store.ts";
import { type AudienceId, AudienceTable, EVERYONE } from "./audience.ts";
import { Batch } from "./batch.ts";
import { CatchUp, catchUpFrom, doubtMember, type Places, refreshMember } from "./catch-up.ts";
import type { Cursor } from "./change-log.ts";
import { ClassSet } from "./class-set.ts";
import type { Doubt } from "./doubts.ts";
import { GROUP_LIMITS } from "./group-limits.ts";
import { type GroupSink, type Member, remove, removeAll } from "./member.ts";
import { NextHopPeers } from "./next-hop-peers.ts";
import type { PrefixRow } from "./prefix-table.ts";
import type { Rib, RowHolder } from "./rib.ts";
import { type ExportRules, RouteSelector } from "./route-selector.ts";

export class UpdateGroup implements RowHolder {
  readonly rib: Rib;
  readonly form: WireForm;
  readonly adjRibOut: AdjRibOut;
  private readonly sink: GroupSink;
  private selector: RouteSelector;
  private readonly cursor: Cursor;
  /** Next row of a scan of the whole table, 0 when there is none. */
  private scanRow = 1;
  /** Nothing was sent yet: whoever joins now stands where the group stands. */
  private isFresh = true;
  /** Members that were sent all that the group says, or will be as it goes on. */
  private readonly members: Member[] = [];
  private catchUps: CatchUp[] = [];
  /** Came up while an initial catch-up was running; they start together after it. */
  private joining: Member[] = [];
  /** Members that come up begin after the scan: what was noted before it does not tell them apart. */
  private joinsAfterScan = false;
  /** To be told when they were sent everything. */
  private readonly unsynced: Set<Member> = new Set();
  /** Whose turn it is: 0 for the group, then the catch-ups. */
  private turn = 0;
  /** What is at hand is urgent: catch-ups are to send it before the rest. */
  private isUrgent = false;

  private readonly batch: Batch = new Batch();
  private readonly audiences: AudienceTable = new AudienceTable();
  private readonly writer: UpdateWriter;
  private readonly old: View = new View();
  private readonly view: View = new View();
  private readonly oldPathIds: number[] = [];
  private readonly apart: ClassSet = new ClassSet();
  /** Whom routes are kept from since the next hop is theirs. */
  readonly nextHops: NextHopPeers;

  constructor(rib: Rib, form: WireForm, rules: ExportRules, sink: GroupSink) {
    this.rib = rib;
    this.form = form;
    this.sink = sink;
    this.adjRibOut = new AdjRibOut(rib.attrs, rib.prefixes, form.addPath, rules.limit);
    this.selector = new RouteSelector(rib, form, rules);
    this.writer = new UpdateWriter(form);
    this.nextHops = new NextHopPeers(rib, form.nextHop === null);
    this.cursor = rib.log.open();
    rib.rowHolders.push(this);
  }

  /** Number of members, wherever they stand. */
  get size(): number {
    const lists = [this.members, this.joining, ...this.catchUps.map(({ members }) => members)];
    return lists.reduce((size, { length }) => size + length, 0);
  }

  /** Where members stand, for `show groups`. */
  get standing(): { current: number; catchingUp: number; lag: number } {
    const { length: current } = this.members;
    return { current, catchingUp: this.size - current, lag: this.rib.log.lag(this.cursor) };
  }

  /** Adds a member that was sent nothing yet. */
  join(member: Member): void {
    this.unsynced.add(member);
    this.nextHops.add(member);
    if (this.isFresh) this.members.push(member);
    else this.joining.push(member);
  }

  private get places(): Places {
    const { members, joining, catchUps, adjRibOut } = this;
    return { members, joining, catchUps, rows: adjRibOut.rows };
  }

  /** Removes a member. @returns whether it was there */
  leave(member: Member): boolean {
    this.unsynced.delete(member);
    this.nextHops.remove(member);
    if (remove(this.members, member) || remove(this.joining, member)) return true;
    const catchUp = this.catchUps.find(({ members }) => remove(members, member));
    if (catchUp?.members.length === 0) this.endCatchUp(catchUp);
    return catchUp !== undefined;
  }

  /** Sends a member everything again (RFC 2918); the sink hears when that is done. */
  refresh(member: Member): void {
    if (this.joining.includes(member)) return;
    this.unsynced.add(member);
    refreshMember(member, this.places, this.form.addPath);
  }

  /**
   * It is not known what a member was sent of some prefixes: it is sent these as they are, or withdrawn.
   *
   * @param tells - the sink is to hear when that is done
   */
  doubt(member: Member, doubt: Doubt, tells: boolean): void {
    if (tells) this.unsynced.add(member);
    doubtMember(member, this.places, doubt);
  }

  /**
   * Takes a member over from another group, sending only what differs. This one must have scanned
   * its table (`isComplete`). One pass over what both advertise.
   *
   * @param was - the member as the other group knows it
   * @param resend - the groups write in different forms, so that everything differs
   * @returns false when it does not stand where the other group stands; it stays there then
   */
  takeOver(member: Member, from: UpdateGroup, was: Member, resend: boolean): boolean {
    if (!from.members.includes(was)) return false;
    if (from.unsynced.has(was)) this.unsynced.add(member);
    this.nextHops.add(member);
    const withheld = from.nextHops.withheldFrom(was.peer);
    from.leave(was);
    const apart = { cls: member.cls, theirs: from.adjRibOut, theirCls: was.cls, resend };
    const catchUp = catchUpFrom(member, this.adjRibOut, apart, this.form.addPath);
    this.catchUps.push(catchUp);
    this.nextHops.adopt(member.peer, withheld, (row, pathId) => !catchUp.differs(row, pathId));
    return true;
  }

  /** Whether the group has worked through the whole table. */
  get isComplete(): boolean {
    return this.scanRow === 0;
  }

  /**
   * Export rules are others from now on.
   *
   * @param differ - they may judge differently: the table is scanned again, and what differs is sent
   * @param tellMore - with it, they tell members apart that come up from now on
   */
  setRules(rules: ExportRules, differ: boolean, tellMore = false): void {
    this.selector = new RouteSelector(this.rib, this.form, rules);
    if (differ) this.scanRow = 1;
    this.joinsAfterScan ||= tellMore;
  }

  /**
   * Does a bounded piece of work: about `GROUP_LIMITS.stepRows` prefixes.
   *
   * @returns whether there is more that can be done now
   */
  step(): boolean {
    this.settle();
    this.adjRibOut.advance();
    const turns = this.catchUps.length + 1;
    for (let i = 0; i < turns; i++) {
      this.turn = (this.turn + 1) % turns;
      if (this.turn === 0 ? this.stepGroup() : this.stepCatchUp(this.turn - 1)) return true;
    }
    return false;
  }

  /** As `step`, for urgent changes alone; members that catch up are sent them as well. */
  stepUrgent(): boolean {
    this.isUrgent = true;
    let worked = this.rib.log.urgentLag(this.cursor) > 0 && this.stepGroup();
    for (let i = 0, { length } = this.catchUps; i < length && !worked; i++)
      worked = this.catchUps[i]!.pending.urgent.size > 0 && this.stepCatchUp(i);
    this.isUrgent = false;
    return worked;
  }

  /** Ends the group; its memory is given back by `adjRibOut.dispose`. */
  close(): void {
    for (const catchUp of [...this.catchUps]) this.endCatchUp(catchUp);
    this.rib.log.close(this.cursor);
    remove(this.rib.rowHolders, this);
  }

  needsRow(row: PrefixRow): boolean {
    return this.catchUps.some(({ pending }) => pending.has(row));
  }

  get isSettled(): boolean {
    return this.isComplete && !this.adjRibOut.digest.isPartial;
  }

  moveRow(from: PrefixRow, to: PrefixRow): void {
    this.adjRibOut.moveRow(from, to);
    this.nextHops.moveRow(from, to);
    for (const catchUp of this.catchUps) catchUp.moveRow(from, to);
  }

  /** Members that came up start together; members that have everything join the group. */
  private settle(): void {
    this.joinsAfterScan &&= !this.isComplete;
    do {
      const waits = this.catchUps.some(({ isWorthWaitingFor }) => isWorthWaitingFor);
      if (this.joining.length > 0 && !waits && !this.joinsAfterScan) {
        this.catchUps.push(new CatchUp("initial", this.joining, this.adjRibOut.rows));
        this.joining = [];
      }
    } while (this.endFinished() && this.joining.length > 0);
    if (this.unsynced.size > 0 && this.isLevel) this.tellSynced(this.members);
  }

  /** @returns whether a catch-up was over */
  private endFinished(): boolean {
    const finished = this.catchUps.filter((catchUp) => catchUp.pending.size === 0);
    for (const catchUp of finished) {
      this.members.push(...catchUp.members);
      this.endCatchUp(catchUp);
      this.tellSynced(catchUp.members);
      if (this.adjRibOut.limit !== null) this.sink.limited(catchUp.members);
    }
    return finished.length > 0;
  }

  private tellSynced(members: readonly Member[]): void {
    for (const member of members) if (this.unsynced.delete(member)) this.sink.synced(member);
  }

  private endCatchUp(catchUp: CatchUp): void {
    remove(this.catchUps, catchUp);
    this.rib.freeUnused(catchUp.pending);
  }

  /** Whether the group has worked through the whole table and all changes. */
  private get isLevel(): boolean {
    const { log } = this.rib;
    return this.scanRow === 0 && log.lag(this.cursor) === 0 && this.adjRibOut.nextWithRoom() === 0;
  }

  private stepGroup(): boolean {
    if (this.isLevel || !this.isReady()) return false;
    this.isFresh = false;
    const { batch, selector, adjRibOut } = this;
    const { size: waiting } = adjRibOut.beyond;
    const { stepRows, stepOctets, stepEvaluations } = GROUP_LIMITS;
    const scanned = this.scanRow !== 0 && !this.isUrgent;
    let rows = 0;
    batch.members = this.members.length;
    selector.evaluations = 0;
    while (
      rows < stepRows &&
      batch.octetsEstimate < stepOctets &&
      selector.evaluations < stepEvaluations
    ) {
      const row = this.nextRow();
      if (row === 0) break;
      rows++;
      adjRibOut.reconsider(row);
      if (this.form.addPath) this.updatePaths(row);
      else this.updateBest(row);
    }
    this.flush(this.members);
    if (adjRibOut.beyond.size !== waiting) this.sink.limited(this.members);
    return rows > 0 || scanned;
  }

  private nextRow(): PrefixRow {
    const { log, prefixes } = this.rib;
    const changed = this.isUrgent ? log.nextUrgent(this.cursor) : log.next(this.cursor);
    if (changed !== 0 || this.isUrgent) return changed;
    if (this.scanRow >= prefixes.limit) this.scanRow = 0;
    return this.scanRow === 0 ? this.adjRibOut.nextWithRoom() : this.scanRow++;
  }

  /**
   * Whether it makes sense to go on: when nobody can take more, changes had better wait and be
   * replaced by later ones; but only so long.
   */
  private isReady(): boolean {
    if (this.members.length === 0) return true;
    const { backlogOctetsMax, readyOctets, lagMax } = GROUP_LIMITS;
    this.partWith((member) => member.backlogOctets > backlogOctetsMax);
    if (this.members.some((member) => member.backlogOctets < readyOctets)) return true;
    const isAwaited = this.joinsAfterScan && this.joining.length > 0;
    if (this.rib.log.length < lagMax && !isAwaited) return false;
    this.partWith((member) => member.backlogOctets >= readyOctets);
    return true;
  }

  /** Moves slow members to a catch-up of their own. */
  private partWith(isSlow: (member: Member) => boolean): void {
    const slow = removeAll(this.members, isSlow);
    if (slow.length === 0) return;
    this.catchUps.push(new CatchUp("behind", slow, undefined, this.adjRibOut.rows));
  }

  private updateBest(row: PrefixRow): void {
    this.adjRibOut.load(row, 0, this.old);
    this.selector.select(row, this.view);
    this.adjRibOut.restrict(row, this.old, this.view);
    this.update(row, 0);
  }

  private updatePaths(row: PrefixRow): void {
    const { rib, selector, adjRibOut, oldPathIds } = this;
    adjRibOut.pathIds(row, oldPathIds);
    let gone = oldPathIds.length;
    const count = selector.collectPaths(row);
    for (let place = 0, sent = 0; place < count && sent < selector.pathsMax; place++) {
      const path = selector.pathAt(place, count);
      const pathId = rib.paths.sentPathId[path]!;
      adjRibOut.load(row, pathId, this.old);
      selector.selectPath(path, row, this.view);
      if (!this.view.isEmpty) sent++;
      adjRibOut.restrict(row, this.old, this.view);
      if (this.view.isEmpty) continue;
      this.update(row, pathId);
      const at = oldPathIds.indexOf(pathId);
      if (at >= 0 && at < gone) oldPathIds[at] = oldPathIds[--gone]!;
    }
    for (let i = 0; i < gone; i++) {
      adjRibOut.load(row, oldPathIds[i]!, this.old);
      this.view.clear();
      this.update(row, oldPathIds[i]!);
      for (const catchUp of this.catchUps) catchUp.withdrew(row, oldPathIds[i]!);
    }
  }

  /** Sends and notes the difference between `old` and `view`. */
  private update(row: PrefixRow, pathId: number): void {
    const { old, view } = this;
    this.nextHops.noteView(row, pathId, old, false);
    this.nextHops.noteView(row, pathId, view, true);
    const keepsSource = old.source === view.source && old.listed.count + view.listed.count === 0;
    if (this.addDifference(row, pathId)) {
      const isKept = keepsSource && !this.form.addPath;
      const isUrgent = this.isUrgent || this.adjRibOut.makesRoom(view);
      for (const catchUp of this.catchUps) catchUp.changed(row, pathId, isUrgent, isKept);
    } else if (keepsSource) {
      view.release(this.rib.attrs);
      return;
    }
    // Where the set is the same, who is left out of it may not be.
    this.adjRibOut.store(row, pathId, old, view);
  }

  /** Adds to the batch what turns `old` into `view`. @returns whether there was anything */
  private addDifference(row: PrefixRow, pathId: number): boolean {
    const { old, view, apart } = this;
    const differs = old.attr !== view.attr;
    if (old.listed.count + view.listed.count === 0) {
      // Nearly always: the class that a route comes from sees neither what was nor what is.
      if (old.source === view.source || old.attr === 0 || view.attr === 0) {
        const audience = this.audiences.exceptOne(view.source || old.source);
        if (differs) this.addToBatch(row, pathId, view.attr, audience);
        return differs;
      }
    }
    const before = this.batch.size;
    this.view.listApart(this.apart);
    for (let i = 0, { count } = apart; i < count; i++)
      this.addForClass(row, pathId, apart.items[i]!);
    // Classes that the old view told apart and the new one does not see the new default.
    if (old.source !== 0) this.addReturning(row, pathId, old.source, differs);
    for (let i = 0; i < old.listed.count; i++)
      this.addReturning(row, pathId, old.listed.items[i]!, differs);
    if (differs) this.addToBatch(row, pathId, view.attr, this.audiences.except(apart));
    return this.batch.size !== before;
  }

  /**
   * A class that sees the default again: it is told apart when the default is not sent and it needs
   * it, or is and it has it already.
   */
  private addReturning(row: PrefixRow, pathId: number, cls: number, isSent: boolean): void {
    if (this.view.isApart(cls)) return;
    if (!isSent) this.addForClass(row, pathId, cls);
    else if (this.old.of(cls) === this.view.attr) this.apart.add(cls);
  }

  private addForClass(row: PrefixRow, pathId: number, cls: number): void {
    const sees = this.view.of(cls);
    if (this.old.of(cls) === sees) return;
    this.addToBatch(row, pathId, sees, this.audiences.only(cls));
  }

  /**
   * Adds a route for an audience, but for those of it whose address is the next hop: these are sent a
   * withdrawal when they may have an earlier one.
   *
   * @param before - what members were sent of it, or in a catch-up whether they may have something
   */
  private addToBatch(
    row: PrefixRow,
    pathId: number,
    attr: AttrId,
    audience: AudienceId,
    before: View | boolean = this.old,
  ): void {
    const { rib, batch, nextHops, audiences } = this;
    let others = audience;
    for (const member of nextHops.of(attr)) {
      const { cls, peer } = member;
      if (!audiences.get(audience).includes(cls, peer)) continue;
      others = audiences.without(others, peer);
      const had = typeof before === "boolean" ? before : nextHops.isSeen(before, member);
      if (had) batch.add(row, pathId, 0, 0, audiences.peer(peer));
    }
    if (attr === 0 && typeof before !== "boolean")
      others = nextHops.exceptUnseen(audiences, audience, before);
    const octets = attr === 0 ? 0 : rib.attrs.lengthOf(attr);
    batch.add(row, pathId, attr, octets, others);
  }

  private flush(members: readonly Member[]): void {
    const { attrs, prefixes } = this.rib;
    const chunk = this.batch.encode(this.writer, attrs, prefixes, this.audiences);
    this.nextHops.endBatch();
    if (chunk !== null && members.length > 0) this.sink.chunk(chunk, members);
  }

  private stepCatchUp(index: number): boolean {
    const catchUp = this.catchUps[index]!;
    const { backlogOctetsMax, stepRows, stepOctets } = GROUP_LIMITS;
    if (!catchUp.isReady(this.isUrgent) || (catchUp.waits && !this.isLevel)) return false;
    catchUp.waits = false;
    const slow = catchUp.members.filter((member) => member.backlogOctets > backlogOctetsMax);
    if (slow.length > 0) this.catchUps.push(catchUp.split("behind", slow));
    let rows = 0;
    this.batch.members = catchUp.members.length;
    while (rows < stepRows && this.batch.octetsEstimate < stepOctets) {
      const row = this.isUrgent ? catchUp.pending.takeUrgent() : catchUp.pending.take();
      if (row === 0) break;
      rows++;
      this.sendRow(catchUp, row);
    }
    this.flush(catchUp.members);
    return rows > 0;
  }

  /**
   * Adds to the batch what members of a catch-up need to see a prefix as the group does. A row that
   * is free afterwards is given to no other prefix before the batch is written.
   */
  private sendRow(catchUp: CatchUp, row: PrefixRow): void {
    const { adjRibOut, oldPathIds } = this;
    const held = catchUp.held.has(row);
    adjRibOut.pathIds(row, oldPathIds);
    if (!this.form.addPath) {
      this.sendView(row, 0, held, catchUp.keptSource.has(row));
      catchUp.keptSource.delete(row);
    } else {
      const known = catchUp.known.get(row);
      for (const pathId of oldPathIds) {
        if (known?.has(pathId) !== true) this.sendView(row, pathId, held, false);
      }
      catchUp.known.delete(row);
      for (const pathId of catchUp.gone.get(row) ?? []) {
        if (!oldPathIds.includes(pathId)) this.addToBatch(row, pathId, 0, EVERYONE, true);
      }
      catchUp.gone.delete(row);
    }
    if (oldPathIds.length > 0) catchUp.held.add(row);
    else {
      catchUp.held.delete(row);
      this.rib.freeIfUnused(row);
    }
  }

  private sendView(row: PrefixRow, pathId: number, held: boolean, keptSource: boolean): void {
    const { view, apart } = this;
    this.adjRibOut.load(row, pathId, view);
    this.nextHops.noteView(row, pathId, view, true);
    this.view.listApart(this.apart);
    for (let i = 0; i < apart.count; i++) {
      const attr = view.of(apart.items[i]!);
      if (attr === 0 && (!held || keptSource)) continue;
      this.addToBatch(row, pathId, attr, this.audiences.only(apart.items[i]!), held);
    }
    if (view.attr === 0 && !held) return;
    this.addToBatch(row, pathId, view.attr, this.audiences.except(apart), held);
  }
}
