/**
 * Load and replay for labs: opens a session as an ordinary BGP speaker and announces an MRT file,
 * a file of UPDATE messages, or a synthetic table.
 *
 *     file --- readChunks ---> MrtSplitter ---> MrtReader --.
 *             (gz, bz2, zst)   (records)      (routes,       |
 *                                              messages)     v
 *                                                     CanonicalRoutes
 *     SyntheticPrefixes, SyntheticAttributes --.      (RFC 7606 checks)
 *                                              |             |
 *                                              v             v
 *                                        Announcer <--- RouteTable (dumps, by attribute set)
 *                                              |
 *                                              v
 *                                   Batch of UPDATE octets ---> Session ---> peer
 *
 * A source of routes is a value that can be read any number of times, each time for the session at
 * hand: its AS, its next hop, what was negotiated. So a new session and a ROUTE-REFRESH begin from
 * the source again, and nothing is held in memory but the table of a dump. Withdrawing all and the
 * churn read the messages that were sent.
 *
 * Reading and writing routes is pure; `octet-file`, `session`, `inject` and `next-hops` are the
 * shell, which touches files, sockets and clocks.
 *
 * RFCs: 6396, 8050 (MRT), 4271, 4760, 6793, 7606, 7911 (what is announced), 2918 (asked for again),
 * 4724 section 2 (End-of-RIB), 8654 (extended messages), 9003 (the text of the shutdown).
 */

export { INJECT_HELP, type InjectArguments, parseInjectArguments } from "./arguments.ts";
export type { Batch, SessionForm } from "./batch.ts";
export type { InjectEvent, InjectResult, Received, Report, Sent } from "./events.ts";
export { type InjectOptions, inject, type SourceOptions } from "./inject.ts";
export type { MrtOptions, PeerSelector } from "./mrt-source.ts";
export { Prng } from "./prng.ts";
export { jsonReport, type ProgressStream, resultText, textReport } from "./progress.ts";
export type { SessionOptions } from "./session-config.ts";
export {
  SYNTHETIC_PREFIXES_MAX,
  type SyntheticOptions,
  syntheticTable,
} from "./synthetic.ts";
export { SyntheticAttributes } from "./synthetic-attributes.ts";
export { clusterSize, SyntheticPrefixes } from "./synthetic-prefixes.ts";
export type { UpdateFileOptions } from "./update-source.ts";
