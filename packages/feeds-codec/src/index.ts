/**
 * What observers of a speaker are told, as octets.
 *
 *     table-routes.ts   changes and contents of tables, as the router says them
 *       run-pieces.ts   in pieces, where they are too long
 *      checked-runs.ts   what of them may be taken, where another process says them
 *     run-updates.ts    these as UPDATE messages
 *     bmp.ts            BMP messages (RFC 7854, RFC 8671, RFC 9069)
 *     bmp-head.ts       what they begin with
 *     bmp-v4.ts         the same as version 4
 *     bmp-block.ts      those that many peers are told of
 *     rib-entries.ts    all routes, prefix by prefix
 *     mrt.ts            MRT records (RFC 6396, RFC 8050)
 *     octet-sink.ts     where all of this is written to
 *
 * Nothing here reads what a peer or a station has sent.
 */

export {
  BMP_INFO,
  BMP_STATISTIC,
  BMP_TERMINATION,
  type BmpPeerDown,
  type BmpPeerUp,
  type BmpStatistic,
  BmpWriter,
} from "./bmp.ts";
export { BmpBlock, WrittenBlock } from "./bmp-block.ts";
export { BMP, BMP_FLAG, BMP_PEER, type BmpPeer } from "./bmp-head.ts";
export { toVersion4 } from "./bmp-v4.ts";
export { type CheckedRuns, checkedRuns, type FaultyRun } from "./checked-runs.ts";
export {
  MRT_STATE,
  MRT_TYPE,
  type MrtPeer,
  type MrtSession,
  MrtWriter,
} from "./mrt.ts";
export { OctetSink } from "./octet-sink.ts";
export { prefixesOf, type RibPath, type RibPrefix, RibWriter } from "./rib-entries.ts";
export { runPieces } from "./run-pieces.ts";
export { writeEndOfRib, writeUpdates } from "./run-updates.ts";
export {
  type Octets,
  type RouteRun,
  RunWriter,
  routeOctets,
  runsOf,
  TABLE,
  type Table,
} from "./table-routes.ts";
