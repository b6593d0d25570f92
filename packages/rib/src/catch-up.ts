/**
 * Members of an update group that do not stand where the group stands, and what they lack.
 *
 * `pending` are the prefixes whose present state they have not been sent, `held` those of which they
 * may have something, `keptSource` those whose source need not hear a withdrawal. All are bits, so that a
 * member that never reads costs three bits a prefix.
 */

import { type AdjRibOut, View } from "./adj-rib-out.ts";
import type { Doubt } from "./doubts.ts";
import { GROUP_LIMITS } from "./group-limits.ts";
import { type Member, remove } from "./member.ts";
import type { PrefixRow } from "./prefix-table.ts";
import { PendingRows, RowSet } from "./row-set.ts";

/** Settles in a row at which no member could be given more, before others need not wait for it. */
const STALLS_MAX = 20;

export class CatchUp {
  readonly members: Member[];
  readonly pending: PendingRows;
  readonly held: RowSet;
  /**
   * Pending rows whose source has been the same since the members were last in step: its class holds
   * nothing of the route, so that it needs no withdrawal. Not with ADD-PATH.
   */
  readonly keptSource: RowSet;
  /**
   * Members that came up, members that asked for everything again, members that fell behind or came
   * from another group, or members of which it is not known what they were sent.
   */
  kind: "initial" | "refresh" | "behind" | "doubt";
  /** It begins once the group has worked through all: what that does not say yet it may be about to. */
  waits = false;
  /** With ADD-PATH: path identifiers that were withdrawn from the group since `held` was true. */
  readonly gone: Map<PrefixRow, Set<number>> = new Map();
  /** With ADD-PATH: path identifiers under which the members have what the group says already. */
  readonly known: Map<PrefixRow, Set<number>> = new Map();
  /** Times in a row that no member could be given more. */
  stalls = 0;

  constructor(
    kind: CatchUp["kind"],
    members: Member[],
    pending: RowSet = new RowSet(),
    held: RowSet = new RowSet(),
    keptSource: RowSet = new RowSet(),
  ) {
    this.kind = kind;
    this.members = members;
    this.pending = new PendingRows();
    this.pending.addAll(pending);
    this.held = held.copy();
    this.keptSource = keptSource.copy();
  }

  /** Whether some member can be given more. What is not urgent is noted as a stall when none can. */
  isReady(isUrgent: boolean): boolean {
    const isReady = this.members.some((each) => each.backlogOctets < GROUP_LIMITS.readyOctets);
    if (isReady) this.stalls = 0;
    else if (!isUrgent) this.stalls++;
    return isReady;
  }

  /** Whether members that came up later had better wait for this one and start together then. */
  get isWorthWaitingFor(): boolean {
    return this.kind === "initial" && this.stalls < STALLS_MAX;
  }

  /** Whether others that are to be sent everything again can still be added. */
  get isFreshRefresh(): boolean {
    return this.kind === "refresh" && this.pending.isUntouched;
  }

  /** @returns a catch-up for some of the members that stands where this one stands */
  split(kind: CatchUp["kind"], members: Member[]): CatchUp {
    const other = new CatchUp(kind, members, this.pending, this.held, this.keptSource);
    for (const [row, ids] of this.gone) other.gone.set(row, new Set(ids));
    for (const [row, ids] of this.known) other.known.set(row, new Set(ids));
    for (const member of members) this.members.splice(this.members.indexOf(member), 1);
    return other;
  }

  /**
   * What the group says of a path identifier is another set.
   *
   * @param keepsSource - the class that the route comes from is the same before and after, and no other
   *   is told apart
   */
  changed(row: PrefixRow, pathId: number, isUrgent: boolean, keepsSource: boolean): void {
    if (keepsSource && (!this.pending.has(row) || this.keptSource.has(row)))
      this.keptSource.add(row);
    else this.keptSource.delete(row);
    if (isUrgent) this.pending.addUrgent(row);
    else this.pending.add(row);
    this.known.get(row)?.delete(pathId);
  }

  /** Whether the members may have something else of a route than the group says. */
  differs(row: PrefixRow, pathId: number): boolean {
    return this.pending.has(row) && this.known.get(row)?.has(pathId) !== true;
  }

  /** The members asked for everything again. */
  refresh(rows: RowSet): void {
    this.kind = "refresh";
    this.known.clear();
    this.pending.addAll(rows);
  }

  /** Adds a member that asked for everything again and was sent all of it before. */
  admit(member: Member, rows: RowSet): void {
    this.members.push(member);
    this.pending.addAll(rows);
    this.held.addAll(rows);
  }

  /** Whether others that are in doubt can still be added. */
  get isFreshDoubt(): boolean {
    return this.kind === "doubt" && this.pending.isUntouched;
  }

  /** The members may have been sent anything of some prefixes, whatever was noted before. */
  doubt({ rows, pathIds }: Doubt): void {
    this.waits = true;
    this.pending.addAll(rows);
    this.held.addAll(rows);
    for (let row = rows.next(0); row >= 0; row = rows.next(row + 1)) {
      this.keptSource.delete(row);
      this.known.delete(row);
      for (const pathId of pathIds.get(row) ?? []) this.withdrew(row, pathId);
    }
  }

  /** A prefix has another row. */
  moveRow(from: PrefixRow, to: PrefixRow): void {
    this.pending.move(from, to);
    this.held.move(from, to);
    this.keptSource.move(from, to);
    for (const idsByRow of [this.gone, this.known]) {
      const ids = idsByRow.get(from);
      if (ids === undefined) continue;
      idsByRow.delete(from);
      idsByRow.set(to, ids);
    }
  }

  /** The group withdrew a path identifier. */
  withdrew(row: PrefixRow, pathId: number): void {
    if (!this.held.has(row)) return;
    const ids = this.gone.get(row);
    if (ids === undefined) this.gone.set(row, new Set([pathId]));
    else ids.add(pathId);
  }
}

/** Where the members of a group stand: in step with it, about to begin, or in catch-ups. */
export interface Places {
  readonly members: Member[];
  readonly joining: Member[];
  readonly catchUps: CatchUp[];
  /** Those that the group has advertised. */
  readonly rows: RowSet;
}

/** Has a member that does not wait to begin sent everything again. */
export function refreshMember(member: Member, places: Places, addPath: boolean): void {
  const { catchUps, members, rows } = places;
  let catchUp = catchUps.find((each) => each.members.includes(member));
  if (catchUp !== undefined) {
    if (catchUp.members.length > 1 && !catchUp.isFreshRefresh) {
      catchUp = catchUp.split("refresh", [member]);
      catchUps.push(catchUp);
    }
    catchUp.refresh(rows);
    return;
  }
  remove(members, member);
  const fresh = catchUps.find(({ isFreshRefresh }) => isFreshRefresh);
  const kept = addPath ? undefined : rows;
  if (fresh === undefined) catchUps.push(new CatchUp("refresh", [member], rows, rows, kept));
  else fresh.admit(member, rows);
}

/** Has a member sent what it is not known to have. */
export function doubtMember(member: Member, places: Places, doubt: Doubt): void {
  const { catchUps, joining, members, rows } = places;
  const known = catchUps.find((each) => each.members.includes(member));
  if (known !== undefined) {
    known.doubt(doubt);
    return;
  }
  const isNew = remove(joining, member);
  if (!isNew && !remove(members, member)) return;
  const fresh = isNew ? undefined : catchUps.find(({ isFreshDoubt }) => isFreshDoubt);
  const next = isNew
    ? new CatchUp("initial", [member], rows)
    : (fresh ?? new CatchUp("doubt", [member], undefined, rows));
  if (fresh === undefined) catchUps.push(next);
  else fresh.members.push(member);
  next.doubt(doubt);
}

/** A class of members here and what they were in another group. */
export interface Apart {
  readonly cls: number;
  readonly theirs: AdjRibOut;
  readonly theirCls: number;
  /** The groups write in different forms, so that everything differs. */
  readonly resend: boolean;
}

/** @returns what a member lacks that comes from another group; one pass over what both advertise */
export function catchUpFrom(
  member: Member,
  ours: AdjRibOut,
  apart: Apart,
  addPath: boolean,
): CatchUp {
  const { cls, theirs, theirCls, resend } = apart;
  const pending = resend ? theirs.rows.copy() : ours.rowsThatDiffer(cls, theirs, theirCls);
  if (resend) pending.addAll(ours.rows);
  const catchUp = new CatchUp("behind", [member], pending, theirs.rows);
  if (addPath) notePaths(catchUp, pending, ours, apart);
  // What goes makes room for what comes: the member is never sent more than its limit.
  for (let row = ours.limit === null ? -1 : pending.next(0); row >= 0; row = pending.next(row + 1))
    if (!ours.rows.has(row)) catchUp.pending.addUrgent(row);
  return catchUp;
}

/**
 * Notes, path identifier by path identifier, how a member stands that comes from another group.
 *
 * @param rows - those that it will be sent as they are here
 * @param apart - its class here, the other group's table and its class there, and whether the groups
 *   write in different forms, so that it knows nothing of what is said here
 */
function notePaths(catchUp: CatchUp, rows: RowSet, ours: AdjRibOut, apart: Apart): void {
  const { cls, theirs, theirCls, resend } = apart;
  const [here, there] = [new View(), new View()];
  const [ids, theirIds]: [number[], number[]] = [[], []];
  for (let row = rows.next(0); row >= 0; row = rows.next(row + 1)) {
    ours.pathIds(row, ids);
    theirs.pathIds(row, theirIds);
    for (const pathId of theirIds) if (!ids.includes(pathId)) catchUp.withdrew(row, pathId);
    const known = ids.filter((pathId) => {
      ours.load(row, pathId, here);
      theirs.load(row, pathId, there);
      return !resend && here.of(cls) === there.of(theirCls);
    });
    if (known.length > 0) catchUp.known.set(row, new Set(known));
  }
}
