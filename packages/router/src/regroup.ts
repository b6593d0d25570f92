/** Moving a running session to the update group that it belongs to now. */

import { familyLabel } from "./facts.ts";
import type { Job, JobState } from "./jobs.ts";
import type { FamilyState, Session } from "./session.ts";
import { type GroupEntry, SessionMember } from "./update-groups.ts";

/**
 * The session stays where it is until the other group has worked through the table; then it is sent
 * what differs. Nothing happens when it stands in the right group already.
 */
export function regroup(session: Session, state: FamilyState): void {
  const { tables, facts } = session.neighbor;
  const { groups } = tables;
  const { filter, settings } = session.groupOf(state.family);
  const entry = groups.find(tables.rib(state.family), settings, filter, facts);
  const { next, member } = state;
  if (entry === (next ?? member.entry)) return;
  if (groups.held.includes(member)) {
    // It was sent nothing that could differ.
    const cls = tables.directory.classOf(session.neighbor.row, entry.settings.classByAs);
    state.member = groups.join(entry, cls, session.connection, session, true);
    groups.leave(member);
    return;
  }
  state.next = entry === member.entry ? null : entry;
  if (state.next !== null) entry.expected++;
  if (next !== null) groups.expectOneLess(next);
  else tables.jobs.add(new Move(session, state));
}

/** One job for each session on the move; where it moves to may change on the way. */
export class Move implements Job {
  private readonly session: Session;
  private readonly state: FamilyState;

  constructor(session: Session, state: FamilyState) {
    this.session = session;
    this.state = state;
  }

  step(): JobState {
    const { session, state } = this;
    const { next } = state;
    if (next === null || !session.isCurrent) return "done";
    // What the session still waits for in its group is not to be forgotten on the way.
    const isBusy = !state.endOfRibSent || state.resending;
    if (isBusy || !next.group.isComplete || !moveTo(session, state, next)) return "waiting";
    return "done";
  }
}

function moveTo(session: Session, state: FamilyState, entry: GroupEntry): boolean {
  const { tables, row, log } = session.neighbor;
  const was = state.member;
  const cls = tables.directory.classOf(row, entry.settings.classByAs);
  const member = new SessionMember(entry, cls, session.connection, was.owner);
  member.messages = was.messages;
  const { formKey } = entry;
  if (!entry.group.takeOver(member, was.group, was, formKey !== was.entry.formKey)) return false;
  state.member = member;
  state.next = null;
  tables.groups.expectOneLess(entry);
  tables.groups.closeIfEmpty(was.entry);
  const text = `${familyLabel(state.family)} moved to update group ${entry.number}`;
  log.add("configured", "debug", tables.nowMs, text);
  return true;
}
