/** The two ends of an update group: who gets its output, and who hands it over. */

import type { Chunk } from "./chunk.ts";
import type { PeerRow } from "./peer-table.ts";

/** A session as an update group sees it. */
export interface Member {
  /** Members of one class always see the same; 1 to 65,535. */
  readonly cls: number;
  /** Whose session it is. */
  readonly peer: PeerRow;
  /** Octets that were given to the member and have not left yet. */
  readonly backlogOctets: number;
}

/** Where a group's output goes. */
export interface GroupSink {
  /** Octets for members; each takes the runs whose audience it belongs to. */
  chunk(chunk: Chunk, members: readonly Member[]): void;
  /** A member that joined or asked for a refresh has been sent everything. */
  synced(member: Member): void;
  /** There are more or fewer routes for which there is no room, see `AdjRibOut.beyond`, or members have come that have all. */
  limited(members: readonly Member[]): void;
}

/** Takes some out of a list. @returns these */
export function removeAll<T>(list: T[], isMeant: (item: T) => boolean): T[] {
  const out = list.filter(isMeant);
  for (const item of out) remove(list, item);
  return out;
}

/** Takes an item out of a list. @returns whether it was there */
export function remove<T>(list: T[], item: T): boolean {
  const at = list.indexOf(item);
  if (at < 0) return false;
  list.splice(at, 1);
  return true;
}
