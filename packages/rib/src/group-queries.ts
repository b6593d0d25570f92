/** What members of an update group were sent, for people. */

import { View } from "./adj-rib-out.ts";
import type { AttrId } from "./attr-store.ts";
import type { Member } from "./member.ts";
import type { PathRow } from "./path-table.ts";
import type { PrefixRow } from "./prefix-table.ts";
import type { UpdateGroup } from "./update-group.ts";

/** It has much room, and what was loaded is read at once. */
const view: View = new View();

/**
 * What a member of a group sees of a prefix: path identifier, attribute set, and the class that the route came
 * from; null where its class is listed apart, of which the group does not keep whose route it is.
 */
export function advertised(
  { adjRibOut, nextHops }: UpdateGroup,
  row: PrefixRow,
  member: Member,
): [pathId: number, attr: AttrId, source: number | null][] {
  const pathIds: number[] = [];
  const out: [number, AttrId, number | null][] = [];
  adjRibOut.pathIds(row, pathIds);
  for (const pathId of pathIds) {
    adjRibOut.load(row, pathId, view);
    const attr = view.of(member.cls);
    if (attr === 0 || nextHops.isNextHop(attr, member.peer)) continue;
    const isListed = view.listed.indexOf(member.cls) >= 0;
    out.push([pathId, attr, isListed ? null : view.source]);
  }
  return out;
}

/** @returns how many routes a member of a group is advertised */
export function advertisedCount({ adjRibOut, nextHops }: UpdateGroup, member: Member): number {
  return adjRibOut.countFor(member.cls) - nextHops.countOf(member.peer);
}

/**
 * Whether a member is not sent routes with a set since their next hop is its own address (RFC 4271
 * section 5.1.3). It is sent no other path in place of one, as with BIRD: its next hop is at home.
 */
export function isWithheld({ nextHops }: UpdateGroup, attr: AttrId, member: Member): boolean {
  return nextHops.isNextHop(attr, member.peer);
}

/** Whether a path is not advertised since there is no room for it. */
export function isBeyondLimit(
  group: UpdateGroup,
  row: PrefixRow,
  path: PathRow,
  member: Member,
): boolean {
  const { rib, form, adjRibOut } = group;
  if (!adjRibOut.beyond.has(row)) return false;
  const sent = form.addPath ? rib.paths.sentPathId[path]! : 0;
  return !advertised(group, row, member).some(([pathId]) => pathId === sent);
}
