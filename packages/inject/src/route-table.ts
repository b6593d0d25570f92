/** The routes of one peer of a table dump, held by attribute set. */

import { type AttrId, AttrStore } from "@ts-bgp/rib";
import { FAMILY, type Family } from "@ts-bgp/wire-codec";
import { Announcer } from "./announcer.ts";
import type { Batch, SessionForm, Warn } from "./batch.ts";

const NO_ROUTE = -1;

/**
 * Routes that share their attributes are one group, however far apart they stand in the dump: a
 * chain through the columns `next`, from the group's head on.
 *
 * About 30 octets a route beside the attribute sets, each of which is held once.
 */
export class RouteTable {
  /** FAMILY bits of the routes. */
  families = 0;
  private readonly attrs: AttrStore = new AttrStore(0);
  /** By group: its first and its last route. A group is an attribute set in one family. */
  private readonly heads: number[] = [];
  private readonly tails: number[] = [];
  /** By route: the next one of the group, where its prefix stands in `octets`, its identifier. */
  private readonly next: number[] = [];
  private readonly nlriAt: number[] = [];
  private readonly pathIds: number[] = [];
  private octets: Uint8Array = new Uint8Array(1 << 16);
  private octetsUsed = 0;

  get size(): number {
    return this.next.length;
  }

  /**
   * @param nlri - the prefix as NLRI without path identifier; not kept
   * @param buf - canonical octets `[at, end)`; not kept
   */
  add(
    family: Family,
    nlri: Uint8Array,
    pathId: number,
    buf: Uint8Array,
    at: number,
    end: number,
  ): void {
    this.families |= family;
    const route = this.next.length;
    const group = groupOf(this.attrs.intern(buf, at, end), family);
    const tail = this.tails[group];
    if (tail === undefined) this.openGroup(group, route);
    else if (tail === NO_ROUTE) this.heads[group] = route;
    else this.next[tail] = route;
    this.tails[group] = route;
    this.next.push(NO_ROUTE);
    this.nlriAt.push(this.keep(nlri));
    this.pathIds.push(pathId);
  }

  /** Writes the table for a session, groups in the order in which they came up. */
  *read(form: SessionForm, warn: Warn): Generator<Batch> {
    const { attrs, heads, next, nlriAt, pathIds } = this;
    const announcer = new Announcer(form);
    let done = 0;
    for (const [group, head] of heads.entries()) {
      if (head === NO_ROUTE) continue;
      const set = group >> 1;
      const at = attrs.offsetOf(set);
      const family = (group & 1) === 0 ? FAMILY.IPV4_UNICAST : FAMILY.IPV6_UNICAST;
      announcer.announce(family, attrs.bytesOf(set), at, at + attrs.lengthOf(set));
      for (let route = head; route !== NO_ROUTE; route = next[route]!) {
        announcer.route(this.octets, nlriAt[route]!, pathIds[route]!);
        done++;
      }
      if (announcer.isFull) yield announcer.take(done / this.size);
    }
    yield announcer.take(1);
    announcer.warnOfUnsendable(warn);
  }

  private openGroup(group: number, route: number): void {
    while (this.heads.length <= group) {
      this.heads.push(NO_ROUTE);
      this.tails.push(NO_ROUTE);
    }
    this.heads[group] = route;
  }

  private keep(nlri: Uint8Array): number {
    const at = this.octetsUsed;
    const length = 1 + ((nlri[0]! + 7) >> 3);
    if (at + length > this.octets.length) {
      const grown = new Uint8Array(2 * this.octets.length);
      grown.set(this.octets);
      this.octets = grown;
    }
    this.octets.set(nlri.subarray(0, length), at);
    this.octetsUsed = at + length;
    return at;
  }
}

function groupOf(set: AttrId, family: Family): number {
  return 2 * set + (family === FAMILY.IPV4_UNICAST ? 0 : 1);
}
