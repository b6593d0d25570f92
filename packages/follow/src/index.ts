/**
 * A table is followed: what a speaker uses, in other processes and on other hosts.
 *
 *     records.ts, frames.ts    what a server and a follower say, on a byte stream
 *     route-octets.ts          routes and their next hops in a bracket
 *     followed-table.ts        the table at both ends, and the log of what changes in it
 *       hops.ts
 *     telling.ts               what a server has still to tell one follower
 *     following.ts             which server a follower listens to, and what becomes of its table
 *
 * A bracket is applied as a whole or not at all. A follower that comes, or comes back, is told everything, and
 * beside it what changes; it compares, and only the difference goes on. Who is slow is told the latest alone.
 */

export { FollowedTable } from "./followed-table.ts";
export { Following, type FollowingHooks } from "./following.ts";
export { FrameReader, FrameWriter, type Sender } from "./frames.ts";
export { addressesOctets, type HopId, Hops, type NextHops } from "./hops.ts";
export {
  type AnyRecord,
  FOLLOW_VERSION,
  RECORDS,
  type RecordName,
  type RecordOf,
  recordOctets,
} from "./records.ts";
export { readRuns, writePrefix, writeRun } from "./route-octets.ts";
export { Telling, type Told } from "./telling.ts";
