/**
 * Next hops that the kernel has as objects: those of this module's, and others' that routes lead by. Each way that own
 * routes go is a group, of one next hop or several, so that it can get other ones at once for all of its routes.
 *
 * An object says nothing of whose it is but its protocol and number. Numbers of a module are in a range that its table and
 * metric say, since no two modules of a host have both. Two may have one range by chance: so none is changed but what this
 * module has made, what own routes lead by, and what no route at all does.
 */

import type { KernelHop, Place } from "./kernel-route.ts";
import { RTPROT_BGP } from "./kernel-route.ts";
import {
  deleteNextHop,
  type NextHopObject,
  newNextHop,
  type ObjectId,
  setGroup,
} from "./next-hop-object.ts";
import { hopKey } from "./resolver.ts";

/**
 * FRR's zebra counts its numbers up from 1, and its daemons have theirs below 250,000,000; for EVPN it has some thousands from
 * 0x10000001 and from 0x20000001 on. It takes all numbers with one of these two bits for EVPN's, and leaves others' objects
 * alone that have such a number (releases 8.4 to 10.2 at least), but not those of other numbers: it writes them back as it
 * has read them. So this module's have the lower bit, and a higher one that no number of FRR's has.
 */
const FIRST = 0x5000_0000;
const RANGES = 1 << 12;
const RANGE = 1 << 16;
/**
 * With so many no more are made: routes have their next hops in themselves then. It is enough for all neighbors of a large
 * exchange, of both families, and all of them can lead elsewhere within a second.
 */
const GROUPS_MAX = 1 << 11;
/**
 * In net.ipv4.nexthop_compat_mode the kernel goes through all of its routes for each group that changes: to write routes one
 * by one is faster where more than a few change together.
 */
const COMPAT_GROUPS_MAX = 16;
/** Of groups and their members. */
const OBJECTS_MAX = 1 << 12;
/** To write so many routes takes about as long as to change a group: with 16 it is half as long, with 64 twice. */
const ROUTES_MIN = 32;

/** Messages that are to be sent together, and what is known when the kernel has taken them all. */
export interface ObjectChange {
  readonly messages: readonly Buffer[];
  readonly made: readonly NextHopObject[];
  readonly deleted: readonly ObjectId[];
}

export class NextHopGroups {
  /** Whether new ones are made. */
  isOn = true;
  readonly routesMin = ROUTES_MIN;
  /** Whether the kernel is in its compat mode. */
  isCompat = false;
  private readonly first: ObjectId;
  private lastOffset = 0;
  /** All of the kernel's that are known. */
  private readonly objects: Map<ObjectId, NextHopObject> = new Map();
  /** Own ones that are no groups, by where they lead. */
  private readonly single: Map<string, ObjectId> = new Map();
  /** Made here, or led by by own routes. */
  private readonly mine: Set<ObjectId> = new Set();
  /** Of numbers of the range, but another's: routes lead by them that are no own ones. */
  private readonly foreign: Set<ObjectId> = new Set();
  /** Numbers that were given away since the kernel was read. */
  private readonly given: Set<ObjectId> = new Set();
  /** It was looked at that no route at all leads by these, since objects were read. */
  private readonly free: Set<ObjectId> = new Set();
  private ownCount = 0;
  private groupCount = 0;

  constructor({ table, metric }: Place) {
    const mixed = Math.imul(table ^ Math.imul(metric, 0x9e37_79b1), 0x85eb_ca6b) >>> 0;
    this.first = FIRST + (mixed % RANGES) * RANGE;
  }

  /** What the kernel has is read: `take` is called for each object. */
  beginReading(): void {
    this.objects.clear();
    this.single.clear();
    this.given.clear();
    this.free.clear();
    this.ownCount = 0;
    this.groupCount = 0;
  }

  take(object: NextHopObject): void {
    this.objects.set(object.id, object);
    const { id, hop, isOther } = object;
    if (!this.isOwn(id)) return;
    this.count(object, 1);
    if (hop !== null && !isOther && this.mine.has(id)) this.single.set(hopKey(hop), id);
  }

  /** What was of an object that is gone says nothing of another that gets its number. */
  endReading(): void {
    for (const ids of [this.mine, this.foreign]) {
      for (const id of ids) if (!this.objects.has(id)) ids.delete(id);
    }
  }

  has(id: ObjectId): boolean {
    return this.objects.has(id);
  }

  /** Whether an object is there that may be this module's. */
  isOwn(id: ObjectId): boolean {
    return (
      this.isInRange(id) && this.objects.get(id)?.protocol === RTPROT_BGP && !this.foreign.has(id)
    );
  }

  isInRange(id: ObjectId): boolean {
    return id > this.first && id < this.first + RANGE;
  }

  /** @returns where packets go by an object; null where that is not known, or something is done to them */
  hopsOf(id: ObjectId): readonly KernelHop[] | null {
    const object = this.objects.get(id);
    if (object === undefined || object.isOther) return null;
    if (object.hop !== null) return [object.hop];
    const hops = object.members.flatMap((member) => this.objects.get(member)?.hop ?? []);
    const arePlain = object.members.every((member) => this.objects.get(member)?.isOther === false);
    return arePlain && hops.length > 0 ? hops : null;
  }

  /** Own routes lead by a group. @returns what `hopsOf` does; null for what is no own group */
  adopt(id: ObjectId): readonly KernelHop[] | null {
    const object = this.objects.get(id);
    if (object === undefined || !this.isOwn(id) || object.hop !== null) return null;
    const hops = this.hopsOf(id);
    if (hops === null) return null;
    for (const each of [id, ...object.members]) {
      this.mine.add(each);
      const { hop } = this.objects.get(each)!;
      if (hop !== null && this.isOwn(each)) this.single.set(hopKey(hop), each);
    }
    return hops;
  }

  /** @returns a number that no object has; 0 when there are too many */
  newId(): ObjectId {
    const max = this.isCompat ? COMPAT_GROUPS_MAX : GROUPS_MAX;
    if (this.groupCount + this.given.size >= max) return 0;
    return this.give();
  }

  /** @returns how a group comes to have these next hops; null when there are too many. @param isNew - it is to be made */
  set(id: ObjectId, hops: readonly KernelHop[], isNew: boolean): ObjectChange | null {
    const messages: Buffer[] = [];
    const made: NextHopObject[] = [];
    const members: ObjectId[] = [];
    for (const hop of hops) {
      let member = this.single.get(hopKey(hop));
      if (member === undefined) {
        member = this.ownCount + this.given.size < OBJECTS_MAX ? this.give() : 0;
        if (member === 0) {
          this.takeBack([id, ...made.map((each) => each.id)]);
          return null;
        }
        messages.push(newNextHop(messages.length, member, hop));
        made.push({ id: member, protocol: RTPROT_BGP, hop, members: [], isOther: false });
      }
      members.push(member);
    }
    messages.push(setGroup(messages.length, id, members, isNew));
    made.push({ id, protocol: RTPROT_BGP, hop: null, members, isOther: false });
    return { messages, made, deleted: [] };
  }

  /**
   * @param used - groups that own routes lead by
   * @returns own ones that nothing known leads by, but something may: it is not known whose they are, or somebody has
   * changed them so that it is not known what own routes by them do
   */
  doubtful(used: ReadonlySet<ObjectId>): ObjectId[] {
    const isDoubtful = (id: ObjectId) => !this.mine.has(id) || this.hopsOf(id) === null;
    return this.unused(used).filter((id) => isDoubtful(id) && !this.free.has(id));
  }

  /** @param used - all objects that routes of the kernel lead by, of any table */
  claim(ids: readonly ObjectId[], used: ReadonlySet<ObjectId>): void {
    const kept = new Set<ObjectId>();
    for (const id of ids) {
      if (!used.has(id)) continue;
      kept.add(id);
      for (const member of this.objects.get(id)?.members ?? []) kept.add(member);
    }
    for (const id of ids) {
      if (kept.has(id)) {
        this.foreign.add(id);
        this.mine.delete(id);
      } else {
        this.mine.add(id);
        this.free.add(id);
      }
    }
  }

  /** @returns how at most so many go that nothing leads by any more, groups first. @param used - as with `doubtful` */
  sweep(used: ReadonlySet<ObjectId>, max: number): ObjectChange {
    const deleted = this.unused(used)
      .filter((id) => this.mine.has(id))
      .slice(0, max);
    const messages = deleted.map((id, k) => deleteNextHop(k, id));
    return { messages, made: [], deleted };
  }

  /** The kernel has done it. */
  done({ made, deleted }: ObjectChange): void {
    for (const object of made) {
      if (!this.objects.has(object.id)) this.count(object, 1);
      this.objects.set(object.id, object);
      this.mine.add(object.id);
      this.given.delete(object.id);
      if (object.hop !== null) this.single.set(hopKey(object.hop), object.id);
    }
    for (const id of deleted) {
      const object = this.objects.get(id)!;
      const { hop } = object;
      this.count(object, -1);
      if (hop !== null) this.single.delete(hopKey(hop));
      this.objects.delete(id);
      this.mine.delete(id);
    }
  }

  /** The kernel has refused some of it. What it has done of it shows when it is read. */
  giveUp({ made }: ObjectChange): void {
    this.takeBack(made.map(({ id }) => id));
  }

  private count({ hop }: NextHopObject, change: 1 | -1): void {
    this.ownCount += change;
    if (hop === null) this.groupCount += change;
  }

  private takeBack(ids: readonly ObjectId[]): void {
    for (const id of ids) this.given.delete(id);
  }

  /** Groups first. */
  private unused(used: ReadonlySet<ObjectId>): ObjectId[] {
    const own = [...this.objects.values()].filter(({ id }) => this.isOwn(id));
    const groups = own.filter(({ id, hop }) => hop === null && !used.has(id));
    const gone = new Set(groups.map(({ id }) => id));
    const members = new Set<ObjectId>();
    for (const { id, members: each } of this.objects.values()) {
      if (!gone.has(id)) for (const member of each) members.add(member);
    }
    const singles = own.filter(({ id, hop }) => hop !== null && !members.has(id) && !used.has(id));
    return [...groups, ...singles].map(({ id }) => id);
  }

  private give(): ObjectId {
    for (let tries = 1; tries < RANGE; tries++) {
      this.lastOffset = (this.lastOffset % (RANGE - 1)) + 1;
      const id = this.first + this.lastOffset;
      if (this.objects.has(id) || this.given.has(id)) continue;
      this.given.add(id);
      return id;
    }
    return 0;
  }
}
