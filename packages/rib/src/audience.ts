/**
 * Which members of an update group some octets are for.
 *
 * Members that must be told apart (split horizon, policy that names a peer) have different classes;
 * an audience is a set of classes or its complement. Nearly all are "all but the class the route
 * came from", so audiences are interned and compared by number. A single member may be taken out, or
 * be addressed alone: its class may have others who are to see what it must not.
 */

import type { ClassSet } from "./class-set.ts";
import type { PeerRow } from "./peer-table.ts";

/** Number of an audience in its table. */
export type AudienceId = number;

/** For everyone. */
export const EVERYONE: AudienceId = 0;

/** More audiences than this are forgotten between two chunks. */
const KEPT_MAX = 4096;

export class Audience {
  /** Whether `classes` are those addressed (true) or those left out (false). */
  readonly only: boolean;
  /** Ascending. */
  readonly classes: readonly number[];
  /** Peers that are left out though their class is addressed. */
  readonly without: readonly PeerRow[];
  /** The only peer that is addressed, 0 when classes say who is. */
  readonly peer: PeerRow;
  /** The classes as bits: asked once for each member and run of a chunk. */
  private readonly bits: Uint32Array;

  constructor(
    only: boolean,
    classes: readonly number[],
    without: readonly PeerRow[] = [],
    peer: PeerRow = 0,
  ) {
    this.only = only;
    this.classes = classes;
    this.without = without;
    this.peer = peer;
    this.bits = new Uint32Array(((classes.at(-1) ?? 0) >>> 5) + 1);
    for (const cls of classes) this.bits[cls >>> 5]! |= 1 << (cls & 31);
  }

  includes(cls: number, peer: PeerRow): boolean {
    if (this.peer !== 0) return this.peer === peer;
    if (this.without.length > 0 && this.without.includes(peer)) return false;
    const word = cls >>> 5;
    const has = word < this.bits.length && (this.bits[word]! & (1 << (cls & 31))) !== 0;
    return has === this.only;
  }
}

export class AudienceTable {
  private readonly audiences: Audience[] = [new Audience(false, [])];
  private readonly one: Map<number, AudienceId> = new Map();
  private readonly many: Map<string, AudienceId> = new Map();
  /** Those that name peers. */
  private readonly ofPeers: Map<string, AudienceId> = new Map();
  /** The class that was left out alone last, and that audience: neighbours mostly share it. */
  private lastClass = 0;
  private lastAudience: AudienceId = EVERYONE;

  get(id: AudienceId): Audience {
    return this.audiences[id]!;
  }

  /** Members of one class. */
  only(cls: number): AudienceId {
    return this.ofOne(true, cls);
  }

  /** All members but those of one class; 0 is no class. */
  exceptOne(cls: number): AudienceId {
    if (cls !== this.lastClass) {
      this.lastAudience = cls === 0 ? EVERYONE : this.ofOne(false, cls);
      this.lastClass = cls;
    }
    return this.lastAudience;
  }

  /** All members but those of some classes. */
  except({ items, count }: ClassSet): AudienceId {
    if (count <= 1) return this.exceptOne(count === 0 ? 0 : items[0]!);
    const sorted = items.slice(0, count).sort();
    const key = sorted.join(",");
    let id = this.many.get(key);
    if (id === undefined) {
      id = this.add(new Audience(false, [...sorted]));
      this.many.set(key, id);
    }
    return id;
  }

  /** The members of an audience but one. */
  without(id: AudienceId, peer: PeerRow): AudienceId {
    const { only, classes, without } = this.get(id);
    return this.ofPeer(`${id} ${peer}`, () => new Audience(only, classes, [...without, peer]));
  }

  /** One member. */
  peer(peer: PeerRow): AudienceId {
    return this.ofPeer(`${peer}`, () => new Audience(true, [], [], peer));
  }

  /** Forgets audiences when there are many; their ids are dead afterwards. */
  tidy(): void {
    if (this.audiences.length <= KEPT_MAX) return;
    this.audiences.length = 1;
    this.one.clear();
    this.many.clear();
    this.ofPeers.clear();
    this.lastClass = 0;
    this.lastAudience = EVERYONE;
  }

  private ofPeer(key: string, make: () => Audience): AudienceId {
    let id = this.ofPeers.get(key);
    if (id === undefined) {
      id = this.add(make());
      this.ofPeers.set(key, id);
    }
    return id;
  }

  private ofOne(only: boolean, cls: number): AudienceId {
    const key = 2 * cls + (only ? 1 : 0);
    let id = this.one.get(key);
    if (id === undefined) {
      id = this.add(new Audience(only, [cls]));
      this.one.set(key, id);
    }
    return id;
  }

  private add(audience: Audience): AudienceId {
    return this.audiences.push(audience) - 1;
  }
}
