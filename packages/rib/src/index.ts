/**
 * Routing information bases: what peers said, what of it is used, what was sent to whom.
 *
 *     UPDATE --announce, withdraw--> paths --decide--> best paths --> change log
 *              (import policy)       (Adj-RIB-In)      (Loc-RIB)         |
 *                                                                        | cursor of each group
 *     UPDATEs, encoded once <-- difference <-- Adj-RIB-Out <-- views <---+
 *       for many members                                (export policy)
 *
 * Everything is a row of a table: a prefix, a path, an attribute set, a peer. Tables are typed arrays
 * with an entry per row, so that a million routes are a handful of allocations, and rows are reused.
 * A set of path attributes is stored once, as canonical octets, and counted. The paths of a prefix
 * are a list; the decision process runs over it when a slice of work is over, for the prefixes that
 * changed, and notes them in the change log. The log says *that* a prefix changed: an update group
 * reads it at its own pace, computes what its members should see, and sends the difference to what
 * they were sent. So a queued change is replaced and not followed, and who cannot follow costs bits.
 *
 * One `Rib` is one address family; `AttrStore` and `PeerTable` are shared. The caller works in
 * slices: messages in, `decide`, steps of the groups, `trim`. Rows, columns and attribute sets are
 * looked at between these, and kept by number only where the table's docs say how.
 *
 *     attr-store octet-pages hash-index columns        attribute sets, storage
 *     prefix-table path-table peer-table nlri-reader   prefixes, paths, peers
 *     rib decision change-log compaction               Adj-RIB-In, Loc-RIB
 *     update-group route-selector adj-rib-out          Adj-RIB-Out: who sees what,
 *       batch chunk audience class-set                   written once,
 *       catch-up row-set member group-limits             at each member's pace,
 *       next-hop-peers                                   and who is left out of it
 *     queries group-queries sent-difference            for people
 *     route-notes                                      for those who observe
 *     state digest doubts                              for another process that holds the same
 *
 * RFCs: 4271 section 9 (decision process), 4456 section 9 (route reflection), 7911 (ADD-PATH), 7947
 * section 2.3 (path hiding), 2918 and 7313 (route refresh), 8654 (message size).
 */

export { AdjRibOut, View } from "./adj-rib-out.ts";
export { ATTR_SET, type AttrId, AttrStore } from "./attr-store.ts";
export { Audience, type AudienceId, AudienceTable, EVERYONE } from "./audience.ts";
export { ChangeLog, type Cursor } from "./change-log.ts";
export { type Chunk, type Run, type Share, shareOf } from "./chunk.ts";
export { Columns, NumberStack, Rows } from "./columns.ts";
export { SPARSE_MS } from "./compaction.ts";
export { Decision } from "./decision.ts";
export { Digest, mixIn } from "./digest.ts";
export { DOUBT_LIMITS, type Doubt, Doubts } from "./doubts.ts";
export { GROUP_LIMITS } from "./group-limits.ts";
export { advertised, advertisedCount, isBeyondLimit, isWithheld } from "./group-queries.ts";
export { hashOctets } from "./hash-index.ts";
export type { GroupSink, Member } from "./member.ts";
export { type PathRow, PathTable, type PeerWalk } from "./path-table.ts";
export { type PeerFacts, type PeerRow, PeerTable } from "./peer-table.ts";
export { type PrefixRow, PrefixTable } from "./prefix-table.ts";
export { covering, exactMatch, isCovered, keyOf, maskedWords, type PrefixKey } from "./queries.ts";
export { redecide } from "./redecide.ts";
export {
  type Importer,
  type ImportVerdict,
  PATHS_PER_PREFIX_MAX,
  type PeerLimits,
  Rib,
  type RowHolder,
} from "./rib.ts";
export type { RouteLimit } from "./route-limit.ts";
export {
  clearRouteNotes,
  eachNotedPath,
  type NotedPath,
  newRouteNotes,
  type RouteNotes,
} from "./route-notes.ts";
export { type ExportRules, RouteSelector } from "./route-selector.ts";
export { RowSet } from "./row-set.ts";
export {
  nothingSent,
  ROUTE,
  type RouteFate,
  type Sent,
  SentDifference,
  SentTo,
} from "./sent-difference.ts";
export { RIB_STATE_CLASSES } from "./state-classes.ts";
export type { UpdateCounts } from "./update-counts.ts";
export { UpdateGroup } from "./update-group.ts";
