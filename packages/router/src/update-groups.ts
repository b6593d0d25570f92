/**
 * The update groups of all families: found by what their members have in common, made when first
 * needed, closed when the last member has left.
 */

import type { Filter, PeerFacts, Policies } from "@ts-bgp/policy";
import {
  type Chunk,
  type GroupSink,
  type Member,
  type PeerRow,
  type Rib,
  shareOf,
  UpdateGroup,
} from "@ts-bgp/rib";
import type { Family } from "@ts-bgp/wire-codec";
import type { Connection } from "./connection.ts";
import {
  GroupExporter,
  type GroupSettings,
  type PeerDirectory,
  type ToldApart,
} from "./exporter.ts";
import type { Job, JobState, Jobs } from "./jobs.ts";
import type { Numbers } from "./numbers.ts";

/** Whose session it is. */
export interface MemberOwner {
  /** Everything was sent, after the session came up and after each refresh. */
  synced(family: Family): void;
  /** @returns whether it may be sent what its group says now; not beyond a limit, see `UpdateGroups.over` */
  admits(member: SessionMember): boolean;
  /** It was not, and the session is to end. */
  overrun(member: SessionMember): void;
  /** There are routes that it is not sent since its group keeps to a limit, or no longer. */
  limited(member: SessionMember): void;
}

/** A session's place in the update group of one family. */
export class SessionMember implements Member {
  readonly cls: number;
  readonly peer: PeerRow;
  readonly connection: Connection;
  readonly entry: GroupEntry;
  readonly owner: MemberOwner;
  /** UPDATE messages sent. */
  messages = 0;

  constructor(entry: GroupEntry, cls: number, connection: Connection, owner: MemberOwner) {
    this.entry = entry;
    this.cls = cls;
    this.peer = connection.neighbor.row;
    this.connection = connection;
    this.owner = owner;
  }

  get backlogOctets(): number {
    return this.connection.backlogOctets;
  }

  get group(): UpdateGroup {
    return this.entry.group;
  }
}

/** An update group with what it was made from. */
export interface GroupEntry {
  /** Names the group in `show groups`. */
  readonly number: number;
  /** Equal for sessions that may be members. */
  readonly key: string;
  /** Equal for groups that write the same octets for the same attribute set. */
  readonly formKey: string;
  readonly settings: GroupSettings;
  readonly group: UpdateGroup;
  filter: Filter;
  exporter: GroupExporter;
  /** Of a member, for what policy asks of all of them alike. */
  readonly facts: PeerFacts;
  /** Sessions that will move here. */
  expected: number;
}

export class ConnectionSink implements GroupSink {
  chunk(chunk: Chunk, members: readonly Member[]): void {
    for (const member of members as readonly SessionMember[]) {
      if (!member.owner.admits(member)) continue;
      const share = shareOf(chunk, member);
      member.messages += share.messages;
      for (const piece of share.pieces) member.connection.write(piece);
    }
  }

  synced(member: Member): void {
    const { owner, group } = member as SessionMember;
    owner.synced(group.rib.family);
  }

  limited(members: readonly Member[]): void {
    for (const member of members as readonly SessionMember[]) member.owner.limited(member);
  }
}

/** Rows that one step of giving a closed group's memory back looks at. */
const DISPOSE_ROWS = 1 << 16;

export class UpdateGroups {
  readonly entries: GroupEntry[] = [];
  /** Those that sessions may still join or move to. */
  private readonly byKey: Map<string, GroupEntry> = new Map();
  private readonly directory: PeerDirectory;
  private readonly jobs: Jobs;
  private readonly factNumbers: Numbers;
  private readonly sink: GroupSink = new ConnectionSink();
  /** Those that are sent nothing yet: their groups go on without them. */
  held: SessionMember[] = [];
  /** Those that were not sent what their groups have just said: their sessions end when these are done. */
  over: SessionMember[] = [];
  /** The speaker is about to shut down, and says so with each route (RFC 8326). */
  isShuttingDown = false;
  private numbers = 0;
  private turn = 0;
  private urgentTurn = 0;

  constructor(directory: PeerDirectory, jobs: Jobs, factNumbers: Numbers) {
    this.directory = directory;
    this.jobs = jobs;
    this.factNumbers = factNumbers;
  }

  /**
   * Finds or makes the group for a session.
   *
   * @param facts - of the session's peer; policy is asked with these for all members
   */
  find(rib: Rib, settings: GroupSettings, filter: Filter, facts: PeerFacts): GroupEntry {
    const key = groupKey(settings, filter, facts);
    const known = this.byKey.get(key);
    if (known !== undefined) return known;
    const exporter = this.exporter(rib, settings, filter, facts);
    const entry: GroupEntry = {
      number: ++this.numbers,
      key,
      formKey: textOf(settings.form),
      settings,
      group: new UpdateGroup(rib, settings.form, exporter, this.sink),
      filter,
      exporter,
      facts,
      expected: 0,
    };
    this.entries.push(entry);
    this.byKey.set(key, entry);
    return entry;
  }

  /** @param isHeld - it is sent nothing before `release` */
  join(
    entry: GroupEntry,
    peerClass: number,
    connection: Connection,
    owner: MemberOwner,
    isHeld = false,
  ): SessionMember {
    const member = new SessionMember(entry, peerClass, connection, owner);
    if (isHeld) {
      entry.expected++;
      this.held.push(member);
    } else entry.group.join(member);
    return member;
  }

  leave(member: SessionMember): void {
    const { held } = this;
    this.held = held.filter((each) => each !== member);
    if (this.held.length < held.length) member.entry.expected--;
    else member.group.leave(member);
    this.closeIfEmpty(member.entry);
  }

  /** Whether the groups of a family have worked through all that there is for those that are held. */
  isLevel(family: Family): boolean {
    return this.held.every(({ group }) => {
      const { rib, isComplete, standing } = group;
      if (rib.family !== family) return true;
      return isComplete && standing.lag === 0 && rib.pending === 0;
    });
  }

  /** Those of a family that were held get all that there is. @returns how many these are */
  release(family: Family): number {
    const released = this.held.filter(({ group }) => group.rib.family === family);
    for (const member of released) this.releaseOne(member);
    return released.length;
  }

  /** The same for one, if it is held. */
  releaseOne(member: SessionMember): void {
    if (!this.held.includes(member)) return;
    this.held = this.held.filter((each) => each !== member);
    member.entry.expected--;
    member.group.join(member);
  }

  /** A session has moved to the group, or will not. */
  expectOneLess(entry: GroupEntry): void {
    entry.expected--;
    this.closeIfEmpty(entry);
  }

  closeIfEmpty(entry: GroupEntry): void {
    const at = this.entries.indexOf(entry);
    if (entry.group.size > 0 || entry.expected > 0 || at < 0) return;
    this.entries.splice(at, 1);
    this.retire(entry);
    entry.group.close();
    this.jobs.add(new Dispose(entry.group));
  }

  /**
   * Policies were compiled anew. A group whose members still belong together takes them over, and
   * goes through the table again if they differ. One whose members have to part, since policy tells
   * them apart in another way or may do something else, keeps the old ones until they have moved.
   */
  refilter(policies: Policies, changed: ReadonlySet<string>): void {
    for (const entry of this.byKey.values()) {
      const { group, settings, facts } = entry;
      const { names, setsNextHop, setsMed } = entry.filter;
      const { localAs, vars } = facts;
      const isThere = policies.has(names, vars);
      const filter = isThere ? policies.filter(names, localAs, vars) : entry.filter;
      const differs = names.some((name) => changed.has(name));
      if (isThere && filter === entry.filter) continue;
      const asksPeer = differs && filter.groupKey(facts) !== "";
      const stays =
        isThere &&
        !asksPeer &&
        filter.setsNextHop === setsNextHop &&
        filter.setsMed === setsMed &&
        groupKey(settings, filter, facts) === entry.key;
      if (!stays) {
        this.retire(entry);
        continue;
      }
      entry.filter = filter;
      const told = differs ? undefined : (entry.exporter.toldApart ?? null);
      entry.exporter = this.exporter(group.rib, settings, filter, facts, told);
      group.setRules(entry.exporter, differs);
    }
  }

  /** A neighbor has come: groups that would tell it apart, had it been there, look at all again first. */
  neighborAdded(row: PeerRow, { as, vars = {} }: PeerFacts): void {
    for (const { group, exporter } of this.entries) {
      if (exporter.concerns(row, as, vars)) group.setRules(exporter, true, true);
    }
  }

  /** All routes are sent anew: with GRACEFUL_SHUTDOWN (RFC 8326), or as they are. */
  shutDownGracefully(isOn: boolean): void {
    if (this.isShuttingDown === isOn) return;
    this.isShuttingDown = isOn;
    for (const { group, exporter } of this.entries) {
      exporter.isShuttingDown = isOn;
      group.setRules(exporter, true);
    }
  }

  /** Does a bounded piece of work for one group. @returns whether there was any to do */
  step(): boolean {
    const { entries } = this;
    for (let i = 0; i < entries.length; i++) {
      this.turn = (this.turn + 1) % entries.length;
      if (entries[this.turn]!.group.step()) return this.endOver();
    }
    return false;
  }

  /** As `step`, for urgent changes alone. */
  stepUrgent(): boolean {
    const { entries } = this;
    for (let i = 0; i < entries.length; i++) {
      this.urgentTurn = (this.urgentTurn + 1) % entries.length;
      if (entries[this.urgentTurn]!.group.stepUrgent()) return this.endOver();
    }
    return false;
  }

  /** Ends sessions that would have been sent too much. */
  endOver(): true {
    for (const member of this.over.splice(0)) member.owner.overrun(member);
    return true;
  }

  /** Whether others may join a group. */
  isOpen(entry: GroupEntry): boolean {
    return this.byKey.get(entry.key) === entry;
  }

  /** Nobody may join the group from now on. */
  private retire(entry: GroupEntry): void {
    if (this.byKey.get(entry.key) === entry) this.byKey.delete(entry.key);
  }

  private exporter(
    rib: Rib,
    settings: GroupSettings,
    filter: Filter,
    facts: PeerFacts,
    toldApart?: ToldApart | null,
  ): GroupExporter {
    const { directory, factNumbers } = this;
    const exporter = new GroupExporter(
      rib,
      settings,
      filter,
      facts,
      directory,
      factNumbers,
      toldApart,
    );
    exporter.isShuttingDown = this.isShuttingDown;
    return exporter;
  }
}

/** Gives the memory of a closed group back. */
export class Dispose implements Job {
  private readonly group: UpdateGroup;

  constructor(group: UpdateGroup) {
    this.group = group;
  }

  step(): JobState {
    return this.group.adjRibOut.dispose(DISPOSE_ROWS) ? "more" : "done";
  }
}

function groupKey(settings: GroupSettings, filter: Filter, facts: PeerFacts): string {
  const policies = filter.names.join(" ");
  return `${textOf(settings)} ${facts.localAs} ${policies} ${filter.groupKey(facts)}`;
}

/** @returns a text that is equal for equal values */
function textOf(value: GroupSettings | GroupSettings["form"]): string {
  return JSON.stringify(value, (_key, part) =>
    part instanceof Uint8Array ? Array.from(part) : part,
  );
}
