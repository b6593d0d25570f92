/**
 * Attribute sets, stored once and counted.
 *
 * A set is its canonical octets (see wire-codec): equal sets have equal octets and so one id. What
 * the decision process and the filters ask most is derived once per set and kept in columns.
 */

import {
  type AsPathFacts,
  ATTR,
  attributeValueAt,
  attributeValueOctets,
  faultText,
  LOCAL_PREF_DEFAULT,
  readAsPathFacts,
  readU32,
} from "@ts-bgp/wire-codec";
import { Columns, Rows } from "./columns.ts";
import { HashIndex, hashOctets } from "./hash-index.ts";
import { OctetPages } from "./octet-pages.ts";

/** Row of an attribute set; 0 is none. Ids are reused once a set has gone. */
export type AttrId = number;

/** Bits of `AttrStore.flags`. */
export const ATTR_SET = {
  /** Well-known communities (RFC 1997) that bind the speaker. */
  NO_EXPORT: 1,
  NO_ADVERTISE: 2,
  NO_EXPORT_SUBCONFED: 4,
  /** Set came through a route reflector (RFC 4456): ORIGINATOR_ID or CLUSTER_LIST are present. */
  REFLECTED: 8,
  HAS_OTC: 16,
  HAS_MED: 32,
  /** The next hop is an IPv6 address. */
  IPV6_NEXT_HOP: 64,
  /** What could be read of a message that was treated as a withdrawal (RFC 7606), and why it was. */
  FAULTY: 128,
  /** Retained for want of a better one (RFC 9494 section 3.2), and not to be retained so (3.3). */
  LLGR_STALE: 256,
  NO_LLGR: 512,
} as const;

const OCTETS_MAX = 0xffff;
const NO_EXPORT = 0xffffff01;
const NO_ADVERTISE = 0xffffff02;
const NO_EXPORT_SUBCONFED = 0xffffff03;
const LLGR_STALE = 0xffff0006;
const NO_LLGR = 0xffff0007;

const COLUMNS = [
  "localPref",
  "med",
  "origin",
  "asPathLength",
  "firstAs",
  "originAs",
  "flags",
  "originatorId",
  "clusterListLength",
  "handle",
  "octetCount",
  "refs",
  "hash",
  "serial",
];

/** Columns read `column[id]`; they are replaced when the store grows, so do not keep them. */
export class AttrStore {
  localPref: Uint32Array = new Uint32Array(0);
  med: Uint32Array = new Uint32Array(0);
  /** 0 IGP, 1 EGP, 2 INCOMPLETE. */
  origin: Uint8Array = new Uint8Array(0);
  /** RFC 4271 section 9.1.2.2 a: a set counts as one. */
  asPathLength: Uint16Array = new Uint16Array(0);
  /** Neighbouring AS, 0 when the path does not start with a sequence. */
  firstAs: Uint32Array = new Uint32Array(0);
  /** Originating AS, 0 when the path is empty or ends with a set. */
  originAs: Uint32Array = new Uint32Array(0);
  /** Bits of ATTR_SET. */
  flags: Uint16Array = new Uint16Array(0);
  /** Sets with LLGR_STALE: while there are none, no path is behind another by that. */
  staleSets = 0;
  /** BGP Identifier of ORIGINATOR_ID, 0 when absent. */
  originatorId: Uint32Array = new Uint32Array(0);
  /** Entries of CLUSTER_LIST. */
  clusterListLength: Uint16Array = new Uint16Array(0);

  private handle: Uint32Array = new Uint32Array(0);
  private octetCount: Uint16Array = new Uint16Array(0);
  private refs: Uint32Array = new Uint32Array(0);
  /** Of the octets, with the seed. */
  private hash: Uint32Array = new Uint32Array(0);
  private serial: Uint32Array = new Uint32Array(0);

  private readonly seed: number;
  private readonly index: HashIndex = new HashIndex();
  private readonly store: OctetPages = new OctetPages();
  private readonly rows: Rows = new Rows();
  private readonly columns: Columns = new Columns(this, COLUMNS);
  private serials = 0;
  private readonly facts: AsPathFacts = { length: 0, firstAs: 0, originAs: 0 };

  /** @param seed - mixed into the hash so that a peer cannot aim at one chain; any 32-bit number */
  constructor(seed: number) {
    this.seed = seed;
  }

  /** Number of distinct sets. */
  get size(): number {
    return this.index.size;
  }

  /** Memory in octets, by kind. */
  memory(): { octetPages: number; index: number; columns: number } {
    return {
      octetPages: this.store.octets,
      index: this.index.octets,
      columns: this.columns.octets,
    };
  }

  /** @returns the page that holds the octets of a set; valid while the set is held */
  bytesOf(id: AttrId): Uint8Array {
    return this.store.pages[this.handle[id]! >>> 12]!;
  }

  /** @returns the index of the set's first octet in `bytesOf(id)` */
  offsetOf(id: AttrId): number {
    return (this.handle[id]! & 4095) << 4;
  }

  /** @returns the number of canonical octets */
  lengthOf(id: AttrId): number {
    return this.octetCount[id]!;
  }

  /** @returns a number that no other set has had under this id, so that a cache can tell */
  serialOf(id: AttrId): number {
    return this.serial[id]!;
  }

  /** @returns the hash of the octets: equal for equal sets of stores with one seed; 0 of id 0 */
  hashOf(id: AttrId): number {
    return this.hash[id]!;
  }

  /** Ids are below this. */
  get limit(): number {
    return this.rows.limit;
  }

  /** @returns how many references are held, for tests and checks */
  refsOf(id: AttrId): number {
    return this.refs[id]!;
  }

  /** Copies the canonical octets out. */
  copyOf(id: AttrId): Uint8Array {
    const at = this.offsetOf(id);
    return this.bytesOf(id).slice(at, at + this.lengthOf(id));
  }

  /**
   * Finds or stores a set and counts one reference for the caller.
   *
   * Linear in the octets; allocates nothing but, now and then, a page or longer columns.
   *
   * @param buf - canonical octets `[at, end)`, at most 65,535 (throws for more); not kept
   */
  intern(buf: Uint8Array, at: number, end: number): AttrId {
    const hash = hashOctets(this.seed, buf, at, end);
    const segment = this.index.segments[hash >>> 24]!;
    const mask = (segment.length >>> 1) - 1;
    for (let i = hash & mask; ; i = (i + 1) & mask) {
      const id = segment[2 * i + 1]!;
      if (id === 0) break;
      if (segment[2 * i] === hash && this.equals(id, buf, at, end)) {
        this.refs[id]!++;
        return id;
      }
    }
    return this.add(hash, buf, at, end);
  }

  /** Counts one more reference. */
  hold(id: AttrId): void {
    this.refs[id]!++;
  }

  /** Counts one reference less; the set goes with the last one. */
  release(id: AttrId): void {
    if (--this.refs[id]! !== 0) return;
    if ((this.flags[id]! & ATTR_SET.LLGR_STALE) !== 0) this.staleSets--;
    this.index.remove(this.hash[id]!, id);
    this.store.free(this.handle[id]!);
    this.serial[id] = 0;
    this.rows.give(id);
  }

  /**
   * Does something that makes sets and gives all of them up again, such as answering a question. Sets that come
   * later get the ids that they would have got without it: a standby, which is not asked, gives them the same.
   */
  looking<T>(body: () => T): T {
    return this.rows.looking(body);
  }

  /** Makes room ahead of need; to be called once a slice. */
  advance(): void {
    this.index.advance();
    this.columns.advance(this.rows.limit);
  }

  /** Whether there are far fewer sets than there is room for. */
  get isSparse(): boolean {
    return this.rows.isSparse(this.size);
  }

  /**
   * Gives back what was used for sets that have gone, as far as no set that is left has a higher id:
   * ids are held by number in too many places to be changed. New sets get low ids from now on.
   * Linear in the ids, at nanoseconds each.
   *
   * @returns whether that was anything
   */
  compact(): boolean {
    const { rows, refs } = this;
    const isFree = (id: AttrId) => refs[id] === 0;
    const before = rows.limit;
    let limit = before;
    while (limit > 1 && isFree(limit - 1)) limit--;
    if (limit === before) return false;
    rows.begin(limit, isFree);
    rows.end();
    this.columns.shrink(rows.limit);
    this.index.shrink();
    return true;
  }

  /** Derives the flags of all sets again, as this program knows them; an older one knew fewer. */
  deriveFlags(): void {
    const { flags } = this;
    this.flags = new Uint16Array(flags.length);
    this.staleSets = 0;
    for (let id = 1; id < this.limit; id++) {
      if (this.refs[id] === 0) continue;
      const at = this.offsetOf(id);
      this.derive(id, this.bytesOf(id), at, at + this.lengthOf(id));
    }
  }

  private equals(id: AttrId, buf: Uint8Array, at: number, end: number): boolean {
    if (this.octetCount[id] !== end - at) return false;
    const own = this.bytesOf(id);
    for (let i = at, k = this.offsetOf(id); i < end; i++, k++) {
      if (buf[i] !== own[k]) return false;
    }
    return true;
  }

  private add(hash: number, buf: Uint8Array, at: number, end: number): AttrId {
    if (end - at > OCTETS_MAX) throw new RangeError("attribute set of more than 65,535 octets");
    const id = this.rows.take();
    this.columns.reserve(id);
    const handle = this.store.allocate(end - at);
    this.handle[id] = handle;
    this.octetCount[id] = end - at;
    this.refs[id] = 1;
    this.hash[id] = hash;
    this.serials = (this.serials + 1) >>> 0 || 1;
    this.serial[id] = this.serials;
    const page = this.store.pages[handle >>> 12]!;
    for (let i = at, k = (handle & 4095) << 4; i < end; i++, k++) page[k] = buf[i]!;
    this.index.insert(hash, id);
    this.derive(id, buf, at, end);
    return id;
  }

  private derive(id: AttrId, buf: Uint8Array, at: number, end: number): void {
    this.localPref[id] = LOCAL_PREF_DEFAULT;
    this.med[id] = 0;
    this.origin[id] = 2;
    this.asPathLength[id] = 0;
    this.firstAs[id] = 0;
    this.originAs[id] = 0;
    this.originatorId[id] = 0;
    this.clusterListLength[id] = 0;
    let flags = 0;
    for (let i = at; i < end; ) {
      const v = attributeValueAt(buf, i);
      const next = v + attributeValueOctets(buf, i);
      flags |= this.deriveOne(id, buf[i + 1]!, buf, v, next);
      i = next;
    }
    this.flags[id] = flags | (faultText(buf, at, end) === null ? 0 : ATTR_SET.FAULTY);
    if ((flags & ATTR_SET.LLGR_STALE) !== 0) this.staleSets++;
  }

  /** @returns bits to add to the set's flags */
  private deriveOne(id: AttrId, type: number, buf: Uint8Array, v: number, next: number): number {
    switch (type) {
      case ATTR.ORIGIN:
        this.origin[id] = buf[v]!;
        return 0;
      case ATTR.AS_PATH:
        readAsPathFacts(buf, v, next, this.facts);
        this.asPathLength[id] = this.facts.length;
        this.firstAs[id] = this.facts.firstAs;
        this.originAs[id] = this.facts.originAs;
        return 0;
      case ATTR.NEXT_HOP:
        return next - v === 4 ? 0 : ATTR_SET.IPV6_NEXT_HOP;
      case ATTR.MULTI_EXIT_DISC:
        this.med[id] = readU32(buf, v);
        return ATTR_SET.HAS_MED;
      case ATTR.LOCAL_PREF:
        this.localPref[id] = readU32(buf, v);
        return 0;
      case ATTR.COMMUNITIES:
        return wellKnown(buf, v, next);
      case ATTR.ORIGINATOR_ID:
        this.originatorId[id] = readU32(buf, v);
        return ATTR_SET.REFLECTED;
      case ATTR.CLUSTER_LIST:
        this.clusterListLength[id] = (next - v) >> 2;
        return ATTR_SET.REFLECTED;
      case ATTR.OTC:
        return ATTR_SET.HAS_OTC;
      default:
        return 0;
    }
  }
}

function wellKnown(buf: Uint8Array, at: number, end: number): number {
  let flags = 0;
  for (let i = at; i < end; i += 4) {
    if (buf[i] !== 0xff) continue;
    const community = readU32(buf, i);
    if (community === NO_EXPORT) flags |= ATTR_SET.NO_EXPORT;
    else if (community === NO_ADVERTISE) flags |= ATTR_SET.NO_ADVERTISE;
    else if (community === NO_EXPORT_SUBCONFED) flags |= ATTR_SET.NO_EXPORT_SUBCONFED;
    else if (community === LLGR_STALE) flags |= ATTR_SET.LLGR_STALE;
    else if (community === NO_LLGR) flags |= ATTR_SET.NO_LLGR;
  }
  return flags;
}
